//! The little of bpf(2) these tests need.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ntap_compiler::backend::bpf::instruction::PSEUDO_MAP_FD;
use ntap_compiler::backend::bpf::{BpfCode, BpfOptions, RelocationKind};
use ntap_compiler::facts::CpuVersion;

use crate::clif;

pub(crate) const MAP_HASH: u32 = 1;
pub(crate) const MAP_ARRAY: u32 = 2;
pub(crate) const PROGRAM_TRACEPOINT: u32 = 5;
pub(crate) const PROGRAM_RAW_TRACEPOINT: u32 = 17;

const MAP_CREATE: i32 = 0;
const MAP_LOOKUP: i32 = 1;
const PROGRAM_LOAD: i32 = 5;
const PROGRAM_TEST_RUN: i32 = 10;

const LICENSE: &CStr = c"GPL";
const LOG_BYTES: usize = 1 << 20;

/// The argument of bpf(2), filled field by field.
#[repr(C, align(8))]
struct Attributes([u8; 160]);

impl Attributes {
    fn new() -> Self {
        Attributes([0; 160])
    }

    fn u32(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn u64(mut self, offset: usize, value: u64) -> Self {
        self.0[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn fd(self, offset: usize, fd: &OwnedFd) -> Self {
        self.u32(offset, fd.as_raw_fd() as u32)
    }

    fn call(&mut self, command: i32) -> io::Result<i32> {
        // SAFETY: the attributes are 160 zero-padded bytes, and the pointers in them refer to
        // buffers that outlive the call.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), self.0.len()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
    }

    fn call_for_fd(&mut self, command: i32) -> io::Result<OwnedFd> {
        let fd = self.call(command)?;
        // SAFETY: the command returned a new file descriptor nobody else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// Why a program was not loaded.
#[derive(Debug)]
pub(crate) struct LoadError {
    pub(crate) error: io::Error,
    /// The verifier's last words.
    pub(crate) reason: String,
}

/// Whether bpf(2) may be used; says why not.
pub(crate) fn is_available() -> bool {
    match create_map(MAP_ARRAY, 4, 8, 1) {
        Ok(_) => true,
        Err(error) => {
            println!("skipped: bpf(2) is refused here: {error}");
            false
        }
    }
}

/// The instruction sets the kernel accepts.
pub(crate) fn cpu_versions() -> Vec<CpuVersion> {
    let function = clif::function(1, |build, parameters| {
        use cranelift_codegen::ir::{InstBuilder, types};
        let value = build.ins().load(types::I64, clif::CONTEXT, parameters[0], 0);
        let byte = build.ins().ireduce(types::I8, value);
        let value = build.ins().sextend(types::I64, byte);
        build.ins().return_(&[value]);
    });
    let options = BpfOptions { cpu: CpuVersion::V4, check: true };
    let code = ntap_compiler::backend::bpf::compile(&function, &options).expect("a probe");
    match load(PROGRAM_RAW_TRACEPOINT, &code, &[]) {
        Ok(_) => vec![CpuVersion::V3, CpuVersion::V4],
        Err(_) => vec![CpuVersion::V3],
    }
}

pub(crate) fn create_map(kind: u32, key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    Attributes::new()
        .u32(0, kind)
        .u32(4, key)
        .u32(8, value)
        .u32(12, entries)
        .call_for_fd(MAP_CREATE)
}

/// The 8-byte value at a 4-byte key.
pub(crate) fn map_value(map: &OwnedFd, key: u32) -> io::Result<u64> {
    let mut value = 0_u64;
    Attributes::new()
        .fd(0, map)
        .u64(8, &raw const key as u64)
        .u64(16, &raw mut value as u64)
        .call(MAP_LOOKUP)?;
    Ok(value)
}

/// Loads a program; a second time with a log if it is refused.
pub(crate) fn load(kind: u32, code: &BpfCode, maps: &[OwnedFd]) -> Result<OwnedFd, LoadError> {
    let bytes = link(code, maps);
    let attributes = || {
        Attributes::new()
            .u32(0, kind)
            .u32(4, (bytes.len() / 8) as u32)
            .u64(8, bytes.as_ptr() as u64)
            .u64(16, LICENSE.as_ptr() as u64)
    };
    attributes().call_for_fd(PROGRAM_LOAD).map_err(|error| {
        if error.raw_os_error() == Some(libc::E2BIG) {
            // Too complex; a log of that would take seconds.
            return LoadError { error, reason: String::new() };
        }
        let mut log = vec![0_u8; LOG_BYTES];
        // The error of the second attempt is that of the first, or that the log is too long.
        let _ = attributes()
            .u32(24, 1)
            .u32(28, log.len() as u32)
            .u64(32, log.as_mut_ptr() as u64)
            .call_for_fd(PROGRAM_LOAD);
        LoadError { error, reason: last_words(&log) }
    })
}

fn last_words(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let statistics = ["processed ", "verification time", "stack depth", "max_"];
    text.trim_end_matches('\0')
        .lines()
        .rfind(|line| !line.is_empty() && !statistics.iter().any(|start| line.starts_with(start)))
        .unwrap_or_default()
        .to_string()
}

/// The code with the descriptors of the maps in it.
fn link(code: &BpfCode, maps: &[OwnedFd]) -> Vec<u8> {
    let mut instructions = code.instructions.clone();
    for relocation in &code.relocations {
        let RelocationKind::Map(index) = relocation.kind else {
            panic!("only maps can be linked here, not {:?}", relocation.kind);
        };
        instructions[relocation.at].source = PSEUDO_MAP_FD;
        instructions[relocation.at].immediate = maps[index as usize].as_raw_fd();
    }
    instructions.into_iter().flat_map(|instruction| instruction.bytes()).collect()
}

/// Runs a raw tracepoint program once with the given arguments.
pub(crate) fn run_raw_tracepoint(program: &OwnedFd, arguments: &[u64]) -> io::Result<u32> {
    let mut attributes = Attributes::new()
        .fd(0, program)
        .u32(40, size_of_val(arguments) as u32)
        .u64(48, arguments.as_ptr() as u64);
    attributes.call(PROGRAM_TEST_RUN)?;
    let bytes = [attributes.0[4], attributes.0[5], attributes.0[6], attributes.0[7]];
    Ok(u32::from_le_bytes(bytes))
}
