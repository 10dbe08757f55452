//! What runs where.
//!
//! In: a typed script. Out: the script with its kernel handlers reduced to what kernel code can do,
//! and a [`Layout`]: where each global lives, and the records through which a kernel handler's
//! statements that only userspace can do (printing, symbol names, dates) are continued there. Such a
//! statement becomes [`StmtKind::Emit`]: the values it needs are computed in the kernel, in its
//! place, and sent; the statement itself runs on the received copy.
//!
//! A global used by kernel code lives in a map or in `.bss`; any other lives in ntap's memory.

mod defer;
mod place;
mod print;

pub use print::print;

use crate::diagnostic::Diagnostics;
use crate::hir::{ProbeId, Script, Stmt, StmtKind};
use crate::layout::Layout;
use crate::types::Types;

/// Splits a script; reports what kernel code cannot do.
pub fn partition(script: &mut Script, types: &mut Types, diagnostics: &mut Diagnostics) -> Layout {
    let mut layout = Layout { probes: script.probes.len() as u32, ..Layout::default() };
    let kernel: Vec<ProbeId> = script
        .probes
        .iter()
        .filter(|(_, p)| p.point.attach.in_kernel())
        .map(|(id, _)| id)
        .collect();
    for id in kernel {
        let statements = std::mem::take(&mut script.probes[id].body.statements);
        let mut pass =
            defer::Deferring { script, types, layout: &mut layout, diagnostics, probe: id };
        let statements = pass.statements(statements);
        script.probes[id].body.statements = statements;
    }
    place::place(script, types, &mut layout);
    layout
}

/// Calls `f` on every statement, those inside loops and branches included.
fn each_statement(statements: &[Stmt], f: &mut impl FnMut(&Stmt)) {
    for statement in statements {
        f(statement);
        match &statement.kind {
            StmtKind::If { then, otherwise, .. } => {
                each_statement(then, f);
                each_statement(otherwise, f);
            }
            StmtKind::Loop { body, .. } => each_statement(body, f),
            StmtKind::Foreach(foreach) => each_statement(&foreach.body, f),
            StmtKind::Expr(_)
            | StmtKind::Record { .. }
            | StmtKind::Print(_)
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Delete(_)
            | StmtKind::Emit { .. } => {}
        }
    }
}
