//! `$variables` and their members: from names to places at known offsets, through BTF.

use super::{Resolver, Scope};
use crate::btf::{Btf, Kind, TypeId};
use crate::diagnostic::{Diagnostic, codes};
use crate::format::Format;
use crate::hir::{Arithmetic, ContextSource, ContextVariable, Expr, ExprKind, Point, Print};
use crate::source::Span;
use crate::syntax::ast::{Access, Expression, ExpressionKind, Name};
use crate::syntax::constant;

/// Something in a member chain: a value, or memory a value can be loaded from.
#[derive(Clone)]
pub(super) struct Reached {
    pub(super) what: What,
    pub(super) ty: Ty,
    pub(super) span: Span,
}

impl Reached {
    /// Memory at an address.
    pub(super) fn memory(address: Expr, ty: Ty, span: Span) -> Reached {
        let space = Space::Kernel;
        let what = What::Memory { address, offset: 0, space, bits: None, bytes: None };
        Reached { what, ty, span }
    }

    /// The value of a variable.
    pub(super) fn of_variable(expr: Expr, variable: &ContextVariable, span: Span) -> Reached {
        let what = What::Value { expr, into: Space::of_variable(variable.trusted) };
        Reached { what, ty: Ty::Kernel(TypeId(variable.ty)), span }
    }

    /// What a pointer of this value points into.
    fn behind(&self) -> Space {
        match self.what {
            What::Value { into, .. } => into,
            What::Memory { space: Space::Process, .. } => Space::Process,
            What::Memory { .. } => Space::Kernel,
        }
    }

    /// The memory at an address that was read from here.
    pub(super) fn target(&self, address: Expr, ty: Ty, span: Span) -> Reached {
        let space = self.behind();
        let what = What::Memory { address, offset: 0, space, bits: None, bytes: None };
        Reached { what, ty, span }
    }

    /// Whether a pointer of this value points into the memory of the process.
    pub(super) fn points_into_process(&self) -> bool {
        self.behind() == Space::Process
    }

    /// A part of memory, so many bits behind its start.
    pub(super) fn part(&self, bits: u32, ty: TypeId) -> Reached {
        let mut part = Reached { ty: Ty::Kernel(ty), ..self.clone() };
        if let What::Memory { offset, .. } = &mut part.what {
            *offset += (bits / 8) as i32;
        }
        part
    }
}

/// The type of what a chain reached.
#[derive(Clone, Copy)]
pub(super) enum Ty {
    /// A type of the kernel's.
    Kernel(TypeId),
    /// A pointer to one, as `@cast` makes them: the kernel need not have that type itself.
    PointerTo(TypeId),
}

impl Ty {
    /// The type as C writes it.
    fn describe(self, btf: &Btf) -> String {
        match self {
            Ty::Kernel(id) => btf.describe(id),
            Ty::PointerTo(id) => format!("{} *", btf.describe(id)),
        }
    }
}

#[derive(Clone)]
pub(super) enum What {
    /// A number or pointer, already computed, and what it points into.
    Value { expr: Expr, into: Space },
    /// Memory at `address + offset`.
    Memory { address: Expr, offset: i32, space: Space, bits: Option<(u8, u8)>, bytes: Option<u8> },
}

/// Where memory is, and so how it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Kernel memory that the verifier lets handlers read without a check.
    Trusted,
    /// Kernel memory.
    Kernel,
    /// Memory of the process.
    Process,
}

impl Space {
    fn of_variable(trusted: bool) -> Space {
        if trusted { Space::Trusted } else { Space::Kernel }
    }
}

impl Resolver<'_> {
    /// `$name` and chains on it.
    pub(super) fn context_expression(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Expr> {
        if let Some(kept) = self.implicit_entry(scope, expression) {
            return kept;
        }
        if let Some(text) = self.exchanged(scope, expression) {
            return Some(text);
        }
        if let ExpressionKind::Context(name) = &expression.kind
            && let Some(text) = self.all_variables(scope, name, expression.span)
        {
            return Some(text);
        }
        if let ExpressionKind::Member { base, access: Access::Pretty { deep } } = &expression.kind {
            if let ExpressionKind::Context(name) = &base.kind
                && let Some(texts) = self.variables_of(scope, name)
            {
                return self.pretty_variables(scope, &texts, *deep, expression.span);
            }
            let reached = self.reach(scope, base)?;
            return self.pretty(reached, *deep, expression.span);
        }
        let reached = self.reach(scope, expression)?;
        self.value_of(reached)
    }

    /// The variables of `$$parms` and its like, by position in the context.
    fn variables_of(&self, scope: &Scope<'_>, name: &str) -> Option<Vec<usize>> {
        // Points of userspace have no variables but those a few of them name.
        let has_some = |p: &&Point| p.attach.in_kernel() || !p.context.is_empty();
        let point = scope.point.filter(has_some)?;
        let is_result = |at: &usize| point.context[*at].name == "return";
        let all = 0..point.context.len();
        let is_local = |at: &usize| point.first_local.is_some_and(|first| *at >= first);
        match name {
            "$$vars" => Some(all.collect()),
            "$$parms" => Some(all.filter(|at| !is_result(at) && !is_local(at)).collect()),
            "$$return" => Some(all.filter(is_result).collect()),
            // Variables inside of a function are known by debug information only.
            "$$locals" => Some(all.filter(is_local).collect()),
            _ => None,
        }
    }

    /// `$$parms`, `$$vars`, `$$return` and `$$locals`: context variables as text,
    /// `skb=0xffff888003a4c200 reason=0x3`; `$$name` and its like: texts of the probe point.
    fn all_variables(&mut self, scope: &Scope<'_>, name: &str, span: Span) -> Option<Expr> {
        let point = scope.point?;
        if let Some((_, text)) = point.identity.texts.iter().find(|(of, _)| *of == name) {
            self.uses.identity = true;
            return Some(self.expr(span, ExprKind::Text(text.clone())));
        }
        let variables = self.variables_of(scope, name)?;
        self.uses.all = true;
        let mut texts: Vec<String> = vec![];
        let mut arguments = vec![];
        for &at in &variables {
            let variable = &point.context[at];
            // What has no value to show, and what has more than one.
            if variable.source == ContextSource::Nowhere || self.is_in_memory(variable) {
                texts.push(format!("{}=?", variable.name));
                continue;
            }
            texts.push(format!("{}=%#x", variable.name));
            arguments.push(self.expr(span, ExprKind::Context(at)));
        }
        let format = Format::parse(&texts.join(" ")).ok()?;
        let print =
            Print { format: Some(format), delimiter: String::new(), newline: false, arguments };
        Some(self.expr(span, ExprKind::Sprint(print)))
    }

    /// The same with the values shown after their types: `$$parms$`.
    fn pretty_variables(
        &mut self,
        scope: &Scope<'_>,
        variables: &[usize],
        deep: bool,
        span: Span,
    ) -> Option<Expr> {
        let point = scope.point?;
        self.uses.all = true;
        let mut texts = vec![];
        let mut names: Vec<String> = vec![];
        for &at in variables {
            let variable = &point.context[at];
            if variable.source == ContextSource::Nowhere {
                names.push(format!("{}=?", variable.name));
                continue;
            }
            names.push(format!("{}=%s", variable.name));
            let reached = self.of_context(at, variable, span);
            texts.push(self.pretty(reached, deep, span)?);
        }
        let format = Format::parse(&names.join(" ")).ok()?;
        let print = Print {
            format: Some(format),
            delimiter: String::new(),
            newline: false,
            arguments: texts,
        };
        Some(self.expr(span, ExprKind::Sprint(print)))
    }

    /// `& $a->b`.
    pub(super) fn address_of(
        &mut self,
        scope: &mut Scope<'_>,
        operand: &Expression,
        span: Span,
    ) -> Option<Expr> {
        if let Some(expr) = self.address_of_variable(scope, operand) {
            return Some(expr);
        }
        let reached = self.reach(scope, operand)?;
        match reached.what {
            What::Memory { address, offset, bits: None, .. } => {
                let expr = self.offset(address, i64::from(offset), span);
                if let Ty::Kernel(ty) = reached.ty
                    && ty != TypeId::VOID
                {
                    self.points_to(&expr, ty);
                }
                Some(expr)
            }
            What::Memory { bits: Some(_), .. } => {
                self.diagnostics.error(
                    codes::CONTEXT_TYPE,
                    operand.span,
                    "a bit field has no address",
                );
                None
            }
            What::Value { .. } => {
                self.diagnostics
                    .error(codes::CONTEXT_TYPE, operand.span, "this value has no address")
                    .label("an argument is in a register");
                None
            }
        }
    }

    pub(super) fn reach(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Reached> {
        match &expression.kind {
            ExpressionKind::Context(name) => self.variable(scope, name, expression.span),
            ExpressionKind::Cast { value, type_name, module } => {
                self.cast(scope, value, type_name, module.as_ref(), expression.span)
            }
            ExpressionKind::Member { base, access } => {
                let base = self.reach(scope, base)?;
                match access {
                    Access::Field(name) => self.field(base, name, expression.span),
                    Access::Index(index) => self.element(scope, base, index, expression.span),
                    Access::Pretty { .. } => {
                        self.refuse_pretty(expression.span);
                        None
                    }
                }
            }
            ExpressionKind::Var { name, module } => {
                let span = expression.span;
                if let Some(found) = self.named_variable(scope, name, module.as_ref(), span) {
                    return Some(found);
                }
                if let Some(found) = self.variable_at_return(scope, expression) {
                    return Some(found);
                }
                self.kernel_variable(name, module.as_ref(), expression.span)
            }
            _ => {
                let span = expression.span;
                let expr = self.expression(scope, expression)?;
                match self.needed_pointee(scope, &expr) {
                    Ok(pointee) => {
                        let what = What::Value { expr, into: Space::Kernel };
                        Some(Reached { what, ty: Ty::PointerTo(pointee), span })
                    }
                    Err(differs) => {
                        self.unknown_pointer(span, differs);
                        None
                    }
                }
            }
        }
    }

    fn unknown_pointer(&mut self, span: Span, differs: bool) {
        let diagnostic = self
            .diagnostics
            .error(codes::CONTEXT_TYPE, span, "what this points to is not known")
            .label("`->` and `[ ]` need a pointer with a type of the kernel's");
        if differs {
            diagnostic.note("it is given pointers to several types");
        }
        diagnostic.help("say what it points to: `@cast(value, \"struct name\")->member`");
    }

    fn variable(&mut self, scope: &Scope<'_>, name: &str, span: Span) -> Option<Reached> {
        let plain = name.trim_start_matches('$');
        let Some(point) = scope.point else {
            self.diagnostics
                .error(codes::UNKNOWN_CONTEXT, span, format!("`{name}` in a function"))
                .label("only probe handlers have context variables")
                .help("give it to the function as an argument");
            return None;
        };
        self.uses.names.insert(plain.to_string());
        let is_it = |v: &ContextVariable| v.name == plain && v.source != ContextSource::Nowhere;
        let Some(at) = point.context.iter().position(is_it) else {
            if let Some(found) = self.variable_of_file(scope, plain, None, span) {
                return Some(found);
            }
            if self.is_in_record(point, plain, name, span) {
                return None;
            }
            let no_btf = point.context.is_empty() && point.attach.in_kernel();
            let of_record: Vec<String> =
                self.fields_of_record(point).iter().map(|v| format!("${}", v.name)).collect();
            let missing = if no_btf { self.facts.all_types().err() } else { None };
            let diagnostic = self.diagnostics.error(
                codes::UNKNOWN_CONTEXT,
                span,
                format!("`{name}` is not available at `{}`", point.name),
            );
            if let Some(missing) = missing {
                diagnostic
                    .label("needs the kernel's type information")
                    .note(format!("there is none: {missing}"));
            } else if point.context.is_empty() && point.attach.in_process() {
                diagnostic.label("only debug information has the names of variables").help(
                    "build the program with -g, install its debug symbols (Debian: the package with \
                     -dbgsym), or take `int_arg(1)`, `pointer_arg(2)` and their like",
                );
            } else if point.context.is_empty() {
                diagnostic.label("this probe point has no context variables");
            } else {
                let is_nowhere = point.context.iter().any(|v| v.name == plain);
                let there = point.context.iter().filter(|v| v.source != ContextSource::Nowhere);
                let names: Vec<String> = there.map(|v| format!("${}", v.name)).collect();
                let label = match is_nowhere {
                    true => "it has no value here that a handler can read",
                    false => "no such context variable",
                };
                diagnostic
                    .label(label)
                    .suggest(name, names.iter().chain(&of_record).map(String::as_str));
                if !names.is_empty() {
                    diagnostic.help(format!("it has {}", names.join(", ")));
                }
                if !of_record.is_empty() {
                    let list = of_record.join(", ");
                    diagnostic.help(format!("without these, the fields of its record: {list}"));
                }
            }
            return None;
        };
        Some(self.of_context(at, &point.context[at], span))
    }

    /// `base->name`.
    pub(super) fn field(&mut self, base: Reached, name: &Name, span: Span) -> Option<Reached> {
        let facts = self.facts;
        let btf = facts.all_types().ok()?;
        let (structure, what) = self.structure(btf, base, name)?;
        let btf = facts.all_types().ok()?;
        let Some(field) = btf.field(structure, &name.text) else {
            let members = btf.field_names(structure);
            let diagnostic = self.diagnostics.error(
                codes::UNKNOWN_MEMBER,
                name.span,
                format!("`{}` has no member `{}`", btf.describe(structure), name.text),
            );
            diagnostic.label("no such member");
            suggest_members(diagnostic, &name.text, &members);
            return None;
        };
        let What::Memory { address, offset, space, .. } = what else { return None };
        let Some(size) = btf.size(field.ty).map(|s| s.min(8) as u32) else {
            return Some(Reached {
                what: What::Memory {
                    address,
                    offset: offset + (field.bit_offset / 8) as i32,
                    space,
                    bits: None,
                    bytes: None,
                },
                ty: Ty::Kernel(field.ty),
                span,
            });
        };
        let (byte, bits) = match field.bit_size {
            0 => (field.bit_offset / 8, None),
            width => {
                // The naturally aligned integer of the declared type that holds the field.
                let unit = size.max(1) * 8;
                let start = field.bit_offset / unit * unit;
                (start / 8, Some(((field.bit_offset - start) as u8, width as u8)))
            }
        };
        let what = What::Memory {
            address,
            offset: offset + byte as i32,
            space,
            bits,
            bytes: bits.map(|_| size as u8),
        };
        Some(Reached { what, ty: Ty::Kernel(field.ty), span })
    }

    /// Turns a pointer to a structure, or a structure in memory, into the structure's memory.
    fn structure(&mut self, btf: &Btf, base: Reached, name: &Name) -> Option<(TypeId, What)> {
        let pointee = match base.ty {
            Ty::PointerTo(target) => Some(target),
            Ty::Kernel(ty) => {
                let ty = btf.strip(ty);
                if matches!(btf.kind(ty), Some(Kind::Struct | Kind::Union)) {
                    return Some((ty, base.what));
                }
                btf.pointee(ty)
            }
        };
        let target = pointee.map(|target| btf.strip(target));
        let declared = target.filter(|&target| btf.kind(target) == Some(Kind::Forward));
        let defined = declared.and_then(|declared| self.definition(btf, declared));
        let target = defined.or(target);
        let btf = self.facts.all_types().ok()?;
        match target {
            Some(target) if matches!(btf.kind(target), Some(Kind::Struct | Kind::Union)) => {
                // The verifier knows the declaration only.
                let space = match (base.behind(), defined) {
                    (Space::Trusted, Some(_)) => Space::Kernel,
                    (space, _) => space,
                };
                let address = self.value_of(base)?;
                let what = What::Memory { address, offset: 0, space, bits: None, bytes: None };
                Some((target, what))
            }
            _ => {
                self.not_a_structure(btf, base.span, base.ty, target, name);
                None
            }
        }
    }

    fn not_a_structure(
        &mut self,
        btf: &Btf,
        span: Span,
        ty: Ty,
        target: Option<TypeId>,
        name: &Name,
    ) {
        let shown = ty.describe(btf);
        let is_declared_only = target.and_then(|t| btf.kind(t)) == Some(Kind::Forward);
        let diagnostic = self
            .diagnostics
            .error(codes::CONTEXT_TYPE, span, format!("`{shown}` has no members"))
            .label(format!("this is of type `{shown}`"))
            .also(name.span, "no structure to find this in");
        if is_declared_only {
            diagnostic.note("the kernel's type information declares the structure, no more");
        }
    }

    /// `base[index]`.
    fn element(
        &mut self,
        scope: &mut Scope<'_>,
        base: Reached,
        index: &Expression,
        span: Span,
    ) -> Option<Reached> {
        let facts = self.facts;
        let btf = facts.all_types().ok()?;
        let base_span = base.span;
        let base_ty = base.ty;
        let (array, pointee) = match base.ty {
            Ty::PointerTo(target) => (None, Some(target)),
            Ty::Kernel(ty) => (btf.array(btf.strip(ty)), btf.pointee(btf.strip(ty))),
        };
        let (element, length, what) = match (array, pointee) {
            (Some(array), _) => (array.element, Some(array.len), base.what),
            (None, Some(target)) => {
                // What an index reaches need not be what the kernel vouches for.
                let space = match base.behind() {
                    Space::Process => Space::Process,
                    Space::Trusted | Space::Kernel => Space::Kernel,
                };
                let address = self.value_of(base)?;
                let what = What::Memory { address, offset: 0, space, bits: None, bytes: None };
                (target, None, what)
            }
            (None, None) => {
                let shown = base_ty.describe(btf);
                self.diagnostics
                    .error(codes::CONTEXT_TYPE, index.span, "this cannot be indexed")
                    .also(base_span, format!("this is of type `{shown}`"));
                return None;
            }
        };
        let What::Memory { address, offset, space, .. } = what else { return None };
        let size = i64::from(btf.size(element).unwrap_or(1) as u32);
        if let Some(n) = constant::number(index) {
            if length.is_some_and(|l| l > 0 && !(0..i64::from(l)).contains(&n)) {
                let length = length.unwrap_or(0);
                self.diagnostics
                    .error(codes::CONTEXT_TYPE, index.span, format!("index {n} is out of range"))
                    .label(format!("the array has {length} elements"));
                return None;
            }
            let offset = i32::try_from(i64::from(offset) + n.checked_mul(size)?).ok()?;
            let what = What::Memory { address, offset, space, bits: None, bytes: None };
            return Some(Reached { what, ty: Ty::Kernel(element), span });
        }
        let index = self.expression(scope, index)?;
        let scale = self.expr(span, ExprKind::Number(size));
        let scaled = self.arithmetic(span, Arithmetic::Multiply, index, scale);
        let address = self.arithmetic(span, Arithmetic::Add, address, scaled);
        let space = if space == Space::Trusted { Space::Kernel } else { space };
        let what = What::Memory { address, offset, space, bits: None, bytes: None };
        Some(Reached { what, ty: Ty::Kernel(element), span })
    }

    pub(super) fn offset(&mut self, address: Expr, offset: i64, span: Span) -> Expr {
        if offset == 0 {
            return address;
        }
        let offset = self.expr(span, ExprKind::Number(offset));
        self.arithmetic(span, Arithmetic::Add, address, offset)
    }

    pub(super) fn arithmetic(
        &mut self,
        span: Span,
        operator: Arithmetic,
        left: Expr,
        right: Expr,
    ) -> Expr {
        self.expr(
            span,
            ExprKind::Arithmetic {
                operator,
                operator_span: span,
                left: Box::new(left),
                right: Box::new(right),
            },
        )
    }
}

fn suggest_members(diagnostic: &mut Diagnostic, name: &str, members: &[&str]) {
    let before = diagnostic.help.len();
    diagnostic.suggest(name, members.iter().copied());
    if diagnostic.help.len() == before && members.len() <= 12 {
        diagnostic.help(format!("it has {}", members.join(", ")));
    }
}
