//! Perf events.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::kernel::LiveKernel;
use crate::sys::{self, CountedEvent, CountsOf, PerfEvent, Rate, Result};

/// Opens the event for a process, or on every CPU that is online, and gives each the program.
pub(super) fn attach_counted(
    program: BorrowedFd<'_>,
    event: CountedEvent,
    rate: Rate,
    process: Option<u32>,
) -> Result<Vec<OwnedFd>> {
    if let Some(process) = process {
        let of = CountsOf::Thread(process);
        let opened = sys::open_perf_event(PerfEvent::Counted { event, rate, of })?;
        return Ok(vec![bind(program, opened)?]);
    }
    let mut descriptors = vec![];
    let mut absent = None;
    for cpu in LiveKernel::new().online_cpus() {
        let of = CountsOf::Cpu(cpu);
        match sys::open_perf_event(PerfEvent::Counted { event, rate, of }) {
            Ok(opened) => descriptors.push(bind(program, opened)?),
            // The CPU went offline in between.
            Err(error) if error.errno() == libc::ENODEV => absent = Some(error),
            Err(error) => return Err(error),
        }
    }
    match absent {
        Some(error) if descriptors.is_empty() => Err(error),
        _ => Ok(descriptors),
    }
}

/// Gives an event its program: by a link, or as it was done before 5.15. What is returned keeps both the
/// event and the attachment.
pub(super) fn bind(program: BorrowedFd<'_>, event: OwnedFd) -> Result<OwnedFd> {
    bind_with_cookie(program, event, 0)
}

/// As [`bind`], with what the program reads as cookie (5.15).
pub(super) fn bind_with_cookie(
    program: BorrowedFd<'_>,
    event: OwnedFd,
    cookie: u64,
) -> Result<OwnedFd> {
    match sys::link_perf_event(program, event.as_fd(), cookie) {
        // The link holds the event; an event opened disabled or not, the link enables it.
        Ok(link) => Ok(link),
        Err(error) if error.errno() == libc::EINVAL && cookie == 0 => {
            sys::set_program(event.as_fd(), program)?;
            Ok(event)
        }
        Err(error) => Err(error),
    }
}
