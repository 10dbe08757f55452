//! eBPF over virtual registers: what selection produces and register allocation reads.
//!
//! A [`Machine`] is one instruction, or a short fixed sequence whose inside the allocator need not
//! see (a count of leading zeros, a conditional move). Blocks are numbered in emission order.

use cranelift_codegen::ir::StackSlot;
use regalloc2::{Block, VReg};

use super::RelocationKind;
use super::instruction::{Alu, Condition, Size, Source, Width};

/// Where a memory access starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    Register(VReg),
    Slot(StackSlot),
}

/// A memory operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) base: Base,
    pub(super) offset: i32,
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callee {
    Helper(u32),
    Kfunc(u32),
    Subprogram(u32),
}

/// A machine instruction over virtual registers. `destination` is always written whole, but only
/// some instructions promise that the upper half is zero; see `select::values`.
#[derive(Clone, Debug)]
pub(super) enum Machine {
    /// The parameters of the function, which arrive in r1..r5.
    Parameters(Vec<VReg>),
    /// A constant.
    Constant {
        destination: VReg,
        constant: i64,
    },
    /// A constant the loader fills in.
    RelocatedConstant {
        destination: VReg,
        field: u32,
    },
    /// The same value under another name; no code.
    Copy {
        destination: VReg,
        source: VReg,
    },
    /// The low 32 bits, zero-extended.
    ZeroExtendWord {
        destination: VReg,
        source: VReg,
    },
    /// The low `bits`, sign-extended to `width`.
    SignExtend {
        destination: VReg,
        source: VReg,
        bits: u32,
        width: Width,
    },
    /// The address of a stack slot.
    SlotAddress {
        destination: VReg,
        slot: StackSlot,
        offset: i32,
    },
    /// The address of a map, variable or function.
    Symbol {
        destination: VReg,
        kind: RelocationKind,
        offset: i32,
    },
    /// `destination = left op right`. `relocation` names the CO-RE field the immediate stands for.
    Alu {
        operation: Alu,
        width: Width,
        signed: bool,
        destination: VReg,
        left: VReg,
        right: Source<VReg>,
        relocation: Option<u32>,
    },
    Negate {
        width: Width,
        destination: VReg,
        source: VReg,
    },
    SwapBytes {
        bits: u32,
        destination: VReg,
        source: VReg,
    },
    Load {
        size: Size,
        signed: bool,
        destination: VReg,
        address: Address,
    },
    Store {
        size: Size,
        address: Address,
        value: Source<VReg>,
    },
    /// An atomic read-modify-write; `old` receives the previous value when somebody wants it.
    Atomic {
        operation: i32,
        size: Size,
        address: Address,
        value: VReg,
        old: Option<VReg>,
    },
    CompareExchange {
        size: Size,
        address: Address,
        expected: VReg,
        value: VReg,
        old: VReg,
    },
    Call {
        callee: Callee,
        arguments: Vec<VReg>,
        result: Option<VReg>,
    },
    /// `condition ? then : otherwise`, as a branch over a move.
    Select {
        destination: VReg,
        then: VReg,
        otherwise: VReg,
        condition: Condition<VReg>,
    },
    /// 1 if the condition holds, otherwise 0.
    SetIf {
        destination: VReg,
        condition: Condition<VReg>,
    },
    AbsoluteValue {
        width: Width,
        destination: VReg,
        source: VReg,
    },
    LeadingZeros {
        width: Width,
        destination: VReg,
        source: VReg,
        scratch: VReg,
    },
    TrailingZeros {
        width: Width,
        destination: VReg,
        source: VReg,
        scratch: VReg,
    },
    /// Signed division for instruction sets without it (before v4).
    SignedDivide {
        width: Width,
        remainder: bool,
        destination: VReg,
        left: VReg,
        right: VReg,
        scratch: VReg,
    },
    /// To the block's only successor.
    Jump,
    /// To the first successor if the condition holds, otherwise to the second.
    JumpIf(Condition<VReg>),
    /// To the first successor while the kernel's loop budget lasts, otherwise to the second.
    MayGoto,
    Return(VReg),
}

/// A basic block.
#[derive(Debug, Default)]
pub(super) struct MachineBlock {
    /// Instructions with the source location they come from; 0 is none.
    pub(super) instructions: Vec<(Machine, u32)>,
    pub(super) successors: Vec<Block>,
    pub(super) predecessors: Vec<Block>,
    pub(super) parameters: Vec<VReg>,
    /// The values passed to the parameters of the only successor.
    pub(super) arguments: Vec<VReg>,
}

/// A function ready for register allocation. Block numbers are a linear order in which definitions
/// come before uses, which regalloc2 relies on without checking.
#[derive(Debug)]
pub(super) struct MachineFunction {
    pub(super) blocks: Vec<MachineBlock>,
    pub(super) virtual_registers: usize,
}
