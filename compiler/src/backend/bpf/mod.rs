//! CLIF to eBPF.
//!
//! ```text
//!  ir::Function
//!     │ optimize   Cranelift's target-independent passes (egraph), on `Flags` alone
//!     │ accept     refuses what eBPF cannot express; later steps rely on it
//!     │ select     backward instruction selection: eBPF over virtual registers
//!     │ allocate   regalloc2; its checker verifies the result in debug builds
//!     │ emit       frame layout, jump threading, bytes, relocations, line table
//!  BpfCode
//! ```
//!
//! No host instruction set is involved, so an object for any kernel can be built on any machine.
//!
//! What the kernel's verifier learns at a branch holds for the registers compared there, so the
//! front end must keep the optimizer from separating a check from its use: see the intrinsics in
//! [`names`](super::names).
//!
//! Every refusal is a [`BackendError`]; nothing here panics on a well-formed CLIF function, and
//! nothing is silently miscompiled: an operation without lowering is an error that names it.

mod accept;
mod allocate;
mod emit;
mod helpers;
pub mod instruction;
mod machine;
mod print;
mod select;
mod stack;

use std::fmt;

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir;
use cranelift_codegen::settings::{self, Configurable};

use crate::facts::CpuVersion;

pub(crate) use accept::is_may_goto;
pub use helpers::helper_name;
pub use instruction::Instruction;
pub use print::disassemble;
pub use stack::{CallChainError, call_chain_bytes};

/// The stack of a program: all frames of a call chain together.
pub const STACK_BYTES: u32 = 512;

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct BpfOptions {
    /// The instruction set to use.
    pub cpu: CpuVersion,
    /// Verify the register allocation independently. Debug builds only; release builds ignore it.
    pub check: bool,
}

/// One compiled function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BpfCode {
    /// The instructions, in slots.
    pub instructions: Vec<Instruction>,
    /// Instructions to be completed by the loader.
    pub relocations: Vec<Relocation>,
    /// Where the source location changes: instruction slot and the `SourceLoc` bits, an index into
    /// the front end's location table.
    pub lines: Vec<(usize, u32)>,
    /// Parameters of the function.
    pub parameters: usize,
    /// Stack bytes: explicit slots and spills.
    pub frame_bytes: u32,
    /// Values that did not fit into registers, in 8-byte slots (included in `frame_bytes`).
    pub spill_slots: usize,
}

/// A reference to something outside the function. An offset into the thing, if any, is in the
/// instruction's immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// The instruction slot.
    pub at: usize,
    /// What it refers to.
    pub kind: RelocationKind,
}

/// What a relocation refers to, by the indices the front end uses in its CLIF names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelocationKind {
    /// The address of a map.
    Map(u32),
    /// The address of a variable in `.bss`.
    Data(u32),
    /// A call of one of our own functions.
    SubprogramCall(u32),
    /// The address of one of our own functions.
    SubprogramAddress(u32),
    /// A CO-RE field offset or similar.
    CoreField(u32),
}

/// Why a function could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendError {
    /// The function needs more stack than the kernel gives.
    FrameTooLarge {
        /// What it needs.
        bytes: u32,
    },
    /// A branch is longer than an instruction can express.
    BranchOutOfRange {
        /// Its distance in instruction slots.
        distance: i64,
    },
    /// CLIF that has no meaning in eBPF: a bug in the front end.
    Unsupported(String),
    /// The register allocator failed, or its checker found the result wrong: a bug.
    Allocation(String),
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackendError::FrameTooLarge { bytes } => {
                write!(
                    f,
                    "the function needs {bytes} bytes of stack, the kernel gives {STACK_BYTES}"
                )
            }
            BackendError::BranchOutOfRange { distance } => {
                write!(f, "a branch over {distance} instructions is too long")
            }
            BackendError::Unsupported(what) => write!(f, "no eBPF for {what}"),
            BackendError::Allocation(why) => write!(f, "register allocation: {why}"),
        }
    }
}

impl std::error::Error for BackendError {}

/// Runs Cranelift's target-independent optimizer.
pub fn optimize(function: &mut ir::Function) -> Result<(), BackendError> {
    let flags = optimizer_flags()?;
    let mut context = simplified(function, &flags)?;
    context.egraph_pass(&flags, &mut ControlPlane::default()).map_err(invalid)?;
    *function = context.func;
    Ok(())
}

/// Leaves out code that is never reached, and parameters of blocks that are always the same value.
pub(crate) fn simplify(function: &mut ir::Function) -> Result<(), BackendError> {
    *function = simplified(function, &optimizer_flags()?)?.func;
    Ok(())
}

fn simplified(
    function: &mut ir::Function,
    flags: &settings::Flags,
) -> Result<Context, BackendError> {
    let mut context = Context::for_function(std::mem::replace(function, ir::Function::new()));
    context.compute_cfg();
    context.compute_domtree();
    context.eliminate_unreachable_code(flags).map_err(invalid)?;
    context.remove_constant_phis(flags).map_err(invalid)?;
    context.func.dfg.resolve_all_aliases();
    Ok(context)
}

fn invalid(error: cranelift_codegen::CodegenError) -> BackendError {
    BackendError::Unsupported(format!("the optimizer's result: {error}"))
}

fn optimizer_flags() -> Result<settings::Flags, BackendError> {
    let mut builder = settings::builder();
    let verify = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [("opt_level", "speed"), ("enable_verifier", verify)] {
        builder
            .set(name, value)
            .map_err(|error| BackendError::Unsupported(format!("optimizer setting: {error}")))?;
    }
    Ok(settings::Flags::new(builder))
}

/// Compiles a function, optimized or not.
pub fn compile(function: &ir::Function, options: &BpfOptions) -> Result<BpfCode, BackendError> {
    accept::accept(function)?;
    let machine = select::select(function, options.cpu)?;
    let allocated = allocate::allocate(machine, options.check)?;
    emit::emit(function, &allocated, options.cpu)
}
