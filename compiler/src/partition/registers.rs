//! Arguments of system calls on their way to userspace: each register is sent once, whole, and what is made of it
//! by arithmetic is made there. So handlers of calls with parameters of other types send the same, and can be
//! one program ([`crate::syscalls::Together`]).

use super::defer::Deferring;
use crate::hir::*;
use crate::source::Span;
use crate::types::Type;

impl Deferring<'_> {
    /// Whether a value is made of registers by arithmetic that cannot fail, so that userspace may as well do it.
    pub(super) fn is_made_of_registers(&self, e: &Expr) -> bool {
        self.has_arguments() && self.is_of_registers(e)
    }

    fn has_arguments(&self) -> bool {
        let attach = &self.script.probes[self.probe].point.attach;
        matches!(attach, Attach::Syscall(SyscallPoint { number: Some(_), .. }))
    }

    fn is_of_registers(&self, e: &Expr) -> bool {
        match &e.kind {
            ExprKind::Number(_) | ExprKind::Context(_) => true,
            ExprKind::Unary { operand, .. } => self.is_of_registers(operand),
            ExprKind::Arithmetic { operator, left, right, .. } => {
                !matches!(operator, Arithmetic::Divide | Arithmetic::Modulo)
                    && self.is_of_registers(left)
                    && self.is_of_registers(right)
            }
            ExprKind::Compare { left, right, .. } => {
                self.types.expressions[left.id] == Type::Long
                    && self.is_of_registers(left)
                    && self.is_of_registers(right)
            }
            ExprKind::Logical { left, right, .. } => {
                self.is_of_registers(left) && self.is_of_registers(right)
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().all(|e| self.is_of_registers(e))
            }
            _ => false,
        }
    }

    /// Captures the register that a context variable is in; gives the variable's value made of it. `None` for one
    /// that is elsewhere.
    pub(super) fn capture_register(
        &mut self,
        index: usize,
        span: Span,
        event: EventId,
        captures: &mut Vec<Expr>,
    ) -> Option<Expr> {
        if !self.has_arguments() {
            return None;
        }
        let ContextVariable { source, value, .. } =
            self.script.probes[self.probe].point.context[index];
        let whole = match source {
            ContextSource::Register(_) => self.whole_register(source),
            ContextSource::Word(_) => index,
            _ => return None,
        };
        let known =
            captures.iter().position(|e| matches!(e.kind, ExprKind::Context(i) if i == whole));
        let field = known.unwrap_or_else(|| {
            let whole = self.number(span, ExprKind::Context(whole));
            captures.push(whole);
            captures.len() - 1
        });
        let captured = self.number(span, ExprKind::Captured { event, field });
        Some(self.narrowed(captured, value, span))
    }

    /// The context variable that is all 8 bytes of a register.
    fn whole_register(&mut self, source: ContextSource) -> usize {
        let context = &mut self.script.probes[self.probe].point.context;
        let known = context.iter().position(|v| v.source == source && v.value.bytes == 8);
        known.unwrap_or_else(|| {
            let ContextSource::Register(offset) = source else { return 0 };
            context.push(ContextVariable {
                name: format!("register{offset}"),
                ty: 0,
                source,
                value: Scalar { bytes: 8, signed: false },
                trusted: false,
            });
            context.len() - 1
        })
    }

    /// The value of the lowest bytes of a number.
    fn narrowed(&mut self, e: Expr, scalar: Scalar, span: Span) -> Expr {
        let unused = 64 - 8 * i64::from(scalar.bytes);
        if unused == 0 {
            return e;
        }
        if !scalar.signed {
            return self.arithmetic(Arithmetic::And, e, (1 << (64 - unused)) - 1, span);
        }
        let upper = self.arithmetic(Arithmetic::ShiftLeft, e, unused, span);
        self.arithmetic(Arithmetic::ShiftRight, upper, unused, span)
    }

    fn arithmetic(&mut self, operator: Arithmetic, left: Expr, right: i64, span: Span) -> Expr {
        let right = Box::new(self.number(span, ExprKind::Number(right)));
        let left = Box::new(left);
        self.number(span, ExprKind::Arithmetic { operator, operator_span: span, left, right })
    }

    fn number(&mut self, span: Span, kind: ExprKind) -> Expr {
        let id = self.script.expressions.push(span);
        self.types.expressions[id] = Type::Long;
        Expr { kind, span, id }
    }
}
