//! Perf events that programs read, without one of their own.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{AttachError, AttachPoint};
use crate::kernel::LiveKernel;
use crate::sys::{self, CountedEvent, CountsOf, PerfEvent, Rate, SysError};

/// Opens an event on every CPU that is online and puts it into a map of perf events, where `index` of it gives that
/// of a CPU. As long as there is the map, so are they.
pub fn fill_counters(
    map: BorrowedFd<'_>,
    name: &str,
    event: CountedEvent,
    index: impl Fn(u32) -> u32,
) -> Result<(), AttachError> {
    let rate = Rate::Period(0);
    let open = |cpu| -> Result<(), SysError> {
        let of = CountsOf::Cpu(cpu);
        let opened = match sys::open_perf_event(PerfEvent::Counted { event, rate, of }) {
            // The CPU went offline in between.
            Err(error) if error.errno() == libc::ENODEV => return Ok(()),
            opened => opened?,
        };
        let value = opened.as_raw_fd().to_ne_bytes();
        // SAFETY: such maps have keys of 4 bytes, and descriptors as values.
        unsafe { sys::update_element(map, &index(cpu).to_ne_bytes(), &value, 0) }
    };
    let point = || AttachPoint::Counted { name: name.to_string(), event, rate, process: None };
    let mut cpus = LiveKernel::new().online_cpus().into_iter();
    cpus.try_for_each(open).map_err(|error| AttachError::new(&point(), error))
}
