//! The names a piece of a script mentions: what it may need of the library.

use super::ast::{
    Access, AliasDeclaration, Expression, ExpressionKind, ForeachOver, Item, Name, ProbePoint,
    Statement, StatementKind,
};

/// A name and what it is used for.
#[derive(Clone, Copy, Debug)]
pub enum Mention<'a> {
    /// The function of a call.
    Function(&'a Name),
    /// A variable or array.
    Variable(&'a str),
    /// A variable that is changed.
    Changed(&'a str),
    /// The function of the library that reads counters.
    Counter,
    /// A probe point that may be an alias.
    Point(&'a ProbePoint),
}

/// Calls `f` with every name an item mentions.
pub fn each_mention<'a>(item: &'a Item, f: &mut dyn FnMut(Mention<'a>)) {
    match item {
        Item::Global(_) => {}
        Item::Function(function) => statement(&function.body, f),
        Item::Probe(probe) => {
            points(&probe.points, f);
            statement(&probe.body, f);
        }
        Item::Alias(AliasDeclaration { points: targets, prologue, epilogue, .. }) => {
            points(targets, f);
            for body in prologue.iter().chain(epilogue) {
                statement(body, f);
            }
        }
    }
}

/// Whether a function's body holds `next`, which goes on to another function of its name.
pub fn has_next(statement: &Statement) -> bool {
    match &statement.kind {
        StatementKind::Next => true,
        StatementKind::Block(statements) => statements.iter().any(has_next),
        StatementKind::If { then, otherwise, .. } => {
            has_next(then) || otherwise.as_deref().is_some_and(has_next)
        }
        StatementKind::While { body, .. } | StatementKind::For { body, .. } => has_next(body),
        StatementKind::Foreach(foreach) => has_next(&foreach.body),
        StatementKind::Try { body, handler, .. } => has_next(body) || has_next(handler),
        StatementKind::Empty
        | StatementKind::Expression(_)
        | StatementKind::Break
        | StatementKind::Continue
        | StatementKind::Return(_)
        | StatementKind::Delete(_) => false,
    }
}

/// Calls `f` with every name a statement mentions.
pub fn each_mention_of<'a>(body: &'a Statement, f: &mut dyn FnMut(Mention<'a>)) {
    statement(body, f);
}

/// Calls `f` with the variable that is changed.
fn changed<'a>(target: &'a Expression, f: &mut dyn FnMut(Mention<'a>)) {
    if let ExpressionKind::Variable(name) = &target.kind {
        f(Mention::Changed(name));
    }
}

fn points<'a>(points: &'a [ProbePoint], f: &mut dyn FnMut(Mention<'a>)) {
    for point in points {
        f(Mention::Point(point));
        if let Some(condition) = &point.condition {
            expression(condition, f);
        }
    }
}

fn statement<'a>(statement_: &'a Statement, f: &mut dyn FnMut(Mention<'a>)) {
    match &statement_.kind {
        StatementKind::Empty
        | StatementKind::Break
        | StatementKind::Continue
        | StatementKind::Next
        | StatementKind::Return(None) => {}
        StatementKind::Block(statements) => statements.iter().for_each(|s| statement(s, f)),
        StatementKind::Expression(e) | StatementKind::Return(Some(e)) => expression(e, f),
        StatementKind::Delete(e) => {
            changed(e, f);
            expression(e, f);
        }
        StatementKind::If { condition, then, otherwise } => {
            expression(condition, f);
            statement(then, f);
            otherwise.iter().for_each(|s| statement(s, f));
        }
        StatementKind::While { condition, body } => {
            expression(condition, f);
            statement(body, f);
        }
        StatementKind::For { init, condition, step, body } => {
            init.iter().chain(condition).chain(step).for_each(|e| expression(e, f));
            statement(body, f);
        }
        StatementKind::Foreach(foreach) => {
            let names = foreach.keys.iter().chain(&foreach.value);
            names.for_each(|(name, _)| f(Mention::Changed(&name.text)));
            match &foreach.over {
                ForeachOver::Array { array, slice, .. } => {
                    f(Mention::Variable(&array.text));
                    slice.iter().for_each(|e| expression(e, f));
                }
                ForeachOver::Histogram(histogram) => expression(histogram, f),
            }
            foreach.limit.iter().for_each(|e| expression(e, f));
            statement(&foreach.body, f);
        }
        StatementKind::Try { body, variable, handler } => {
            variable.iter().for_each(|name| f(Mention::Changed(&name.text)));
            statement(body, f);
            statement(handler, f);
        }
    }
}

fn expression<'a>(e: &'a Expression, f: &mut dyn FnMut(Mention<'a>)) {
    match &e.kind {
        ExpressionKind::Literal(_)
        | ExpressionKind::Wildcard
        | ExpressionKind::Context(_)
        | ExpressionKind::Var { .. }
        | ExpressionKind::Embedded(_)
        | ExpressionKind::Constant(_) => {}
        ExpressionKind::Perf(_) => f(Mention::Counter),
        ExpressionKind::Variable(name) => f(Mention::Variable(name)),
        ExpressionKind::Element { array, indices: keys } | ExpressionKind::In { keys, array } => {
            f(Mention::Variable(&array.text));
            keys.iter().for_each(|e| expression(e, f));
        }
        ExpressionKind::Call { function, arguments } => {
            f(Mention::Function(function));
            arguments.iter().for_each(|e| expression(e, f));
        }
        ExpressionKind::Member { base, access } => {
            expression(base, f);
            match access {
                Access::Index(index) => expression(index, f),
                Access::Field(_) | Access::Pretty { .. } => {}
            }
        }
        ExpressionKind::AddressOf(operand)
        | ExpressionKind::Unary { operand, .. }
        | ExpressionKind::Defined(operand)
        | ExpressionKind::ProbeWrite(operand)
        | ExpressionKind::Entry(operand)
        | ExpressionKind::Match { text: operand, .. }
        | ExpressionKind::Cast { value: operand, .. } => expression(operand, f),
        ExpressionKind::Increment { target, .. } => {
            changed(target, f);
            expression(target, f);
        }
        ExpressionKind::Assign { target, value, .. } => {
            changed(target, f);
            expression(target, f);
            expression(value, f);
        }
        ExpressionKind::Binary { left, right, .. } => {
            expression(left, f);
            expression(right, f);
        }
        ExpressionKind::Conditional { condition, then, otherwise } => {
            expression(condition, f);
            expression(then, f);
            expression(otherwise, f);
        }
        ExpressionKind::Aggregate { of, arguments, .. } => {
            expression(of, f);
            arguments.iter().for_each(|e| expression(e, f));
        }
        ExpressionKind::EnumName(arguments) | ExpressionKind::Raw { arguments, .. } => {
            arguments.iter().for_each(|e| expression(e, f));
        }
    }
}
