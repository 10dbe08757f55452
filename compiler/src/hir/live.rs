//! Which local variables code uses, and whose values it needs when it starts.

use std::collections::BTreeSet;

use super::{
    AssignOperator, Expr, ExprKind, LocalId, Place, PlaceKind, Stmt, StmtKind, each_expression,
    each_statement,
};

/// The locals that the statements mention.
pub fn used_locals(statements: &[Stmt]) -> BTreeSet<LocalId> {
    let mut used = BTreeSet::new();
    let mut place = |place: &Place| {
        if let PlaceKind::Local(id) = place.kind {
            used.insert(id);
        }
    };
    each_expression(statements, &mut |e| match &e.kind {
        ExprKind::Read(p) => place(p),
        ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } => place(target),
        _ => {}
    });
    each_statement(statements, &mut |s| match &s.kind {
        StmtKind::Delete(p) => {
            if let PlaceKind::Local(id) = p.kind {
                used.insert(id);
            }
        }
        StmtKind::Foreach(foreach) => used.extend(foreach.keys.iter().chain(&foreach.value)),
        StmtKind::Try { variable, .. } => used.extend(variable),
        _ => {}
    });
    used
}

/// The locals whose values when the statements start can matter to them.
pub fn live_locals(statements: &[Stmt]) -> BTreeSet<LocalId> {
    live_before(statements, BTreeSet::new())
}

/// The locals that are live before the statements, given those that are live behind them. Leaving early
/// (`next`, `break`) only makes fewer of them matter.
fn live_before(statements: &[Stmt], mut live: BTreeSet<LocalId>) -> BTreeSet<LocalId> {
    for statement in statements.iter().rev() {
        live = live_before_one(statement, live);
    }
    live
}

fn live_before_one(statement: &Stmt, mut live: BTreeSet<LocalId>) -> BTreeSet<LocalId> {
    match &statement.kind {
        StmtKind::Expr(e) => {
            if let ExprKind::Assign { target, operator: AssignOperator::Set, .. } = &e.kind
                && let PlaceKind::Local(id) = target.kind
            {
                live.remove(&id);
            }
            reads(statement, &mut live);
            live
        }
        StmtKind::Delete(Place { kind: PlaceKind::Local(id), .. }) => {
            live.remove(id);
            live
        }
        StmtKind::If { condition, then, otherwise } => {
            let mut either = live_before(then, live.clone());
            either.extend(live_before(otherwise, live));
            reads_of(condition, &mut either);
            either
        }
        StmtKind::Loop { condition, step, body } => {
            // Twice: what one round leaves may be what the next one needs.
            for _ in 0..2 {
                let mut round = live.clone();
                for e in condition.iter().chain(step) {
                    reads_of(e, &mut round);
                }
                live.extend(live_before(body, round));
                if let Some(condition) = condition {
                    reads_of(condition, &mut live);
                }
            }
            live
        }
        StmtKind::Foreach(foreach) => {
            for _ in 0..2 {
                let mut inside = live_before(&foreach.body, live.clone());
                for id in foreach.keys.iter().chain(&foreach.value) {
                    inside.remove(id);
                }
                live.extend(inside);
            }
            for e in foreach.limit.iter().chain(&foreach.slice) {
                reads_of(e, &mut live);
            }
            live
        }
        StmtKind::Try { body, variable, handler } => {
            let mut caught = live_before(handler, live.clone());
            if let Some(variable) = variable {
                caught.remove(variable);
            }
            // The error may come anywhere in the body.
            live.extend(caught);
            let before = live_before(body, live.clone());
            live.extend(before);
            live
        }
        StmtKind::Record { .. }
        | StmtKind::Print(_)
        | StmtKind::Delete(_)
        | StmtKind::Return(_)
        | StmtKind::Emit { .. }
        | StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Next
        | StmtKind::Fail(_)
        | StmtKind::Halt => {
            reads(statement, &mut live);
            live
        }
    }
}

fn reads(statement: &Stmt, live: &mut BTreeSet<LocalId>) {
    each_expression(std::slice::from_ref(statement), &mut |e| reads_here(e, live));
}

fn reads_of(e: &Expr, live: &mut BTreeSet<LocalId>) {
    let statement = Stmt { kind: StmtKind::Expr(e.clone()), span: e.span };
    reads(&statement, live);
}

/// The local that an expression itself (not its parts) reads.
fn reads_here(e: &Expr, live: &mut BTreeSet<LocalId>) {
    let place = match &e.kind {
        ExprKind::Read(place) => place,
        ExprKind::Increment { target, .. } => target,
        ExprKind::Assign { target, operator, .. } if *operator != AssignOperator::Set => target,
        _ => return,
    };
    if let PlaceKind::Local(id) = place.kind {
        live.insert(id);
    }
}

/// The locals that the statements assign.
pub fn assigned_locals(statements: &[Stmt]) -> BTreeSet<LocalId> {
    let mut assigned = BTreeSet::new();
    each_statement(statements, &mut |s| match &s.kind {
        StmtKind::Foreach(foreach) => assigned.extend(foreach.keys.iter().chain(&foreach.value)),
        StmtKind::Try { variable, .. } => assigned.extend(variable),
        StmtKind::Delete(Place { kind: PlaceKind::Local(id), .. }) => {
            assigned.insert(*id);
        }
        _ => {}
    });
    each_expression(statements, &mut |e| {
        if let ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } = &e.kind
            && let PlaceKind::Local(id) = target.kind
        {
            assigned.insert(id);
        }
    });
    assigned
}
