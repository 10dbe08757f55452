//! Records that are the last of a session. Handlers on other CPUs may send records while one ends the session; where
//! a handler ends it right behind a record, and sends none after that, the record ends the session in userspace, too,
//! which then leaves out what comes behind it. So `printf(...); exit()` prints once, however many events there are.

use crate::builtins::User;
use crate::hir::{Expr, ExprKind, Stmt, StmtKind, each_statement};
use crate::layout::Layout;
use crate::runtime_functions::RuntimeFunction;

/// Has the records end the session that the handler sends last before it does so itself.
pub(super) fn end_with_records(statements: &[Stmt], layout: &mut Layout) {
    match statements {
        [.., Stmt { kind: StmtKind::Emit { event, .. }, .. }, end] if ends_session(end) => {
            let event = &mut layout.events[*event];
            if goes_on_to_its_end(&event.body.statements) {
                event.body.statements.push(end.clone());
            }
        }
        [.., Stmt { kind: StmtKind::If { then, otherwise, .. }, .. }] => {
            end_with_records(then, layout);
            end_with_records(otherwise, layout);
        }
        _ => {}
    }
}

fn ends_session(statement: &Stmt) -> bool {
    let ends = |function: &User| matches!(function, User::Runtime(RuntimeFunction::Exit));
    matches!(&statement.kind, StmtKind::Expr(Expr { kind: ExprKind::Call { builtin, .. }, .. })
        if ends(&builtin.user))
}

/// Whether what stands behind the statements is always reached, but for errors.
fn goes_on_to_its_end(statements: &[Stmt]) -> bool {
    let mut goes_on = true;
    each_statement(statements, &mut |s| {
        goes_on &= !matches!(s.kind, StmtKind::Next | StmtKind::Return(_));
    });
    goes_on
}
