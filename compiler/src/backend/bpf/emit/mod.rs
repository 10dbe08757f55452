//! Allocated code to bytes: frame layout, jump threading, relocations and the line table.
//!
//! ```text
//!  r10 ->  ┌───────────────────┐ 0
//!          │ stack slots       │ in order of declaration, 8-byte aligned
//!          │ spill slots       │ 8 bytes each
//!          └───────────────────┘ -frame_bytes
//! ```

mod layout;
mod sequences;

use layout::{Frame, Threaded};

use cranelift_codegen::ir;
use regalloc2::{Allocation, Block, Edit, InstOrEdit};

use super::allocate::Allocated;
use super::instruction::{Condition, FRAME_POINTER, Instruction, Source, Width};
use super::instruction::{PSEUDO_CALL, PSEUDO_KFUNC_CALL};
use super::machine::{Address, Base, Callee, Machine};
use super::{BackendError, BpfCode, Relocation, RelocationKind};
use crate::facts::CpuVersion;

/// Emits an allocated function.
pub(super) fn emit(
    function: &ir::Function,
    allocated: &Allocated,
    cpu: CpuVersion,
) -> Result<BpfCode, BackendError> {
    let frame = Frame::new(function, allocated.output.num_spillslots)?;
    let threaded = Threaded::new(allocated);
    let mut emitter = Emitter {
        allocated,
        frame,
        threaded,
        cpu,
        code: BpfCode {
            parameters: function.signature.params.len(),
            spill_slots: allocated.output.num_spillslots,
            ..Default::default()
        },
        starts: vec![None; allocated.function.blocks.len()],
        branches: Vec::new(),
        location: 0,
    };
    emitter.code.frame_bytes = emitter.frame.bytes;
    emitter.run()?;
    Ok(emitter.code)
}

struct Emitter<'a> {
    allocated: &'a Allocated,
    frame: Frame,
    threaded: Threaded,
    cpu: CpuVersion,
    code: BpfCode,
    /// First instruction slot of each emitted block.
    starts: Vec<Option<usize>>,
    /// Jumps whose distance is filled in at the end.
    branches: Vec<(usize, Block)>,
    /// The last location in the line table.
    location: u32,
}

impl Emitter<'_> {
    fn run(&mut self) -> Result<(), BackendError> {
        let allocated = self.allocated;
        let kept = std::mem::take(&mut self.threaded.kept);
        for (position, &block) in kept.iter().enumerate() {
            self.starts[block.index()] = Some(self.code.instructions.len());
            let next = kept.get(position + 1).copied();
            for part in allocated.output.block_insts_and_edits(&allocated.function, block) {
                match part {
                    InstOrEdit::Edit(Edit::Move { from, to }) => self.transfer(*from, *to)?,
                    InstOrEdit::Inst(inst) => {
                        let (machine, location) = &allocated.function.instructions[inst.index()];
                        self.line(machine, *location);
                        let operands = Operands::new(allocated.output.inst_allocs(inst));
                        self.machine(machine, operands, block, next)?;
                    }
                }
            }
        }
        self.resolve_branches()
    }

    fn resolve_branches(&mut self) -> Result<(), BackendError> {
        for &(at, block) in &self.branches {
            let start = self.starts[block.index()].ok_or_else(|| {
                BackendError::Allocation(format!("a branch to {block:?}, which is not emitted"))
            })?;
            let distance = start as i64 - at as i64 - 1;
            self.code.instructions[at].offset =
                i16::try_from(distance).map_err(|_| BackendError::BranchOutOfRange { distance })?;
        }
        Ok(())
    }

    /// Notes a change of location. The kernel wants at most one record for an instruction, and not
    /// all instructions of ours become code.
    fn line(&mut self, machine: &Machine, location: u32) {
        let has_code = !matches!(machine, Machine::Parameters(_) | Machine::Copy { .. });
        if !has_code || location == 0 || location == self.location {
            return;
        }
        self.location = location;
        let slot = self.code.instructions.len();
        match self.code.lines.last_mut() {
            Some(last) if last.0 == slot => last.1 = location,
            _ => self.code.lines.push((slot, location)),
        }
    }

    fn push(&mut self, instruction: Instruction) {
        self.code.instructions.push(instruction);
    }

    fn relocate(&mut self, kind: RelocationKind) {
        self.code.relocations.push(Relocation { at: self.code.instructions.len(), kind });
    }

    fn move_register(&mut self, to: u8, from: u8) {
        if to != from {
            self.push(Instruction::mov(Width::Double, to, Source::Register(from)));
        }
    }

    /// A move between registers and spill slots that the allocator asks for.
    fn transfer(&mut self, from: Allocation, to: Allocation) -> Result<(), BackendError> {
        use super::instruction::Size::Double;
        let register = |allocation: Allocation| allocation.as_reg().map(|it| it.hw_enc() as u8);
        let spill = |allocation: Allocation| {
            allocation.as_stack().map(|slot| self.frame.spill(slot.index()))
        };
        match (register(from), register(to), spill(from), spill(to)) {
            (Some(from), Some(to), _, _) => self.move_register(to, from),
            (Some(from), _, _, Some(slot)) => {
                let value = Source::Register(from);
                self.push(Instruction::store(Double, FRAME_POINTER, slot, value));
            }
            (_, Some(to), Some(slot), _) => {
                self.push(Instruction::load(Double, false, to, FRAME_POINTER, slot));
            }
            _ => return Err(BackendError::Allocation(format!("a move from {from} to {to}"))),
        }
        Ok(())
    }

    fn constant(&mut self, destination: u8, constant: i64) {
        if let Ok(immediate) = i32::try_from(constant) {
            let source = Source::Immediate(immediate);
            self.push(Instruction::mov(Width::Double, destination, source));
        } else if let Ok(immediate) = u32::try_from(constant) {
            let source = Source::Immediate(immediate as i32);
            self.push(Instruction::mov(Width::Word, destination, source));
        } else {
            self.code.instructions.extend(Instruction::wide(destination, constant));
        }
    }

    fn machine(
        &mut self,
        machine: &Machine,
        mut operands: Operands<'_>,
        block: Block,
        next: Option<Block>,
    ) -> Result<(), BackendError> {
        match machine {
            // The allocator put the result where the input was.
            Machine::Parameters(_) | Machine::Copy { .. } => {}
            Machine::Constant { constant, .. } => self.constant(operands.register()?, *constant),
            Machine::RelocatedConstant { field, .. } => {
                self.relocate(RelocationKind::CoreField(*field));
                let destination = operands.register()?;
                self.push(Instruction::mov(Width::Double, destination, Source::Immediate(0)));
            }
            Machine::ZeroExtendWord { .. } => {
                let source = Source::Register(operands.register()?);
                self.push(Instruction::mov(Width::Word, operands.register()?, source));
            }
            Machine::SlotAddress { slot, offset, .. } => {
                let destination = operands.register()?;
                let offset = Source::Immediate(self.frame.slots[*slot].saturating_add(*offset));
                self.move_register(destination, FRAME_POINTER);
                let add = super::instruction::Alu::Add;
                self.push(Instruction::alu(add, Width::Double, destination, offset));
            }
            Machine::Symbol { kind, offset, .. } => {
                self.relocate(*kind);
                let [mut first, second] = Instruction::wide(operands.register()?, 0);
                first.immediate = *offset;
                self.code.instructions.extend([first, second]);
            }
            Machine::Alu { operation, width, signed, right, relocation, .. } => {
                operands.register()?;
                let right = operands.source(*right)?;
                let destination = operands.register()?;
                if let Some(field) = relocation {
                    self.relocate(RelocationKind::CoreField(*field));
                }
                let mut instruction = Instruction::alu(*operation, *width, destination, right);
                instruction.offset = i16::from(*signed);
                self.push(instruction);
            }
            Machine::Negate { width, .. } => {
                self.push(Instruction::negate(*width, operands.register()?));
            }
            Machine::SwapBytes { bits, .. } => {
                self.push(Instruction::swap_bytes(operands.register()?, *bits));
            }
            Machine::Load { size, signed, address, .. } => {
                let (base, offset) = self.address(*address, &mut operands)?;
                let destination = operands.register()?;
                self.push(Instruction::load(*size, *signed, destination, base, offset));
            }
            Machine::Store { size, address, value } => {
                let (base, offset) = self.address(*address, &mut operands)?;
                let value = operands.source(*value)?;
                self.push(Instruction::store(*size, base, offset, value));
            }
            Machine::Atomic { operation, size, address, .. } => {
                let value = operands.register()?;
                let (base, offset) = self.address(*address, &mut operands)?;
                self.push(Instruction::atomic(*operation, *size, base, offset, value));
            }
            Machine::CompareExchange { size, address, .. } => {
                operands.register()?;
                let value = operands.register()?;
                let (base, offset) = self.address(*address, &mut operands)?;
                let operation = super::instruction::ATOMIC_COMPARE_EXCHANGE;
                self.push(Instruction::atomic(operation, *size, base, offset, value));
            }
            Machine::Call { callee, .. } => match callee {
                Callee::Helper(number) => self.push(Instruction::call(0, *number as i32)),
                Callee::Kfunc(id) => self.push(Instruction::call(PSEUDO_KFUNC_CALL, *id as i32)),
                Callee::Subprogram(index) => {
                    self.relocate(RelocationKind::SubprogramCall(*index));
                    self.push(Instruction::call(PSEUDO_CALL, -1));
                }
            },
            Machine::Return(_) => self.push(Instruction::exit()),
            Machine::Jump => self.jump(self.successor(block, 0), next),
            Machine::JumpIf(condition) => {
                let condition = operands.condition(condition)?;
                self.jump_if(condition, block, next);
            }
            Machine::MayGoto => {
                self.branches.push((self.code.instructions.len(), self.successor(block, 1)));
                self.push(Instruction::may_goto());
                self.jump(self.successor(block, 0), next);
            }
            Machine::SignExtend { .. }
            | Machine::Select { .. }
            | Machine::SetIf { .. }
            | Machine::AbsoluteValue { .. }
            | Machine::LeadingZeros { .. }
            | Machine::TrailingZeros { .. }
            | Machine::SignedDivide { .. } => self.sequence(machine, operands)?,
        }
        Ok(())
    }

    fn successor(&self, block: Block, index: usize) -> Block {
        let direct = self.allocated.function.blocks[block.index()].successors[index];
        self.threaded.target[direct.index()]
    }

    fn jump(&mut self, target: Block, next: Option<Block>) {
        if next != Some(target) {
            self.branches.push((self.code.instructions.len(), target));
            self.push(Instruction::jump());
        }
    }

    fn jump_if(&mut self, condition: Condition<u8>, block: Block, next: Option<Block>) {
        let (then, otherwise) = (self.successor(block, 0), self.successor(block, 1));
        if then == otherwise {
            return self.jump(then, next);
        }
        let (condition, target, other) = match condition.comparison.inverse() {
            Some(comparison) if next == Some(then) => {
                (Condition { comparison, ..condition }, otherwise, then)
            }
            _ => (condition, then, otherwise),
        };
        self.branches.push((self.code.instructions.len(), target));
        self.push(Instruction::jump_if(condition, 0));
        self.jump(other, next);
    }

    fn address(
        &self,
        address: Address,
        operands: &mut Operands<'_>,
    ) -> Result<(u8, i16), BackendError> {
        let (base, offset) = match address.base {
            Base::Register(_) => (operands.register()?, address.offset),
            Base::Slot(slot) => {
                (FRAME_POINTER, self.frame.slots[slot].saturating_add(address.offset))
            }
        };
        let offset = i16::try_from(offset).map_err(|_| {
            BackendError::Unsupported(format!("a memory access at offset {offset}"))
        })?;
        Ok((base, offset))
    }
}

/// The registers of an instruction, read in the order `allocate` listed them.
struct Operands<'a> {
    allocations: std::slice::Iter<'a, Allocation>,
}

impl<'a> Operands<'a> {
    fn new(allocations: &'a [Allocation]) -> Self {
        Operands { allocations: allocations.iter() }
    }

    fn register(&mut self) -> Result<u8, BackendError> {
        match self.allocations.next().and_then(|allocation| allocation.as_reg()) {
            Some(register) => Ok(register.hw_enc() as u8),
            None => Err(BackendError::Allocation("an operand is not in a register".to_string())),
        }
    }

    fn source<R>(&mut self, source: Source<R>) -> Result<Source<u8>, BackendError> {
        Ok(match source {
            Source::Register(_) => Source::Register(self.register()?),
            Source::Immediate(immediate) => Source::Immediate(immediate),
        })
    }

    fn condition<R: Copy>(
        &mut self,
        condition: &Condition<R>,
    ) -> Result<Condition<u8>, BackendError> {
        Ok(Condition {
            comparison: condition.comparison,
            width: condition.width,
            left: self.register()?,
            right: self.source(condition.right)?,
        })
    }
}
