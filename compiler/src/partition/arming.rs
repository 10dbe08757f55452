//! Probes that are detached while their arming condition is false.
//!
//! A condition of globals that only user blocks change is evaluated in userspace, before the probes are attached
//! and after each block: the probe is detached while it is false. What kernel handlers change is tested by the
//! handler alone, which is attached all the time: between the change and the next event there is no time to
//! attach anything.

use std::collections::BTreeSet;

use super::effects::changed_globals;
use crate::builtins::Kernel;
use crate::hir::*;
use crate::layout::{Arming, Event, Layout, record};
use crate::types::{GlobalType, Type, Types};

/// Makes a block of the conditions of each probe that can be detached: it leaves their value in a global of
/// its own.
pub(super) fn plan(script: &mut Script, types: &mut Types, layout: &mut Layout) {
    if script.probes.values().all(|probe| probe.arming.is_empty()) {
        return;
    }
    let changed_by_kernel = changed_by_kernel(script, layout);
    let ids: Vec<ProbeId> = script.probes.keys().collect();
    for id in ids {
        let probe = &script.probes[id];
        let detachable =
            probe.point.attach.in_kernel() || matches!(probe.point.attach, Attach::Timer { .. });
        let conditions: Vec<Stmt> = probe
            .arming
            .iter()
            .map(|e| Stmt { kind: StmtKind::Expr(e.clone()), span: e.span })
            .collect();
        if !detachable || conditions.is_empty() || !is_for_blocks(&conditions) {
            continue;
        }
        if read_globals(&conditions).iter().any(|id| changed_by_kernel.contains(id)) {
            continue;
        }
        let conditions = script.probes[id].arming.clone();
        let both = |left: Expr, right: Expr| {
            let id = script.expressions.push(left.span);
            types.expressions[id] = Type::Long;
            let span = left.span;
            let (left, right) = (Box::new(left), Box::new(right));
            Expr { kind: ExprKind::Logical { or: false, left, right }, span, id }
        };
        let Some(condition) = conditions.into_iter().reduce(both) else { continue };
        let armed = hidden_global(script, types, &condition);
        let event = block(script, types, layout, id, armed, condition);
        layout.arming.push(Arming { probe: id, event, armed });
    }
}

/// A block that leaves the value of a condition in a global.
fn block(
    script: &mut Script,
    types: &mut Types,
    layout: &mut Layout,
    probe: ProbeId,
    armed: GlobalId,
    condition: Expr,
) -> EventId {
    let span = condition.span;
    let mut new_id = || {
        let id = script.expressions.push(span);
        types.expressions[id] = Type::Long;
        id
    };
    let (place, assignment) = (new_id(), new_id());
    let kind = ExprKind::Assign {
        target: Box::new(Place { kind: PlaceKind::Global(armed), span, id: place }),
        operator: AssignOperator::Set,
        operator_span: span,
        value: Box::new(condition),
    };
    let mut body = script.new_body();
    let kind = StmtKind::Expr(Expr { kind, span, id: assignment });
    body.statements.push(Stmt { kind, span });
    layout.events.push(Event { probe, fields: vec![], bytes: record::HEADER, body, span })
}

/// A number that no script can name.
fn hidden_global(script: &mut Script, types: &mut Types, condition: &Expr) -> GlobalId {
    let id = script.globals.push(Global {
        name: format!("armed at {}", condition.span.start),
        span: condition.span,
        size: None,
        wrap: false,
        initial: None,
        shape: Shape::Scalar(condition.span),
        variance_shift: None,
        histogram: None,
        library: true,
        pointer: false,
    });
    let aggregates = BTreeSet::new();
    types.globals.push(GlobalType { keys: vec![], value: Type::Long, aggregates });
    id
}

/// The globals that kernel code changes.
fn changed_by_kernel(script: &Script, layout: &Layout) -> BTreeSet<GlobalId> {
    let mut changed = BTreeSet::new();
    for probe in script.probes.values().filter(|p| p.point.attach.in_kernel()) {
        changed.extend(changed_globals(&probe.body.statements, script));
    }
    for body in layout.kernel_functions.values().flatten() {
        changed.extend(changed_globals(&body.statements, script));
    }
    changed
}

/// Whether a condition has the same value in a block: nothing in it depends on where it is evaluated.
fn is_for_blocks(conditions: &[Stmt]) -> bool {
    let mut same = true;
    each_expression(conditions, &mut |e| {
        same &= match &e.kind {
            ExprKind::Call { builtin, .. } => matches!(builtin.kernel, Kernel::Pure(_)),
            ExprKind::Context(_)
            | ExprKind::Load(_)
            | ExprKind::Captured { .. }
            | ExprKind::Invoke { .. } => false,
            _ => true,
        };
    });
    same
}

/// The globals that a condition reads.
fn read_globals(conditions: &[Stmt]) -> BTreeSet<GlobalId> {
    let mut read = BTreeSet::new();
    each_expression(conditions, &mut |e| {
        let place = match &e.kind {
            ExprKind::Read(place) => place,
            ExprKind::Extract { of, .. }
            | ExprKind::Bucket { of, .. }
            | ExprKind::Histogram(of) => of,
            ExprKind::In { array, .. } => {
                read.insert(*array);
                return;
            }
            _ => return,
        };
        if let PlaceKind::Global(id) | PlaceKind::Element(id, _) = place.kind {
            read.insert(id);
        }
    });
    read
}
