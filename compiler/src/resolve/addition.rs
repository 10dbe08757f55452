//! `n = n + x` is `n += x`: an addition to a global in one step, which no other CPU can undo.

use crate::builtins::Kernel;
use crate::hir::{Arithmetic, AssignOperator, Expr, ExprKind, Place, PlaceKind, each_part};

/// An assignment to a place: what it adds, when that is all it does, and how; else the assignment as it is. Keys and
/// what is added must have no effects, as they are evaluated once and in another order.
pub(super) fn as_addition(target: &Place, value: Expr) -> (AssignOperator, Expr) {
    let is_target = |e: &Expr| matches!(&e.kind, ExprKind::Read(read) if is_same(read, target));
    let is_global = matches!(target.kind, PlaceKind::Global(_) | PlaceKind::Element(..));
    let Expr { kind: ExprKind::Arithmetic { operator, left, right, .. }, .. } = &value else {
        return (AssignOperator::Set, value);
    };
    let (operator, added) = match operator {
        Arithmetic::Add | Arithmetic::Subtract if is_target(left) => (*operator, right),
        Arithmetic::Add if is_target(right) => (Arithmetic::Add, left),
        _ => return (AssignOperator::Set, value),
    };
    if !is_global || !is_plain(added, target) {
        return (AssignOperator::Set, value);
    }
    (AssignOperator::Arithmetic(operator), Expr::clone(added))
}

/// Whether both mean the same variable, at whatever time within a statement.
fn is_same(a: &Place, b: &Place) -> bool {
    match (&a.kind, &b.kind) {
        (PlaceKind::Local(a), PlaceKind::Local(b)) => a == b,
        (PlaceKind::Global(a), PlaceKind::Global(b)) => a == b,
        (PlaceKind::Element(a, keys), PlaceKind::Element(b, others)) => {
            a == b
                && keys.len() == others.len()
                && keys.iter().zip(others).all(|(key, other)| is_same_key(key, other))
        }
        _ => false,
    }
}

fn is_same_key(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (ExprKind::Number(a), ExprKind::Number(b)) => a == b,
        (ExprKind::Text(a), ExprKind::Text(b)) => a == b,
        (ExprKind::Context(a), ExprKind::Context(b)) => a == b,
        (ExprKind::Read(a), ExprKind::Read(b)) => is_same(a, b),
        (
            ExprKind::Call { builtin, arguments },
            ExprKind::Call { builtin: other, arguments: others },
        ) => {
            std::ptr::eq(*builtin, *other)
                && matches!(builtin.kernel, Kernel::Inline(_) | Kernel::Pure(_))
                && arguments.len() == others.len()
                && arguments.iter().zip(others).all(|(a, b)| is_same_key(a, b))
        }
        _ => false,
    }
}

/// Whether an expression changes nothing, and does not ask for the variable.
fn is_plain(e: &Expr, target: &Place) -> bool {
    let mut plain = true;
    each_part(e, &mut |part| {
        plain &= match &part.kind {
            ExprKind::Read(read) => !is_same(read, target),
            ExprKind::Call { builtin, .. } => {
                matches!(builtin.kernel, Kernel::Inline(_) | Kernel::Pure(_))
            }
            ExprKind::Invoke { .. } | ExprKind::Assign { .. } | ExprKind::Increment { .. } => false,
            _ => true,
        };
    });
    plain
}
