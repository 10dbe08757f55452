//! Instructions of program files: uprobes.

use std::ffi::CString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::perf::bind;
use crate::sys::{self, PerfEvent, Result, SysError};

/// The kernel's number of this kind of perf event.
const KIND_PATH: &str = "/sys/bus/event_source/devices/uprobe/type";

/// Attaches by a link of its own (6.6), or by a perf event (4.17).
pub(super) fn attach(
    program: BorrowedFd<'_>,
    path: &str,
    offset: u64,
    semaphore: u64,
    returns: bool,
    multi: bool,
) -> Result<Vec<OwnedFd>> {
    let text = CString::new(path)
        .map_err(|_| SysError::new("attach", path, io::ErrorKind::InvalidInput.into()))?;
    if multi {
        return Ok(vec![sys::link_instruction(program, &text, offset, semaphore, returns)?]);
    }
    let kind = std::fs::read_to_string(KIND_PATH)
        .map_err(|cause| SysError::new("read", KIND_PATH, cause))?
        .trim()
        .parse()
        .map_err(|_| SysError::new("read", KIND_PATH, io::ErrorKind::InvalidData.into()))?;
    let event = PerfEvent::Instruction { kind, path: &text, offset, semaphore, returns };
    Ok(vec![bind(program, sys::open_perf_event(event)?)?])
}
