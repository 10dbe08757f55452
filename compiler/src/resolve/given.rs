//! Names that stand for expressions: what the library's aliases define.
//!
//! An alias of the library sets variables before the handler: `name = "open"`, `argstr = ...`. They say
//! what a name means, and have no other effect; so a name that the handler only reads is replaced by
//! its expression where it is read. What is not read costs nothing, and text that is only printed is
//! made where it is printed.

use std::collections::{HashMap, HashSet};

use super::{Resolver, Scope};
use crate::hir::Expr;
use crate::syntax::ast::{AssignOperator, Expression, ExpressionKind, Statement, StatementKind};
use crate::syntax::mentions::{Mention, each_mention_of};

/// What names stand for in a body.
#[derive(Default)]
pub(super) struct Given<'p> {
    /// What aliases define.
    definitions: HashMap<&'p str, &'p Expression>,
    /// Those that the handler changes: they are variables, but in other definitions.
    changed: HashSet<&'p str>,
    /// The definitions that are being resolved.
    under_way: Vec<&'p str>,
}

impl<'p> Given<'p> {
    /// Takes the definitions of a prologue that the statements after it do not change; gives the
    /// statements that are left.
    pub(super) fn define(
        &mut self,
        prologue: &'p Statement,
        after: &[&Statement],
    ) -> Vec<&'p Statement> {
        let StatementKind::Block(statements) = &prologue.kind else { return vec![prologue] };
        let mut changes: HashMap<&str, usize> = HashMap::new();
        let bodies = after.iter().copied().chain(statements);
        for body in bodies {
            each_mention_of(body, &mut |mention| {
                if let Mention::Changed(name) = mention {
                    *changes.entry(name).or_default() += 1;
                }
            });
        }
        let mut left = vec![];
        for statement in statements {
            let Some((name, value)) = definition(statement) else {
                left.push(statement);
                continue;
            };
            self.definitions.insert(name, value);
            // Set here and nowhere else?
            if changes.get(name) != Some(&1) {
                self.changed.insert(name);
                left.push(statement);
            }
        }
        left
    }
}

/// The name and value of `name = value`.
fn definition(statement: &Statement) -> Option<(&str, &Expression)> {
    let StatementKind::Expression(e) = &statement.kind else { return None };
    let ExpressionKind::Assign { operator: AssignOperator::Set, target, value, .. } = &e.kind
    else {
        return None;
    };
    let ExpressionKind::Variable(name) = &target.kind else { return None };
    Some((name, value))
}

impl Resolver<'_> {
    /// What a name stands for; `None` when it is a variable.
    pub(super) fn given(&mut self, scope: &mut Scope<'_>, name: &str) -> Option<Option<Expr>> {
        let (&name, &value) = scope.given.definitions.get_key_value(name)?;
        let is_outside = scope.given.under_way.is_empty();
        if scope.given.under_way.contains(&name) || is_outside && scope.given.changed.contains(name)
        {
            return None;
        }
        scope.given.under_way.push(name);
        let expr = self.expression(scope, value);
        scope.given.under_way.pop();
        Some(expr)
    }
}
