//! How deep functions call each other.

use std::collections::BTreeSet;

use cranelift_codegen::entity::{EntityRef, PrimaryMap};

use super::{ExprKind, FunctionId, Script, Stmt, each_expression};

/// What functions that call themselves may nest deeper than the longest chain of calls without a
/// repetition.
const RECURSION: u32 = 10;

/// How many calls are followed in search of the longest chain: there may be more chains than could ever be
/// followed.
const MOST_STEPS: u32 = 100_000;

/// MAXNESTING: how many calls of functions may surround code. One more than the longest chain of calls, and
/// ten more when functions call themselves. Where there are too many chains, it is as if there were one of all
/// functions.
pub fn max_nesting(script: &Script) -> u32 {
    let called = script.functions.values().map(|function| {
        let bodies = function.overloads.iter().map(|overload| &overload.body.statements);
        bodies.flat_map(|statements| called(statements)).collect()
    });
    let mut search = Search {
        called: called.collect(),
        chain: vec![],
        is_in_chain: vec![false; script.functions.len()],
        longest: 0,
        recursive: false,
        steps: 0,
    };
    // Each function there is is called by something.
    for function in script.functions.keys() {
        search.enter(function);
    }
    if search.steps > MOST_STEPS {
        (search.longest, search.recursive) = (script.functions.len(), true);
    }
    let recursion = if search.recursive { RECURSION } else { 0 };
    search.longest as u32 + 1 + recursion
}

/// The search goes along one chain at a time, which may be long: it keeps its own stack.
struct Search {
    /// The functions that each one calls.
    called: PrimaryMap<FunctionId, Vec<FunctionId>>,
    /// The functions that are called, the innermost last, with how many of those that it calls have been followed.
    chain: Vec<(FunctionId, usize)>,
    is_in_chain: Vec<bool>,
    longest: usize,
    recursive: bool,
    steps: u32,
}

impl Search {
    fn enter(&mut self, first: FunctionId) {
        self.push(first);
        while let Some((function, followed)) = self.chain.last_mut() {
            let Some(&next) = self.called[*function].get(*followed) else {
                self.is_in_chain[function.index()] = false;
                self.chain.pop();
                continue;
            };
            *followed += 1;
            if self.is_in_chain[next.index()] {
                self.recursive = true;
            } else if self.steps <= MOST_STEPS {
                self.push(next);
            }
        }
    }

    fn push(&mut self, function: FunctionId) {
        self.steps += 1;
        self.is_in_chain[function.index()] = true;
        self.chain.push((function, 0));
        self.longest = self.longest.max(self.chain.len());
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
