//! The names of system calls, by their numbers.

use cranelift_codegen::ir::{InstBuilder, Value};

use super::{KernelCode, variables};
use crate::backend::names;
use crate::bytes;
use crate::facts::Architecture;
use crate::hir::Print;
use crate::lower::{Operand, Text};
use crate::syscalls::{self, NAME_BYTES, NUMBERS};

/// The names of all numbers, each padded with zeros.
pub fn call_names(architecture: Architecture) -> Vec<u8> {
    let mut table = vec![];
    for number in 0..NUMBERS {
        let end = table.len() + NAME_BYTES as usize;
        let name = syscalls::name_of_number(architecture, number.into());
        table.extend_from_slice(&bytes::of(&name));
        table.resize(end, 0);
    }
    table
}

impl KernelCode<'_, '_> {
    /// The name of the system call of a number; the number itself where there is none.
    pub fn call_name(&mut self, number: Value) -> Operand {
        self.tables.uses_call_names = true;
        let (to, text) = self.text_room(NAME_BYTES);
        let (outside, done) = (self.emitter.block(), self.emitter.block());
        let index = variables::call_names(self.layout);
        let table = self.emitter.symbol(names::DATA, index, 0);
        let (most, bytes) = (i64::from(NUMBERS), i64::from(NAME_BYTES));
        let address = self.emitter.checked_element(table, number, most, bytes, outside);
        self.copy_text(&Text::Memory { address, width: NAME_BYTES }, to, 0, NAME_BYTES);
        self.emitter.builder.ins().jump(done, &[]);
        self.emitter.switch_to(outside);
        let plain =
            Print { format: None, delimiter: String::new(), newline: false, arguments: vec![] };
        if let Operand::Text(digits) = self.format(&plain, &[Operand::Long(number)]) {
            self.copy_text(&digits, to, 0, NAME_BYTES);
        }
        self.emitter.builder.ins().jump(done, &[]);
        self.emitter.switch_to(done);
        text
    }
}
