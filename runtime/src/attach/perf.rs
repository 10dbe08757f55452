//! Perf events.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Rate;
use crate::kernel::LiveKernel;
use crate::sys::{self, PerfEvent, Result, SoftwareEvent};

/// Opens the event on every CPU that is online and gives each the program.
pub(super) fn attach_software(
    program: BorrowedFd<'_>,
    event: SoftwareEvent,
    rate: Rate,
) -> Result<Vec<OwnedFd>> {
    let mut descriptors = vec![];
    for cpu in LiveKernel::new().online_cpus() {
        let opened = sys::open_perf_event(match rate {
            Rate::Period(period) => PerfEvent::SoftwarePeriod { event, period, cpu },
            Rate::Hertz(hertz) => PerfEvent::SoftwareFrequency { event, hertz, cpu },
        });
        match opened {
            Ok(opened) => descriptors.push(bind(program, opened)?),
            // The CPU went offline in between.
            Err(error) if error.errno() == libc::ENODEV => {}
            Err(error) => return Err(error),
        }
    }
    Ok(descriptors)
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
