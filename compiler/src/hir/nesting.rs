//! How deep functions call each other.

use std::collections::BTreeSet;

use super::{ExprKind, FunctionId, Script, Stmt, each_expression};

/// What functions that call themselves may nest deeper than the longest chain of calls without a
/// repetition.
const RECURSION: u32 = 10;

/// MAXNESTING: how many calls of functions may surround code. One more than the longest chain of calls, and
/// ten more when functions call themselves.
pub fn max_nesting(script: &Script) -> u32 {
    let mut search = Search { script, chain: vec![], longest: 0, recursive: false };
    // Each function there is is called by something.
    for function in script.functions.keys() {
        search.enter(function);
    }
    let recursion = if search.recursive { RECURSION } else { 0 };
    search.longest as u32 + 1 + recursion
}

struct Search<'a> {
    script: &'a Script,
    /// The functions that are called, the innermost last.
    chain: Vec<FunctionId>,
    longest: usize,
    recursive: bool,
}

impl Search<'_> {
    fn enter(&mut self, function: FunctionId) {
        if self.chain.contains(&function) {
            self.recursive = true;
            return;
        }
        self.chain.push(function);
        self.longest = self.longest.max(self.chain.len());
        for overload in &self.script.functions[function].overloads {
            for other in called(&overload.body.statements) {
                self.enter(other);
            }
        }
        self.chain.pop();
    }
}

/// The functions that statements call themselves.
fn called(statements: &[Stmt]) -> BTreeSet<FunctionId> {
    let mut functions = BTreeSet::new();
    each_expression(statements, &mut |e| {
        if let ExprKind::Invoke { function, .. } = e.kind {
            functions.insert(function);
        }
    });
    functions
}
