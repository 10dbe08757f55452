//! What statements, with the functions they call, do to globals, and whether they end the handler.

use std::collections::BTreeSet;

use crate::hir::*;

/// The globals that the statements, and the functions they call, change.
pub(super) fn changed_globals(statements: &[Stmt], script: &Script) -> BTreeSet<GlobalId> {
    let mut changed = BTreeSet::new();
    let mut called = vec![];
    let mut seen = BTreeSet::new();
    changes(statements, &mut changed, &mut called);
    while let Some(function) = called.pop() {
        if seen.insert(function) {
            for overload in &script.functions[function].overloads {
                changes(&overload.body.statements, &mut changed, &mut called);
            }
        }
    }
    changed
}

fn changes(statements: &[Stmt], changed: &mut BTreeSet<GlobalId>, called: &mut Vec<FunctionId>) {
    let mut note = |place: &Place| {
        if let PlaceKind::Global(id) | PlaceKind::Element(id, _) = place.kind {
            changed.insert(id);
        }
    };
    each_statement(statements, &mut |s| {
        if let StmtKind::Record { target, .. } | StmtKind::Delete(target) = &s.kind {
            note(target);
        }
    });
    each_expression(statements, &mut |e| match &e.kind {
        ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } => note(target),
        ExprKind::Invoke { function, .. } => called.push(*function),
        _ => {}
    });
}

/// Whether statements, or the functions they call, use a global.
pub(super) fn mentions(statements: &[Stmt], id: GlobalId, script: &Script) -> bool {
    let mut found = false;
    let mut called = super::called(statements);
    let mut seen = BTreeSet::new();
    let mut look = |statements: &[Stmt]| {
        let mut note = |place: &Place| {
            found |= matches!(place.kind, PlaceKind::Global(other) | PlaceKind::Element(other, _)
                if other == id);
        };
        each_statement(statements, &mut |s| match &s.kind {
            StmtKind::Record { target, .. } | StmtKind::Delete(target) => note(target),
            _ => {}
        });
        let mut arrays = vec![];
        each_expression(statements, &mut |e| match &e.kind {
            ExprKind::Read(place) => note(place),
            ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } => note(target),
            ExprKind::Extract { of, .. }
            | ExprKind::Histogram(of)
            | ExprKind::Bucket { of, .. } => {
                note(of);
            }
            ExprKind::In { array, .. } => arrays.push(*array),
            _ => {}
        });
        each_statement(statements, &mut |s| {
            if let StmtKind::Foreach(foreach) = &s.kind {
                arrays.push(foreach.array);
            }
        });
        found |= arrays.contains(&id);
    };
    look(statements);
    while let Some(function) = called.pop() {
        if seen.insert(function) {
            for overload in &script.functions[function].overloads {
                look(&overload.body.statements);
                called.extend(super::called(&overload.body.statements));
            }
        }
    }
    found
}

/// Whether statements may end the handler before its end.
pub(super) fn may_leave(statements: &[Stmt]) -> bool {
    let mut found = false;
    each_statement(statements, &mut |s| {
        found |= matches!(s.kind, StmtKind::Next | StmtKind::Fail(_) | StmtKind::Halt);
    });
    found
}
