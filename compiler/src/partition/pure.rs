//! Functions whose result depends on the event and on what they are given, and that do nothing else: a handler that
//! goes on in userspace can have called them before.

use std::collections::BTreeSet;

use crate::builtins::{Kernel, Kind};
use crate::hir::*;

/// Whether a function, with those it calls, only computes a result, with the means kernel code has.
pub(super) fn only_computes(script: &Script, id: FunctionId) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for overload in &script.functions[id].overloads {
            let statements = &overload.body.statements;
            let mut is_fine = true;
            each_statement(statements, &mut |s| is_fine &= computes(s));
            each_expression(statements, &mut |e| {
                is_fine &= is_of_the_event(e);
                if let ExprKind::Invoke { function, .. } = e.kind {
                    open.push(function);
                }
            });
            if !is_fine {
                return false;
            }
        }
    }
    true
}

fn computes(statement: &Stmt) -> bool {
    match &statement.kind {
        StmtKind::Expr(_)
        | StmtKind::If { .. }
        | StmtKind::Loop { .. }
        | StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Return(_) => true,
        StmtKind::Record { .. }
        | StmtKind::Print(_)
        | StmtKind::Foreach(_)
        | StmtKind::Next
        | StmtKind::Try { .. }
        | StmtKind::Fail(_)
        | StmtKind::Delete(_)
        | StmtKind::Emit { .. }
        | StmtKind::Halt => false,
    }
}

fn is_of_the_event(e: &Expr) -> bool {
    let is_local = |place: &Place| matches!(place.kind, PlaceKind::Local(_));
    match &e.kind {
        ExprKind::Read(place) => is_local(place),
        ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } => is_local(target),
        ExprKind::Call { builtin, .. } => {
            matches!(builtin.kernel, Kernel::Inline(_) | Kernel::Pure(_))
                && builtin.result != Kind::Nothing
        }
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Context(_)
        | ExprKind::Load(_)
        | ExprKind::Invoke { .. }
        | ExprKind::Unary { .. }
        | ExprKind::Arithmetic { .. }
        | ExprKind::Compare { .. }
        | ExprKind::Logical { .. }
        | ExprKind::Conditional { .. } => true,
        // Long texts are better made where they are used.
        ExprKind::Wildcard
        | ExprKind::Captured { .. }
        | ExprKind::Sprint(_)
        | ExprKind::Concatenate { .. }
        | ExprKind::In { .. }
        | ExprKind::Extract { .. }
        | ExprKind::Histogram(_)
        | ExprKind::Bucket { .. }
        | ExprKind::Match { .. } => false,
    }
}
