//! `$value`: the text that a block exchanges with another program.

use super::{Resolver, Scope};
use crate::builtins::Exchanging;
use crate::diagnostic::codes;
use crate::hir::{AssignOperator, Exchange, Expr, ExprKind};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind};

const NAME: &str = "$value";

/// Which way `$value` goes, when the expression is it.
fn exchange(scope: &Scope<'_>, expression: &Expression) -> Option<Exchange> {
    match &expression.kind {
        ExpressionKind::Context(name) if name == NAME => scope.point?.attach.exchange(),
        _ => None,
    }
}

impl Resolver<'_> {
    /// The text, when the expression is it.
    pub(super) fn exchanged(&mut self, scope: &Scope<'_>, expression: &Expression) -> Option<Expr> {
        exchange(scope, expression)?;
        let call = ExprKind::Call { builtin: Exchanging::READ, arguments: vec![] };
        Some(self.expr(expression.span, call))
    }

    /// An assignment, when it is one to the text.
    pub(super) fn give(
        &mut self,
        scope: &mut Scope<'_>,
        operator: AssignOperator,
        target: &Expression,
        value: &Expression,
        span: Span,
    ) -> Option<Option<Expr>> {
        let exchange = exchange(scope, target)?;
        let value = self.expression(scope, value);
        if exchange == Exchange::Taken {
            self.diagnostics
                .error(codes::WRONG_PLACE, target.span, format!("`{NAME}` cannot be written"))
                .label("this is what the handler is told");
            return Some(None);
        }
        let builtin = match operator {
            AssignOperator::Set => Exchanging::SET,
            AssignOperator::Concatenate => Exchanging::APPEND,
            AssignOperator::Arithmetic(_) => {
                self.diagnostics
                    .error(codes::TYPE_MISMATCH, span, format!("`{NAME}` is a string"))
                    .help(format!("`{NAME} .= text` adds to it"));
                return Some(None);
            }
        };
        let Some(value) = value else { return Some(None) };
        let call = ExprKind::Call { builtin, arguments: vec![value] };
        Some(Some(self.expr(span, call)))
    }
}
