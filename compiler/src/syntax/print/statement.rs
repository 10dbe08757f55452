//! Statements as text.

use super::expression::{list, operand, top};
use crate::syntax::ast::{Foreach, ForeachOver, Name, SortDirection, Statement, StatementKind};

const INDENT: &str = "    ";

/// A statement that begins on the current line, `depth` steps indented; ends without a line break.
pub(super) fn statement(out: &mut String, one: &Statement, depth: usize) {
    match &one.kind {
        StatementKind::Block(statements) => {
            out.push('{');
            for inner in statements {
                line(out, depth + 1);
                statement(out, inner, depth + 1);
            }
            if !statements.is_empty() {
                line(out, depth);
            }
            out.push('}');
        }
        StatementKind::Empty => out.push(';'),
        StatementKind::Expression(expression) => {
            top(out, expression);
            out.push(';');
        }
        StatementKind::If { condition, then, otherwise } => {
            out.push_str("if (");
            top(out, condition);
            out.push(')');
            // An `else` would go to an `if` inside without braces.
            let guard = otherwise.is_some() && ends_in_if(then);
            if guard {
                out.push_str(" {");
                line(out, depth + 1);
                statement(out, then, depth + 1);
                line(out, depth);
                out.push('}');
            } else {
                body(out, then, depth);
            }
            if let Some(otherwise) = otherwise {
                let is_block = matches!(then.kind, StatementKind::Block(_)) || guard;
                if is_block {
                    out.push(' ')
                } else {
                    line(out, depth)
                }
                out.push_str("else");
                if let StatementKind::If { .. } = otherwise.kind {
                    out.push(' ');
                    statement(out, otherwise, depth);
                } else {
                    body(out, otherwise, depth);
                }
            }
        }
        StatementKind::While { condition, body: inner } => {
            out.push_str("while (");
            top(out, condition);
            out.push(')');
            body(out, inner, depth);
        }
        StatementKind::For { init, condition, step, body: inner } => {
            out.push_str("for (");
            init.iter().for_each(|expression| top(out, expression));
            out.push_str("; ");
            condition.iter().for_each(|expression| top(out, expression));
            out.push_str("; ");
            step.iter().for_each(|expression| top(out, expression));
            out.push(')');
            body(out, inner, depth);
        }
        StatementKind::Foreach(foreach) => foreach_head(out, foreach, depth),
        StatementKind::Break => out.push_str("break;"),
        StatementKind::Continue => out.push_str("continue;"),
        StatementKind::Next => out.push_str("next;"),
        StatementKind::Return(None) => out.push_str("return;"),
        StatementKind::Return(Some(value)) => {
            out.push_str("return ");
            top(out, value);
            out.push(';');
        }
        StatementKind::Delete(what) => {
            out.push_str("delete ");
            top(out, what);
            out.push(';');
        }
        StatementKind::Try { body: inner, variable, handler } => {
            out.push_str("try");
            body(out, inner, depth);
            let is_block = matches!(inner.kind, StatementKind::Block(_));
            if is_block {
                out.push(' ')
            } else {
                line(out, depth)
            }
            out.push_str("catch");
            if let Some(variable) = variable {
                out.push_str(&format!(" ({})", variable.text));
            }
            body(out, handler, depth);
        }
    }
}

/// A statement inside another: a block on the same line, anything else on the next.
fn body(out: &mut String, inner: &Statement, depth: usize) {
    if let StatementKind::Block(_) = inner.kind {
        out.push(' ');
        statement(out, inner, depth);
    } else {
        line(out, depth + 1);
        statement(out, inner, depth + 1);
    }
}

/// Whether an `else` behind the statement would belong to an `if` in it.
fn ends_in_if(one: &Statement) -> bool {
    match &one.kind {
        StatementKind::If { otherwise: None, .. } => true,
        StatementKind::If { otherwise: Some(last), .. }
        | StatementKind::While { body: last, .. }
        | StatementKind::For { body: last, .. }
        | StatementKind::Try { handler: last, .. } => ends_in_if(last),
        StatementKind::Foreach(foreach) => ends_in_if(&foreach.body),
        StatementKind::Block(_)
        | StatementKind::Empty
        | StatementKind::Expression(_)
        | StatementKind::Break
        | StatementKind::Continue
        | StatementKind::Next
        | StatementKind::Return(_)
        | StatementKind::Delete(_) => false,
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&INDENT.repeat(depth));
}

fn foreach_head(out: &mut String, foreach: &Foreach, depth: usize) {
    out.push_str("foreach (");
    if let Some(value) = &foreach.value {
        marked(out, value);
        out.push_str(" = ");
    }
    out.push('[');
    for (at, key) in foreach.keys.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        marked(out, key);
    }
    out.push_str("] in ");
    match &foreach.over {
        ForeachOver::Array { array, slice, aggregate, direction } => {
            out.push_str(&array.text);
            if !slice.is_empty() {
                out.push('[');
                list(out, slice);
                out.push(']');
            }
            if let Some((aggregate, _)) = aggregate {
                out.push(' ');
                out.push_str(aggregate.word());
            }
            out.push_str(mark(*direction));
        }
        ForeachOver::Histogram(histogram) => operand(out, histogram),
    }
    if let Some(limit) = &foreach.limit {
        out.push_str(" limit ");
        top(out, limit);
    }
    out.push(')');
    body(out, &foreach.body, depth);
}

fn marked(out: &mut String, (name, direction): &(Name, Option<SortDirection>)) {
    out.push_str(&name.text);
    out.push_str(mark(*direction));
}

fn mark(direction: Option<SortDirection>) -> &'static str {
    match direction {
        None => "",
        Some(SortDirection::Ascending) => "+",
        Some(SortDirection::Descending) => "-",
    }
}
