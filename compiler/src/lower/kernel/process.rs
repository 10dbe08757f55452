//! In which processes, and at which moments of their lives, a handler runs.

use std::ops::Range;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};

use super::{KernelCode, variables};
use crate::backend::names;
use crate::hir::{Attach, Lifetime, Moment, OnlyIn, Scalar};
use crate::layout::{ENDED_CELLS, control};
use crate::lower::Helper;
use crate::registers::{self, ReturnAddress};

/// How many generations of processes are looked back for the target.
const GENERATIONS: usize = 8;

impl KernelCode<'_, '_> {
    /// Leaves the handler in processes, and at moments, it is not meant for.
    pub(super) fn test_process(&mut self) {
        let point = self.point;
        let only_in = match &point.attach {
            Attach::Instruction(instruction) => {
                if let Some((from, to)) = instruction.called_from {
                    self.test_caller(from, to);
                }
                instruction.only_in
            }
            Attach::Lifetime(lifetime) => {
                self.test_moment(lifetime);
                lifetime.only_in
            }
            Attach::Counted { only_in, .. } => *only_in,
            Attach::Function(functions) if !functions.called_from.is_empty() => {
                return self.test_code(&functions.called_from);
            }
            _ => return,
        };
        let (found, expected) = match only_in {
            OnlyIn::Anywhere => return,
            OnlyIn::Target => return self.test_target(),
            OnlyIn::Process(pid) => (self.current_process(), i64::from(pid)),
            OnlyIn::Program { inode } => (self.program_inode(), inode as i64),
        };
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, found, expected);
        self.only_if(is);
    }

    /// Leaves the handler unless the condition holds.
    fn only_if(&mut self, condition: Value) {
        let go_on = self.emitter.block();
        self.emitter.builder.ins().brif(condition, go_on, &[], self.exit, &[]);
        self.emitter.switch_to(go_on);
    }

    /// Leaves the handler unless the function returns to an address in this distance from the instruction.
    fn test_caller(&mut self, from: i64, to: i64) {
        let here = self.register(registers::instruction_pointer(self.architecture), false);
        let target = self.return_address();
        let distance = self.emitter.builder.ins().isub(target, here);
        for (code, bound) in
            [(IntCC::SignedGreaterThanOrEqual, from), (IntCC::SignedLessThanOrEqual, to)]
        {
            let is = self.emitter.builder.ins().icmp_imm_s(code, distance, bound);
            self.only_if(is);
        }
    }

    /// Leaves the handler unless the function returns into one of these pieces of the kernel's code.
    fn test_code(&mut self, pieces: &[Range<u64>]) {
        let target = self.return_address();
        let go_on = self.emitter.block();
        for piece in pieces {
            // Behind a call, so not the first instruction, but perhaps behind the last.
            let first = self.emitter.constant(piece.start.wrapping_add(1) as i64);
            let distance = self.emitter.builder.ins().isub(target, first);
            let bytes = self.emitter.constant((piece.end - piece.start) as i64);
            let is = self.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, distance, bytes);
            let other = self.emitter.block();
            self.emitter.builder.ins().brif(is, go_on, &[], other, &[]);
            self.emitter.switch_to(other);
        }
        self.emitter.jump(self.exit);
        self.emitter.switch_to(go_on);
    }

    /// Where the function that was entered returns to.
    fn return_address(&mut self) -> Value {
        match registers::return_address(self.architecture) {
            ReturnAddress::Register(register) => self.register(register, false),
            ReturnAddress::OnStack => {
                let slot = self.emitter.slot(8);
                let word = self.emitter.slot_address(slot, 0);
                let zero = self.emitter.constant(0);
                self.emitter.store(zero, word, 0);
                let size = self.emitter.constant(8);
                let stack = self.register(registers::stack_pointer(self.architecture), false);
                let helper = match self.point.attach.in_process() {
                    true => Helper::ProbeReadUser,
                    false => Helper::ProbeReadKernel,
                };
                self.emitter.helper(helper, &[word, size, stack]);
                let word = self.emitter.slot_address(slot, 0);
                self.load_scalar(word, 0, Scalar { bytes: 8, signed: false })
            }
        }
    }

    fn current_process(&mut self) -> Value {
        let both = self.emitter.helper(Helper::GetCurrentPidTgid, &[]);
        self.high_half(both)
    }

    fn test_moment(&mut self, lifetime: &Lifetime) {
        let is_first = |k: &mut Self, code| {
            let both = k.emitter.helper(Helper::GetCurrentPidTgid, &[]);
            let (process, thread) = (k.high_half(both), k.low_half(both));
            let is = k.emitter.builder.ins().icmp(code, process, thread);
            k.only_if(is);
        };
        match lifetime.moment {
            Moment::Exec | Moment::Call | Moment::CallReturn => {}
            Moment::Running => {
                let task = self.emitter.helper(Helper::GetCurrentTask, &[]);
                let leader = self.emitter.kernel_word(task, self.tasks.made[0], 8);
                let made = self.emitter.kernel_word(leader, self.tasks.made[1], 8);
                let live = self.control_word(control::LIVE_SINCE_NS);
                let is = self.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, made, live);
                self.only_if(is);
            }
            Moment::ThreadEnd => is_first(self, IntCC::NotEqual),
            Moment::NewProcess | Moment::NewThread => {
                let result = self.context_word(1);
                let is = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, result, 0);
                self.only_if(is);
                let number = self.saved_register(lifetime.number_offset);
                let made = self.emitter.block();
                for &maker in &lifetime.makers {
                    let other = self.emitter.block();
                    let number = self.emitter.builder.ins().icmp_imm_s(
                        IntCC::Equal,
                        number,
                        i64::from(maker),
                    );
                    self.emitter.builder.ins().brif(number, made, &[], other, &[]);
                    self.emitter.switch_to(other);
                }
                self.emitter.jump(self.exit);
                self.emitter.switch_to(made);
                let code = match lifetime.moment {
                    Moment::NewThread => IntCC::NotEqual,
                    _ => IntCC::Equal,
                };
                is_first(self, code);
                // The target itself is made before the probes are live, but may run later: it begins with the
                // program it runs.
                let target = self.control_word(control::TARGET);
                let process = self.current_process();
                let is = self.emitter.builder.ins().icmp(IntCC::NotEqual, process, target);
                if lifetime.moment == Moment::NewProcess {
                    self.only_if(is);
                }
            }
            Moment::ProcessEnd if lifetime.tells_last => {
                let is_last = self.context_word(1);
                self.only_if(is_last);
            }
            Moment::ProcessEnd => {
                let task = self.emitter.helper(Helper::GetCurrentTask, &[]);
                let signal = self.emitter.kernel_word(task, self.tasks.threads[0], 8);
                let live = self.emitter.kernel_word(signal, self.tasks.threads[1], 4);
                let none = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, live, 0);
                self.only_if(none);
                self.test_first_of_ended(task);
            }
        }
    }

    /// Leaves the handler when another thread of the same process has run it: threads that end at once all find that
    /// none is left. The first one notes when the process was made, in a cell that its number chooses.
    fn test_first_of_ended(&mut self, task: Value) {
        let leader = self.emitter.kernel_word(task, self.tasks.made[0], 8);
        let made = self.emitter.kernel_word(leader, self.tasks.made[1], 8);
        let process = self.current_process();
        let cell = self.emitter.builder.ins().band_imm_u(process, ENDED_CELLS - 1);
        let offset = self.emitter.builder.ins().ishl_imm_u(cell, 3);
        let base = i64::from(self.layout.ended[&self.probe]) * 8;
        let cells = self.emitter.symbol(names::DATA, variables::CELLS, base);
        let cell = self.emitter.builder.ins().iadd(cells, offset);
        let seen = self.emitter.load(cell, 0);
        let is_other = self.emitter.builder.ins().icmp(IntCC::NotEqual, seen, made);
        self.only_if(is_other);
        let before = self.emitter.compare_exchange(cell, seen, made);
        let is_other = self.emitter.builder.ins().icmp(IntCC::NotEqual, before, made);
        self.only_if(is_other);
    }

    /// Goes on in the target and the processes it made, and theirs; everywhere when there is no target.
    fn test_target(&mut self) {
        let go_on = self.emitter.block();
        let target = self.control_word(control::TARGET);
        let look = self.emitter.block();
        self.emitter.builder.ins().brif(target, look, &[], go_on, &[]);
        self.emitter.switch_to(look);
        let process = self.current_process();
        let next = self.emitter.block();
        let is = self.emitter.builder.ins().icmp(IntCC::Equal, process, target);
        self.emitter.builder.ins().brif(is, go_on, &[], next, &[]);
        self.emitter.switch_to(next);
        let mut task = self.emitter.helper(Helper::GetCurrentTask, &[]);
        for _ in 0..GENERATIONS {
            task = self.emitter.kernel_word(task, self.tasks.parent, 8);
            let process = self.emitter.kernel_word(task, self.tasks.process, 4);
            let next = self.emitter.block();
            let is = self.emitter.builder.ins().icmp(IntCC::Equal, process, target);
            self.emitter.builder.ins().brif(is, go_on, &[], next, &[]);
            self.emitter.switch_to(next);
        }
        self.emitter.jump(self.exit);
        self.emitter.switch_to(go_on);
    }

    /// The inode of the program that the current process runs; 0 when there is none.
    pub(super) fn program_inode(&mut self) -> Value {
        let mut address = self.emitter.helper(Helper::GetCurrentTask, &[]);
        for offset in self.tasks.program {
            address = self.emitter.kernel_word(address, offset, 8);
        }
        address
    }
}
