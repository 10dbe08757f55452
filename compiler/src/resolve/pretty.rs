//! `$x$` and `$x$$`: a value as text, after its type: `{.a=1, .b=2, .c={...}}`.
//!
//! One format and its arguments, as a script could write them with `sprintf`. One `$` shows the members
//! of a structure and leaves out those of structures in it; two show all. Pointers are followed at the
//! top only.

use super::Resolver;
use super::context::{Reached, Ty};
use crate::btf::{Btf, Kind, TypeId};
use crate::builtins;
use crate::diagnostic::codes;
use crate::format::{Format, MAX_CONVERSIONS};
use crate::hir::{Comparison, Expr, ExprKind, Print};
use crate::source::Span;
use crate::syntax::ast::Name;

/// How many elements of an array are shown.
const ELEMENTS: u32 = 5;

/// What stands for a string that cannot be read.
const UNKNOWN_TEXT: &str = "<unknown>";
/// What stands for a structure behind a null pointer.
const UNKNOWN: &str = "ERROR";

/// A text on its way.
struct Shown {
    format: String,
    arguments: Vec<Expr>,
    deep: bool,
    span: Span,
}

impl Resolver<'_> {
    /// A value as text.
    pub(super) fn pretty(&mut self, reached: Reached, deep: bool, span: Span) -> Option<Expr> {
        let facts = self.facts;
        let btf = facts.all_types().ok()?;
        let mut shown = Shown { format: String::new(), arguments: vec![], deep, span };
        let pointee = match reached.ty {
            Ty::PointerTo(target) => Some(target),
            Ty::Kernel(ty) => btf.pointee(btf.strip(ty)),
        };
        let Some(pointee) = pointee.filter(|&target| is_shown(btf, target)) else {
            self.show(btf, &mut shown, reached, true)?;
            return self.sprint(shown);
        };
        if is_character(btf, pointee) {
            let of_process = reached.points_into_process() || facts.is_program_type(pointee.0);
            let address = self.value_of(reached)?;
            self.show_text(&mut shown, address, of_process)?;
            return self.sprint(shown);
        }
        // A pointer at the top is followed, unless it is null.
        let mut address = self.value_of(reached.clone())?;
        never_fail(&mut address);
        let target = reached.target(address.clone(), Ty::Kernel(pointee), span);
        self.show(btf, &mut shown, target, true)?;
        let text = self.sprint(shown)?;
        let zero = self.expr(span, ExprKind::Number(0));
        let kind = ExprKind::Compare {
            operator: Comparison::Equal,
            left: Box::new(address),
            right: Box::new(zero),
        };
        let condition = Box::new(self.expr(span, kind));
        let then = Box::new(self.expr(span, ExprKind::Text(UNKNOWN.to_string())));
        Some(self.expr(span, ExprKind::Conditional { condition, then, otherwise: Box::new(text) }))
    }

    fn sprint(&mut self, shown: Shown) -> Option<Expr> {
        let format = Format::parse(&shown.format).ok()?;
        let arguments = shown.arguments;
        let print =
            Print { format: Some(format), delimiter: String::new(), newline: false, arguments };
        Some(self.expr(shown.span, ExprKind::Sprint(print)))
    }

    fn show(&mut self, btf: &Btf, shown: &mut Shown, value: Reached, top: bool) -> Option<()> {
        let ty = match value.ty {
            Ty::Kernel(ty) => btf.strip(ty),
            Ty::PointerTo(_) => {
                let value = self.value_of(value)?;
                return self.convert(shown, "%p", value);
            }
        };
        match btf.kind(ty) {
            Some(Kind::Struct | Kind::Union) => {
                if !top && !shown.deep {
                    shown.format.push_str("{...}");
                    return Some(());
                }
                shown.format.push('{');
                self.show_members(btf, shown, &value, ty)?;
                shown.format.push('}');
            }
            Some(Kind::Array) => {
                let array = btf.array(ty)?;
                if is_character(btf, array.element) {
                    let of_process =
                        value.points_into_process() || self.facts.is_program_type(array.element.0);
                    let address = self.value_of(value)?;
                    return self.show_text(shown, address, of_process);
                }
                if !top && !shown.deep {
                    shown.format.push_str("[...]");
                    return Some(());
                }
                self.show_elements(btf, shown, &value, array.element, array.len)?;
            }
            Some(Kind::Pointer) => {
                let is_text = btf.pointee(ty).is_some_and(|pointee| is_character(btf, pointee));
                let of_process = value.points_into_process() || self.facts.is_program_type(ty.0);
                let value = self.value_of(value)?;
                if is_text {
                    return self.show_text(shown, value, of_process);
                }
                self.convert(shown, "%p", value)?;
            }
            Some(Kind::Integer) => {
                let signed = btf.scalar(ty).is_some_and(|scalar| scalar.signed);
                let conversion = match (is_character(btf, ty), btf.name(ty), signed) {
                    (true, ..) => "'%#c'",
                    (_, "_Bool", _) | (_, _, true) => "%i",
                    (_, _, false) => "%u",
                };
                let value = self.value_of(value)?;
                self.convert(shown, conversion, value)?;
            }
            Some(Kind::Enum | Kind::Enum64) => {
                let value = self.value_of(value)?;
                self.convert(shown, "%i", value)?;
            }
            _ => shown.format.push('?'),
        }
        Some(())
    }

    fn show_members(
        &mut self,
        btf: &Btf,
        shown: &mut Shown,
        base: &Reached,
        ty: TypeId,
    ) -> Option<()> {
        for (at, member) in btf.members(ty).enumerate() {
            if at > 0 {
                shown.format.push_str(", ");
            }
            if shown.arguments.len() >= MAX_CONVERSIONS {
                shown.format.push_str("...");
                return Some(());
            }
            if member.name.is_empty() {
                // The members of a structure without a name are written like its own.
                let part = base.part(member.bit_offset, member.ty);
                shown.format.push('{');
                self.show_members(btf, shown, &part, btf.strip(member.ty))?;
                shown.format.push('}');
                continue;
            }
            shown.format.push_str(&format!(".{}=", member.name));
            let name = Name { text: member.name.to_string(), span: shown.span };
            let value = self.field(base.clone(), &name, shown.span)?;
            self.show(btf, shown, value, false)?;
        }
        Some(())
    }

    fn show_elements(
        &mut self,
        btf: &Btf,
        shown: &mut Shown,
        base: &Reached,
        element: TypeId,
        count: u32,
    ) -> Option<()> {
        let bits = u32::try_from(btf.size(element)?).ok()?.checked_mul(8)?;
        shown.format.push('[');
        for at in 0..count.min(ELEMENTS) {
            if at > 0 {
                shown.format.push_str(", ");
            }
            if shown.arguments.len() >= MAX_CONVERSIONS {
                break;
            }
            self.show(btf, shown, base.part(at * bits, element), false)?;
        }
        if count > ELEMENTS || count == 0 {
            shown.format.push_str(if count == 0 { "..." } else { ", ..." });
        }
        shown.format.push(']');
        Some(())
    }

    /// The string at an address, in quotes.
    fn show_text(&mut self, shown: &mut Shown, address: Expr, of_process: bool) -> Option<()> {
        let builtin = match of_process {
            true => builtins::with_arity("user_string", 2)?,
            false => builtins::text_of_kernel(),
        };
        let otherwise = self.expr(shown.span, ExprKind::Text(UNKNOWN_TEXT.to_string()));
        let arguments = vec![address, otherwise];
        let text = self.expr(shown.span, ExprKind::Call { builtin, arguments });
        self.convert(shown, "\"%s\"", text)
    }

    fn convert(&mut self, shown: &mut Shown, conversion: &str, mut value: Expr) -> Option<()> {
        if shown.arguments.len() >= MAX_CONVERSIONS {
            shown.format.push_str("...");
            return Some(());
        }
        never_fail(&mut value);
        shown.format.push_str(conversion);
        shown.arguments.push(value);
        Some(())
    }

    /// Reports `$x$` of something without a type.
    pub(super) fn refuse_pretty(&mut self, span: Span) {
        self.diagnostics
            .error(codes::CONTEXT_TYPE, span, "nothing is known of the type of this value")
            .help("say what it points to: `@cast(value, \"struct name\")$`");
    }
}

/// Makes the parts of a value that cannot be read zeros.
fn never_fail(value: &mut Expr) {
    match &mut value.kind {
        ExprKind::Load(load) => {
            load.or_zero = true;
            never_fail(&mut load.address);
        }
        ExprKind::Arithmetic { left, right, .. } => {
            never_fail(left);
            never_fail(right);
        }
        ExprKind::Call { arguments, .. } => arguments.iter_mut().for_each(never_fail),
        _ => {}
    }
}

/// Whether what a pointer at the top points to is shown in its place.
fn is_shown(btf: &Btf, target: TypeId) -> bool {
    matches!(
        btf.kind(btf.strip(target)),
        Some(Kind::Struct | Kind::Union | Kind::Integer | Kind::Enum | Kind::Enum64 | Kind::Array)
    )
}

/// Whether a type is one of C's characters, which kernels do not mark as such.
fn is_character(btf: &Btf, ty: TypeId) -> bool {
    let ty = btf.strip(ty);
    btf.kind(ty) == Some(Kind::Integer)
        && matches!(btf.name(ty), "char" | "signed char" | "unsigned char")
}
