//! System call errors that say what was being done, and which capability was missing.

use std::fmt;
use std::io;

/// The result of a system call.
pub type Result<T, E = SysError> = std::result::Result<T, E>;

/// A failed operation on the machine.
#[derive(Debug)]
pub struct SysError {
    /// What was being done, an infinitive: "load program", "create map".
    pub operation: &'static str,
    /// What it was done to; may be empty.
    pub object: String,
    /// What the kernel answered.
    pub cause: io::Error,
}

impl SysError {
    /// An error of this operation on this object.
    pub fn new(operation: &'static str, object: impl Into<String>, cause: io::Error) -> SysError {
        SysError { operation, object: object.into(), cause }
    }

    /// The error the last system call of this thread left.
    pub(crate) fn last(operation: &'static str, object: impl Into<String>) -> SysError {
        SysError::new(operation, object, io::Error::last_os_error())
    }

    /// The error number; 0 when the error did not come from the kernel.
    pub fn errno(&self) -> i32 {
        self.cause.raw_os_error().unwrap_or(0)
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if !self.object.is_empty() {
            write!(f, " `{}`", self.object)?;
        }
        write!(f, ": {}", error_text(&self.cause))?;
        if matches!(self.errno(), libc::EPERM | libc::EACCES) {
            write!(f, " ({})", permission_hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for SysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// The kernel's words without Rust's "(os error 1)".
pub(crate) fn error_text(error: &io::Error) -> String {
    // An error number of the kernel's own that libc has no words for.
    const ENOTSUPP: i32 = 524;
    if error.raw_os_error() == Some(ENOTSUPP) {
        return "not supported by this kernel".into();
    }
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A privilege tracing needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Creating maps and loading programs (kernel 5.8).
    Bpf,
    /// Reading kernel memory and attaching to events (kernel 5.8).
    Perfmon,
    /// Everything, and the only one there was before 5.8.
    SysAdmin,
}

impl Capability {
    /// The name the manual pages use.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Bpf => "CAP_BPF",
            Capability::Perfmon => "CAP_PERFMON",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
        }
    }

    fn bit(self) -> u32 {
        match self {
            Capability::SysAdmin => 21,
            Capability::Perfmon => 38,
            Capability::Bpf => 39,
        }
    }
}

/// Which of the capabilities tracing needs this process does not have. CAP_SYS_ADMIN includes the others.
pub fn missing_capabilities() -> Vec<Capability> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match effective_capabilities(&status) {
        Some(effective) => missing_in(effective),
        None => vec![],
    }
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn missing_in(effective: u64) -> Vec<Capability> {
    let has = |capability: Capability| effective >> capability.bit() & 1 != 0;
    if has(Capability::SysAdmin) {
        return vec![];
    }
    [Capability::Bpf, Capability::Perfmon].into_iter().filter(|&c| !has(c)).collect()
}

fn permission_hint() -> String {
    let missing = missing_capabilities();
    if missing.is_empty() {
        return "the capabilities are there: the kernel does not allow this operation here, \
                perhaps because of lockdown, a container or its configuration"
            .into();
    }
    let names: Vec<&str> = missing.into_iter().map(Capability::name).collect();
    format!("missing {}; run as root", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_from_status() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t0000004000000000\n";
        let effective = effective_capabilities(status).unwrap();
        assert_eq!(missing_in(effective), [Capability::Bpf]);
        assert_eq!(missing_in(0), [Capability::Bpf, Capability::Perfmon]);
        assert_eq!(missing_in(1 << 21), []);
        assert_eq!(missing_in(1 << 38 | 1 << 39), []);
        assert_eq!(effective_capabilities("CapEff: none"), None);
    }

    #[test]
    fn message_names_operation_and_object() {
        let error =
            SysError::new("create map", "counts", io::Error::from_raw_os_error(libc::ENOMEM));
        assert_eq!(error.to_string(), "create map `counts`: Cannot allocate memory");
        assert_eq!(error.errno(), libc::ENOMEM);
    }
}
