//! Loading an object's programs.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya_obj::{Function, Object};

use super::{LoadError, LoadPlan, LoadedProgram, ProgramKind, ProgramPlan};
use crate::sys::{self, ProgramInfoRecords, ProgramSpec};

/// What the kernel is told about a kind of program.
struct KernelKind {
    /// `enum bpf_prog_type`.
    program_type: u32,
    /// `enum bpf_attach_type`.
    attach_type: u32,
    btf_id: u32,
}

impl ProgramKind {
    /// The program's `enum bpf_attach_type`, which links of some kinds repeat.
    pub fn attach_type(self) -> u32 {
        self.kernel_kind().attach_type
    }

    fn kernel_kind(self) -> KernelKind {
        const KPROBE: u32 = 2;
        const TRACEPOINT: u32 = 5;
        const PERF_EVENT: u32 = 7;
        const RAW_TRACEPOINT: u32 = 17;
        const TRACING: u32 = 26;
        const NETFILTER: u32 = 32;
        let (program_type, attach_type, btf_id) = match self {
            ProgramKind::TpBtf { btf_id } => (TRACING, 23, btf_id),
            ProgramKind::FunctionEntry { btf_id } => (TRACING, 24, btf_id),
            ProgramKind::FunctionExit { btf_id } => (TRACING, 25, btf_id),
            ProgramKind::RawTracepoint => (RAW_TRACEPOINT, 0, 0),
            ProgramKind::Tracepoint => (TRACEPOINT, 0, 0),
            ProgramKind::Netfilter => (NETFILTER, 45, 0),
            ProgramKind::PerfEvent => (PERF_EVENT, 0, 0),
            ProgramKind::Kprobe => (KPROBE, 0, 0),
            ProgramKind::KprobeMulti => (KPROBE, 42, 0),
            ProgramKind::UprobeMulti => (KPROBE, 48, 0),
            ProgramKind::KprobeSession => (KPROBE, 56, 0),
        };
        KernelKind { program_type, attach_type, btf_id }
    }
}

pub(super) fn load_all(
    object: &Object,
    plan: &LoadPlan,
    btf: Option<BorrowedFd<'_>>,
) -> Result<Vec<LoadedProgram>, LoadError> {
    let mut modules: HashMap<&str, OwnedFd> = HashMap::new();
    for module in plan.programs.iter().filter_map(|program| program.module.as_deref()) {
        if !modules.contains_key(module) {
            modules.insert(module, sys::module_types(module)?);
        }
    }
    plan.programs.iter().map(|program| load_one(object, program, btf, &modules)).collect()
}

fn load_one(
    object: &Object,
    plan: &ProgramPlan,
    btf: Option<BorrowedFd<'_>>,
    modules: &HashMap<&str, OwnedFd>,
) -> Result<LoadedProgram, LoadError> {
    let function = object
        .programs
        .get(&plan.name)
        .and_then(|program| object.functions.get(&program.function_key()))
        .ok_or_else(|| LoadError::MissingProgram { name: plan.name.clone() })?;
    let instructions = code(function);
    let (functions, lines) =
        (function.func_info.func_info_bytes(), function.line_info.line_info_bytes());
    let kind = plan.kind.kernel_kind();
    let module = plan.module.as_deref().and_then(|module| modules.get(module));
    let spec = ProgramSpec {
        name: &plan.name,
        program_type: kind.program_type,
        expected_attach_type: kind.attach_type,
        attach_btf_id: kind.btf_id,
        attach_module: module.map(AsFd::as_fd),
        flags: 0,
        instructions: &instructions,
        // The kernel takes line records only together with function records.
        records: btf.filter(|_| !functions.is_empty()).map(|btf| ProgramInfoRecords {
            btf,
            functions: &functions,
            lines: &lines,
        }),
    };
    let descriptor = sys::load_program(&spec)?;
    let asks_place = instructions.chunks_exact(8).any(may_ask_place);
    Ok(LoadedProgram { name: plan.name.clone(), kind: plan.kind, asks_place, descriptor })
}

/// Whether an instruction calls the helper `bpf_get_attach_cookie`, or goes on in another program (`bpf_tail_call`).
fn may_ask_place(instruction: &[u8]) -> bool {
    const CALL: u8 = 0x85;
    const ASKING: [[u8; 4]; 2] = [174u32.to_ne_bytes(), 12u32.to_ne_bytes()];
    // A source register other than 0 makes it a call of something else than a helper.
    instruction[0] == CALL
        && instruction[1] >> 4 == 0
        && ASKING.iter().any(|helper| instruction[4..] == *helper)
}

/// The instructions as the kernel takes them.
fn code(function: &Function) -> Vec<u8> {
    function
        .instructions
        .iter()
        .flat_map(|instruction| {
            let [offset_low, offset_high] = instruction.off.to_ne_bytes();
            let [a, b, c, d] = instruction.imm.to_ne_bytes();
            let registers = instruction.src_reg() << 4 | instruction.dst_reg();
            [instruction.code, registers, offset_low, offset_high, a, b, c, d]
        })
        .collect()
}
