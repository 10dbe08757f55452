//! What the compiler asks of the kernel's debug information, where that is installed.
//!
//! Addresses are those of the running kernel, paths begin at the top of its sources.

use std::ops::{Range, RangeInclusive};

use crate::program_file::{FunctionVariables, Label, Place, ProgramVariable};

/// The debug information of the running kernel.
pub trait KernelSource {
    /// The code of lines of the source files whose path, or end of the path, is `file`: line and address, ascending.
    fn lines(&self, file: &str, lines: RangeInclusive<u64>) -> Vec<(u64, u64)>;

    /// Where functions were inlined whose names match a pattern: name and address, ascending by address. With a source
    /// file, or a pattern for several, only those that can be of it.
    fn inlined(&self, pattern: &str, file: Option<&str>) -> Vec<(String, u64)>;

    /// What was inlined into the function that begins at an address, in the same way.
    fn inlined_into(&self, function: u64) -> Vec<(String, u64)>;

    /// The labels in functions whose names match a pattern.
    fn labels(&self, function: &str) -> Vec<Label>;

    /// The names of the functions that the function which begins at an address calls, as far as they are known,
    /// without those called by their address.
    fn calls(&self, function: u64) -> Vec<String>;

    /// The code of the function that begins at an address: compilers split off what is seldom run.
    fn code(&self, function: u64) -> Vec<Range<u64>>;

    /// What is known of the functions at some places, and of their variables.
    fn variables(&self, places: &[Place<'_>]) -> Vec<Option<FunctionVariables>>;

    /// A variable that belongs to no function: that of a source file whose path, or end of the path, is `file`, or
    /// without one that which all files may use, or else any. Its place is the one that gives its address.
    fn variable(&self, name: &str, file: Option<&str>) -> Option<ProgramVariable>;
}
