//! What of the user's code has no effect: values that nothing reads, statements that are never reached,
//! expressions that only compute something. It is left out, which is said: mostly something else was meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostics, codes};
use crate::source::Span;
use crate::syntax::ast::{
    self, Access, AssignOperator, Expression, ExpressionKind, Item, Statement, StatementKind,
};
use crate::syntax::mentions::{Mention, each_mention_of};

/// Warns of code without effect in the functions and probes of the user's files.
pub(super) fn warn(scripts: &[ast::Script], user_files: usize, diagnostics: &mut Diagnostics) {
    let mut kept = BTreeSet::new();
    for item in scripts.iter().flat_map(|script| &script.items) {
        match item {
            Item::Global(global) => drop(kept.insert(global.name.text.as_str())),
            Item::Alias(ast::AliasDeclaration { epilogue: Some(epilogue), .. }) => {
                each_mention_of(epilogue, &mut |mention| {
                    if let Mention::Variable(name) = mention {
                        kept.insert(name);
                    }
                });
            }
            Item::Alias(_) | Item::Function(_) | Item::Probe(_) => {}
        }
    }
    for item in scripts.iter().take(user_files).flat_map(|script| &script.items) {
        let body = match item {
            Item::Function(function) => &function.body,
            Item::Probe(probe) => &probe.body,
            Item::Global(_) | Item::Alias(_) => continue,
        };
        let mut search = Search { diagnostics, assigned: BTreeMap::new() };
        search.statement(body);
        let assigned = std::mem::take(&mut search.assigned);
        warn_unread(body, assigned, &kept, diagnostics);
    }
}

/// Warns of variables that are assigned in a body and mentioned nowhere else.
fn warn_unread(
    body: &Statement,
    assigned: BTreeMap<&str, Vec<Span>>,
    kept: &BTreeSet<&str>,
    diagnostics: &mut Diagnostics,
) {
    let mut mentions: BTreeMap<&str, usize> = BTreeMap::new();
    each_mention_of(body, &mut |mention| {
        if let Mention::Variable(name) = mention {
            *mentions.entry(name).or_default() += 1;
        }
    });
    let mut assigned: Vec<(&str, Vec<Span>)> = assigned.into_iter().collect();
    assigned.sort_by_key(|(_, spans)| spans[0].start);
    for (name, spans) in assigned {
        if mentions[name] == spans.len() && !kept.contains(name) {
            diagnostics
                .warning(codes::WITHOUT_EFFECT, spans[0], format!("nothing reads `{name}`"))
                .label("it is not kept");
        }
    }
}

struct Search<'a, 'd> {
    diagnostics: &'d mut Diagnostics,
    /// The statements that do nothing but assign to a variable.
    assigned: BTreeMap<&'a str, Vec<Span>>,
}

impl<'a> Search<'a, '_> {
    fn statement(&mut self, statement: &'a Statement) {
        match &statement.kind {
            StatementKind::Block(statements) => self.block(statements),
            StatementKind::Expression(e) => self.expression(e),
            StatementKind::If { then, otherwise, .. } => {
                self.statement(then);
                otherwise.iter().for_each(|other| self.statement(other));
            }
            StatementKind::While { body, .. } | StatementKind::For { body, .. } => {
                self.statement(body);
            }
            StatementKind::Foreach(foreach) => self.statement(&foreach.body),
            StatementKind::Try { body, handler, .. } => {
                self.statement(body);
                self.statement(handler);
            }
            StatementKind::Empty
            | StatementKind::Break
            | StatementKind::Continue
            | StatementKind::Next
            | StatementKind::Return(_)
            | StatementKind::Delete(_) => {}
        }
    }

    fn block(&mut self, statements: &'a [Statement]) {
        let leaves = |statement: &&Statement| {
            use StatementKind::*;
            matches!(statement.kind, Break | Continue | Next | Return(_))
        };
        let end = statements.iter().position(|statement| leaves(&statement));
        let mut behind = statements[end.map_or(statements.len(), |end| end + 1)..].iter();
        if let Some(after) = behind.find(|s| !matches!(s.kind, StatementKind::Empty)) {
            self.diagnostics
                .warning(codes::WITHOUT_EFFECT, after.span, "statement that is never reached")
                .label("what is before it leaves");
        }
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn expression(&mut self, e: &'a Expression) {
        if let ExpressionKind::Assign { operator: AssignOperator::Set, target, .. } = &e.kind
            && let ExpressionKind::Variable(name) = &target.kind
        {
            self.assigned.entry(name).or_default().push(target.span);
        } else if is_only_computed(e) {
            self.diagnostics
                .warning(codes::WITHOUT_EFFECT, e.span, "expression without effect")
                .label("nothing is done with its value");
        }
    }
}

/// Whether an expression does nothing but compute a value.
fn is_only_computed(e: &Expression) -> bool {
    match &e.kind {
        ExpressionKind::Literal(_) | ExpressionKind::Variable(_) | ExpressionKind::Context(_) => {
            true
        }
        ExpressionKind::Element { indices: parts, .. } | ExpressionKind::In { keys: parts, .. } => {
            parts.iter().all(is_only_computed)
        }
        ExpressionKind::Unary { operand, .. } => is_only_computed(operand),
        ExpressionKind::Member { base, access } => {
            !matches!(access, Access::Index(index) if !is_only_computed(index))
                && is_only_computed(base)
        }
        ExpressionKind::Binary { left, right, .. } => {
            is_only_computed(left) && is_only_computed(right)
        }
        ExpressionKind::Conditional { condition, then, otherwise } => {
            [condition, then, otherwise].into_iter().all(|part| is_only_computed(part))
        }
        _ => false,
    }
}
