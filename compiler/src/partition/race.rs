//! Updates of shared globals that another CPU can undo.
//!
//! Handlers run on all CPUs at a time and take no locks. `n += x` and `n++` are one step in the kernel; a value
//! that is read, changed and written back is three, and what another CPU wrote between the first and the last is
//! gone. Only what is certain to be shared is told: globals without keys, and elements whose keys are constants.
//! Other elements may well belong to one thread, or one request, at a time.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostics, codes};
use crate::hir::{
    Arithmetic, AssignOperator, Expr, ExprKind, Place, PlaceKind, Script, each_expression,
    each_part,
};
use crate::layout::Layout;

/// Warns about the updates of kernel code that can be lost. The script is split.
pub(super) fn warn(script: &Script, layout: &Layout, diagnostics: &mut Diagnostics) {
    let probes = script.probes.values().filter(|p| p.point.attach.in_kernel()).map(|p| &p.body);
    let functions = layout.kernel_functions.values().flatten();
    // The handlers of several points are copies of one.
    let mut seen = BTreeSet::new();
    for body in probes.chain(functions) {
        each_expression(&body.statements, &mut |e| {
            let ExprKind::Assign { target, operator, value, .. } = &e.kind else { return };
            if !is_one_for_all(target) || !seen.insert((e.span.file, e.span.start)) {
                return;
            }
            let help = match operator {
                // Additions are one step.
                AssignOperator::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => return,
                AssignOperator::Set if !reads(value, target) => return,
                AssignOperator::Set if is_sum(value, target) => {
                    "`+=`, `-=`, `++` and `--` are one step, and lose nothing"
                }
                AssignOperator::Set
                | AssignOperator::Arithmetic(_)
                | AssignOperator::Concatenate => {
                    "give each thread an element of its own, as in `a[tid()]`, or use an aggregate (`<<<`)"
                }
            };
            let name = match target.kind {
                PlaceKind::Global(id) | PlaceKind::Element(id, _) => &script.globals[id].name,
                PlaceKind::Local(_) => return,
            };
            diagnostics
                .warning(
                    codes::LOST_UPDATE,
                    target.span,
                    format!("`{name}` is read, changed and written: another CPU can come between"),
                )
                .label("what was written in between is lost")
                .help(help);
        });
    }
}

/// Whether all handlers mean the same variable by it.
fn is_one_for_all(place: &Place) -> bool {
    match &place.kind {
        PlaceKind::Local(_) => false,
        PlaceKind::Global(_) => true,
        PlaceKind::Element(_, keys) => {
            keys.iter().all(|key| matches!(key.kind, ExprKind::Number(_) | ExprKind::Text(_)))
        }
    }
}

fn is_same(a: &Place, b: &Place) -> bool {
    match (&a.kind, &b.kind) {
        (PlaceKind::Global(a), PlaceKind::Global(b)) => a == b,
        (PlaceKind::Element(a, keys), PlaceKind::Element(b, others)) => {
            let is_same_key = |(key, other): (&Expr, &Expr)| match (&key.kind, &other.kind) {
                (ExprKind::Number(a), ExprKind::Number(b)) => a == b,
                (ExprKind::Text(a), ExprKind::Text(b)) => a == b,
                _ => false,
            };
            a == b && keys.iter().zip(others).all(is_same_key)
        }
        _ => false,
    }
}

/// Whether an expression asks for the value of a variable.
fn reads(e: &Expr, place: &Place) -> bool {
    let mut found = false;
    each_part(e, &mut |part| {
        found |= matches!(&part.kind, ExprKind::Read(read) if is_same(read, place));
    });
    found
}

/// Whether it is a variable plus or minus something.
fn is_sum(e: &Expr, place: &Place) -> bool {
    let is_it = |e: &Expr| matches!(&e.kind, ExprKind::Read(read) if is_same(read, place));
    match &e.kind {
        ExprKind::Arithmetic { operator: Arithmetic::Add, left, right, .. } => {
            is_it(left) && !reads(right, place) || is_it(right) && !reads(left, place)
        }
        ExprKind::Arithmetic { operator: Arithmetic::Subtract, left, right, .. } => {
            is_it(left) && !reads(right, place)
        }
        _ => false,
    }
}
