//! Arrays that change inside a `foreach` over them, in functions the loop calls.
//!
//! What the loop changes itself is reported where it is resolved. A function can be called before its
//! body is known (it may call itself), so that calls are looked at when all bodies are there.

use std::collections::{HashMap, HashSet};

use super::Resolver;
use crate::diagnostic::codes;
use crate::hir::{
    ExprKind, FunctionId, GlobalId, Place, PlaceKind, Script, Stmt, StmtKind, each_expression,
    each_statement,
};
use crate::source::Span;

impl Resolver<'_> {
    /// Reports loops that call a function which changes their array.
    pub(super) fn refuse_changes_in_functions(&mut self) {
        let changes = changes(&self.script);
        let script = &self.script;
        let handlers = script.probes.values().map(|p| &p.body);
        let functions = script.functions.values().flat_map(|f| &f.overloads).map(|o| &o.body);
        let mut found = vec![];
        for body in handlers.chain(functions) {
            each_statement(&body.statements, &mut |statement| {
                let StmtKind::Foreach(foreach) = &statement.kind else { return };
                calls(&foreach.body, &mut |function, call| {
                    if let Some(&place) = changes[&function].get(&foreach.array) {
                        found.push((foreach.array, call, place));
                    }
                });
            });
        }
        let mut reported = HashSet::new();
        for (array, call, place) in found {
            // A handler of several points is resolved once for each.
            if !reported.insert((array, call)) {
                continue;
            }
            let name = &self.script.globals[array].name;
            self.diagnostics
                .error(
                    codes::WRONG_PLACE,
                    call,
                    format!("variable `{name}` modified during `foreach` iteration"),
                )
                .label("by this call")
                .also(place, "changed here")
                .help("collect the keys first, or change it after the loop");
        }
    }
}

/// What each function changes, itself or through what it calls, and where.
fn changes(script: &Script) -> HashMap<FunctionId, HashMap<GlobalId, Span>> {
    let mut changes: HashMap<FunctionId, HashMap<GlobalId, Span>> = HashMap::new();
    let mut called: Vec<(FunctionId, FunctionId)> = vec![];
    for (id, function) in script.functions.iter() {
        let own = changes.entry(id).or_default();
        for overload in &function.overloads {
            let statements = &overload.body.statements;
            changed(statements, &mut |place| {
                if let PlaceKind::Element(global, _) | PlaceKind::Global(global) = place.kind {
                    own.entry(global).or_insert(place.span);
                }
            });
            calls(statements, &mut |other, _| called.push((id, other)));
        }
    }
    loop {
        let mut grown = false;
        for (caller, other) in &called {
            let more: Vec<_> = changes[other].iter().map(|(&g, &s)| (g, s)).collect();
            let own = changes.entry(*caller).or_default();
            for (global, span) in more {
                grown |= own.insert(global, span).is_none();
            }
        }
        if !grown {
            return changes;
        }
    }
}

/// The places statements assign, record into and delete.
pub(super) fn changed(statements: &[Stmt], f: &mut impl FnMut(&Place)) {
    each_statement(statements, &mut |statement| match &statement.kind {
        StmtKind::Record { target, .. } | StmtKind::Delete(target) => f(target),
        _ => {}
    });
    each_expression(statements, &mut |e| {
        if let ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } = &e.kind {
            f(target);
        }
    });
}

/// The functions that are called, and where.
fn calls(statements: &[Stmt], f: &mut impl FnMut(FunctionId, Span)) {
    each_expression(statements, &mut |e| {
        if let ExprKind::Invoke { function, .. } = e.kind {
            f(function, e.span);
        }
    });
}
