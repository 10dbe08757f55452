//! Which instructions the kernel's eBPF knows.

use ntap_compiler::facts::CpuVersion;

use std::os::fd::AsFd;

use crate::sys::{ProgramSpec, link_instruction, load_program};

/// `r0 = 0; r0 = (s8) r0; exit`: the sign-extending move came with version 4.
const SIGN_EXTENDING_MOVE: [u8; 24] = [
    0xb7, 0, 0, 0, 0, 0, 0, 0, //
    0xbf, 0, 8, 0, 0, 0, 0, 0, //
    0x95, 0, 0, 0, 0, 0, 0, 0,
];

/// `r0 = 0; may_goto +1; r0 = 1; exit`.
const MAY_GOTO: [u8; 32] = [
    0xb7, 0, 0, 0, 0, 0, 0, 0, //
    0xe5, 0, 1, 0, 0, 0, 0, 0, //
    0xb7, 0, 0, 0, 1, 0, 0, 0, //
    0x95, 0, 0, 0, 0, 0, 0, 0,
];

/// A socket filter: the program type that asks for the least privilege.
const SOCKET_FILTER: u32 = 1;

/// Version 4 when a program of it loads, else 3, also when nothing may be loaded at all: the error is
/// then told when the script's program is loaded.
pub(super) fn probe() -> CpuVersion {
    if loads(&SIGN_EXTENDING_MOVE) { CpuVersion::V4 } else { CpuVersion::V3 }
}

/// Whether a program with `may_goto` loads (kernel 6.9).
pub(super) fn probe_may_goto() -> bool {
    loads(&MAY_GOTO)
}

/// Whether instructions of programs can be attached to by links of their own (kernel 6.6): such a kernel says
/// that a folder is no program, an older one does not know what is asked.
pub(crate) fn has_uprobe_multi() -> bool {
    if super::is_without("uprobe_multi") {
        return false;
    }
    const KPROBE: u32 = 2;
    const UPROBE_MULTI: u32 = 48;
    let spec = ProgramSpec {
        name: "ntap_probe",
        program_type: KPROBE,
        expected_attach_type: UPROBE_MULTI,
        // r0 = 0; exit.
        instructions: &[0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0],
        ..ProgramSpec::default()
    };
    let Ok(program) = load_program(&spec) else { return false };
    let refused = link_instruction(program.as_fd(), c"/", 0, 0, false);
    refused.is_err_and(|error| error.errno() == libc::EBADF)
}

fn loads(instructions: &[u8]) -> bool {
    let spec = ProgramSpec {
        name: "ntap_probe",
        program_type: SOCKET_FILTER,
        instructions,
        ..ProgramSpec::default()
    };
    load_program(&spec).is_ok()
}
