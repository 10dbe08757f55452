//! Programs: BPF_PROG_LOAD, BPF_PROG_TEST_RUN and BPF_BTF_LOAD.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{Command, address, address_mut, bpf, bpf_descriptor, object_name};
use super::{Result, SysError};

/// How much of a verifier log is asked for: the kernel (6.4 and newer) keeps the end of a longer one.
const LOG_BYTES: usize = 1 << 20;
/// Log level 1: the instructions on the way to the error.
const LOG_LEVEL: u32 = 1;

/// What BPF_PROG_LOAD wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProgramSpec<'a> {
    /// Shown by bpftool, cut to 15 bytes.
    pub name: &'a str,
    /// `enum bpf_prog_type`.
    pub program_type: u32,
    /// `enum bpf_attach_type`.
    pub expected_attach_type: u32,
    /// The kernel type or function the program is for; 0 for none.
    pub attach_btf_id: u32,
    /// The type information of the module that the type is of; `None` for the kernel's (5.11).
    pub attach_module: Option<BorrowedFd<'a>>,
    /// `BPF_F_*`.
    pub flags: u32,
    /// The code, 8 bytes per instruction.
    pub instructions: &'a [u8],
    /// Source information, and the BTF it refers to.
    pub records: Option<ProgramInfoRecords<'a>>,
}

/// Function and line records of a program.
#[derive(Clone, Copy, Debug)]
pub struct ProgramInfoRecords<'a> {
    /// The object's BTF.
    pub btf: BorrowedFd<'a>,
    /// `struct bpf_func_info`: 8 bytes each.
    pub functions: &'a [u8],
    /// `struct bpf_line_info`: 16 bytes each.
    pub lines: &'a [u8],
}

/// Why a program was not loaded.
#[derive(Debug)]
pub struct LoadRefused {
    /// The kernel's error.
    pub error: SysError,
    /// The verifier's log; empty when it has written none.
    pub log: String,
}

#[repr(C)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    network_interface: u32,
    expected_attach_type: u32,
    btf: u32,
    function_record_size: u32,
    functions: u64,
    function_count: u32,
    line_record_size: u32,
    lines: u64,
    line_count: u32,
    attach_btf_id: u32,
    attach_module: u32,
    padding: u32,
}

const FUNCTION_RECORD_BYTES: usize = 8;
const LINE_RECORD_BYTES: usize = 16;

/// Loads a program: first without a log, and when the verifier refuses it once more with one.
pub fn load_program(spec: &ProgramSpec<'_>) -> Result<OwnedFd, Box<LoadRefused>> {
    let first = match load_with_log(spec, &mut []) {
        Ok(program) => return Ok(program),
        Err(first) => first,
    };
    let mut log = vec![];
    // Only these come from the verifier; for the rest a log would be empty.
    if matches!(first.raw_os_error(), Some(libc::EACCES | libc::EINVAL | libc::EFAULT)) {
        log = vec![0; LOG_BYTES];
        if let Ok(program) = load_with_log(spec, &mut log) {
            return Ok(program);
        }
        let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        log.truncate(end);
    }
    Err(Box::new(LoadRefused {
        error: SysError::new("load program", spec.name, first),
        log: String::from_utf8_lossy(&log).into_owned(),
    }))
}

fn load_with_log(spec: &ProgramSpec<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let (btf, functions, lines) = match &spec.records {
        Some(records) => (records.btf.as_raw_fd() as u32, records.functions, records.lines),
        None => (0, [].as_slice(), [].as_slice()),
    };
    let mut attributes = LoadAttributes {
        program_type: spec.program_type,
        instruction_count: (spec.instructions.len() / 8) as u32,
        instructions: address(spec.instructions),
        license: c"GPL".as_ptr() as u64,
        log_level: if log.is_empty() { 0 } else { LOG_LEVEL },
        log_size: log.len() as u32,
        log: address_mut(log),
        kernel_version: 0,
        flags: spec.flags,
        name: object_name(spec.name),
        network_interface: 0,
        expected_attach_type: spec.expected_attach_type,
        btf,
        function_record_size: if functions.is_empty() { 0 } else { FUNCTION_RECORD_BYTES as u32 },
        functions: address(functions),
        function_count: (functions.len() / FUNCTION_RECORD_BYTES) as u32,
        line_record_size: if lines.is_empty() { 0 } else { LINE_RECORD_BYTES as u32 },
        lines: address(lines),
        line_count: (lines.len() / LINE_RECORD_BYTES) as u32,
        attach_btf_id: spec.attach_btf_id,
        attach_module: spec.attach_module.map_or(0, |module| module.as_raw_fd() as u32),
        padding: 0,
    };
    // The verifier answers EAGAIN when a signal arrives, as when the process is stopped and goes on.
    for _ in 0..50 {
        // SAFETY: every address is that of a slice (or literal) that outlives the call, with its length
        // beside it.
        match unsafe { bpf_descriptor(Command::ProgramLoad, &mut attributes) } {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => continue,
            result => return result,
        }
    }
    // SAFETY: as above.
    unsafe { bpf_descriptor(Command::ProgramLoad, &mut attributes) }
}

#[repr(C)]
struct BtfAttributes {
    data: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    padding: u32,
}

/// Loads the type information of an object.
pub fn load_btf(data: &[u8]) -> Result<OwnedFd> {
    let mut attributes = BtfAttributes {
        data: address(data),
        log: 0,
        size: data.len() as u32,
        log_size: 0,
        log_level: 0,
        padding: 0,
    };
    // SAFETY: the only address is that of `data`, with its length.
    unsafe { bpf_descriptor(Command::BtfLoad, &mut attributes) }
        .map_err(|cause| SysError::new("load type information", "", cause))
}

/// The result of a test run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned.
    pub returned: u32,
    /// Average time of a run, where the kernel measures it.
    pub nanoseconds: u32,
}

#[repr(C)]
struct TestRunAttributes {
    program: u32,
    returned: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    nanoseconds: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
}

/// Runs a raw tracepoint program once, here, with these arguments.
pub fn test_run(program: BorrowedFd<'_>, context: &[u64]) -> Result<TestRun> {
    let mut attributes = TestRunAttributes {
        program: program.as_raw_fd() as u32,
        returned: 0,
        data_size_in: 0,
        data_size_out: 0,
        data_in: 0,
        data_out: 0,
        repeat: 0,
        nanoseconds: 0,
        context_size_in: size_of_val(context) as u32,
        context_size_out: 0,
        context_in: address(context),
        context_out: 0,
        flags: 0,
        cpu: 0,
    };
    // SAFETY: the only address is that of `context`, with its length.
    unsafe { bpf(Command::ProgramTestRun, &mut attributes) }
        .map_err(|cause| SysError::new("run program", "", cause))?;
    Ok(TestRun { returned: attributes.returned, nanoseconds: attributes.nanoseconds })
}
