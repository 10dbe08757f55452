//! Where things go: slots in the frame, blocks in the code.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{self, InstructionData, StackSlot};
use regalloc2::{Block, Edit, InstOrEdit};

use crate::backend::bpf::allocate::Allocated;
use crate::backend::bpf::machine::Machine;
use crate::backend::bpf::{BackendError, STACK_BYTES};

/// Where slots and spills lie below the frame pointer.
pub(super) struct Frame {
    pub(super) slots: SecondaryMap<StackSlot, i32>,
    first_spill: i32,
    pub(super) bytes: u32,
}

impl Frame {
    pub(super) fn new(function: &ir::Function, spill_slots: usize) -> Result<Self, BackendError> {
        let mut slots = SecondaryMap::new();
        let mut bytes: u32 = 0;
        let mut is_used: SecondaryMap<StackSlot, bool> = SecondaryMap::new();
        for inst in function.layout.blocks().flat_map(|b| function.layout.block_insts(b)) {
            if let InstructionData::StackAddr { stack_slot, .. } = function.dfg.insts[inst] {
                is_used[stack_slot] = true;
            }
        }
        for (slot, data) in function.sized_stack_slots.iter().filter(|&(slot, _)| is_used[slot]) {
            let alignment = 1_u32.checked_shl(data.align_shift.into()).unwrap_or(u32::MAX).max(8);
            bytes = bytes
                .checked_add(data.size)
                .and_then(|bytes| bytes.checked_next_multiple_of(alignment))
                .filter(|&bytes| i32::try_from(bytes).is_ok())
                .ok_or(BackendError::FrameTooLarge { bytes: u32::MAX })?;
            slots[slot] = -(bytes as i32);
        }
        let first_spill = -(bytes as i32);
        let bytes = bytes.saturating_add(8 * spill_slots as u32);
        if bytes > STACK_BYTES {
            return Err(BackendError::FrameTooLarge { bytes });
        }
        Ok(Frame { slots, first_spill, bytes })
    }

    pub(super) fn spill(&self, index: usize) -> i16 {
        (self.first_spill - 8 * (index as i32 + 1)) as i16
    }
}

/// Jump threading: blocks that only jump are left out, and branches go to where they lead.
pub(super) struct Threaded {
    /// Where a branch to each block ends up.
    pub(super) target: Vec<Block>,
    /// The blocks to emit, in order.
    pub(super) kept: Vec<Block>,
}

impl Threaded {
    pub(super) fn new(allocated: &Allocated) -> Self {
        let Allocated { function, output } = allocated;
        let count = function.blocks.len();
        let only_jumps: Vec<bool> = (0..count)
            .map(|index| {
                let mut parts = output.block_insts_and_edits(function, Block::new(index));
                parts.all(|part| match part {
                    InstOrEdit::Inst(inst) => {
                        matches!(function.instructions[inst.index()].0, Machine::Jump)
                    }
                    InstOrEdit::Edit(Edit::Move { from, to }) => from == to,
                })
            })
            .collect();
        let follow = |start: usize| {
            let mut block = start;
            for _ in 0..count {
                if !only_jumps[block] {
                    return block;
                }
                block = function.blocks[block].successors[0].index();
            }
            // An endless loop of empty blocks: one of them has to stay.
            start
        };
        let target: Vec<Block> = (0..count).map(|index| Block::new(follow(index))).collect();
        let kept =
            (0..count).filter(|&index| target[index].index() == index).map(Block::new).collect();
        Threaded { target, kept }
    }
}
