//! Handlers of system calls: which calls they are for, and who runs after them.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Value};

use super::KernelCode;
use crate::hir::{Attach, CompatTest, Direction, Scalar, SyscallPoint};
use crate::lower::{Helper, Operand, emitter::trusted};
use crate::syscalls::{self, After, NUMBERS};

impl KernelCode<'_, '_> {
    /// Leaves when the handler is not for this system call. Called ones are: their root has seen to it.
    pub(super) fn only_its_system_calls(&mut self) {
        let point = self.point;
        let Attach::Syscall(point) = &point.attach else { return };
        if self.layout.routes.probes.get(&self.probe).is_none_or(|route| route.is_root) {
            // Nobody after this handler is for the call either.
            let leave = self.emitter.block();
            if let Some(number) = point.number {
                let this = self.system_call(point);
                let number = i64::from(number);
                let other = self.emitter.builder.ins().icmp_imm_s(IntCC::NotEqual, this, number);
                self.leave_if(other, leave);
            }
            let compat = self.is_compat(point.compat);
            self.leave_if(compat, leave);
            let stay = self.emitter.block();
            self.emitter.jump(stay);
            self.emitter.switch_to(leave);
            let zero = self.emitter.constant(0);
            self.emitter.builder.ins().return_(&[zero]);
            self.emitter.switch_to(stay);
        }
        if point.ends_twice && point.direction == Direction::Return {
            let result = self.context_word(1);
            let of_the_child = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, result, 0);
            self.leave_if(of_the_child, self.exit);
        }
    }

    /// Goes on to the next handler of the system call, if there is one.
    pub(super) fn go_on(&mut self) {
        let point = self.point;
        let Attach::Syscall(point) = &point.attach else { return };
        let Some(route) = self.layout.routes.probes.get(&self.probe) else { return };
        let (group, index) = match route.after {
            After::Nothing => return,
            After::Slot(group, slot) => (group, self.emitter.constant(i64::from(slot))),
            After::Number(group, place) => {
                let number = self.system_call(point);
                if place == 0 {
                    self.only_known_numbers(number);
                }
                (group, self.plus(number, place * NUMBERS))
            }
        };
        let map = self.emitter.map(self.layout.routes_map + group as u32);
        let context = self.context;
        // Returns when there is no program for the number.
        self.emitter.helper(Helper::TailCall, &[context, map, index]);
    }

    /// The number of the system call, zero-extended: numbers below 0 are large.
    pub(super) fn system_call(&mut self, point: &SyscallPoint) -> Value {
        let number = match point.direction {
            Direction::Entry => self.context_word(1),
            Direction::Return => self.saved_register(point.number_offset),
        };
        let low = self.emitter.builder.ins().ireduce(I32, number);
        self.emitter.builder.ins().uextend(I64, low)
    }

    /// The n-th argument (from 1) of the system call; 0 where calls have no such argument.
    pub(super) fn system_call_argument(&mut self, n: Value) -> Operand {
        let Some(table) = syscalls::table(self.architecture) else {
            return self.refuse("no arguments of system calls on this architecture");
        };
        let offsets = table.registers.arguments;
        if let Some(offset) = self.known(n).and_then(|n| offsets.get(n.checked_sub(1)? as usize)) {
            return Operand::Long(self.saved_register(*offset));
        }
        let mut argument = self.emitter.constant(0);
        for (n_of_this, offset) in (1..).zip(offsets) {
            let this = self.saved_register(offset);
            let is = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, n, n_of_this);
            argument = self.emitter.builder.ins().select(is, this, argument);
        }
        Operand::Long(argument)
    }

    /// A word of the program's context.
    pub(super) fn context_word(&mut self, word: u32) -> Value {
        // Access to the context may be rewritten by the verifier: not even `notrap`.
        let flags = MemFlagsData::new();
        self.emitter.builder.ins().load(I64, flags, self.context, 8 * word as i32)
    }

    /// The 8 bytes at an offset of the registers the process has saved.
    pub(super) fn saved_register(&mut self, offset: u32) -> Value {
        let registers = self.context_word(0);
        let Attach::Syscall(SyscallPoint { btf_typedef: None, .. }) = self.point.attach else {
            return self.load_scalar(registers, offset as i32, Scalar { bytes: 8, signed: false });
        };
        // The verifier does not know what the word points to.
        let slot = self.emitter.slot(8);
        let to = self.emitter.slot_address(slot, 0);
        let size = self.emitter.constant(8);
        let from = self.plus(registers, offset);
        self.emitter.helper(Helper::ProbeReadKernel, &[to, size, from]);
        let from = self.emitter.slot_address(slot, 0);
        self.emitter.load(from, 0)
    }

    fn is_compat(&mut self, test: CompatTest) -> Value {
        match test {
            CompatTest::Status { offset, bit } => {
                let task = self.emitter.helper(Helper::GetCurrentTaskBtf, &[]);
                let status = self.emitter.builder.ins().uload32(trusted(), task, offset as i32);
                let bit = self.emitter.builder.ins().band_imm_u(status, bit);
                self.emitter.builder.ins().icmp_imm_s(IntCC::NotEqual, bit, 0)
            }
            CompatTest::Register { offset, value } => {
                let found = self.saved_register(offset);
                self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, found, value)
            }
        }
    }

    fn leave_if(&mut self, condition: Value, to: Block) {
        let stay = self.emitter.block();
        self.emitter.builder.ins().brif(condition, to, &[], stay, &[]);
        self.emitter.switch_to(stay);
    }

    /// A number, or the most it may be; what is below 0 is large.
    pub fn at_most(&mut self, value: Value, most: i64) -> Value {
        let limit = self.emitter.constant(most);
        let over = self.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, value, most);
        let value = self.emitter.builder.ins().select(over, limit, value);
        // Held here: the optimizer must not find the length and the test of it in two places.
        let value = self.emitter.pin(value);
        let mask = self.emitter.opaque(2 * most - 1);
        self.emitter.builder.ins().band(value, mask)
    }

    /// 1 for 0, 0 for all else.
    pub fn is_zero(&mut self, value: Value) -> Value {
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, value, 0);
        self.emitter.builder.ins().uextend(I64, is)
    }
}
