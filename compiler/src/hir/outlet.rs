//! What blocks in userspace exchange with other programs: texts.

use super::Attach;

/// A file that the session makes, whose readers get what a block says, or whose writers are heard by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePoint {
    /// Below the folder of the session.
    pub path: String,
    /// Which way texts go.
    pub exchange: Exchange,
    /// The bits of the usual permissions (0444 or 0222) that the file does not get.
    pub umask: u32,
    /// Readers get at most so many bytes, less one; all without.
    pub most_bytes: Option<u32>,
}

/// What a run of a block gets of the standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputUnit {
    /// A line with the newline at its end.
    Line,
    /// A character, as soon as it was typed.
    Character,
}

/// Which way the text goes that a handler has as `$value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exchange {
    /// The handler says it: it starts empty.
    Given,
    /// The handler is told it.
    Taken,
}

impl Attach {
    /// Which way the handler's `$value` goes, where it has one.
    pub fn exchange(&self) -> Option<Exchange> {
        match self {
            Attach::File(file) => Some(file.exchange),
            Attach::Input(_) => Some(Exchange::Taken),
            Attach::Begin(_)
            | Attach::End(_)
            | Attach::Error(_)
            | Attach::Never
            | Attach::Timer { .. }
            | Attach::Tracepoint { .. }
            | Attach::Record { .. }
            | Attach::Hook(_)
            | Attach::Counted { .. }
            | Attach::Counter(_)
            | Attach::Function(_)
            | Attach::Syscall(_)
            | Attach::Instruction(_)
            | Attach::Lifetime(_) => None,
        }
    }
}
