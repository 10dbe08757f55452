//! Stacks: the return addresses of the functions that were entered and not left. Those of the kernel are walked by
//! the kernel; those of processes are copied, and walked in userspace.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types::I64};
use cranelift_frontend::Variable;

use super::KernelCode;
use super::routine::{Argument, COPY_USER_STACK, STACK_TEXT};
use crate::layout::counters;
use crate::lower::{Helper, Operand, Text};
use crate::types::MAX_STRING;

/// The most addresses of a stack: MAXBACKTRACE.
const MOST_FRAMES: u32 = 20;

impl KernelCode<'_, '_> {
    /// The first `count` addresses of the stack as text.
    pub fn stack_text(&mut self, count: Option<Value>) -> Operand {
        let frames = self.stack();
        // Digits are written 16 at a time: a little more than the longest string may have.
        let bytes = self.longest().max(MAX_STRING);
        let (to, _) = self.text_room(bytes);
        self.fill_zeros(to, 0, bytes);
        let count = match count {
            Some(count) => count,
            None => self.emitter.constant(i64::from(MOST_FRAMES)),
        };
        let arguments = [
            Argument::Memory(to, bytes),
            Argument::Memory(frames, 8 * MOST_FRAMES),
            Argument::Number(count),
        ];
        self.call_routine(STACK_TEXT, &arguments, 0);
        self.cut_text(to, 0);
        Operand::Text(Text::Memory { address: to, width: self.longest() })
    }

    /// The n-th address of the stack; 0 behind its end.
    pub fn stack_frame(&mut self, n: Value) -> Value {
        let frames = self.stack();
        let (outside, join) = (self.emitter.block(), self.emitter.block());
        let result =
            self.emitter.builder.append_block_param(join, cranelift_codegen::ir::types::I64);
        let at = self.emitter.checked_element(frames, n, i64::from(MOST_FRAMES), 8, outside);
        let address = self.emitter.load(at, 0);
        self.emitter.builder.ins().jump(join, &[address.into()]);
        self.emitter.switch_to(outside);
        let zero = self.emitter.constant(0);
        self.emitter.builder.ins().jump(join, &[zero.into()]);
        self.emitter.switch_to(join);
        result
    }

    /// The addresses of the stack in memory, zeros behind the last. A stack that cannot be had is counted, and
    /// empty.
    fn stack(&mut self) -> Value {
        let room = self.room(8 * MOST_FRAMES);
        let to = self.room_address(room, 0);
        self.fill_zeros(to, 0, 8 * MOST_FRAMES);
        let size = self.emitter.constant(i64::from(8 * MOST_FRAMES));
        let flags = self.emitter.constant(self.own_frames());
        let status = self.emitter.helper(Helper::GetStack, &[self.context, to, size, flags]);
        let (failed, done) = (self.emitter.block(), self.emitter.block());
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::SignedLessThan, status, 0);
        self.emitter.builder.ins().brif(is, failed, &[], done, &[]);
        self.emitter.switch_to(failed);
        self.count(counters::LOST_STACKS);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
        self.room_address(room, 0)
    }

    /// Sends a copy of the process's stack to userspace; gives its number. The number of one that finds no room is 0,
    /// and the records the hit sends afterwards are lost with it.
    pub fn copied_user_stack(&mut self) -> Value {
        let number = self.call_routine(COPY_USER_STACK, &[], 0);
        let missing = self.missing_stacks();
        let before = self.emitter.builder.use_var(missing);
        let is_missing = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, number, 0);
        let is_missing = self.emitter.builder.ins().uextend(I64, is_missing);
        let after = self.emitter.builder.ins().bor(before, is_missing);
        self.emitter.builder.def_var(missing, after);
        number
    }

    /// Whether a stack found no room: a number that is not 0.
    fn missing_stacks(&mut self) -> Variable {
        *self.missing_stacks.get_or_insert_with(|| self.emitter.builder.declare_var(I64))
    }

    /// How many frames at the top of a kernel stack are those of the handler and of what calls it.
    fn own_frames(&self) -> i64 {
        // With registers the stack begins where they were taken.
        if self.has_registers() { 0 } else { HANDLER_FRAMES }
    }
}

/// Frames of a tracepoint's handler: its program, and the function of the kernel that runs such programs.
const HANDLER_FRAMES: i64 = 2;
