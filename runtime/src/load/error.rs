//! Why an object could not be loaded.

use std::fmt;

use aya::maps::MapError;
use aya::sys::SyscallError;

use super::verifier_log::{LogLocation, last_lines, last_location};
use crate::sys::{LoadRefused, SysError};

/// How many lines of a verifier log a message shows.
const LOG_LINES: usize = 30;

/// Why an object could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The object is not one, or not one of ours: a bug in ntap.
    Object {
        /// What was being done, an infinitive.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The plan names a program the object does not have.
    MissingProgram {
        /// The program.
        name: String,
    },
    /// A map was asked for that the object does not have, or that was taken before.
    MissingMap {
        /// The map.
        name: String,
    },
    /// aya does not know what to do with a map.
    Map {
        /// The map.
        name: String,
        /// What aya says.
        error: MapError,
    },
    /// The verifier has refused a program: a bug in ntap.
    Rejected {
        /// The program.
        program: String,
        /// The last script line the verifier has mentioned.
        location: Option<LogLocation>,
        /// The end of its log.
        log: String,
        /// The kernel's error number.
        errno: i32,
    },
    /// A program is beyond what the verifier is willing to look at: the script does too much in one probe.
    TooComplex {
        /// The program.
        program: String,
    },
    /// This user may not do that.
    NotPermitted(SysError),
    /// The kernel has not enough memory, or not enough for this user.
    OutOfMemory(SysError),
    /// The kernel has not enough memory for a map, or does not make any so large.
    MapMemory {
        /// The map, which has the name of its array.
        map: String,
        /// How many elements it was to have.
        elements: u32,
        /// Bytes of a key and a value.
        element_bytes: u64,
        /// Whether each CPU was to have values of its own.
        per_cpu: bool,
        /// What the kernel said.
        error: SysError,
    },
    /// A system call failed for another reason.
    System(SysError),
}

impl LoadError {
    pub(super) fn object(operation: &'static str, error: impl std::error::Error) -> LoadError {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            reason.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        LoadError::Object { operation, reason }
    }

    /// aya could not make something of a map: the kernel had no room for it, or aya does not know what it is.
    pub(super) fn map(name: &str, error: MapError) -> LoadError {
        match error {
            MapError::SyscallError(SyscallError { call, io_error }) => {
                SysError::new(call, name, io_error).into()
            }
            error => LoadError::Map { name: name.to_string(), error },
        }
    }

    /// Whether this is our fault and should be reported to us.
    pub fn is_bug(&self) -> bool {
        match self {
            LoadError::Object { .. }
            | LoadError::MissingProgram { .. }
            | LoadError::MissingMap { .. }
            | LoadError::Map { .. }
            | LoadError::Rejected { .. } => true,
            LoadError::TooComplex { .. }
            | LoadError::NotPermitted(_)
            | LoadError::OutOfMemory(_)
            | LoadError::MapMemory { .. }
            | LoadError::System(_) => false,
        }
    }
}

impl From<SysError> for LoadError {
    fn from(error: SysError) -> LoadError {
        match error.errno() {
            libc::EPERM => LoadError::NotPermitted(error),
            libc::ENOMEM => LoadError::OutOfMemory(error),
            _ => LoadError::System(error),
        }
    }
}

impl From<Box<LoadRefused>> for LoadError {
    fn from(refused: Box<LoadRefused>) -> LoadError {
        let LoadRefused { error, log } = *refused;
        let errno = error.errno();
        // Running out of budget is told by E2BIG, or by what the log says when that was asked for.
        // So is E2BIG or ENOMEM when it has more branches to follow than it can keep in mind.
        let complex = ["BPF program is too large", "is too complex"];
        let out_of_states = errno == libc::ENOMEM && log.is_empty();
        if errno == libc::E2BIG || out_of_states || complex.iter().any(|text| log.contains(text)) {
            return LoadError::TooComplex { program: error.object };
        }
        if log.is_empty() {
            return LoadError::from(error);
        }
        LoadError::Rejected {
            program: error.object,
            location: last_location(&log),
            log: last_lines(&log, LOG_LINES),
            errno,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Object { operation, reason } => write!(f, "{operation}: {reason}"),
            LoadError::MissingProgram { name } => write!(f, "the object has no program `{name}`"),
            LoadError::MissingMap { name } => write!(f, "the object has no map `{name}`"),
            LoadError::Map { name, error } => write!(f, "use map `{name}`: {error}"),
            LoadError::Rejected { program, location, log, .. } => {
                write!(f, "the kernel's verifier has refused program `{program}`")?;
                if let Some(location) = location {
                    write!(f, " at {location}")?;
                }
                write!(f, "\n{log}")
            }
            LoadError::TooComplex { program } => {
                write!(
                    f,
                    "program `{program}` is too large or too complex for the kernel's verifier"
                )
            }
            LoadError::MapMemory { map, elements, element_bytes, per_cpu, error } => {
                let bytes = size_text(u64::from(*elements) * element_bytes);
                let each = if *per_cpu { " for each CPU" } else { "" };
                write!(
                    f,
                    "the kernel has no room for `{map}`: {elements} elements of {element_bytes} bytes, {bytes}{each}: {}",
                    crate::sys::error_text(&error.cause)
                )
            }
            LoadError::NotPermitted(error)
            | LoadError::OutOfMemory(error)
            | LoadError::System(error) => error.fmt(f),
        }
    }
}

/// A number of bytes in the largest unit of which there is at least one.
fn size_text(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::NotPermitted(error)
            | LoadError::OutOfMemory(error)
            | LoadError::MapMemory { error, .. }
            | LoadError::System(error) => Some(error),
            LoadError::Map { error, .. } => Some(error),
            LoadError::Object { .. }
            | LoadError::MissingProgram { .. }
            | LoadError::MissingMap { .. }
            | LoadError::Rejected { .. }
            | LoadError::TooComplex { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded() {
        let text = [0, 1023, 1536, 5 << 20, 7 << 30].map(size_text);
        assert_eq!(text, ["0 bytes", "1023 bytes", "1.5 KiB", "5.0 MiB", "7.0 GiB"]);
    }
}
