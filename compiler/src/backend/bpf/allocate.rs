//! Register allocation by regalloc2.
//!
//! r0..r9 are allocatable, the caller-saved r0..r5 first; r10 is the frame pointer. Calls take their
//! arguments in r1..r5, return in r0 and clobber r0..r5. The Ion allocator is the only choice: the
//! fast one needs 40 % more instructions and overflows the stack.

use regalloc2::{
    Algorithm, Block, Function, Inst, InstRange, MachineEnv, Operand, OperandConstraint,
    OperandKind, OperandPos, Output, PReg, PRegSet, RegClass, RegallocOptions, VReg,
};

use super::BackendError;
use super::instruction::{Condition, Source};
use super::machine::{Address, Base, Machine, MachineBlock, MachineFunction};

/// A function with the registers of its operands.
pub(super) struct Allocated {
    pub(super) function: AllocatorInput,
    pub(super) output: Output,
}

/// The view regalloc2 has of a function: instructions numbered through all blocks.
pub(super) struct AllocatorInput {
    pub(super) blocks: Vec<MachineBlock>,
    /// All instructions with their locations, block after block.
    pub(super) instructions: Vec<(Machine, u32)>,
    ranges: Vec<InstRange>,
    operands: Vec<Operand>,
    operand_ranges: Vec<(usize, usize)>,
    clobbers: Vec<PRegSet>,
    virtual_registers: usize,
}

/// Assigns machine registers and spill slots.
pub(super) fn allocate(machine: MachineFunction, check: bool) -> Result<Allocated, BackendError> {
    let function = AllocatorInput::new(machine);
    let environment = environment();
    let check = check && cfg!(debug_assertions);
    let options =
        RegallocOptions { verbose_log: false, validate_ssa: check, algorithm: Algorithm::Ion };
    let output = regalloc2::run(&function, &environment, &options)
        .map_err(|error| BackendError::Allocation(error.to_string()))?;
    if check {
        let mut checker = regalloc2::checker::Checker::new(&function, &environment);
        checker.prepare(&output);
        checker
            .run()
            .map_err(|errors| BackendError::Allocation(format!("the checker found {errors:?}")))?;
    }
    Ok(Allocated { function, output })
}

fn environment() -> MachineEnv {
    MachineEnv {
        preferred_regs_by_class: [registers(0..=5), PRegSet::empty(), PRegSet::empty()],
        non_preferred_regs_by_class: [registers(6..=9), PRegSet::empty(), PRegSet::empty()],
        scratch_by_class: [None, None, None],
        fixed_stack_slots: Vec::new(),
    }
}

fn machine_register(number: usize) -> PReg {
    PReg::new(number, RegClass::Int)
}

fn registers(numbers: std::ops::RangeInclusive<usize>) -> PRegSet {
    numbers.map(machine_register).collect()
}

impl AllocatorInput {
    fn new(machine: MachineFunction) -> Self {
        let mut input = AllocatorInput {
            blocks: Vec::new(),
            instructions: Vec::new(),
            ranges: Vec::new(),
            operands: Vec::new(),
            operand_ranges: Vec::new(),
            clobbers: Vec::new(),
            virtual_registers: machine.virtual_registers,
        };
        for mut block in machine.blocks {
            let first = Inst::new(input.instructions.len());
            for (instruction, location) in block.instructions.drain(..) {
                let start = input.operands.len();
                let clobbers = operands(&instruction, &mut input.operands);
                input.operand_ranges.push((start, input.operands.len()));
                input.clobbers.push(clobbers);
                input.instructions.push((instruction, location));
            }
            let end = Inst::new(input.instructions.len());
            input.ranges.push(InstRange::new(first, end));
            input.blocks.push(block);
        }
        input
    }
}

/// Lists the operands of an instruction in the order emission reads them; returns what it clobbers.
///
/// A use is early by default, so its register may be taken for the result. Sequences that write
/// their result before they have read everything use their inputs late.
fn operands(machine: &Machine, list: &mut Vec<Operand>) -> PRegSet {
    let read = Operand::reg_use;
    let written = Operand::reg_def;
    match machine {
        Machine::Parameters(parameters) => {
            let arriving = parameters.iter().enumerate();
            list.extend(arriving.map(|(index, &parameter)| {
                Operand::reg_fixed_def(parameter, machine_register(index + 1))
            }));
        }
        Machine::Constant { destination, .. }
        | Machine::RelocatedConstant { destination, .. }
        | Machine::SlotAddress { destination, .. }
        | Machine::Symbol { destination, .. } => list.push(written(*destination)),
        Machine::ZeroExtendWord { destination, source }
        | Machine::SignExtend { destination, source, .. } => {
            list.extend([read(*source), written(*destination)]);
        }
        Machine::Copy { destination, source }
        | Machine::Negate { destination, source, .. }
        | Machine::SwapBytes { destination, source, .. }
        | Machine::AbsoluteValue { destination, source, .. } => {
            list.extend([read(*source), Operand::reg_reuse_def(*destination, 0)]);
        }
        Machine::Alu { destination, left, right, .. } => {
            list.push(read(*left));
            list.extend(register_of(*right).map(read));
            list.push(Operand::reg_reuse_def(*destination, 0));
        }
        Machine::Load { destination, address, .. } => {
            list.extend(base_of(*address).map(read));
            list.push(written(*destination));
        }
        Machine::Store { address, value, .. } => {
            list.extend(base_of(*address).map(read));
            list.extend(register_of(*value).map(read));
        }
        Machine::Atomic { address, value, old: None, .. } => {
            list.push(read(*value));
            list.extend(base_of(*address).map(read));
        }
        Machine::Atomic { address, value, old: Some(old), .. } => {
            list.push(read(*value));
            list.extend(base_of(*address).map(read_late));
            list.push(Operand::reg_reuse_def(*old, 0));
        }
        Machine::CompareExchange { address, expected, value, old, .. } => {
            list.push(Operand::reg_fixed_use(*expected, machine_register(0)));
            list.push(read_late(*value));
            list.extend(base_of(*address).map(read_late));
            list.push(Operand::reg_fixed_def(*old, machine_register(0)));
        }
        Machine::Call { arguments, result, .. } => {
            let passed = arguments.iter().enumerate();
            list.extend(passed.map(|(index, &argument)| {
                Operand::reg_fixed_use(argument, machine_register(index + 1))
            }));
            return match result {
                Some(result) => {
                    list.push(Operand::reg_fixed_def(*result, machine_register(0)));
                    registers(1..=5)
                }
                None => registers(0..=5),
            };
        }
        Machine::Select { destination, then, otherwise, condition } => {
            list.extend([read(*then), read(*otherwise)]);
            condition_operands(condition, read, list);
            list.push(Operand::reg_reuse_def(*destination, 0));
        }
        Machine::SetIf { destination, condition } => {
            condition_operands(condition, read_late, list);
            list.push(written(*destination));
        }
        Machine::LeadingZeros { destination, source, scratch, .. }
        | Machine::TrailingZeros { destination, source, scratch, .. } => {
            list.push(read_late(*source));
            list.extend([Operand::reg_temp(*scratch), written(*destination)]);
        }
        Machine::SignedDivide { destination, left, right, scratch, .. } => {
            list.extend([read_late(*left), read_late(*right)]);
            list.extend([Operand::reg_temp(*scratch), written(*destination)]);
        }
        Machine::JumpIf(condition) => condition_operands(condition, read, list),
        Machine::Jump | Machine::MayGoto => {}
        Machine::Return(value) => {
            list.push(Operand::reg_fixed_use(*value, machine_register(0)));
        }
    }
    PRegSet::empty()
}

/// A use that lasts until the result is written.
fn read_late(register: VReg) -> Operand {
    Operand::new(register, OperandConstraint::Reg, OperandKind::Use, OperandPos::Late)
}

fn condition_operands(
    condition: &Condition<VReg>,
    read: impl Fn(VReg) -> Operand,
    list: &mut Vec<Operand>,
) {
    list.push(read(condition.left));
    list.extend(register_of(condition.right).map(read));
}

fn register_of(source: Source<VReg>) -> Option<VReg> {
    match source {
        Source::Register(register) => Some(register),
        Source::Immediate(_) => None,
    }
}

fn base_of(address: Address) -> Option<VReg> {
    match address.base {
        Base::Register(register) => Some(register),
        Base::Slot(_) => None,
    }
}

impl Function for AllocatorInput {
    fn num_insts(&self) -> usize {
        self.instructions.len()
    }

    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(0)
    }

    fn block_insns(&self, block: Block) -> InstRange {
        self.ranges[block.index()]
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].successors
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].predecessors
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].parameters
    }

    fn is_ret(&self, inst: Inst) -> bool {
        matches!(self.instructions[inst.index()].0, Machine::Return(_))
    }

    fn is_branch(&self, inst: Inst) -> bool {
        let machine = &self.instructions[inst.index()].0;
        matches!(machine, Machine::Jump | Machine::JumpIf(_) | Machine::MayGoto)
    }

    fn branch_blockparams(&self, block: Block, _inst: Inst, _successor: usize) -> &[VReg] {
        &self.blocks[block.index()].arguments
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        let (start, end) = self.operand_ranges[inst.index()];
        &self.operands[start..end]
    }

    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        self.clobbers[inst.index()]
    }

    fn num_vregs(&self) -> usize {
        self.virtual_registers
    }

    fn spillslot_size(&self, _class: RegClass) -> usize {
        1
    }
}
