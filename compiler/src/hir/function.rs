//! Kernel functions as probe points.

use std::ops::Range;

use super::ContextVariable;

/// Kernel functions with one handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPoints {
    /// The functions. A handler is told by its place in the list which of them was hit.
    pub targets: Vec<FunctionTarget>,
    /// Whether the handler runs when they return.
    pub returns: bool,
    /// For returns: the context at the entry. Its values are kept from there by a probe of its own.
    pub entry: Vec<ContextVariable>,
    /// Whether they are instructions inside of functions, too, which are not attached to together.
    pub inside: bool,
    /// For entries: the code the functions have to be called from; from anywhere if there is none.
    pub called_from: Vec<Range<u64>>,
}

impl FunctionPoints {
    /// An instruction.
    pub fn inside(target: FunctionTarget) -> FunctionPoints {
        FunctionPoints {
            targets: vec![target],
            returns: false,
            entry: vec![],
            inside: true,
            called_from: vec![],
        }
    }
}

/// A place in kernel code, most often the entry of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTarget {
    /// The function's name.
    pub name: String,
    /// The point in full, as `pp()` gives it.
    pub point: String,
    /// Its address.
    pub address: u64,
    /// The module it is in; `None` for the kernel proper.
    pub module: Option<String>,
}
