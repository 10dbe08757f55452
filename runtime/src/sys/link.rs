//! Links: what keeps a program attached.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{Command, bpf_descriptor};
use super::{Result, SysError};

/// `BPF_PERF_EVENT` of `enum bpf_attach_type`.
const ATTACH_PERF_EVENT: u32 = 41;

#[repr(C)]
struct RawTracepointAttributes {
    name: u64,
    program: u32,
    padding: u32,
    cookie: u64,
}

/// Attaches to a tracepoint: by name for raw tracepoint programs (4.17), without a name for programs whose
/// `attach_btf_id` says where they belong (tp_btf, fentry, fexit; 5.5).
pub fn open_raw_tracepoint(program: BorrowedFd<'_>, name: Option<&str>) -> Result<OwnedFd> {
    let operation = "attach raw tracepoint";
    let object = name.unwrap_or_default();
    let text = std::ffi::CString::new(object)
        .map_err(|_| SysError::new(operation, object, std::io::ErrorKind::InvalidInput.into()))?;
    let mut attributes = RawTracepointAttributes {
        name: if name.is_some() { text.as_ptr() as u64 } else { 0 },
        program: program.as_raw_fd() as u32,
        padding: 0,
        cookie: 0,
    };
    // SAFETY: the only address is that of the name, which ends with a zero byte and outlives the call.
    unsafe { bpf_descriptor(Command::RawTracepointOpen, &mut attributes) }
        .map_err(|cause| SysError::new(operation, object, cause))
}

/// The part of LINK_CREATE's attributes that all kinds of links share, and 8 bytes of each kind's own.
#[repr(C)]
struct LinkAttributes {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    cookie: u64,
}

/// Attaches to an open perf event (5.15). The program reads `cookie` by `bpf_get_attach_cookie`.
pub fn link_perf_event(
    program: BorrowedFd<'_>,
    event: BorrowedFd<'_>,
    cookie: u64,
) -> Result<OwnedFd> {
    create(LinkAttributes {
        program: program.as_raw_fd() as u32,
        target: event.as_raw_fd() as u32,
        attach_type: ATTACH_PERF_EVENT,
        flags: 0,
        cookie,
    })
}

/// Attaches a tp_btf, fentry or fexit program where its `attach_btf_id` says, with a cookie (5.19).
/// `attach_type` is the program's expected attach type.
pub fn link_tracing(program: BorrowedFd<'_>, attach_type: u32, cookie: u64) -> Result<OwnedFd> {
    #[repr(C)]
    struct TracingAttributes {
        program: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
        target_btf_id: u32,
        padding: u32,
        cookie: u64,
    }
    create(TracingAttributes {
        program: program.as_raw_fd() as u32,
        target: 0,
        attach_type,
        flags: 0,
        target_btf_id: 0,
        padding: 0,
        cookie,
    })
}

fn create<T>(mut attributes: T) -> Result<OwnedFd> {
    // SAFETY: neither of the structures this is called with holds an address.
    unsafe { bpf_descriptor(Command::LinkCreate, &mut attributes) }
        .map_err(|cause| SysError::new("create link", "", cause))
}
