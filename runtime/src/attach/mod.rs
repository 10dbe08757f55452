//! Attaching loaded programs to events.
//!
//! In: a program and an [`AttachPoint`]. Out: a [`Link`]; the program runs until it is dropped. One
//! file per family of events; which of several ways is taken has been decided before.

mod instruction;
mod perf;
#[cfg(test)]
mod tests;
mod tracepoint;

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::sys::SysError;
pub use crate::sys::{CountedEvent, Rate};

/// Where a program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachPoint {
    /// A tracepoint, by the type the program was loaded with (`ProgramKind::TpBtf`).
    TpBtf {
        /// The tracepoint's name, for messages.
        name: String,
    },
    /// A tracepoint by name (`ProgramKind::RawTracepoint`).
    RawTracepoint {
        /// Without its subsystem.
        name: String,
    },
    /// A tracepoint by its place in tracefs (`ProgramKind::Tracepoint`).
    Tracepoint {
        /// Its subsystem, such as `sched`.
        category: String,
        /// Its name, such as `sched_switch`.
        name: String,
    },
    /// An instruction of a program file (`ProgramKind::UprobeMulti`, or `ProgramKind::Kprobe` where that is not
    /// known).
    Instruction {
        /// How scripts call it.
        name: String,
        /// The file.
        path: String,
        /// The place in the file.
        offset: u64,
        /// The place in the file of a counter that is raised while the program is attached; 0 without.
        semaphore: u64,
        /// When the function returns that begins there.
        returns: bool,
        /// Whether the program is of the kind that is attached by a link of its own.
        multi: bool,
    },
    /// Something that is counted (`ProgramKind::PerfEvent`).
    Counted {
        /// How scripts call it.
        name: String,
        /// What is counted.
        event: CountedEvent,
        /// How often the program runs.
        rate: Rate,
        /// The process whose counts are meant, with what it starts from now on; without it those of all
        /// CPUs that are online.
        process: Option<u32>,
    },
}

impl fmt::Display for AttachPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachPoint::TpBtf { name } | AttachPoint::RawTracepoint { name } => {
                write!(f, "tracepoint {name}")
            }
            AttachPoint::Tracepoint { category, name } => write!(f, "tracepoint {category}:{name}"),
            AttachPoint::Counted { name, .. } | AttachPoint::Instruction { name, .. } => {
                f.write_str(name)
            }
        }
    }
}

/// What keeps a program attached. Dropping it detaches.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program"]
pub struct Link {
    /// Links, or the perf events themselves on kernels without links for them.
    descriptors: Vec<OwnedFd>,
}

impl Link {
    fn new(descriptors: Vec<OwnedFd>) -> Link {
        Link { descriptors }
    }

    /// How many places the program is attached to: CPUs for events that are counted, else 1.
    pub fn places(&self) -> usize {
        self.descriptors.len()
    }
}

/// Why a program could not be attached.
#[derive(Debug)]
pub struct AttachError {
    /// Where to.
    pub point: AttachPoint,
    /// What failed.
    pub error: SysError,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attach {}: ", self.point)?;
        match (&self.point, self.error.errno()) {
            (AttachPoint::Tracepoint { .. }, _)
                if self.error.cause.kind() == std::io::ErrorKind::NotFound =>
            {
                f.write_str("there is no such tracepoint")
            }
            (AttachPoint::RawTracepoint { .. }, libc::ENOENT) => {
                f.write_str("there is no such tracepoint")
            }
            (AttachPoint::Instruction { path, .. }, libc::EINVAL) => {
                write!(f, "the kernel cannot put a breakpoint into {path} here")
            }
            (AttachPoint::Instruction { path, .. }, libc::EIO) => {
                write!(f, "{path} is on a file system whose programs cannot be probed")
            }
            (AttachPoint::Counted { .. }, libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => {
                f.write_str("this machine does not count such events")
            }
            (AttachPoint::Counted { .. }, libc::EINVAL) => f.write_str("there is no such event"),
            (_, libc::EBUSY) => f.write_str("the event is in use by another tracer"),
            (_, libc::EMFILE) => f.write_str("too many open files (ulimit -n)"),
            _ => self.error.fmt(f),
        }
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Attaches a program.
pub fn attach(program: BorrowedFd<'_>, point: &AttachPoint) -> Result<Link, AttachError> {
    let result = match point {
        AttachPoint::TpBtf { .. } => tracepoint::attach_typed(program),
        AttachPoint::RawTracepoint { name } => tracepoint::attach_raw(program, name),
        AttachPoint::Tracepoint { category, name } => {
            tracepoint::attach_tracefs(program, category, name)
        }
        AttachPoint::Instruction { path, offset, semaphore, returns, multi, .. } => {
            instruction::attach(program, path, *offset, *semaphore, *returns, *multi)
        }
        AttachPoint::Counted { event, rate, process, .. } => {
            perf::attach_counted(program, *event, *rate, *process)
        }
    };
    match result {
        Ok(descriptors) => Ok(Link::new(descriptors)),
        Err(error) => Err(AttachError { point: point.clone(), error }),
    }
}
