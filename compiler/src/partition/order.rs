//! Globals whose order of changes would be lost between the halves.
//!
//! The part of a handler that runs in userspace comes a little after the event. A kernel handler that asked for
//! what that part has set would see it too late; what both of them set would end as what userspace wrote. Such
//! a global is kept in userspace: handlers go on there from their first use of it on, one after another in
//! the order of the events.
//!
//! Additions are the same in any order, and a loop over an array that kernel code adds to may see more than there
//! was: these stay where they are, for speed.

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
    if tails.is_empty() {
        return BTreeSet::new();
    }
    let mut kernel = Touched::default();
    for probe in script.probes.values().filter(|p| p.point.attach.in_kernel()) {
        kernel.body(&probe.body.statements, script);
    }
    for body in layout.kernel_functions.values().flatten() {
        kernel.body(&body.statements, script);
    }
    let all = script.globals.keys();
    all.filter(|id| {
        let tail_changes = tails.changes(id) || tails.cleared.contains(id);
        tail_changes && (kernel.read.contains(id) || kernel.set.contains(id))
            || (tails.set.contains(id) || tails.read.contains(id)) && kernel.changes(id)
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
    fn is_empty(&self) -> bool {
        [&self.read, &self.added, &self.set, &self.cleared].into_iter().all(BTreeSet::is_empty)
    }

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
            StmtKind::Record { target, .. } => note(&mut self.added, target),
            StmtKind::Delete(place) => match place.kind {
                PlaceKind::Global(id) if matches!(script.globals[id].shape, Shape::Array(..)) => {
                    self.cleared.insert(id);
                }
                _ => note(&mut self.set, place),
            },
            _ => {}
        });
        each_expression(statements, &mut |e| match &e.kind {
            ExprKind::Read(place) => note(&mut self.read, place),
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
