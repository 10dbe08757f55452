//! Places in the kernel's code that debug information tells: what they have in common.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::plain_name;
use crate::families::{Request, process};
use crate::hir::{Attach, FunctionPoints, FunctionTarget, Identity, Point};
use crate::kernel_source::KernelSource;
use crate::program_file::{FunctionVariables, Place, Within};

/// What is known of places in functions that are named, with their addresses.
pub(super) fn known_places(
    source: &dyn KernelSource,
    places: &[(u64, String)],
) -> Vec<(u64, FunctionVariables)> {
    let asked: Vec<Place<'_>> = places
        .iter()
        .map(|(address, name)| Place { address: *address, within: Within::Function(name) })
        .collect();
    let known = source.variables(&asked);
    places.iter().zip(known).filter_map(|((address, _), known)| Some((*address, known?))).collect()
}

/// A place inside of a function.
pub(super) fn point(name: String, address: u64, known: &FunctionVariables) -> Point {
    let (context, first_local) = process::inside(known);
    let identity = Identity { function: known.function.clone(), ..Identity::default() };
    let target =
        FunctionTarget { name: known.function.clone(), point: name.clone(), address, module: None };
    let attach = Attach::Function(FunctionPoints::inside(target));
    Point { context, first_local, identity, ..Point::new(name, attach) }
}

/// The kernel's own code, as its symbols tell it: which of it can be probed.
pub(super) struct Code<'a> {
    request: &'a Request<'a>,
    /// Address and name of each symbol, ascending.
    symbols: Vec<(u64, String)>,
    /// Where the functions of a name begin.
    functions: OnceCell<HashMap<String, Vec<u64>>>,
}

impl<'a> Code<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Code<'a> {
        let mut symbols = vec![];
        let _ = request.facts.each_function(&mut |function| {
            if function.module.is_none() {
                symbols.push((function.address, function.name.to_string()));
            }
        });
        symbols.sort_by_key(|(address, _)| *address);
        Code { request, symbols, functions: OnceCell::new() }
    }

    /// Whether the kernel lets its code at an address be probed: of functions it cannot trace it does not, nor of what
    /// it has thrown away after its start.
    pub(super) fn is_probeable(&self, address: u64) -> bool {
        let after = self.symbols.partition_point(|(begin, _)| *begin <= address);
        let Some((begin, _)) = after.checked_sub(1).map(|last| &self.symbols[last]) else {
            return false;
        };
        let first = self.symbols.partition_point(|(other, _)| other < begin);
        let is_traceable = |at: &u64| self.request.facts.is_traceable(*at) != Some(false);
        if is_traceable(begin) {
            return true;
        }
        // What was split off has the function's name in front.
        let mut names = self.symbols[first..after]
            .iter()
            .filter_map(|(_, name)| name.split_once('.').map(|(whole, _)| whole));
        names.any(|name| self.of_name(name).iter().any(is_traceable))
    }

    /// Where the functions of a name begin.
    pub(super) fn of_name(&self, name: &str) -> &[u64] {
        self.functions().get(name).map_or(&[], Vec::as_slice)
    }

    fn functions(&self) -> &HashMap<String, Vec<u64>> {
        self.functions.get_or_init(|| {
            let mut functions: HashMap<String, Vec<u64>> = HashMap::new();
            for (address, name) in &self.symbols {
                if let Some(name) = plain_name(name) {
                    functions.entry(name.to_string()).or_default().push(*address);
                }
            }
            functions
        })
    }
}
