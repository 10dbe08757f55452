//! What the kernel knows about a loaded program.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{Command, bpf, bpf_descriptor};
use super::{Result, SysError};

/// Facts about a loaded program. Fields a kernel does not know are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramInfo {
    /// The kernel's id of the program.
    pub id: u32,
    /// Nanoseconds spent in the program while statistics were on.
    pub run_time_ns: u64,
    /// Runs while statistics were on.
    pub run_count: u64,
    /// Runs that were skipped because the program was already running on that CPU; counted always
    /// (5.12). For tracing programs this is an event that was lost.
    pub recursion_misses: u64,
    /// Instructions the verifier has looked at (5.16).
    pub verified_instructions: u32,
    /// Bytes of the program after verification.
    pub translated_bytes: u32,
    /// Bytes of machine code.
    pub machine_code_bytes: u32,
}

/// `struct bpf_prog_info`, as far as 5.16.
#[repr(C)]
#[derive(Default)]
struct Info {
    program_type: u32,
    id: u32,
    tag: [u8; 8],
    machine_code_bytes: u32,
    translated_bytes: u32,
    machine_code: u64,
    translated: u64,
    load_time: u64,
    created_by: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
    network_interface: u32,
    gpl_compatible: u32,
    network_device: u64,
    network_inode: u64,
    symbol_count: u32,
    symbol_length_count: u32,
    symbols: u64,
    symbol_lengths: u64,
    btf_id: u32,
    function_record_size: u32,
    functions: u64,
    function_count: u32,
    line_count: u32,
    lines: u64,
    machine_lines: u64,
    machine_line_count: u32,
    line_record_size: u32,
    machine_line_record_size: u32,
    tag_count: u32,
    tags: u64,
    run_time_ns: u64,
    run_count: u64,
    recursion_misses: u64,
    verified_instructions: u32,
    attach_btf_object: u32,
    attach_btf: u32,
    padding: u32,
}

#[repr(C)]
struct InfoAttributes {
    descriptor: u32,
    size: u32,
    info: u64,
}

/// Asks the kernel about a program.
pub fn program_info(program: BorrowedFd<'_>) -> Result<ProgramInfo> {
    let mut info = Info::default();
    let mut attributes = InfoAttributes {
        descriptor: program.as_raw_fd() as u32,
        size: size_of::<Info>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    // SAFETY: the address is that of `info` with its size; the addresses inside it are 0 with 0
    // counts, so the kernel writes no arrays.
    unsafe { bpf(Command::ObjectInfo, &mut attributes) }
        .map_err(|cause| SysError::new("ask about program", "", cause))?;
    Ok(ProgramInfo {
        id: info.id,
        run_time_ns: info.run_time_ns,
        run_count: info.run_count,
        recursion_misses: info.recursion_misses,
        verified_instructions: info.verified_instructions,
        translated_bytes: info.translated_bytes,
        machine_code_bytes: info.machine_code_bytes,
    })
}

/// Has the kernel measure run time and count of all programs until the descriptor is closed (5.8).
pub fn enable_run_time_statistics() -> Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        kind: u32,
    }
    // SAFETY: the structure holds no addresses; kind 0 is BPF_STATS_RUN_TIME.
    unsafe { bpf_descriptor(Command::EnableStatistics, &mut Attributes { kind: 0 }) }
        .map_err(|cause| SysError::new("measure programs", "", cause))
}
