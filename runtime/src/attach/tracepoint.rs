//! Tracepoints, in the three ways the kernel offers them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::perf::bind;
use crate::sys::{self, PerfEvent, Result, SysError};

/// By the type the program was loaded with (5.5).
pub(super) fn attach_typed(program: BorrowedFd<'_>) -> Result<Vec<OwnedFd>> {
    Ok(vec![sys::open_raw_tracepoint(program, None)?])
}

/// By name (4.17).
pub(super) fn attach_raw(program: BorrowedFd<'_>, name: &str) -> Result<Vec<OwnedFd>> {
    Ok(vec![sys::open_raw_tracepoint(program, Some(name))?])
}

/// By the number tracefs gives it.
pub(super) fn attach_tracefs(
    program: BorrowedFd<'_>,
    category: &str,
    name: &str,
) -> Result<Vec<OwnedFd>> {
    let path = format!("events/{category}/{name}/id");
    // A name from a script must not lead elsewhere.
    if category.contains(['/', '.']) || name.contains(['/', '.']) {
        return Err(SysError::new("read tracing file", path, io::ErrorKind::NotFound.into()));
    }
    let text = sys::read_tracefs(&path)?;
    let id = text
        .trim()
        .parse()
        .map_err(|_| SysError::new("read tracing file", path, io::ErrorKind::InvalidData.into()))?;
    let event = sys::open_perf_event(PerfEvent::Tracepoint { id })?;
    Ok(vec![bind(program, event)?])
}
