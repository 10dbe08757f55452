//! Other local variables, or values, in place of the local variables of some statements.

use super::{Expr, ExprKind, LocalId, Place, PlaceKind, Print, Stmt, StmtKind};

/// What stands in place of a local variable.
pub trait InPlaceOfLocals {
    /// The variable.
    fn local(&self, local: LocalId) -> LocalId;
    /// A value, where the variable is read.
    fn value(&self, local: LocalId) -> Option<Expr>;
}

/// Puts others in place of every local variable.
pub fn rename_locals(statements: &mut [Stmt], other: &impl InPlaceOfLocals) {
    for statement in statements {
        match &mut statement.kind {
            StmtKind::Expr(e) => expression(e, other),
            StmtKind::Record { target, value } => {
                place(target, other);
                expression(value, other);
            }
            StmtKind::Print(values) => print(values, other),
            StmtKind::If { condition, then, otherwise } => {
                expression(condition, other);
                rename_locals(then, other);
                rename_locals(otherwise, other);
            }
            StmtKind::Loop { condition, step, body } => {
                for e in condition.iter_mut().chain(step) {
                    expression(e, other);
                }
                rename_locals(body, other);
            }
            StmtKind::Foreach(foreach) => {
                for e in foreach.limit.iter_mut().chain(&mut foreach.slice) {
                    expression(e, other);
                }
                for local in foreach.keys.iter_mut().chain(&mut foreach.value) {
                    *local = other.local(*local);
                }
                rename_locals(&mut foreach.body, other);
            }
            StmtKind::Try { body, variable, handler } => {
                *variable = variable.map(|local| other.local(local));
                rename_locals(body, other);
                rename_locals(handler, other);
            }
            StmtKind::Delete(target) => place(target, other),
            StmtKind::Emit { captures, .. } => list(captures, other),
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    expression(value, other);
                }
            }
            StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt => {}
        }
    }
}

fn print(print: &mut Print, other: &impl InPlaceOfLocals) {
    list(&mut print.arguments, other);
}

fn list(expressions: &mut [Expr], other: &impl InPlaceOfLocals) {
    for e in expressions {
        expression(e, other);
    }
}

fn place(place: &mut Place, other: &impl InPlaceOfLocals) {
    match &mut place.kind {
        PlaceKind::Local(local) => *local = other.local(*local),
        PlaceKind::Global(_) => {}
        PlaceKind::Element(_, keys) => list(keys, other),
    }
}

fn expression(e: &mut Expr, other: &impl InPlaceOfLocals) {
    match &mut e.kind {
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Wildcard
        | ExprKind::Context(_)
        | ExprKind::Captured { .. } => {}
        ExprKind::Read(target) => match &target.kind {
            PlaceKind::Local(local) if let Some(value) = other.value(*local) => *e = value,
            _ => place(target, other),
        },
        ExprKind::Extract { of: target, .. }
        | ExprKind::Histogram(target)
        | ExprKind::Increment { target, .. } => place(target, other),
        ExprKind::Load(load) => expression(&mut load.address, other),
        ExprKind::Call { arguments, .. } | ExprKind::Invoke { arguments, .. } => {
            list(arguments, other);
        }
        ExprKind::Sprint(values) => print(values, other),
        ExprKind::Bucket { of, index } => {
            place(of, other);
            expression(index, other);
        }
        ExprKind::Match { text, .. } => expression(text, other),
        ExprKind::Unary { operand, .. } => expression(operand, other),
        ExprKind::Arithmetic { left, right, .. }
        | ExprKind::Compare { left, right, .. }
        | ExprKind::Logical { left, right, .. }
        | ExprKind::Concatenate { left, right } => {
            expression(left, other);
            expression(right, other);
        }
        ExprKind::Conditional { condition, then, otherwise } => {
            for e in [condition, then, otherwise] {
                expression(e, other);
            }
        }
        ExprKind::In { keys, .. } => list(keys, other),
        ExprKind::Assign { target, value, .. } => {
            place(target, other);
            expression(value, other);
        }
    }
}
