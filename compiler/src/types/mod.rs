//! Types of everything that has a value.
//!
//! In: a resolved script. Out: a [`Types`] table. There are numbers, strings and aggregates, and no
//! conversions: each variable, array key and array value has one type, found by unification from
//! all its uses, whatever their order. Strings also get a width, the most bytes (terminator
//! included) any value that flows into them can have: it decides how much room they take in map
//! keys, records and on the kernel's stack.

mod infer;
mod outline;
mod print;
mod width;

pub use outline::outline;
pub use print::{global_type, locals, print, print_function};

use std::collections::BTreeSet;

use cranelift_codegen::entity::{PrimaryMap, SecondaryMap};

use crate::diagnostic::Diagnostics;
use crate::hir::{Aggregate, BodyId, ExprId, FunctionId, GlobalId, LocalId, Script};
use crate::histogram::Histogram;

/// Default of MAXSTRINGLEN: the most bytes of a string, terminator included.
pub const MAX_STRING: u32 = 512;

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Type {
    /// A signed 64-bit number.
    #[default]
    Long,
    /// A string whose terminator included length is at most this, a multiple of 8.
    Text(u32),
    /// An aggregate.
    Stats,
}

impl Type {
    /// Bytes it takes in keys, values and records; aggregates have a layout of their own.
    pub fn bytes(self) -> u32 {
        match self {
            Type::Long => 8,
            Type::Text(width) => width,
            Type::Stats => 0,
        }
    }

    /// The name messages use.
    pub fn name(self) -> &'static str {
        match self {
            Type::Long => "long",
            Type::Text(_) => "string",
            Type::Stats => "stats",
        }
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::Text(width) => write!(f, "string({width})"),
            other => f.write_str(other.name()),
        }
    }
}

/// The type of a global.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalType {
    /// The types of the keys; none for a scalar.
    pub keys: Vec<Type>,
    /// The type of the value, or of each element.
    pub value: Type,
    /// The extractors used on it, in value and sort positions.
    pub aggregates: BTreeSet<Aggregate>,
}

/// The types of a script.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// Of expressions and places.
    pub expressions: SecondaryMap<ExprId, Type>,
    /// Of globals.
    pub globals: PrimaryMap<GlobalId, GlobalType>,
    /// Of local variables.
    pub locals: SecondaryMap<BodyId, SecondaryMap<LocalId, Type>>,
    /// Of the results of functions.
    pub results: PrimaryMap<FunctionId, Type>,
    /// MAXSTRINGLEN: the most bytes of a string, terminator included.
    pub string_bytes: u32,
}

impl Types {
    /// Keeps more of aggregates than the script asks for.
    pub fn keep(&mut self, kept: KeptOfAggregates, script: &mut Script) {
        let globals = self.globals.iter_mut().filter(|(_, ty)| ty.value == Type::Stats);
        for (id, ty) in globals {
            let global = &mut script.globals[id];
            match kept {
                KeptOfAggregates::HistogramSums if global.histogram.is_some() => {
                    ty.aggregates.insert(Aggregate::Sum);
                }
                KeptOfAggregates::AsAsked | KeptOfAggregates::HistogramSums => {}
                KeptOfAggregates::ForLater => {
                    ty.aggregates.extend([Aggregate::Sum, Aggregate::Min, Aggregate::Max]);
                    if ty.keys.is_empty() {
                        global.histogram.get_or_insert((Histogram::Log, global.span));
                    }
                }
            }
        }
    }
}

/// What is kept of aggregates, besides what the script asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptOfAggregates {
    /// Nothing.
    #[default]
    AsAsked,
    /// The sums of those that have a histogram: for output that shows them.
    HistogramSums,
    /// What later scripts are likely to ask for: all but histograms of arrays, whose elements would take ten times the
    /// memory, variances and percentiles.
    ForLater,
}

/// Finds the types of a script whose strings have at most so many bytes, terminator included; reports what has
/// no type, or two.
pub fn infer(script: &Script, string_bytes: u32, diagnostics: &mut Diagnostics) -> Types {
    let mut types = infer::infer(script, diagnostics);
    types.string_bytes = string_bytes;
    // The tables of a script with errors do not fit together.
    if !diagnostics.has_errors() {
        width::widen(script, &mut types);
    }
    types
}

/// The width of the longest strings there are, where they have at most so many bytes.
pub fn longest(string_bytes: u32) -> u32 {
    string_bytes.next_multiple_of(8)
}
