//! Globals whose order of changes would be lost between the halves.
//!
//! The part of a handler that runs in userspace comes a little after the event. A kernel handler that asked for
//! what that part has set would see it too late; what both of them set would end as what userspace wrote. Such
//! a global is kept in userspace: handlers go on there from their first use of it on, one after another in
//! the order of the events.
//!
//! So is an array that the part in userspace looks at as a whole, in a loop or as an aggregate, and that kernel
//! handlers change: it would see what happened after the event. Additions on both sides are the same in any order,
//! and stay where they are.

use std::collections::BTreeSet;

use crate::hir::*;
use crate::layout::Layout;

/// What code does with globals.
#[derive(Default)]
struct Touched {
    /// Their values matter.
    read: BTreeSet<GlobalId>,
    added: BTreeSet<GlobalId>,
    set: BTreeSet<GlobalId>,
    /// Arrays deleted whole, aggregates emptied.
    cleared: BTreeSet<GlobalId>,
    /// Aggregates that were added to.
    recorded: BTreeSet<GlobalId>,
    /// Globals, or elements of them, that were deleted.
    deleted: BTreeSet<GlobalId>,
}

/// The globals of a script, which is split, that have to be in userspace only.
pub(super) fn conflicts(script: &Script, layout: &Layout) -> BTreeSet<GlobalId> {
    let mut tails = Touched::default();
    for event in layout.events.values() {
        tails.body(&event.body.statements, script);
        for function in reached(&event.body.statements, script) {
            for overload in &script.functions[function].overloads {
                tails.body(&overload.body.statements, script);
            }
        }
    }
    let mut kernel = Touched::default();
    for probe in script.probes.values().filter(|p| p.point.attach.in_kernel()) {
        kernel.body(&probe.body.statements, script);
    }
    for body in layout.kernel_functions.values().flatten() {
        kernel.body(&body.statements, script);
    }
    let mut blocks = Touched::default();
    for probe in script.probes.values().filter(|p| !p.point.attach.in_kernel()) {
        blocks.body(&probe.body.statements, script);
    }
    for overload in script.functions.values().flat_map(|f| &f.overloads) {
        blocks.body(&overload.body.statements, script);
    }
    let all = script.globals.keys();
    all.filter(|id| {
        // What blocks record in an aggregate is in ntap's memory, where no kernel handler can delete it.
        let recorded = tails.recorded.contains(id) || blocks.recorded.contains(id);
        if recorded && kernel.deleted.contains(id) {
            return true;
        }
        let tail_changes = tails.changes(id) || tails.cleared.contains(id);
        let tail_sees = tails.set.contains(id) || tails.read.contains(id);
        tail_changes && (kernel.read.contains(id) || kernel.set.contains(id))
            || (tail_sees || tails.cleared.contains(id)) && kernel.changes(id)
    })
    .collect()
}

/// The functions that statements call, and those that these call.
fn reached(statements: &[Stmt], script: &Script) -> BTreeSet<FunctionId> {
    let mut reached = BTreeSet::new();
    let mut called = super::called(statements);
    while let Some(id) = called.pop() {
        if reached.insert(id) {
            for overload in &script.functions[id].overloads {
                called.extend(super::called(&overload.body.statements));
            }
        }
    }
    reached
}

impl Touched {
    fn changes(&self, id: &GlobalId) -> bool {
        self.added.contains(id) || self.set.contains(id)
    }

    fn body(&mut self, statements: &[Stmt], script: &Script) {
        // The expressions whose values nobody asks for.
        let mut effects = BTreeSet::new();
        each_statement(statements, &mut |s| match &s.kind {
            StmtKind::Expr(e) => {
                effects.insert(e.id);
            }
            StmtKind::Loop { step: Some(e), .. } => {
                effects.insert(e.id);
            }
            StmtKind::Record { target, .. } => {
                note(&mut self.added, target);
                note(&mut self.recorded, target);
            }
            StmtKind::Foreach(foreach) => {
                self.read.insert(foreach.array);
            }
            StmtKind::Delete(place) => match place.kind {
                PlaceKind::Global(id) if matches!(script.globals[id].shape, Shape::Array(..)) => {
                    self.cleared.insert(id);
                }
                _ => {
                    note(&mut self.set, place);
                    note(&mut self.deleted, place);
                }
            },
            _ => {}
        });
        each_expression(statements, &mut |e| match &e.kind {
            ExprKind::Read(place) => note(&mut self.read, place),
            ExprKind::Extract { of, .. }
            | ExprKind::Histogram(of)
            | ExprKind::Bucket { of, .. } => {
                note(&mut self.read, of);
            }
            ExprKind::In { array, .. } => {
                self.read.insert(*array);
            }
            ExprKind::Assign { target, operator, .. } => {
                let adds = matches!(
                    operator,
                    AssignOperator::Arithmetic(Arithmetic::Add | Arithmetic::Subtract)
                );
                note(if adds { &mut self.added } else { &mut self.set }, target);
                let reads = match operator {
                    AssignOperator::Set => false,
                    _ => !adds || !effects.contains(&e.id),
                };
                if reads {
                    note(&mut self.read, target);
                }
            }
            ExprKind::Increment { target, .. } => {
                note(&mut self.added, target);
                if !effects.contains(&e.id) {
                    note(&mut self.read, target);
                }
            }
            _ => {}
        });
    }
}

fn note(globals: &mut BTreeSet<GlobalId>, place: &Place) {
    if let PlaceKind::Global(id) | PlaceKind::Element(id, _) = place.kind {
        globals.insert(id);
    }
}
