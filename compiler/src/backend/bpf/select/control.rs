//! Branches.
//!
//! Each edge that leaves a branch gets a block of its own, which carries the arguments for its
//! target's parameters; emission removes the empty ones. So critical edges need no further thought.

use cranelift_codegen::ir::{Block, BlockCall, Inst, InstructionData, Opcode, Value};
use regalloc2::VReg;

use super::{BlockIndex, Selector};
use crate::backend::bpf::BackendError;
use crate::backend::bpf::accept;
use crate::backend::bpf::instruction::{Comparison, Condition, Source, Width};
use crate::backend::bpf::machine::Machine;

/// Where a branch goes, with the values for the target's parameters.
struct Target {
    block: Block,
    arguments: Vec<Value>,
}

impl Selector<'_> {
    /// Lowers the branch that ends a block; returns the blocks of its edges in emission order.
    pub(super) fn branch(
        &mut self,
        inst: Inst,
        index: BlockIndex,
    ) -> Result<Vec<BlockIndex>, BackendError> {
        let mut edges = Vec::new();
        match self.data(inst) {
            InstructionData::Jump { destination, .. } => {
                let target = self.target(inst, destination)?;
                self.jump(index, &target);
            }
            InstructionData::Brif { arg, blocks: [then, otherwise], .. } => {
                let then = self.target(inst, then)?;
                let otherwise = self.target(inst, otherwise)?;
                self.branch_if(index, *arg, &then, &otherwise, &mut edges);
            }
            InstructionData::BranchTable { arg, table, .. } => {
                let table = &self.function.stencil.dfg.jump_tables[*table];
                let otherwise = self.target(inst, &table.default_block())?;
                let mut cases = Vec::with_capacity(table.as_slice().len());
                for case in table.as_slice() {
                    cases.push(self.target(inst, case)?);
                }
                self.branch_table(index, *arg, &cases, &otherwise, &mut edges);
            }
            _ => return Err(self.unsupported(inst)),
        }
        Ok(edges)
    }

    fn target(&self, inst: Inst, call: &BlockCall) -> Result<Target, BackendError> {
        let lists = &self.function.dfg.value_lists;
        let arguments: Option<Vec<Value>> =
            call.args(lists).map(|argument| argument.as_value()).collect();
        match arguments {
            Some(arguments) => Ok(Target { block: call.block(lists), arguments }),
            None => Err(self.unsupported(inst)),
        }
    }

    /// Ends a block with a jump.
    fn jump(&mut self, index: BlockIndex, target: &Target) {
        let arguments: Vec<VReg> =
            target.arguments.iter().map(|&value| self.register(value)).collect();
        self.push(Machine::Jump);
        self.blocks[index].arguments = arguments;
        self.blocks[index].successors = successors([self.block_of[&target.block]]);
        self.flush(index);
    }

    /// A new block that does nothing but pass the arguments on.
    fn edge(&mut self, target: &Target) -> BlockIndex {
        let edge = self.new_block();
        self.jump(edge, target);
        edge
    }

    fn branch_if(
        &mut self,
        index: BlockIndex,
        condition: Value,
        then: &Target,
        otherwise: &Target,
        edges: &mut Vec<BlockIndex>,
    ) {
        if let Some((is_and, first, second)) = self.combined_tests(condition) {
            // A chain of branches, so that the verifier sees each test.
            let second_test = self.new_block();
            edges.push(second_test);
            let mut rest = Vec::new();
            self.branch_if(second_test, second, then, otherwise, &mut rest);
            let early = self.edge(if is_and { otherwise } else { then });
            edges.append(&mut rest);
            edges.push(early);
            let condition = self.condition(first);
            self.push(Machine::JumpIf(condition));
            self.blocks[index].successors =
                successors(if is_and { [second_test, early] } else { [early, second_test] });
            return self.flush(index);
        }
        let then = self.edge(then);
        let otherwise = self.edge(otherwise);
        edges.extend([otherwise, then]);
        if accept::is_may_goto(self.function, condition) {
            self.push(Machine::MayGoto);
        } else {
            let condition = self.condition(condition);
            self.push(Machine::JumpIf(condition));
        }
        self.blocks[index].successors = successors([then, otherwise]);
        self.flush(index);
    }

    /// An `and` or `or` of two comparisons.
    fn combined_tests(&self, condition: Value) -> Option<(bool, Value, Value)> {
        let InstructionData::Binary { opcode, args: [first, second] } =
            *self.data(self.definition(condition)?)
        else {
            return None;
        };
        let is_test = |value| {
            self.definition(value).is_some_and(|inst| self.data(inst).opcode() == Opcode::Icmp)
        };
        let is_and = match opcode {
            Opcode::Band => true,
            Opcode::Bor => false,
            _ => return None,
        };
        (is_test(first) && is_test(second)).then_some((is_and, first, second))
    }

    /// Compares with one case after the other.
    fn branch_table(
        &mut self,
        index: BlockIndex,
        value: Value,
        cases: &[Target],
        otherwise: &Target,
        edges: &mut Vec<BlockIndex>,
    ) {
        // From the last test to the first, as selection goes backward.
        let mut next = self.edge(otherwise);
        let mut reversed = vec![next];
        for (number, case) in cases.iter().enumerate().rev() {
            let test = if number == 0 { index } else { self.new_block() };
            let matched = self.edge(case);
            let condition = Condition {
                comparison: Comparison::Equal,
                width: Width::of(self.bits(value)),
                left: self.widened(value, false),
                right: Source::Immediate(number as i32),
            };
            self.push(Machine::JumpIf(condition));
            self.blocks[test].successors = successors([matched, next]);
            self.flush(test);
            reversed.push(matched);
            if number > 0 {
                reversed.push(test);
            }
            next = test;
        }
        if cases.is_empty() {
            self.push(Machine::Jump);
            self.blocks[index].successors = successors([next]);
            self.flush(index);
        }
        edges.extend(reversed.into_iter().rev());
    }
}

fn successors<const COUNT: usize>(indices: [BlockIndex; COUNT]) -> Vec<regalloc2::Block> {
    indices.into_iter().map(regalloc2::Block::new).collect()
}
