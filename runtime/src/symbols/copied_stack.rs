//! Stacks of processes as handlers have sent them: registers, and a part of memory piece by piece
//! (`layout::copied_stack`).

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use ntap_compiler::layout::copied_stack;

/// So many copies are kept: more than there can be handlers that have sent a stack, but not yet the record that is about
/// it.
const MOST_COPIES: usize = 1024;

/// The copies that may be asked about.
#[derive(Debug, Default)]
pub(super) struct CopiedStacks {
    copies: HashMap<u64, CopiedStack>,
    /// Their numbers, the oldest first.
    order: VecDeque<u64>,
}

/// A stack, as it was.
#[derive(Debug)]
pub(super) struct CopiedStack {
    /// The process.
    pub(super) process: u32,
    /// When, on the monotonic clock.
    pub(super) time_ns: u64,
    /// Where the kernel has replaced return addresses, and what they were.
    pub(super) returns: Vec<(u64, u64)>,
    /// `struct pt_regs`.
    pub(super) registers: Vec<u8>,
    /// Where the copy of memory begins.
    pub(super) start: u64,
    /// The memory from there on.
    pub(super) memory: Vec<u8>,
    /// The addresses of the functions that were entered and not left, once they are known.
    pub(super) frames: Option<Rc<[u64]>>,
}

impl CopiedStacks {
    /// Takes in the payload of a first record.
    pub(super) fn add(&mut self, payload: &[u8]) {
        let word = |at| word(payload, at);
        let (Some(number), Some(process), Some(time_ns)) =
            (word(copied_stack::NUMBER), word(copied_stack::PROCESS), word(copied_stack::TIME_NS))
        else {
            return;
        };
        let Some(registers) = payload.get(copied_stack::REGISTERS as usize..) else { return };
        let returns = (0..copied_stack::MOST_RETURNS).map_while(|at| {
            let at = copied_stack::RETURNS + 16 * at;
            Some((word(at).filter(|&place| place != 0)?, word(at + 8)?))
        });
        let copy = CopiedStack {
            returns: returns.collect(),
            process: (process >> 32) as u32,
            time_ns,
            registers: registers.to_vec(),
            start: 0,
            memory: vec![],
            frames: None,
        };
        self.copies.insert(number, copy);
        self.order.push_back(number);
        if self.order.len() > MOST_COPIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.copies.remove(&oldest);
        }
    }

    /// Takes in the payload of a piece.
    pub(super) fn add_piece(&mut self, payload: &[u8]) {
        let word = |at| word(payload, at);
        let (Some(number), Some(address), Some(length)) =
            (word(copied_stack::NUMBER), word(copied_stack::ADDRESS), word(copied_stack::LENGTH))
        else {
            return;
        };
        let bytes = payload.get(copied_stack::BYTES as usize..).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(length as usize)];
        let Some(copy) = self.copies.get_mut(&number) else { return };
        if copy.memory.is_empty() {
            copy.start = address;
        }
        // Behind a piece that found no room nothing follows.
        if copy.start.wrapping_add(copy.memory.len() as u64) == address {
            copy.memory.extend_from_slice(bytes);
        }
    }

    /// Takes out the copy of a number, which has to be put back.
    pub(super) fn take(&mut self, number: u64) -> Option<CopiedStack> {
        self.copies.remove(&number)
    }

    /// Puts a copy back.
    pub(super) fn put_back(&mut self, number: u64, copy: CopiedStack) {
        self.copies.insert(number, copy);
    }
}

impl CopiedStack {
    /// A word of the memory, if it was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        if let Some((_, replaced)) = self.returns.iter().find(|(place, _)| *place == address) {
            return Some(*replaced);
        }
        word(&self.memory, u32::try_from(address.checked_sub(self.start)?).ok()?)
    }
}

fn word(bytes: &[u8], at: u32) -> Option<u64> {
    let at = at as usize;
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
