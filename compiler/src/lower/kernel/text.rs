//! Strings made in kernel code: joined, formatted, read from memory.
//!
//! A string whose length is known only at run time is built in scratch memory: filled with zeros, then
//! piece after piece written where the one before ended, by functions of ours (`routine`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{InstBuilder, Value};

use super::KernelCode;
use super::routine::{self, Argument, Routine};
use crate::bytes;
use crate::format::{Conversion, ConversionKind, Flag, Piece};
use crate::hir::Print;
use crate::lower::{ErrorKind, ErrorSite, Helper, Operand, Text};
use crate::types::MAX_STRING;

/// A string under construction.
struct Building {
    /// Where it is.
    base: Value,
    /// How many bytes are written; more than the longest string has when it is full.
    length: Value,
}

/// Whether kernel code can do a conversion; others are done in userspace.
pub fn can_format(conversion: &Conversion) -> bool {
    let plain = conversion.width.is_none() && conversion.precision.is_none();
    let flag = match conversion.kind {
        ConversionKind::Hex => matches!(conversion.flag, None | Some(Flag::Alternate)),
        _ => conversion.flag.is_none(),
    };
    plain
        && flag
        && matches!(
            conversion.kind,
            ConversionKind::Signed
                | ConversionKind::Unsigned
                | ConversionKind::Hex
                | ConversionKind::Pointer
                | ConversionKind::Text
        )
}

impl KernelCode<'_, '_> {
    /// Joins strings.
    pub(super) fn join(&mut self, texts: &[Text]) -> Operand {
        let mut building = self.begin_text();
        for text in texts {
            self.append_text(&mut building, text);
        }
        self.end_text(&building)
    }

    /// The text a printing function would print.
    pub(super) fn format(&mut self, print: &Print, arguments: &[Operand]) -> Operand {
        let delimiter = Text::Literal(print.delimiter.clone());
        let mut building = self.begin_text();
        match &print.format {
            Some(format) => {
                let mut arguments = arguments.iter();
                for piece in &format.pieces {
                    match piece {
                        Piece::Text(text) => {
                            self.append_text(&mut building, &Text::Literal(text.clone()));
                        }
                        Piece::Conversion(conversion) => {
                            if let Some(argument) = arguments.next() {
                                self.append(&mut building, argument, *conversion);
                            }
                        }
                    }
                }
            }
            None => {
                for (at, argument) in arguments.iter().enumerate() {
                    if at > 0 && !print.delimiter.is_empty() {
                        self.append_text(&mut building, &delimiter);
                    }
                    self.append(&mut building, argument, DECIMAL);
                }
            }
        }
        if print.newline {
            self.append_text(&mut building, &Text::Literal("\n".to_string()));
        }
        self.end_text(&building)
    }

    /// The message of an error about memory at an address.
    pub(super) fn fault_text(&mut self, kind: &ErrorKind, address: Value) -> Operand {
        let mut building = self.begin_text();
        self.append_text(&mut building, &Text::Literal(format!("{kind} at ")));
        self.append(&mut building, &Operand::Long(address), POINTER);
        self.end_text(&building)
    }

    /// The string at an address of the kernel or of the process; cut to `width` bytes with its
    /// terminator. When it cannot be read: the other string, or an error.
    pub fn read_text(
        &mut self,
        helper: Helper,
        address: Value,
        width: u32,
        otherwise: Option<&Text>,
        near: &str,
    ) -> Operand {
        let span = self.call_span;
        let width = self.width(width);
        let (to, text) = self.text_room(width);
        self.fill_zeros(to, 0, width);
        let size = self.emitter.constant(i64::from(width.min(self.features.string_bytes)));
        let status = self.emitter.helper(helper, &[to, size, address]);
        let Some(otherwise) = otherwise else {
            let kind = match helper {
                Helper::ProbeReadUserStr => ErrorKind::UserStringFault,
                _ => ErrorKind::KernelStringFault,
            };
            let near = format!("identifier '{near}'");
            let site = self.tables.error(ErrorSite { kind, span, near });
            self.fail_if(IntCC::SignedLessThan, status, site, address);
            return text;
        };
        let (failed, done) = (self.emitter.block(), self.emitter.block());
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::SignedLessThan, status, 0);
        self.emitter.builder.ins().brif(is, failed, &[], done, &[]);
        self.emitter.switch_to(failed);
        self.copy_text(otherwise, to, 0, width);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
        text
    }

    /// A number of so many bytes at an address of the kernel or of the process; an error when it
    /// cannot be read.
    pub fn read_number(
        &mut self,
        helper: Helper,
        address: Value,
        scalar: crate::hir::Scalar,
        near: &str,
    ) -> Operand {
        let span = self.call_span;
        let slot = self.emitter.slot(8);
        let to = self.emitter.slot_address(slot, 0);
        let zero = self.emitter.constant(0);
        self.emitter.store(zero, to, 0);
        let size = self.emitter.constant(i64::from(scalar.bytes));
        let status = self.emitter.helper(helper, &[to, size, address]);
        let site = self.tables.error(ErrorSite {
            kind: ErrorKind::ReadFault,
            span,
            near: format!("identifier '{near}'"),
        });
        self.fail_if(IntCC::NotEqual, status, site, address);
        let from = self.emitter.slot_address(slot, 0);
        Operand::Long(self.load_scalar(from, 0, scalar))
    }

    /// The same; 0 when it cannot be read.
    pub fn read_number_or_zero(
        &mut self,
        helper: Helper,
        address: Value,
        scalar: crate::hir::Scalar,
    ) -> Operand {
        let slot = self.emitter.slot(8);
        let to = self.emitter.slot_address(slot, 0);
        let zero = self.emitter.constant(0);
        self.emitter.store(zero, to, 0);
        let size = self.emitter.constant(i64::from(scalar.bytes));
        // What cannot be read the helper fills with zeros.
        self.emitter.helper(helper, &[to, size, address]);
        let from = self.emitter.slot_address(slot, 0);
        Operand::Long(self.load_scalar(from, 0, scalar))
    }

    /// Bytes of a string, without its terminator.
    pub fn text_length(&mut self, text: &Text) -> Value {
        match text {
            Text::Literal(text) => self.emitter.constant(i64::from(bytes::length(text))),
            Text::Memory { address, width } => {
                let room = self.room(*width);
                let to = self.room_address(room, 0);
                let size = self.emitter.constant(i64::from(*width));
                let bytes = self.emitter.helper(Helper::ProbeReadKernelStr, &[to, size, *address]);
                self.emitter.builder.ins().iadd_imm_s(bytes, -1)
            }
        }
    }

    /// Starts a string made of pieces.
    fn begin_text(&mut self) -> Building {
        let room = self.emitter.scratch_room(self.features.buffer_bytes());
        let base = self.room_address(room, 0);
        self.fill_zeros(base, 0, self.longest());
        Building { base, length: self.emitter.constant(0) }
    }

    fn end_text(&mut self, building: &Building) -> Operand {
        self.cut_text(building.base, 0);
        Operand::Text(Text::Memory { address: building.base, width: self.longest() })
    }

    /// Bytes of memory that the longest strings take.
    pub(super) fn longest(&self) -> u32 {
        self.features.longest()
    }

    /// The width of the texts a builtin gives that says so: [`MAX_STRING`] stands for that of the longest.
    fn width(&self, width: u32) -> u32 {
        if width == MAX_STRING { self.longest() } else { width.min(self.longest()) }
    }

    /// Cuts the text in memory of the longest strings' width: more bytes no string has.
    pub(super) fn cut_text(&mut self, base: Value, offset: u32) {
        for at in self.features.string_bytes - 1..self.longest() {
            let zero = self.emitter.builder.ins().iconst(I8, 0);
            self.emitter.store(zero, base, offset + at);
        }
    }

    fn append(&mut self, building: &mut Building, operand: &Operand, conversion: Conversion) {
        match operand {
            Operand::Text(text) => self.append_text(building, text),
            Operand::Long(value) => {
                let hex = matches!(conversion.kind, ConversionKind::Hex | ConversionKind::Pointer);
                if conversion.kind == ConversionKind::Pointer || conversion.flag.is_some() {
                    self.append_text(building, &Text::Literal("0x".to_string()));
                }
                let base = self.emitter.constant(if hex { 16 } else { 10 });
                let signed = i64::from(conversion.kind == ConversionKind::Signed);
                let signed = self.emitter.constant(signed);
                let arguments = [
                    Argument::Memory(building.base, self.features.buffer_bytes()),
                    Argument::Number(building.length),
                    self.plain_number(*value),
                    Argument::Number(base),
                    Argument::Number(signed),
                ];
                building.length = self.call_routine(routine::APPEND_NUMBER, &arguments, 0);
            }
            Operand::Nothing => {}
        }
    }

    fn append_text(&mut self, building: &mut Building, text: &Text) {
        if matches!(text, Text::Literal(literal) if literal.is_empty()) {
            return;
        }
        let arguments = [
            Argument::Memory(building.base, self.features.buffer_bytes()),
            Argument::Number(building.length),
            self.text_argument(text),
        ];
        building.length = self.call_routine(routine::APPEND, &arguments, 0);
    }

    /// A string as an argument of a routine.
    pub(super) fn text_argument(&mut self, text: &Text) -> Argument {
        match text {
            Text::Memory { address, width } => Argument::Memory(*address, *width),
            Text::Literal(_) => {
                let width = width_of(text);
                let room = self.room(width);
                let address = self.room_address(room, 0);
                self.copy_text(text, address, 0, width);
                Argument::Memory(address, width)
            }
        }
    }

    /// Calls a function of ours.
    pub(super) fn call_routine(
        &mut self,
        routine: &'static Routine,
        arguments: &[Argument],
        detail: u32,
    ) -> Value {
        routine::call(&mut self.emitter, self.tables, routine, arguments, detail)
    }

    /// The number a function of ours gives for strings and numbers.
    fn text_function(&mut self, routine: &'static Routine, operands: &[Operand]) -> Operand {
        let arguments: Vec<Argument> = operands.iter().map(|o| self.argument(o)).collect();
        Operand::Long(self.call_routine(routine, &arguments, 0))
    }

    fn argument(&mut self, operand: &Operand) -> Argument {
        match operand {
            Operand::Text(text) => self.text_argument(text),
            operand => self.plain_number(operand.long()),
        }
    }

    /// A number as an argument of a routine. One that the verifier takes for a pointer would not be
    /// accepted: what was in a map's memory is just a number to it.
    fn plain_number(&mut self, value: Value) -> Argument {
        if self.scratch.is_none() {
            return Argument::Number(value);
        }
        let room = self.emitter.scratch_room(8);
        let address = self.room_address(room, 0);
        self.emitter.store(value, address, 0);
        // A call: the optimizer must not find out what is loaded.
        let address = self.emitter.pin(address);
        Argument::Number(self.emitter.load(address, 0))
    }

    /// `stringat`.
    pub fn text_byte(&mut self, operands: &[Operand]) -> Operand {
        self.text_function(routine::BYTE_AT, operands)
    }

    /// `strpos`.
    pub fn text_position(&mut self, operands: &[Operand]) -> Operand {
        self.text_function(routine::POSITION, operands)
    }

    /// `isinstr`.
    pub fn text_contains(&mut self, operands: &[Operand]) -> Operand {
        let position = self.text_position(operands).long();
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::NotEqual, position, -1);
        Operand::Long(self.emitter.builder.ins().uextend(I64, is))
    }

    /// `strtol`.
    pub fn text_to_long(&mut self, operands: &[Operand]) -> Operand {
        self.text_function(routine::TO_LONG, operands)
    }

    /// `substr`.
    pub fn text_part(&mut self, operands: &[Operand]) -> Operand {
        let longest = self.longest();
        let (to, result) = self.text_room(longest);
        self.fill_zeros(to, 0, longest);
        let mut arguments = vec![Argument::Memory(to, longest)];
        arguments.extend(operands.iter().map(|o| self.argument(o)));
        self.call_routine(routine::PART, &arguments, 0);
        self.cut_text(to, 0);
        result
    }

    /// `str_replace`.
    pub fn text_replace(&mut self, operands: &[Operand]) -> Operand {
        let building = self.begin_text();
        let mut arguments = vec![Argument::Memory(building.base, self.features.buffer_bytes())];
        arguments.extend(operands.iter().map(|o| self.argument(o)));
        self.call_routine(routine::REPLACE, &arguments, 0);
        self.end_text(&building)
    }

    /// Whether a text contains a match of a regular expression.
    pub(super) fn text_matches(&mut self, text: &Text, regex: &str) -> Value {
        let table = self.layout.automata.iter().position(|(text, _)| text == regex);
        let Some(table) = table else {
            unreachable!("`partition` leaves only expressions with tables in kernel code")
        };
        let text = self.text_argument(text);
        self.call_routine(routine::MATCHES, &[text], table as u32)
    }
}

/// `%d`.
const DECIMAL: Conversion =
    Conversion { flag: None, width: None, precision: None, kind: ConversionKind::Signed };

/// `%p`.
const POINTER: Conversion =
    Conversion { flag: None, width: None, precision: None, kind: ConversionKind::Pointer };

/// Bytes a string can take, a multiple of 8.
fn width_of(text: &Text) -> u32 {
    match text {
        Text::Literal(text) => (bytes::length(text) + 1).next_multiple_of(8),
        Text::Memory { width, .. } => *width,
    }
}
