//! Globals as the variables of `foreach` and `catch`: the loop runs with a local, whose value the body
//! begins by giving to the global.

use super::{Resolver, Scope};
use crate::hir::LocalId;
use crate::syntax::ast::{
    AssignOperator, Expression, ExpressionKind, Foreach, Name, Statement, StatementKind,
};

impl Resolver<'_> {
    /// The local of a loop variable, which is no global.
    pub(super) fn loop_variable(&mut self, scope: &mut Scope<'_>, name: &Name) -> LocalId {
        scope.local(&name.text, name.span)
    }

    /// The same loop with locals only; `None` when it is one already.
    pub(super) fn with_local_variables(
        &mut self,
        scope: &Scope<'_>,
        foreach: &Foreach,
    ) -> Option<Foreach> {
        let mut local = foreach.clone();
        let keys = local.keys.iter_mut().map(|(name, _)| name);
        let names = keys.chain(local.value.iter_mut().map(|(name, _)| name));
        let assignments: Vec<Statement> =
            names.filter_map(|name| self.made_local(scope, name)).collect();
        if assignments.is_empty() {
            return None;
        }
        local.body = behind(assignments, foreach.body.clone());
        Some(local)
    }

    /// The variable of a `catch` as a local, and the handler that begins with giving it to the global; `None`
    /// when it is no global.
    pub(super) fn with_local_message(
        &mut self,
        scope: &Scope<'_>,
        variable: &Name,
        handler: &Statement,
    ) -> Option<(Name, Statement)> {
        let mut local = variable.clone();
        let assignment = self.made_local(scope, &mut local)?;
        Some((local, behind(vec![assignment], handler.clone())))
    }

    /// Renames a variable that is a global; gives the assignment of the local to the global.
    fn made_local(&mut self, scope: &Scope<'_>, name: &mut Name) -> Option<Statement> {
        self.global(scope, &name.text, name.span)?;
        let span = name.span;
        let variable =
            |text: &str| Expression { kind: ExpressionKind::Variable(text.to_string()), span };
        let target = Box::new(variable(&name.text));
        // No name of a script has a prime.
        name.text.push('\'');
        let value = Box::new(variable(&name.text));
        let operator = AssignOperator::Set;
        let kind = ExpressionKind::Assign { operator, operator_span: span, target, value };
        Some(Statement { kind: StatementKind::Expression(Expression { kind, span }), span })
    }
}

fn behind(mut first: Vec<Statement>, body: Statement) -> Statement {
    let span = body.span;
    first.push(body);
    Statement { kind: StatementKind::Block(first), span }
}
