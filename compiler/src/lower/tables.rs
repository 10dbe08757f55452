//! The tables that compiled code refers to by index: string literals, print sites, error sites,
//! source locations.

use std::collections::{BTreeSet, HashMap};

use super::kernel::COPY_USER_STACK;
use super::{Locations, RoutineUse};
use crate::format::Format;
use crate::layout::counters;
use crate::source::Span;

/// The tables of one compilation.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The string literals of user blocks; the first is empty.
    pub literals: Vec<String>,
    literal_index: HashMap<String, u32>,
    /// The literals that are tables of names, which the longest length of strings does not apply to.
    pub whole: BTreeSet<u32>,
    /// The printing statements and expressions of user blocks.
    pub prints: Vec<PrintSite>,
    /// The regular expressions of user blocks.
    pub regexes: Vec<String>,
    /// The places that can raise an error.
    pub errors: Vec<ErrorSite>,
    /// The lines of kernel code.
    pub locations: Locations,
    /// The functions of ours that kernel code calls, by the index of `names::SUBPROGRAM`.
    pub routines: Vec<RoutineUse>,
    /// Whether kernel code looks up which of several probe points was hit.
    pub uses_hit_texts: bool,
}

impl Default for Tables {
    fn default() -> Tables {
        Tables {
            literals: vec![String::new()],
            literal_index: HashMap::from([(String::new(), 0)]),
            whole: BTreeSet::new(),
            prints: vec![],
            regexes: vec![],
            errors: vec![],
            locations: Locations::default(),
            routines: vec![],
            uses_hit_texts: false,
        }
    }
}

impl Tables {
    /// The index of a string literal.
    pub fn literal(&mut self, text: &str) -> u32 {
        if let Some(&index) = self.literal_index.get(text) {
            return index;
        }
        let index = self.literals.len() as u32;
        self.literals.push(text.to_string());
        self.literal_index.insert(text.to_string(), index);
        index
    }

    /// The index of a regular expression.
    pub fn regex(&mut self, text: &str) -> u32 {
        match self.regexes.iter().position(|r| r == text) {
            Some(at) => at as u32,
            None => {
                self.regexes.push(text.to_string());
                self.regexes.len() as u32 - 1
            }
        }
    }

    /// The index of a function of ours.
    pub fn routine(&mut self, routine: RoutineUse) -> u32 {
        match self.routines.iter().position(|r| *r == routine) {
            Some(at) => at as u32,
            None => {
                self.routines.push(routine);
                self.routines.len() as u32 - 1
            }
        }
    }

    /// Whether handlers send copies of the stacks of processes.
    pub fn copies_user_stacks(&self) -> bool {
        self.routines.iter().any(|r| r.routine.name == COPY_USER_STACK.name)
    }

    /// The index of an error site.
    pub fn error(&mut self, site: ErrorSite) -> u32 {
        match self.errors.iter().position(|e| *e == site) {
            Some(at) => at as u32,
            None => {
                self.errors.push(site);
                self.errors.len() as u32 - 1
            }
        }
    }
}

/// A call of a printing function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintSite {
    /// The format, if it has one.
    pub format: Option<Format>,
    /// Between values.
    pub delimiter: String,
    /// A line break after the values.
    pub newline: bool,
    /// For each value whether it is a string.
    pub texts: Vec<bool>,
}

/// A place that can raise an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorSite {
    /// What can go wrong there.
    pub kind: ErrorKind,
    /// Where it is.
    pub span: Span,
    /// The token there, with its kind, as messages cite it: `operator '/'`. Empty where it is the first one of the
    /// place, for `syntax::token_name` to tell.
    pub near: String,
}

/// Run-time errors of scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `/` or `%` by zero.
    DivisionByZero,
    /// An extractor of an aggregate without values.
    EmptyAggregate,
    /// No room for another element; the size limit if the script stated one.
    ArrayOverflow {
        /// The size written in the script.
        limit: Option<u32>,
    },
    /// `@hist_log(x)[n]` of a bucket that does not exist.
    HistogramIndex,
    /// Memory that cannot be read.
    ReadFault,
    /// A string of the kernel that cannot be read.
    KernelStringFault,
    /// A string of a process that cannot be read.
    UserStringFault,
    /// Too many rounds of loops in one hit of a probe.
    TooManyActions,
    /// `next` in the last overload of a function.
    FunctionsExhausted,
    /// Calls that nest too deep.
    TooDeep,
    /// `error()` with a text made at run time.
    Script,
    /// `error()` with this text.
    Text(String),
}

impl ErrorKind {
    /// The counter of a probe that counts such errors: its offset in `layout::counters`.
    pub fn counter(&self) -> u32 {
        match self {
            ErrorKind::ArrayOverflow { .. } => counters::ARRAY_FULL,
            ErrorKind::ReadFault | ErrorKind::KernelStringFault | ErrorKind::UserStringFault => {
                counters::FAULTS
            }
            ErrorKind::TooManyActions => counters::ACTIONS,
            ErrorKind::DivisionByZero
            | ErrorKind::EmptyAggregate
            | ErrorKind::HistogramIndex
            | ErrorKind::FunctionsExhausted
            | ErrorKind::TooDeep
            | ErrorKind::Script
            | ErrorKind::Text(_) => counters::ERRORS,
        }
    }

    /// Whether the message goes on with the address of the memory: ` at 0x1`.
    pub fn has_address(&self) -> bool {
        matches!(
            self,
            ErrorKind::ReadFault | ErrorKind::KernelStringFault | ErrorKind::UserStringFault
        )
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ErrorKind::DivisionByZero => f.write_str("division by 0"),
            ErrorKind::EmptyAggregate => f.write_str("empty aggregate"),
            ErrorKind::ArrayOverflow { limit: None } => {
                f.write_str("Array overflow, check MAXMAPENTRIES")
            }
            ErrorKind::ArrayOverflow { limit: Some(limit) } => {
                write!(f, "Array overflow, check size limit ({limit})")
            }
            ErrorKind::HistogramIndex => f.write_str("histogram index out of range"),
            ErrorKind::ReadFault => f.write_str("read fault [man error::fault]"),
            ErrorKind::KernelStringFault => f.write_str("kernel string copy fault"),
            ErrorKind::UserStringFault => f.write_str("user string copy fault -14"),
            ErrorKind::TooManyActions => f.write_str("MAXACTION exceeded"),
            ErrorKind::FunctionsExhausted => f.write_str("all functions exhausted"),
            ErrorKind::TooDeep => f.write_str("MAXNESTING exceeded"),
            ErrorKind::Script => f.write_str("error"),
            ErrorKind::Text(text) => f.write_str(text),
        }
    }
}
