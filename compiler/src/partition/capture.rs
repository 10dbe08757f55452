//! Statements for userspace: what the kernel computes of them becomes values in a record.

use super::defer::{Deferring, cannot_fail};
use crate::builtins::{Kernel, Kind};
use crate::hir::*;

impl Deferring<'_> {
    pub(super) fn capture_print(
        &mut self,
        print: Print,
        event: EventId,
        captures: &mut Vec<Expr>,
    ) -> Print {
        let arguments =
            print.arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
        Print { arguments, ..print }
    }

    /// The form of a call that the continuation makes, also where the kernel could: its arguments are captured.
    pub(super) fn capture_call(
        &mut self,
        e: Expr,
        event: EventId,
        captures: &mut Vec<Expr>,
    ) -> Expr {
        let ExprKind::Call { builtin, arguments } = e.kind else { return e };
        let arguments = arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
        Expr { kind: ExprKind::Call { builtin, arguments }, ..e }
    }

    /// The form of an expression for the continuation: what the kernel can compute becomes a captured
    /// value, the rest is computed from those.
    fn capture(&mut self, e: Expr, event: EventId, captures: &mut Vec<Expr>) -> Expr {
        if matches!(e.kind, ExprKind::Number(_) | ExprKind::Text(_)) {
            return e;
        }
        if let ExprKind::Context(index) = e.kind
            && let Some(value) = self.capture_register(index, e.span, event, captures)
        {
            return value;
        }
        // Text that is only printed is made where it is printed: its parts are shorter.
        let made_of_parts = match &e.kind {
            _ if self.is_made_of_registers(&e) => true,
            ExprKind::Concatenate { .. } | ExprKind::Sprint(_) => true,
            // Both of its texts can be had, whichever it will be.
            ExprKind::Conditional { then, otherwise, .. } => {
                [then, otherwise].iter().any(|e| matches!(e.kind, ExprKind::Sprint(_)))
                    && [then, otherwise].iter().all(|e| cannot_fail(e))
            }
            ExprKind::Call { builtin, .. } => {
                matches!((&builtin.kernel, builtin.result), (Kernel::Pure(_), Kind::Text(_)))
            }
            _ => false,
        };
        let obstacle = self.obstacle(&e);
        if obstacle.is_none() && !made_of_parts {
            let ty = self.types.expressions[e.id];
            let (span, field) = (e.span, captured_field(e, captures));
            let id = self.script.expressions.push(span);
            self.types.expressions[id] = ty;
            return Expr { kind: ExprKind::Captured { event, field }, span, id };
        }
        if let Some(obstacle) = &obstacle
            && !obstacle.deferrable
        {
            self.report(obstacle);
            return e;
        }
        let mut boxed = |pass: &mut Self, e: Box<Expr>| Box::new(pass.capture(*e, event, captures));
        let kind = match e.kind {
            ExprKind::Call { builtin, arguments } => {
                let arguments =
                    arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
                ExprKind::Call { builtin, arguments }
            }
            ExprKind::Sprint(print) => ExprKind::Sprint(self.capture_print(print, event, captures)),
            ExprKind::Match { negated, text, regex } => {
                ExprKind::Match { negated, text: boxed(self, text), regex }
            }
            ExprKind::Unary { operator, operand } => {
                ExprKind::Unary { operator, operand: boxed(self, operand) }
            }
            ExprKind::Arithmetic { operator, operator_span, left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Arithmetic { operator, operator_span, left, right }
            }
            ExprKind::Compare { operator, left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Compare { operator, left, right }
            }
            ExprKind::Logical { or, left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Logical { or, left, right }
            }
            ExprKind::Concatenate { left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Concatenate { left, right }
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                let (condition, then) = (boxed(self, condition), boxed(self, then));
                ExprKind::Conditional { condition, then, otherwise: boxed(self, otherwise) }
            }
            kind @ (ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Wildcard
            | ExprKind::Context(_)
            | ExprKind::Captured { .. }) => kind,
            kind @ (ExprKind::Read(_)
            | ExprKind::Invoke { .. }
            | ExprKind::Load(_)
            | ExprKind::In { .. }
            | ExprKind::Assign { .. }
            | ExprKind::Increment { .. }
            | ExprKind::Extract { .. }
            | ExprKind::Histogram(_)
            | ExprKind::Bucket { .. }) => {
                // A variable, key or address that needs userspace: it cannot be had from there.
                if let Some(obstacle) = &obstacle {
                    self.report(obstacle);
                }
                kind
            }
        };
        Expr { kind, ..e }
    }
}

/// The place of a value among those that are captured. What a builtin function of ours that takes nothing sends or reads
/// is captured once.
pub(super) fn captured_field(e: Expr, captures: &mut Vec<Expr>) -> usize {
    let asks = |e: &Expr| match &e.kind {
        ExprKind::Call { builtin, arguments } if arguments.is_empty() => {
            builtin.is_internal().then_some(builtin.name)
        }
        _ => None,
    };
    let asked = asks(&e);
    let known = captures.iter().position(|other| asked.is_some() && asks(other) == asked);
    known.unwrap_or_else(|| {
        captures.push(e);
        captures.len() - 1
    })
}
