//! Names that stand for expressions: what the library's aliases define, and the parameters of its
//! functions that are no more than an expression.
//!
//! An alias of the library sets variables before the handler: `name = "open"`, `argstr = ...`. They say
//! what a name means, and have no other effect; so a name that the handler only reads is replaced by
//! its expression where it is read. What is not read costs nothing, and text that is only printed is
//! made where it is printed. The same holds for the library's functions that only return an
//! expression.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Resolver, Scope};
use crate::builtins;
use crate::hir::{Expr, ExprKind};
use crate::source::Span;
use crate::syntax::ast::{
    AssignOperator, Expression, ExpressionKind, FunctionDeclaration, Statement, StatementKind,
};
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
    /// The arguments of the function that is put in place, and how often each was used.
    arguments: BTreeMap<String, (Expr, usize)>,
    /// How deep functions are put in place.
    depth: usize,
}

/// How deep functions are put in place.
const MAX_DEPTH: usize = 16;

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
    /// Whether a place is in the library.
    pub(super) fn is_of_library(&self, span: Span) -> bool {
        span.file.0 as usize >= self.user_files
    }

    /// What a name stands for; `None` when it is a variable.
    pub(super) fn given(&mut self, scope: &mut Scope<'_>, name: &str) -> Option<Option<Expr>> {
        if let Some((argument, uses)) = scope.given.arguments.get_mut(name) {
            *uses += 1;
            return Some(Some(argument.clone()));
        }
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

    /// The value of a call of one of the library's functions that only return an expression, in place;
    /// gives the arguments back where that cannot be.
    pub(super) fn in_place(
        &mut self,
        scope: &Scope<'_>,
        function: &FunctionDeclaration,
        arguments: Vec<Expr>,
    ) -> Result<Expr, Vec<Expr>> {
        let value = match &function.body.kind {
            StatementKind::Block(statements) => match &statements[..] {
                [Statement { kind: StatementKind::Return(Some(value)), .. }] => value,
                _ => return Err(arguments),
            },
            _ => return Err(arguments),
        };
        if !self.is_of_library(function.name.span) || scope.given.depth == MAX_DEPTH {
            return Err(arguments);
        }
        let mut inner = Scope::new(None, self.script.new_body());
        inner.given.depth = scope.given.depth + 1;
        let names = function.parameters.iter().map(|(name, _)| name.text.clone());
        inner.given.arguments = names.zip(arguments.iter().map(|a| (a.clone(), 0))).collect();
        let resolved = self.expression(&mut inner, value);
        let once = |a: &Expr| {
            let uses = inner.given.arguments.values().find(|(e, _)| e.id == a.id);
            uses.is_some_and(|(_, uses)| *uses == 1)
        };
        match resolved {
            Some(resolved)
                if inner.locals.is_empty()
                    && arguments.iter().all(|a| is_repeatable(a) || once(a)) =>
            {
                Ok(resolved)
            }
            _ => Err(arguments),
        }
    }
}

/// Whether an expression can be computed any number of times, with the same result each time and no
/// other effect.
fn is_repeatable(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Context(_) => true,
        ExprKind::Load(load) => is_repeatable(&load.address),
        ExprKind::Unary { operand, .. } => is_repeatable(operand),
        ExprKind::Arithmetic { left, right, .. } | ExprKind::Compare { left, right, .. } => {
            is_repeatable(left) && is_repeatable(right)
        }
        ExprKind::Call { builtin, arguments } => {
            builtins::is_internal(builtin) && arguments.iter().all(is_repeatable)
        }
        _ => false,
    }
}
