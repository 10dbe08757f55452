//! Walking over statements and expressions.

use super::{Expr, ExprKind, Place, PlaceKind, Stmt, StmtKind};

/// Calls `f` on every statement, those inside loops and branches included.
pub fn each_statement(statements: &[Stmt], f: &mut impl FnMut(&Stmt)) {
    for statement in statements {
        f(statement);
        match &statement.kind {
            StmtKind::If { then, otherwise, .. } => {
                each_statement(then, f);
                each_statement(otherwise, f);
            }
            StmtKind::Loop { body, .. } => each_statement(body, f),
            StmtKind::Foreach(foreach) => each_statement(&foreach.body, f),
            StmtKind::Try { body, handler, .. } => {
                each_statement(body, f);
                each_statement(handler, f);
            }
            StmtKind::Expr(_)
            | StmtKind::Record { .. }
            | StmtKind::Print(_)
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Return(_)
            | StmtKind::Fail(_)
            | StmtKind::Halt
            | StmtKind::Delete(_)
            | StmtKind::Emit { .. } => {}
        }
    }
}

/// Calls `f` on every expression in the statements, outer ones first.
pub fn each_expression(statements: &[Stmt], f: &mut impl FnMut(&Expr)) {
    for statement in statements {
        match &statement.kind {
            StmtKind::Expr(e) => expression(e, f),
            StmtKind::Record { target, value } => {
                place(target, f);
                expression(value, f);
            }
            StmtKind::Print(print) => list(&print.arguments, f),
            StmtKind::If { condition, then, otherwise } => {
                expression(condition, f);
                each_expression(then, f);
                each_expression(otherwise, f);
            }
            StmtKind::Loop { condition, step, body } => {
                for e in condition.iter().chain(step) {
                    expression(e, f);
                }
                each_expression(body, f);
            }
            StmtKind::Foreach(foreach) => {
                for e in foreach.limit.iter().chain(&foreach.slice) {
                    expression(e, f);
                }
                each_expression(&foreach.body, f);
            }
            StmtKind::Delete(target) => place(target, f),
            StmtKind::Emit { captures, .. } => list(captures, f),
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    expression(value, f);
                }
            }
            StmtKind::Try { body, handler, .. } => {
                each_expression(body, f);
                each_expression(handler, f);
            }
            StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt => {}
        }
    }
}

fn list(expressions: &[Expr], f: &mut impl FnMut(&Expr)) {
    for e in expressions {
        expression(e, f);
    }
}

fn place(place: &Place, f: &mut impl FnMut(&Expr)) {
    if let PlaceKind::Element(_, keys) = &place.kind {
        list(keys, f);
    }
}

/// Calls `f` on an expression and its parts, outer ones first.
pub fn each_part(e: &Expr, f: &mut impl FnMut(&Expr)) {
    expression(e, f);
}

fn expression(e: &Expr, f: &mut impl FnMut(&Expr)) {
    f(e);
    match &e.kind {
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Wildcard
        | ExprKind::Context(_)
        | ExprKind::Captured { .. } => {}
        ExprKind::Read(target) => place(target, f),
        ExprKind::Extract { of: target, .. }
        | ExprKind::Histogram(target)
        | ExprKind::Increment { target, .. } => {
            place(target, f);
        }
        ExprKind::Load(load) => expression(&load.address, f),
        ExprKind::Call { arguments, .. } | ExprKind::Invoke { arguments, .. } => list(arguments, f),
        ExprKind::Sprint(print) => list(&print.arguments, f),
        ExprKind::Bucket { of, index } => {
            place(of, f);
            expression(index, f);
        }
        ExprKind::Match { text, .. } => expression(text, f),
        ExprKind::Unary { operand, .. } => expression(operand, f),
        ExprKind::Arithmetic { left, right, .. }
        | ExprKind::Compare { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Concatenate { left, right } => {
            expression(left, f);
            expression(right, f);
        }
        ExprKind::Conditional { condition, then, otherwise } => {
            for e in [condition, then, otherwise] {
                expression(e, f);
            }
        }
        ExprKind::In { keys, .. } => list(keys, f),
        ExprKind::Assign { target, value, .. } => {
            place(target, f);
            expression(value, f);
        }
    }
}
