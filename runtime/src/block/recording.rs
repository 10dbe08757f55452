//! What a block prints, kept apart: for output formats that show values and not only text.
//!
//! The text of a block is in `State::output`. A recording says which parts of it came from which printing
//! statement, with what values, and which messages stood between them. Without one, which is how scripts
//! usually run, nothing is noted.

use std::collections::HashMap;

use ntap_compiler::histogram::Histogram;

use super::frames::Frame;
use super::values::Word;

/// What a block has printed so far.
#[derive(Debug, Default)]
pub struct Recording {
    /// What came, in order. Text that no part covers was written by something else than a printing statement.
    pub parts: Vec<Part>,
    /// The histograms that the running block has made texts of, by the addresses of these.
    pub(super) histograms: HashMap<i64, PrintedHistogram>,
}

/// A part of what a block prints.
#[derive(Debug)]
pub enum Part {
    /// By a printing statement.
    Print {
        /// Where its text begins in the output.
        start: usize,
        /// One past its end.
        end: usize,
        /// The format, if it has one.
        format: Option<String>,
        /// The values it prints.
        values: Vec<Printed>,
    },
    /// A message, by `log()`, `warn()` or the runtime.
    Message {
        /// Where in the output it stands.
        at: usize,
        /// What it is.
        kind: MessageKind,
        /// What it says, without a line break.
        text: String,
    },
}

/// A printed value.
#[derive(Clone, Debug)]
pub enum Printed {
    /// A number or string.
    Word(Word),
    /// The text of a histogram.
    Histogram(PrintedHistogram),
    /// A stack, the innermost frame first.
    Stack(Vec<Frame>),
}

/// A histogram as it was when it was printed.
#[derive(Clone, Debug)]
pub struct PrintedHistogram {
    /// Which bucket counts what.
    pub shape: Histogram,
    /// The counts of the buckets.
    pub buckets: Vec<i64>,
    /// The sum of the values, where the script keeps it.
    pub sum: Option<i64>,
}

/// The messages of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `log()`.
    Log,
    /// `warn()`, and what the runtime has to say.
    Warning,
}

impl MessageKind {
    /// The line that standard error gets.
    pub fn line(self, text: &str) -> String {
        match self {
            MessageKind::Log => format!("{text}\n"),
            MessageKind::Warning => format!("WARNING: {text}\n"),
        }
    }
}
