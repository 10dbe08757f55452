//! Links: what keeps a program attached.

use std::ffi::CStr;
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

/// Attaches a program of kind `uprobe.multi` to an instruction of a file (6.6). `semaphore` is the place in the
/// file of a counter that is raised meanwhile, 0 without.
pub fn link_instruction(
    program: BorrowedFd<'_>,
    path: &CStr,
    offset: u64,
    semaphore: u64,
    returns: bool,
) -> Result<OwnedFd> {
    const ATTACH_UPROBE_MULTI: u32 = 48;
    #[repr(C)]
    struct UprobeAttributes {
        program: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
        path: u64,
        offsets: u64,
        semaphores: u64,
        cookies: u64,
        count: u32,
        uprobe_flags: u32,
        pid: u32,
        padding: u32,
    }
    let mut attributes = UprobeAttributes {
        program: program.as_raw_fd() as u32,
        target: 0,
        attach_type: ATTACH_UPROBE_MULTI,
        flags: 0,
        path: path.as_ptr() as u64,
        offsets: &raw const offset as u64,
        semaphores: if semaphore == 0 { 0 } else { &raw const semaphore as u64 },
        cookies: 0,
        count: 1,
        uprobe_flags: u32::from(returns),
        pid: 0,
        padding: 0,
    };
    // SAFETY: the addresses are those of a string that ends with a zero byte and of one word each, as many as
    // `count` says; all outlive the call.
    unsafe { bpf_descriptor(Command::LinkCreate, &mut attributes) }.map_err(|cause| {
        SysError::new("create link", format!("{}:{offset:#x}", path.to_string_lossy()), cause)
    })
}

/// Attaches a netfilter program to a hook of the network namespace of this process (6.4).
pub fn link_netfilter(
    program: BorrowedFd<'_>,
    family: u32,
    hook: u32,
    priority: i32,
) -> Result<OwnedFd> {
    const ATTACH_NETFILTER: u32 = 45;
    #[repr(C)]
    struct NetfilterAttributes {
        program: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
        family: u32,
        hook: u32,
        priority: i32,
        netfilter_flags: u32,
    }
    create(NetfilterAttributes {
        program: program.as_raw_fd() as u32,
        target: 0,
        attach_type: ATTACH_NETFILTER,
        flags: 0,
        family,
        hook,
        priority,
        netfilter_flags: 0,
    })
}

fn create<T>(mut attributes: T) -> Result<OwnedFd> {
    // SAFETY: neither of the structures this is called with holds an address.
    unsafe { bpf_descriptor(Command::LinkCreate, &mut attributes) }
        .map_err(|cause| SysError::new("create link", "", cause))
}
