//! Probe points of system calls.

use super::{Attach, ContextVariable, Point};

/// The way of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Before it does anything: the tracepoint `sys_enter`.
    Entry,
    /// When its result is known: the tracepoint `sys_exit`.
    Return,
}

/// The begin or the end of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyscallPoint {
    /// Which of the two.
    pub direction: Direction,
    /// The number of the system call; none for any.
    pub number: Option<u32>,
    /// The BTF id of the tracepoint's type, as of [`Attach::Tracepoint`].
    pub btf_typedef: Option<u32>,
    /// Where in `struct pt_regs` the number is.
    pub number_offset: u32,
    /// How a call of the 32-bit architecture is told: those have other numbers, and no probes.
    pub compat: CompatTest,
    /// The call makes another process or thread, in which it also ends, with 0.
    pub ends_twice: bool,
    /// The BTF id of the type of the other direction's tracepoint.
    pub other_typedef: Option<u32>,
    /// For the end of a call: the context at its begin.
    pub entry: Vec<ContextVariable>,
    /// Made as the root of this group of probes ([`crate::syscalls::Routes`]).
    pub root_of: Option<usize>,
}

impl SyscallPoint {
    /// The begin of the calls whose end this is; `None` for others. `name` is that of the point.
    pub fn at_entry(&self, name: &str) -> Option<Point> {
        let attach = Attach::Syscall(SyscallPoint {
            direction: Direction::Entry,
            btf_typedef: self.other_typedef,
            other_typedef: self.btf_typedef,
            entry: vec![],
            ..self.clone()
        });
        let context = self.entry.clone();
        (self.direction == Direction::Return)
            .then(|| Point { context, ..Point::new(name.to_string(), attach) })
    }

    /// The tracepoint.
    pub fn tracepoint(&self) -> &'static str {
        self.direction.tracepoint()
    }
}

impl Direction {
    /// The tracepoint of all calls.
    pub fn tracepoint(self) -> &'static str {
        match self {
            Direction::Entry => "sys_enter",
            Direction::Return => "sys_exit",
        }
    }
}

/// How a call of the 32-bit architecture is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatTest {
    /// By a bit of a 32-bit number at this offset of the current task's structure.
    Status {
        /// The offset.
        offset: u32,
        /// The bit.
        bit: i64,
    },
    /// By the value at this offset of `struct pt_regs`: where the task's structure is not known.
    Register {
        /// The offset.
        offset: u32,
        /// The value.
        value: i64,
    },
}
