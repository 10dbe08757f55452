//! Functions of the library that are one expression, put in place of their calls.
//!
//! A kernel handler computes what it can of such a call and leaves the rest to userspace, as if the
//! script had written the expression itself; a real call it could only make as a whole. A call is
//! replaced when the expression uses the parameters once and in their order, or when the arguments can
//! as well be computed twice or elsewhere; so the script sees no difference.

use std::collections::HashMap;

use super::{Resolver, Scope};
use crate::hir::{Expr, ExprKind, PlaceKind};
use crate::syntax::ast::{Expression, FunctionDeclaration, StatementKind};

/// The arguments of a call that is being replaced, and in which order they were used.
#[derive(Default)]
pub(super) struct Substitution {
    arguments: HashMap<String, (usize, Expr)>,
    used: Vec<usize>,
}

impl Substitution {
    /// The argument a name stands for.
    pub(super) fn take(&mut self, name: &str) -> Option<Expr> {
        let (at, argument) = self.arguments.get(name)?;
        self.used.push(*at);
        Some(argument.clone())
    }
}

impl Resolver<'_> {
    /// The expression that replaces a call; `None` when the function has to be called.
    pub(super) fn inline(
        &mut self,
        declared: &[&FunctionDeclaration],
        arguments: &[Expr],
    ) -> Option<Expr> {
        let [function] = declared else { return None };
        if !self.is_library(function.name.span) {
            return None;
        }
        let result = only_result(function)?;
        let mut scope = Scope::new(None, self.script.new_body(), function.name.span);
        let names = function.parameters.iter().map(|(name, _)| name.text.clone());
        let values = arguments.iter().cloned().enumerate();
        scope.substitution.arguments = names.zip(values).collect();
        let reported = self.diagnostics.len();
        let Some(expression) = self.expression(&mut scope, result) else {
            // The call reports it.
            self.diagnostics.truncate(reported);
            return None;
        };
        let in_order: Vec<usize> = (0..arguments.len()).collect();
        let fits = scope.substitution.used == in_order || arguments.iter().all(is_plain);
        let used_all = in_order.iter().all(|at| scope.substitution.used.contains(at));
        let has_locals = scope.body.locals.values().next().is_some();
        (self.diagnostics.len() == reported && fits && used_all && !has_locals)
            .then_some(expression)
    }
}

/// The value of a function that does nothing but return it.
fn only_result(function: &FunctionDeclaration) -> Option<&Expression> {
    let StatementKind::Block(statements) = &function.body.kind else { return None };
    match statements.as_slice() {
        [one] => match &one.kind {
            StatementKind::Return(value) => value.as_ref(),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value can be computed more than once, or later in the same expression, and is the same.
fn is_plain(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Context(_) => true,
        ExprKind::Read(place) => matches!(place.kind, PlaceKind::Local(_)),
        ExprKind::Load(load) => is_plain(&load.address),
        ExprKind::Unary { operand, .. } => is_plain(operand),
        ExprKind::Arithmetic { left, right, .. } | ExprKind::Compare { left, right, .. } => {
            is_plain(left) && is_plain(right)
        }
        ExprKind::Call { builtin, arguments } => {
            builtin.is_internal() && builtin.is_reading() && arguments.iter().all(is_plain)
        }
        _ => false,
    }
}
