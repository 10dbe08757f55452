//! Handlers of many system calls in one program: what is different in each is in a table of the object
//! ([`crate::syscalls::Together`]).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I16, I64};
use cranelift_codegen::ir::{InstBuilder, Value};

use super::{KernelCode, variables};
use crate::backend::names;
use crate::hir::{Attach, ExprId};
use crate::layout::counters;
use crate::lower::{Operand, Text, emitter::trusted};
use crate::syscalls::NUMBERS;

impl KernelCode<'_, '_> {
    /// Finds the row of the system call; leaves where there is none.
    pub(super) fn find_row(&mut self) {
        let point = self.point;
        let (Some(together), Attach::Syscall(point)) =
            (self.layout.shared_programs.program_of(self.probe), &point.attach)
        else {
            return;
        };
        let variable = variables::calls(self.layout);
        let number = self.system_call(point);
        let index = self.emitter.symbol(names::DATA, variable, i64::from(together.index));
        let exit = self.exit;
        let place = self.emitter.checked_element(index, number, i64::from(NUMBERS), 2, exit);
        let row = self.emitter.builder.ins().load(I16, trusted(), place, 0);
        let row = self.emitter.builder.ins().uextend(I64, row);
        let rows = self.emitter.symbol(names::DATA, variable, i64::from(together.rows));
        let (count, bytes) = (together.members.len() as i64, i64::from(together.row_bytes));
        let row = self.emitter.checked_element(rows, row, count, bytes, exit);
        self.row = Some(row);
    }

    /// The first word of a record: its event, and in the upper half the probe.
    pub(super) fn record_word(&mut self, event: u32) -> Value {
        let own = i64::from(event) | i64::from(self.probe.as_u32()) << 32;
        let (Some(row), Some(together)) =
            (self.row, self.layout.shared_programs.program_of(self.probe))
        else {
            return self.emitter.constant(own);
        };
        // Errors and ends are no events of the script.
        match together.events.iter().find(|(id, _)| id.as_u32() == event) {
            Some((_, &at)) => self.emitter.load(row, at),
            None => {
                let probe = self.emitter.load(row, 0);
                let event = self.emitter.constant(i64::from(event));
                self.emitter.builder.ins().bor(probe, event)
            }
        }
    }

    /// Adds one to a counter of the probe that was hit.
    pub(super) fn count_of_hit(&mut self, row: Value, counter: u32) {
        let probe = self.emitter.load(row, 0);
        let probe = self.high_half(probe);
        let first = self.emitter.symbol(names::DATA, variables::COUNTERS, i64::from(counter));
        let done = self.emitter.block();
        let (probes, size) = (i64::from(self.layout.probes), i64::from(counters::SIZE));
        let address = self.emitter.checked_element(first, probe, probes, size, done);
        let one = self.emitter.constant(1);
        self.emitter.fetch_add(address, one);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    /// A literal text that is not the same for all calls.
    pub(super) fn text_of_call(&mut self, literal: ExprId) -> Option<Text> {
        let together = self.layout.shared_programs.program_of(self.probe)?;
        let (row, &(at, width)) = (self.row?, together.texts.get(&literal)?);
        let address = self.plus(row, at);
        // Functions are not given constants: the verifier takes it that they write to what they get.
        let (to, text) = self.text_room(width);
        self.copy_text(&Text::Memory { address, width }, to, 0, width);
        match text {
            Operand::Text(text) => Some(text),
            Operand::Long(_) | Operand::Nothing => None,
        }
    }

    /// Leaves a program that is for any call, where the number is larger than those of programs it goes on to.
    pub(super) fn only_known_numbers(&mut self, number: Value) {
        let (known, unknown) = (self.emitter.block(), self.emitter.block());
        let most = i64::from(NUMBERS);
        let is = self.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, number, most);
        self.emitter.builder.ins().brif(is, known, &[], unknown, &[]);
        self.emitter.switch_to(unknown);
        let zero = self.emitter.constant(0);
        self.emitter.builder.ins().return_(&[zero]);
        self.emitter.switch_to(known);
    }
}
