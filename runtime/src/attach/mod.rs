//! Attaching loaded programs to events.
//!
//! In: a program and an [`AttachPoint`]. Out: a [`Link`]; the program runs until it is dropped. One
//! file per family of events; which of several ways is taken has been decided before.

mod counter;
mod function;
mod hook;
mod instruction;
mod perf;
#[cfg(test)]
mod tests;
mod tracepoint;

pub use counter::fill_counters;
pub use function::Function;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::SysError;
pub use crate::sys::{CountedEvent, Rate, Watched};

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
    /// Kernel functions (`ProgramKind::Kprobe` or `KprobeMulti`).
    Functions {
        /// The functions.
        functions: Vec<Function>,
        /// When they return, not when they are entered.
        returns: bool,
        /// With one link for all.
        together: bool,
        /// Whether the program has as cookie the place in the list.
        with_places: bool,
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
    /// A hook that packets pass, in the network namespace of this process (`ProgramKind::Netfilter`).
    Hook {
        /// How scripts call it.
        name: String,
        /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
        family: u32,
        /// `enum nf_inet_hooks`.
        hook: u32,
        /// Lower ones come first.
        priority: i32,
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
            AttachPoint::Functions { functions, returns, .. } => {
                let end = if *returns { "return of " } else { "" };
                match &functions[..] {
                    [function] => write!(f, "{end}kernel function {}", function.name),
                    _ => write!(f, "{end}{} kernel functions", functions.len()),
                }
            }
            AttachPoint::Counted { name, .. }
            | AttachPoint::Hook { name, .. }
            | AttachPoint::Instruction { name, .. } => f.write_str(name),
        }
    }
}

/// What keeps a program attached. Dropping it detaches.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program"]
pub struct Link {
    /// Links, or the perf events themselves on kernels without links for them.
    descriptors: Vec<OwnedFd>,
    /// What of the point could not be attached, a clause; `None` when all was.
    incomplete: Option<String>,
}

impl Link {
    fn new(descriptors: Vec<OwnedFd>) -> Link {
        Link { descriptors, incomplete: None }
    }

    /// What of the point could not be attached, a clause: "3 of 40 functions cannot be probed (one is
    /// `f`: Invalid argument)".
    pub fn incomplete(&self) -> Option<&str> {
        self.incomplete.as_deref()
    }

    /// How often the kernel did not get to the program where it should have run, as far as it counts that: for
    /// probes of kernel functions (6.7).
    pub fn missed(&self) -> u64 {
        self.descriptors.iter().map(|link| crate::sys::link_misses(link.as_fd())).sum()
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
    pub point: Box<AttachPoint>,
    /// What failed.
    pub error: SysError,
    /// Whether the kernel has the function on its list of those that must not be probed.
    pub forbidden: bool,
}

impl AttachError {
    fn new(point: &AttachPoint, error: SysError) -> AttachError {
        let forbidden = match point {
            AttachPoint::Functions { functions, .. } => {
                functions.iter().any(|function| function::is_forbidden(function.address))
            }
            _ => false,
        };
        AttachError { point: Box::new(point.clone()), error, forbidden }
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attach {}: ", self.point)?;
        match (&*self.point, self.error.errno()) {
            (AttachPoint::Tracepoint { .. }, _)
                if self.error.cause.kind() == std::io::ErrorKind::NotFound =>
            {
                f.write_str("there is no such tracepoint")
            }
            (AttachPoint::RawTracepoint { .. }, libc::ENOENT) => {
                f.write_str("there is no such tracepoint")
            }
            (AttachPoint::Functions { .. }, libc::ENOENT)
                if self.error.operation == "find function events" =>
            {
                f.write_str(
                    "this kernel has no probes of functions (it is built without CONFIG_KPROBES)",
                )
            }
            (AttachPoint::Functions { .. }, libc::EINVAL) if self.forbidden => f.write_str(
                "the kernel has it on its list of functions that must not be probed \
                 (/sys/kernel/debug/kprobes/blacklist)",
            ),
            (AttachPoint::Functions { .. }, libc::EINVAL) => {
                f.write_str("the kernel does not allow to probe this function")
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
            (AttachPoint::Hook { .. }, libc::EINVAL | libc::EAFNOSUPPORT) => {
                f.write_str("this kernel has no such hook (CONFIG_NETFILTER_BPF_LINK)")
            }
            (
                AttachPoint::Counted { event: CountedEvent { watched: Some(_), .. }, .. },
                libc::ENOSPC,
            ) => f.write_str("all debug registers of the processor are in use"),
            (
                AttachPoint::Counted { event: CountedEvent { watched: Some(_), .. }, .. },
                libc::EINVAL,
            ) => f.write_str("this memory cannot be watched"),
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
        AttachPoint::Functions { functions, returns, together, with_places } => {
            let attached = match together {
                true => function::attach_together(program, functions, *returns, *with_places),
                false => function::attach_each(program, functions, *returns),
            };
            return judge_functions(point, functions, attached);
        }
        AttachPoint::TpBtf { .. } => tracepoint::attach_typed(program),
        AttachPoint::RawTracepoint { name } => tracepoint::attach_raw(program, name),
        AttachPoint::Tracepoint { category, name } => {
            tracepoint::attach_tracefs(program, category, name)
        }
        AttachPoint::Instruction { path, offset, semaphore, returns, multi, .. } => {
            instruction::attach(program, path, *offset, *semaphore, *returns, *multi)
        }
        AttachPoint::Hook { family, hook, priority, .. } => {
            hook::attach(program, *family, *hook, *priority)
        }
        AttachPoint::Counted { event, rate, process, .. } => {
            perf::attach_counted(program, *event, *rate, *process)
        }
    };
    match result {
        Ok(descriptors) => Ok(Link::new(descriptors)),
        Err(error) => Err(AttachError::new(point, error)),
    }
}

/// Some functions may be missing from what was attached; nothing at all is an error.
fn judge_functions(
    point: &AttachPoint,
    functions: &[Function],
    attached: function::Attached,
) -> Result<Link, AttachError> {
    let failures = attached.failed.len();
    let mut link = Link::new(attached.descriptors);
    if let Some((at, error)) = attached.failed.into_iter().next() {
        if failures == functions.len() {
            return Err(AttachError::new(point, error));
        }
        link.incomplete = Some(format!(
            "{failures} of {} functions cannot be probed (one is {}: {error})",
            functions.len(),
            functions[at].name
        ));
    }
    Ok(link)
}
