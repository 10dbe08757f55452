//! Kernel functions: one by a perf event, many by one link.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use super::bpf::{Command, bpf_descriptor};
use super::{ProgramSpec, Result, SysError, load_program};

/// `BPF_PROG_TYPE_KPROBE`.
const KPROBE_PROGRAM: u32 = 2;
/// `BPF_TRACE_KPROBE_MULTI`.
const ATTACH_KPROBE_MULTI: u32 = 42;
/// `BPF_F_KPROBE_MULTI_RETURN`.
const MULTI_RETURN: u32 = 1;

/// What one link attaches to.
#[repr(C)]
struct MultiAttributes {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    multi_flags: u32,
    count: u32,
    symbols: u64,
    addresses: u64,
    cookies: u64,
}

/// Attaches a program to the functions at these addresses with one link (5.18); the program reads the cookie
/// that stands at the same place of the list, if there is one. All or nothing: one address that cannot be traced is an
/// error.
pub fn link_functions(
    program: BorrowedFd<'_>,
    addresses: &[u64],
    cookies: Option<&[u64]>,
    returns: bool,
) -> Result<OwnedFd> {
    let has_all = cookies.is_none_or(|cookies| cookies.len() == addresses.len());
    assert!(has_all, "each address has a cookie");
    let mut attributes = MultiAttributes {
        program: program.as_raw_fd() as u32,
        target: 0,
        attach_type: ATTACH_KPROBE_MULTI,
        flags: 0,
        multi_flags: if returns { MULTI_RETURN } else { 0 },
        count: addresses.len() as u32,
        symbols: 0,
        addresses: addresses.as_ptr() as u64,
        cookies: cookies.map_or(0, |cookies| cookies.as_ptr() as u64),
    };
    // SAFETY: the addresses are those of the two slices, which have the length given and outlive the call.
    unsafe { bpf_descriptor(Command::LinkCreate, &mut attributes) }
        .map_err(|cause| SysError::new("create link", "", cause))
}

/// Whether [`link_functions`] works here. Found by trying: the first call loads a program, and asks for a
/// function that does not exist.
pub fn can_link_functions() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        if crate::kernel::is_without("kprobe_multi") {
            return false;
        }
        // r0 = 0; exit.
        let code = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
        let spec = ProgramSpec {
            name: "ntap_probe",
            program_type: KPROBE_PROGRAM,
            expected_attach_type: ATTACH_KPROBE_MULTI,
            instructions: &code,
            ..ProgramSpec::default()
        };
        let Ok(program) = load_program(&spec) else { return false };
        let name = c"ntap_no_such_function";
        let names = [name.as_ptr() as u64];
        let mut attributes = MultiAttributes {
            program: program.as_fd().as_raw_fd() as u32,
            target: 0,
            attach_type: ATTACH_KPROBE_MULTI,
            flags: 0,
            multi_flags: 0,
            count: 1,
            symbols: names.as_ptr() as u64,
            addresses: 0,
            cookies: 0,
        };
        // SAFETY: the list of names and the name itself outlive the call.
        let refused = unsafe { bpf_descriptor(Command::LinkCreate, &mut attributes) };
        // Kernels that can say that there is no such function; others do not know this kind of link.
        refused.is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
    })
}
