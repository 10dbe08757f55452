//! Variables of programs: structures and arrays in their memory, and what belongs to no function.

use super::context::{Reached, Ty};
use super::{Resolver, Scope};
use crate::btf::{Kind, TypeId};
use crate::families;
use crate::hir::{
    Attach, ContextSource, ContextVariable, Expr, ExprKind, FunctionPoints, Instruction,
    MarkArgument, Point, Scalar,
};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Literal, LiteralValue};

impl Resolver<'_> {
    /// `$name` of a variable that belongs to no function, at code of a program.
    pub(super) fn variable_of_file(
        &mut self,
        scope: &Scope<'_>,
        name: &str,
        file: Option<&str>,
        span: Span,
    ) -> Option<Reached> {
        let point = scope.point.filter(|_| scope.takes_more)?;
        if let Attach::Function(functions) = &point.attach {
            return self.variable_of_kernel_file(functions, name, file, span);
        }
        // At a return the place is in the caller.
        let Attach::Instruction(Instruction { path, offset, returns: false, .. }) = &point.attach
        else {
            return None;
        };
        let found = self.facts.program_variable(path, *offset, name, file)?;
        let variable = families::program_variable(&found);
        let ty = TypeId(variable.ty);
        let address = self.more(point, variable, span);
        Some(Reached::memory(address, Ty::Kernel(ty), span))
    }

    /// A variable that the context of a point gets besides its own.
    fn more(&mut self, point: &Point, variable: ContextVariable, span: Span) -> Expr {
        let known = self.more_context.iter().position(|other| *other == variable);
        let at = known.unwrap_or_else(|| {
            self.more_context.push(variable);
            self.more_context.len() - 1
        });
        self.expr(span, ExprKind::Context(point.context.len() + at))
    }

    /// `&$name` of a number or pointer that a process has in memory.
    pub(super) fn address_of_variable(
        &mut self,
        scope: &Scope<'_>,
        operand: &Expression,
    ) -> Option<Expr> {
        let ExpressionKind::Context(name) = &operand.kind else { return None };
        let point = scope.point.filter(|_| scope.takes_more)?;
        let name = name.trim_start_matches('$');
        let variable = point.context.iter().find(|variable| variable.name == name)?;
        let ContextSource::Argument(MarkArgument::Memory {
            base: Some(register),
            index: None,
            offset,
            ..
        }) = variable.source
        else {
            return None;
        };
        if self.is_in_memory(variable) {
            return None;
        }
        let ty = TypeId(variable.ty);
        let address = ContextVariable {
            name: format!("&{name}"),
            ty: 0,
            source: ContextSource::Argument(MarkArgument::Sum { register, offset }),
            value: Scalar { bytes: 8, signed: false },
            trusted: false,
        };
        let address = self.more(point, address, operand.span);
        if ty != TypeId::VOID {
            self.points_to(&address, ty);
        }
        Some(address)
    }

    /// `$name` of a variable of the source file that a function of the kernel is in.
    fn variable_of_kernel_file(
        &mut self,
        functions: &FunctionPoints,
        name: &str,
        file: Option<&str>,
        span: Span,
    ) -> Option<Reached> {
        let source = self.facts.kernel_source()?;
        // The address of one that each CPU has is none in memory.
        let types = self.facts.btf().ok();
        if types.and_then(|types| types.variable(name)).is_some_and(|known| known.per_cpu) {
            return None;
        }
        let target = functions.targets.first().filter(|target| target.module.is_none())?;
        let here = || self.facts.files_of_functions(&[target.address]).into_iter().next()?;
        let file = file.map(str::to_string).or_else(here)?;
        let found = source.variable(name, Some(&file))?;
        let Some(MarkArgument::Constant(address)) = found.place else { return None };
        let address = self.expr(span, ExprKind::Number(address));
        Some(Reached::memory(address, Ty::Kernel(TypeId(found.ty)), span))
    }

    /// Whether a program has a variable that belongs to no function, at a return of one of its functions.
    pub(super) fn has_variable(&self, point: &Point, name: &str) -> bool {
        match &point.attach {
            Attach::Instruction(Instruction { path, offset, returns: true, .. }) => {
                self.facts.program_variable(path, *offset, name, None).is_some()
            }
            _ => false,
        }
    }

    /// A variable of a program at the return of a function: its address is that of the entry, its value what it has
    /// now.
    pub(super) fn variable_at_return(
        &mut self,
        scope: &mut Scope<'_>,
        variable: &Expression,
    ) -> Option<Reached> {
        let ExpressionKind::Var { name, .. } = &variable.kind else { return None };
        let LiteralValue::String(text) = &name.value else { return None };
        let (name, file) = match text.split_once('@') {
            Some((name, file)) => (name, Some(file)),
            None => (text.as_str(), None),
        };
        let Attach::Instruction(Instruction { path, offset, returns: true, .. }) =
            &scope.point?.attach
        else {
            return None;
        };
        let found = self.facts.program_variable(path, *offset, name, file)?;
        let ty = Ty::Kernel(TypeId(families::program_variable(&found).ty));
        let span = variable.span;
        let address =
            Expression { kind: ExpressionKind::AddressOf(Box::new(variable.clone())), span };
        let address = self.entry_value(scope, &address, span)?;
        Some(Reached::memory(address, ty, span))
    }

    /// `@var("name@file", "program")` at code of this program.
    pub(super) fn named_variable(
        &mut self,
        scope: &Scope<'_>,
        literal: &Literal,
        module: Option<&Literal>,
        span: Span,
    ) -> Option<Reached> {
        let LiteralValue::String(text) = &literal.value else { return None };
        let (name, file) = match text.split_once('@') {
            Some((name, file)) => (name, Some(file)),
            None => (text.as_str(), None),
        };
        if let Some(Literal { value: LiteralValue::String(module), .. }) = module {
            let Attach::Instruction(instruction) = &scope.point?.attach else { return None };
            let is_path =
                instruction.path == *module || instruction.path.ends_with(&format!("/{module}"));
            let named = || self.facts.program_file(crate::program_file::ProgramName::File(module));
            if !is_path && !named().is_ok_and(|file| file.path == instruction.path) {
                return None;
            }
        }
        self.variable_of_file(scope, name, file, span)
    }

    /// The context variable of a position.
    pub(super) fn of_context(
        &mut self,
        at: usize,
        variable: &ContextVariable,
        span: Span,
    ) -> Reached {
        let expr = self.expr(span, ExprKind::Context(at));
        match self.is_in_memory(variable) {
            true => Reached::memory(expr, Ty::Kernel(TypeId(variable.ty)), span),
            false => Reached::of_variable(expr, variable, span),
        }
    }

    /// Whether a variable is a structure or an array, whose address the context has.
    pub(super) fn is_in_memory(&self, variable: &ContextVariable) -> bool {
        self.aggregate(variable).is_some()
    }

    /// What a structure or an array is, if the variable is one that debug information tells of.
    pub(super) fn aggregate(&self, variable: &ContextVariable) -> Option<Kind> {
        let is_told = || {
            matches!(variable.source, ContextSource::Argument(_))
                || self.facts.is_program_type(variable.ty)
        };
        if variable.ty == 0 || !is_told() {
            return None;
        }
        let btf = self.facts.all_types().ok()?;
        let kind = btf.kind(btf.strip(TypeId(variable.ty)))?;
        matches!(kind, Kind::Struct | Kind::Union | Kind::Array).then_some(kind)
    }
}
