//! From what a chain of members reached to its value.

use super::Resolver;
use super::context::{Reached, Space, Ty, What};
use crate::btf::{Kind, TypeId};
use crate::builtins;
use crate::diagnostic::codes;
use crate::hir::{Arithmetic, Expr, ExprKind, Load, Scalar};
use crate::source::Span;

impl Resolver<'_> {
    /// The value of what a chain reached: a number, a pointer, or an array's address.
    pub(super) fn value_of(&mut self, reached: Reached) -> Option<Expr> {
        let ty = reached.ty;
        let expr = self.untyped_value_of(reached)?;
        let facts = self.facts;
        if let Ok(btf) = facts.all_types() {
            let pointee = match ty {
                Ty::PointerTo(target) => Some(target),
                Ty::Kernel(ty) => {
                    let ty = btf.strip(ty);
                    btf.pointee(ty).or_else(|| Some(btf.array(ty)?.element))
                }
            };
            if let Some(pointee) = pointee.filter(|&pointee| btf.strip(pointee) != TypeId::VOID) {
                self.points_to(&expr, pointee);
            }
        }
        Some(expr)
    }

    fn untyped_value_of(&mut self, reached: Reached) -> Option<Expr> {
        let Reached { what, ty, span } = reached;
        let (address, offset, space, bits, bytes) = match what {
            What::Value { expr, .. } => return Some(expr),
            What::Memory { address, offset, space, bits, bytes } => {
                (address, offset, space, bits, bytes)
            }
        };
        let facts = self.facts;
        let btf = facts.all_types().ok()?;
        // Memory is always of a type the kernel has.
        let Ty::Kernel(ty) = ty else { return None };
        let stripped = btf.strip(ty);
        let value = match btf.kind(stripped) {
            Some(Kind::Array) => return Some(self.offset(address, i64::from(offset), span)),
            Some(Kind::Struct | Kind::Union) => {
                let shown = btf.describe(ty);
                let members = btf.field_names(stripped);
                let diagnostic = self
                    .diagnostics
                    .error(codes::CONTEXT_TYPE, span, "a structure is not a value")
                    .label(format!("this is of type `{shown}`"));
                if let Some(first) = members.first() {
                    diagnostic.help(format!(
                        "name a member, as in `->{first}`, or take its address with `&`"
                    ));
                }
                return None;
            }
            _ => btf.scalar(ty).map(|i| Scalar { bytes: i.bytes, signed: i.signed }),
        };
        if value.is_none() && stripped == TypeId::VOID {
            self.diagnostics
                .error(codes::CONTEXT_TYPE, span, "the type of this variable is not known")
                .label("the kernel's type information leaves it out")
                .help("use its address: `@cast(&@var(\"name\"), \"struct type\")->member`, `kernel_long(&@var(\"name\"))`");
            return None;
        }
        let Some(mut value) = value else {
            let shown = btf.describe(ty);
            self.diagnostics.error(
                codes::CONTEXT_TYPE,
                span,
                format!("values of type `{shown}` cannot be read"),
            );
            return None;
        };
        if let Some(bytes) = bytes {
            value.bytes = bytes;
        }
        if space == Space::Process || self.facts.is_program_type(ty.0) {
            return self.load_of_process(address, offset, value, bits, span);
        }
        // A pointer that comes of a trusted one is one to the verifier, which prohibits most arithmetic with it; what
        // a helper has read is a number.
        let trusted = space == Space::Trusted && btf.pointee(stripped).is_none();
        let or_zero = self.bad_variables_are_zero;
        let load = Load { address, offset, value, bits, trusted, or_zero };
        Some(self.expr(span, ExprKind::Load(Box::new(load))))
    }

    /// The integer at an address of the process.
    fn load_of_process(
        &mut self,
        address: Expr,
        offset: i32,
        value: Scalar,
        bits: Option<(u8, u8)>,
        span: Span,
    ) -> Option<Expr> {
        let name = match (value.bytes, value.signed) {
            (1, false) => "user_uint8",
            (1, true) => "user_int8",
            (2, false) => "user_uint16",
            (2, true) => "user_int16",
            (4, false) => "user_uint32",
            (4, true) => "user_int32",
            (_, false) => "user_uint64",
            (_, true) => "user_int64",
        };
        let builtin = builtins::with_arity(name, 1)?;
        let arguments = vec![self.offset(address, i64::from(offset), span)];
        let whole = self.expr(span, ExprKind::Call { builtin, arguments });
        let Some((lowest, width)) = bits else { return Some(whole) };
        // Up to the top, and down again with the sign or without.
        let up = self.expr(span, ExprKind::Number(64 - i64::from(lowest) - i64::from(width)));
        let raised = self.arithmetic(span, Arithmetic::ShiftLeft, whole, up);
        let down = self.expr(span, ExprKind::Number(64 - i64::from(width)));
        let operator = match value.signed {
            true => Arithmetic::ShiftRight,
            false => Arithmetic::ShiftRightLogical,
        };
        Some(self.arithmetic(span, operator, raised, down))
    }
}
