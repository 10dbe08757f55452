//! Backward instruction selection.
//!
//! Blocks are visited in reverse of reverse post-order and instructions from last to first, so that
//! all uses of a value are seen before its definition: an instruction is lowered only if it has an
//! effect or a later use asked for its result. Constants, addresses of stack slots, maps and
//! functions are made afresh at each use; comparisons fuse into every branch and select that uses
//! them, so the verifier learns its bounds about the very register that is used; constant offsets
//! fold into the memory access.

mod arithmetic;
mod bits;
mod call;
mod control;
mod memory;
mod values;

use std::collections::{HashMap, HashSet};

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Inst, InstructionData, Opcode, Value};
use regalloc2::{RegClass, VReg};

use super::BackendError;
use super::instruction::{Alu, Source, Width};
use super::machine::{Machine, MachineBlock, MachineFunction};
use crate::facts::CpuVersion;

/// Selects instructions for an accepted function.
pub(super) fn select(
    function: &Function,
    cpu: CpuVersion,
) -> Result<MachineFunction, BackendError> {
    let mut selector = Selector {
        function,
        cpu,
        registers: SecondaryMap::new(),
        virtual_registers: 0,
        pending: Vec::new(),
        location: 0,
        blocks: Vec::new(),
        block_of: HashMap::new(),
    };
    let edges = selector.run()?;
    Ok(selector.finish(edges))
}

/// Index of a [`MachineBlock`] before renumbering.
type BlockIndex = usize;

struct Selector<'a> {
    function: &'a Function,
    cpu: CpuVersion,
    /// The register of each value somebody asked for.
    registers: SecondaryMap<Value, Option<VReg>>,
    virtual_registers: usize,
    /// The instructions of the CLIF instruction being lowered, in order.
    pending: Vec<Machine>,
    location: u32,
    /// Blocks with their instructions in reverse until [`Selector::finish`].
    blocks: Vec<MachineBlock>,
    block_of: HashMap<Block, BlockIndex>,
}

impl<'a> Selector<'a> {
    /// Lowers all reachable blocks; returns the order of blocks for emission.
    fn run(&mut self) -> Result<Vec<BlockIndex>, BackendError> {
        let order = reverse_post_order(self.function);
        for &block in &order {
            let index = self.new_block();
            self.block_of.insert(block, index);
        }
        let mut edges: HashMap<BlockIndex, Vec<BlockIndex>> = HashMap::new();
        for &block in order.iter().rev() {
            let index = self.block_of[&block];
            let after = self.block(block, index)?;
            edges.insert(index, after);
        }
        let mut emission_order = Vec::with_capacity(self.blocks.len());
        for block in &order {
            let index = self.block_of[block];
            emission_order.push(index);
            emission_order.extend(&edges[&index]);
        }
        Ok(emission_order)
    }

    /// Lowers one block; returns the blocks of its outgoing edges, in order of emission.
    fn block(&mut self, block: Block, index: BlockIndex) -> Result<Vec<BlockIndex>, BackendError> {
        let function = self.function;
        let mut edges = Vec::new();
        // What has no location takes that of the next instruction, which usually is its use; the
        // end of the block that of the last one before.
        let located = |inst| self.location_of(inst);
        self.location =
            function.layout.block_insts(block).rev().find_map(located).unwrap_or_default();
        for inst in function.layout.block_insts(block).rev() {
            self.location = self.location_of(inst).unwrap_or(self.location);
            if self.data(inst).opcode().is_branch() {
                edges = self.branch(inst, index)?;
            } else if self.is_needed(inst) {
                self.instruction(inst)?;
                self.flush(index);
            }
        }
        let parameters: Vec<Value> = function.dfg.block_params(block).to_vec();
        let registers: Vec<VReg> =
            parameters.into_iter().map(|parameter| self.register_of(parameter)).collect();
        if Some(block) == function.layout.entry_block() {
            self.pending.push(Machine::Parameters(registers));
            self.flush(index);
        } else {
            self.blocks[index].parameters = registers;
        }
        Ok(edges)
    }

    /// The location the front end gave an instruction; 0 and CLIF's default stand for none.
    fn location_of(&self, inst: Inst) -> Option<u32> {
        let location = self.function.srcloc(inst);
        (!location.is_default() && location.bits() != 0).then(|| location.bits())
    }

    /// Whether an instruction has an effect or a used result. Loads and divisions without use are
    /// not needed: the verifier proves loads safe, and eBPF division cannot trap.
    fn is_needed(&self, inst: Inst) -> bool {
        let opcode = self.data(inst).opcode();
        let has_effect = opcode.is_call()
            || opcode.is_return()
            || opcode.is_terminator()
            || opcode.can_store()
            || matches!(opcode, Opcode::Trapz | Opcode::Trapnz | Opcode::Debugtrap);
        has_effect
            || self
                .function
                .dfg
                .inst_results(inst)
                .iter()
                .any(|&result| self.registers[result].is_some())
    }

    fn instruction(&mut self, inst: Inst) -> Result<(), BackendError> {
        use Opcode::*;
        match self.data(inst).opcode() {
            Nop | SequencePoint | Fence => Ok(()),
            Iadd | Isub | Imul | Band | Bor | Bxor | Ishl | Ushr | Sshr | Udiv | Urem | Sdiv
            | Srem | Umulhi | Smulhi | Ineg | Bnot | Iabs | Umin | Umax | Smin | Smax => {
                self.arithmetic(inst)
            }
            Rotl | Rotr | Clz | Ctz | Popcnt | Bswap | Bitselect => self.bit_operation(inst),
            Iconst | StackAddr | SymbolValue | FuncAddr | Ireduce | Uextend | Sextend | Icmp
            | Bmask | Select | SelectSpectreGuard => self.value_operation(inst),
            Load | Uload8 | Uload16 | Uload32 | Sload8 | Sload16 | Sload32 | Store | Istore8
            | Istore16 | Istore32 | AtomicRmw | AtomicCas | AtomicLoad | AtomicStore => {
                self.memory(inst)
            }
            Call => self.call(inst),
            Return => self.return_(inst),
            opcode => Err(BackendError::Unsupported(format!(
                "`{opcode}` in `{}`",
                self.function.dfg.display_inst(inst)
            ))),
        }
    }

    /// Brings blocks into emission order, renumbered, with their instructions forward and their
    /// predecessors known.
    fn finish(mut self, order: Vec<BlockIndex>) -> MachineFunction {
        let mut position = vec![0; self.blocks.len()];
        for (new, &old) in order.iter().enumerate() {
            position[old] = new;
        }
        let mut blocks: Vec<MachineBlock> =
            order.iter().map(|&old| std::mem::take(&mut self.blocks[old])).collect();
        for index in 0..blocks.len() {
            blocks[index].instructions.reverse();
            for successor in &mut blocks[index].successors {
                *successor = regalloc2::Block::new(position[successor.index()]);
            }
            for successor in blocks[index].successors.clone() {
                blocks[successor.index()].predecessors.push(regalloc2::Block::new(index));
            }
        }
        MachineFunction { blocks, virtual_registers: self.virtual_registers }
    }

    fn new_block(&mut self) -> BlockIndex {
        self.blocks.push(MachineBlock::default());
        self.blocks.len() - 1
    }

    /// Puts what was lowered before everything the block already holds.
    fn flush(&mut self, index: BlockIndex) {
        let location = self.location;
        let lowered = self.pending.drain(..).rev().map(|machine| (machine, location));
        self.blocks[index].instructions.extend(lowered);
    }

    fn push(&mut self, machine: Machine) {
        self.pending.push(machine);
    }

    /// A fresh virtual register.
    fn fresh(&mut self) -> VReg {
        let register = VReg::new(self.virtual_registers, RegClass::Int);
        self.virtual_registers += 1;
        register
    }

    /// `destination = left op right`.
    fn alu(
        &mut self,
        operation: Alu,
        width: Width,
        destination: VReg,
        left: VReg,
        right: Source<VReg>,
    ) {
        let (signed, relocation) = (false, None);
        self.push(Machine::Alu { operation, width, signed, destination, left, right, relocation });
    }

    /// A fresh register holding `left op right`.
    fn computed(&mut self, operation: Alu, width: Width, left: VReg, right: Source<VReg>) -> VReg {
        let destination = self.fresh();
        self.alu(operation, width, destination, left, right);
        destination
    }

    fn data(&self, inst: Inst) -> &'a InstructionData {
        &self.function.dfg.insts[inst]
    }

    fn argument(&self, inst: Inst, index: usize) -> Value {
        self.function.dfg.inst_args(inst)[index]
    }

    /// The register an instruction's only result goes to, and the bits of its type.
    fn result(&mut self, inst: Inst) -> (VReg, u32) {
        let result = self.function.dfg.first_result(inst);
        (self.register_of(result), self.bits(result))
    }
}

/// Reachable blocks, each before its successors except along back edges; the first target of a
/// branch follows it directly where possible.
fn reverse_post_order(function: &Function) -> Vec<Block> {
    let mut post_order = Vec::new();
    let mut seen = HashSet::new();
    let mut stack: Vec<(Block, bool)> =
        function.layout.entry_block().map(|entry| (entry, false)).into_iter().collect();
    while let Some((block, successors_done)) = stack.pop() {
        if successors_done {
            post_order.push(block);
        } else if seen.insert(block) {
            stack.push((block, true));
            stack.extend(function.block_successors(block).map(|successor| (successor, false)));
        }
    }
    post_order.reverse();
    post_order
}
