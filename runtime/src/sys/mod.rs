//! A thin layer over the system calls a tracer needs.
//!
//! In: descriptors and plain data. Out: owned descriptors, or a [`SysError`] that names the
//! operation and the object and keeps the kernel's error. All `unsafe` of the machine side that is a
//! system call is in this folder; nothing here decides what to do, it only does it.

mod batch;
mod bpf;
mod error;
mod function_probe;
mod info;
mod link;
mod map;
mod memory;
mod module_events;
mod module_types;
mod perf_event;
mod perf_records;
mod process;
mod program;
#[cfg(test)]
pub(crate) mod tests;
mod tracefs;

pub use batch::{Entries, delete_batch, lookup_and_delete_batch, lookup_batch};
pub(crate) use error::error_text;
pub use error::{Capability, Result, SysError, missing_capabilities};
pub use function_probe::{can_link_functions, link_functions};
pub use info::{ProgramInfo, enable_run_time_statistics, link_misses, program_info};
pub use link::{
    link_instruction, link_netfilter, link_perf_event, link_tracing, open_raw_tracepoint,
};
pub use map::{
    MapSpec, create_map, delete_element, freeze_map, lookup_element, next_key, update_element,
    value_stride,
};
pub use memory::{Mapping, with_large_stack};
pub(crate) use memory::{lift_locked_memory_limit, lift_open_files_limit};
pub use module_events::ModuleEvents;
pub use module_types::module_types;
pub use perf_event::{
    CountedEvent, CountsOf, PerfEvent, Rate, Watched, open_perf_event, set_program,
};
pub use perf_records::{ProcessRecord, ProcessRecords};
pub use process::{
    PollResult, kernel_release, membarrier_global, open_pidfd, poll_readable, run_shell,
    with_output_as_errors,
};
pub use program::{
    LoadRefused, ProgramInfoRecords, ProgramSpec, TestRun, load_btf, load_program, test_run,
};
pub use tracefs::read_tracefs;
