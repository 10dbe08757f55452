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

/// `struct bpf_link_info` of links to kernel functions, in 8-byte words.
const LINK_INFO_WORDS: usize = 16;

/// How often a link's program should have run and did not, as far as the kernel counts it: at functions by
/// `kprobe` and `kprobe.multi` (6.7). Descriptors that are no links have 0.
pub fn link_misses(link: BorrowedFd<'_>) -> u64 {
    let mut info = [0u64; LINK_INFO_WORDS];
    let mut attributes = InfoAttributes {
        descriptor: link.as_raw_fd() as u32,
        size: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: the address is that of `info` with its size; the addresses inside it are 0 with 0
    // counts, so the kernel writes no arrays.
    match unsafe { bpf(Command::ObjectInfo, &mut attributes) } {
        Ok(_) => misses(&info),
        Err(_) => 0,
    }
}

/// The misses in a `struct bpf_link_info`. It begins with two 32-bit words, type and id; for functions by one link
/// the misses come behind an address and two 32-bit words; for one that is a perf event, behind the kind of event,
/// the address of a name, two 32-bit words and the address of the function.
fn misses(info: &[u64; LINK_INFO_WORDS]) -> u64 {
    /// `BPF_LINK_TYPE_PERF_EVENT`.
    const PERF_EVENT: u32 = 7;
    /// `BPF_LINK_TYPE_KPROBE_MULTI`.
    const KPROBE_MULTI: u32 = 8;
    /// `BPF_PERF_EVENT_KPROBE` and `BPF_PERF_EVENT_KRETPROBE`.
    const FUNCTION_EVENTS: [u32; 2] = [3, 4];
    let first_half = |word: u64| {
        let [a, b, c, d, ..] = word.to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    };
    match first_half(info[0]) {
        KPROBE_MULTI => info[4],
        PERF_EVENT if FUNCTION_EVENTS.contains(&first_half(info[2])) => info[6],
        _ => 0,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(first: u32, third: u32) -> [u64; LINK_INFO_WORDS] {
        let mut info = std::array::from_fn(|at| 100 + at as u64);
        info[0] = u64::from_ne_bytes(halves(first, 9));
        info[2] = u64::from_ne_bytes(halves(third, 0));
        info
    }

    fn halves(first: u32, second: u32) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&first.to_ne_bytes());
        bytes[4..].copy_from_slice(&second.to_ne_bytes());
        bytes
    }

    #[test]
    fn misses_are_where_the_kernel_puts_them() {
        assert_eq!(misses(&words(8, 0)), 104, "kprobe.multi: byte 32");
        assert_eq!(misses(&words(7, 3)), 106, "kprobe: byte 48");
        assert_eq!(misses(&words(7, 4)), 106, "kretprobe");
        assert_eq!(misses(&words(7, 2)), 0, "a uprobe does not count them");
        assert_eq!(misses(&words(3, 3)), 0, "another kind of link");
    }
}
