//! Strings made in kernel code: joined, formatted, read from memory.
//!
//! A string whose length is known only at run time is built in scratch memory: filled with zeros, then
//! piece after piece written where the one before ended. Where that is is always below the longest
//! string, by a test in front of each piece, and behind the longest string there is room for one more
//! piece: so the verifier knows every write to be inside.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{Block, InstBuilder, Value};

use super::KernelCode;
use crate::format::{Conversion, ConversionKind, Flag, Piece};
use crate::hir::Print;
use crate::lower::{ErrorKind, ErrorSite, Helper, Operand, Text};
use crate::types::MAX_STRING;

/// Bytes for a number as text: 20 digits or 16, a sign, a terminator.
const NUMBER_BYTES: u32 = 24;

/// A string under construction.
struct Building {
    /// Where it is.
    base: Value,
    /// How many bytes are written.
    length: Value,
    /// Where control goes when it is full.
    full: Block,
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
        let mut building = self.begin_text(texts.iter().map(width_of).max().unwrap_or(8));
        for text in texts {
            self.append_text(&mut building, text);
        }
        self.end_text(&building)
    }

    /// The text a printing function would print.
    pub(super) fn format(&mut self, print: &Print, arguments: &[Operand]) -> Operand {
        let widest = arguments.iter().map(|a| match a {
            Operand::Text(text) => width_of(text),
            Operand::Long(_) | Operand::Nothing => NUMBER_BYTES,
        });
        let literals = print.format.iter().flat_map(|f| &f.pieces).map(|p| match p {
            Piece::Text(text) => width_of(&Text::Literal(text.clone())),
            Piece::Conversion(_) => 8,
        });
        let delimiter = Text::Literal(print.delimiter.clone());
        let widest = widest.chain(literals).chain([width_of(&delimiter)]).max().unwrap_or(8);
        let mut building = self.begin_text(widest);
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
        let (to, text) = self.text_room(width);
        self.fill_zeros(to, 0, width);
        let size = self.emitter.constant(i64::from(width));
        let status = self.emitter.helper(helper, &[to, size, address]);
        let Some(otherwise) = otherwise else {
            let kind = match helper {
                Helper::ProbeReadUserStr => ErrorKind::UserStringFault,
                _ => ErrorKind::KernelStringFault,
            };
            let near = format!("identifier '{near}'");
            let site = self.tables.error(ErrorSite { kind, span, near });
            self.fail_if(IntCC::SignedLessThan, status, site);
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
        self.fail_if(IntCC::NotEqual, status, site);
        let from = self.emitter.slot_address(slot, 0);
        Operand::Long(self.load_scalar(from, 0, scalar))
    }

    /// Bytes of a string, without its terminator.
    pub fn text_length(&mut self, text: &Text) -> Value {
        match text {
            Text::Literal(text) => self.emitter.constant(text.len() as i64),
            Text::Memory { address, width } => {
                let room = self.room(*width);
                let to = self.room_address(room, 0);
                let size = self.emitter.constant(i64::from(*width));
                let bytes = self.emitter.helper(Helper::ProbeReadKernelStr, &[to, size, *address]);
                self.emitter.builder.ins().iadd_imm_s(bytes, -1)
            }
        }
    }

    /// Starts a string made of pieces that are at most so wide.
    fn begin_text(&mut self, widest: u32) -> Building {
        let bytes = MAX_STRING + widest;
        let room = self.emitter.scratch_room(bytes);
        let base = self.room_address(room, 0);
        self.fill_zeros(base, 0, bytes);
        let full = self.emitter.block();
        Building { base, length: self.emitter.constant(0), full }
    }

    fn end_text(&mut self, building: &Building) -> Operand {
        self.emitter.jump(building.full);
        self.emitter.switch_to(building.full);
        // What is longer than the longest string is cut.
        let zero = self.emitter.builder.ins().iconst(I8, 0);
        self.emitter.store(zero, building.base, MAX_STRING - 1);
        Operand::Text(Text::Memory { address: building.base, width: MAX_STRING })
    }

    fn append(&mut self, building: &mut Building, operand: &Operand, conversion: Conversion) {
        match operand {
            Operand::Text(text) => self.append_text(building, text),
            Operand::Long(value) => {
                let hex = matches!(conversion.kind, ConversionKind::Hex | ConversionKind::Pointer);
                if conversion.kind == ConversionKind::Pointer || conversion.flag.is_some() {
                    self.append_text(building, &Text::Literal("0x".to_string()));
                }
                let signed = conversion.kind == ConversionKind::Signed;
                let address = self.number_text(*value, if hex { 16 } else { 10 }, signed);
                self.append_from(building, address, NUMBER_BYTES);
            }
            Operand::Nothing => {}
        }
    }

    fn append_text(&mut self, building: &mut Building, text: &Text) {
        match text {
            Text::Memory { address, width } => self.append_from(building, *address, *width),
            Text::Literal(literal) => {
                let width = width_of(text);
                if literal.is_empty() {
                    return;
                }
                let room = self.room(width);
                let address = self.room_address(room, 0);
                self.copy_text(text, address, 0, width);
                self.append_from(building, address, width);
            }
        }
    }

    /// Appends the string at an address, of at most so many bytes.
    fn append_from(&mut self, building: &mut Building, from: Value, width: u32) {
        let most = i64::from(MAX_STRING);
        let to =
            self.emitter.checked_element(building.base, building.length, most, 1, building.full);
        let size = self.emitter.constant(i64::from(width));
        // Gives the bytes with their terminator; both are memory of ours: it cannot fail.
        let bytes = self.emitter.helper(Helper::ProbeReadKernelStr, &[to, size, from]);
        let end = self.emitter.builder.ins().iadd(building.length, bytes);
        building.length = self.emitter.builder.ins().iadd_imm_s(end, -1);
    }

    /// The address of a number as text, of at most [`NUMBER_BYTES`] bytes.
    fn number_text(&mut self, value: Value, base: i64, signed: bool) -> Value {
        let last = i64::from(NUMBER_BYTES) - 2;
        let room = self.emitter.scratch_room(NUMBER_BYTES);
        let buffer = self.room_address(room, 0);
        self.fill_zeros(buffer, 0, NUMBER_BYTES);
        let (head, done, outside) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let negative = self.emitter.builder.ins().icmp_imm_s(IntCC::SignedLessThan, value, 0);
        let magnitude = if signed {
            let negated = self.emitter.builder.ins().ineg(value);
            self.emitter.builder.ins().select(negative, negated, value)
        } else {
            value
        };
        let at = self.emitter.builder.append_block_param(head, I64);
        let rest = self.emitter.builder.append_block_param(head, I64);
        let first = self.emitter.constant(last);
        let preheader = self.emitter.block();
        self.emitter.jump(preheader);
        self.emitter.switch_to(preheader);
        self.emitter.builder.ins().jump(head, &[first.into(), magnitude.into()]);

        self.emitter.switch_to(head);
        let divisor = self.emitter.opaque(base);
        let digit = self.emitter.builder.ins().urem(rest, divisor);
        let character = self.character(digit, base);
        let to = self.emitter.checked_element(buffer, at, i64::from(NUMBER_BYTES), 1, outside);
        let byte = self.emitter.builder.ins().ireduce(I8, character);
        self.emitter.store(byte, to, 0);
        let divisor = self.emitter.opaque(base);
        let rest = self.emitter.builder.ins().udiv(rest, divisor);
        let before = self.emitter.builder.ins().iadd_imm_s(at, -1);
        let more = self.emitter.builder.ins().icmp_imm_s(IntCC::NotEqual, rest, 0);
        let next = self.emitter.block();
        let end = self.emitter.builder.append_block_param(done, I64);
        self.emitter.builder.ins().brif(more, next, &[], done, &[at.into()]);
        self.emitter.switch_to(next);
        self.emitter.builder.ins().jump(head, &[before.into(), rest.into()]);

        // Cannot be: no number has so many digits. The verifier wants it said.
        self.emitter.switch_to(outside);
        let nothing = self.emitter.constant(last);
        self.emitter.builder.ins().jump(done, &[nothing.into()]);

        self.emitter.switch_to(done);
        let (sign, plain, join) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let start = self.emitter.builder.append_block_param(join, I64);
        if signed {
            self.emitter.builder.ins().brif(negative, sign, &[], plain, &[]);
            self.emitter.switch_to(sign);
            let before = self.emitter.builder.ins().iadd_imm_s(end, -1);
            let to =
                self.emitter.checked_element(buffer, before, i64::from(NUMBER_BYTES), 1, plain);
            let minus = self.emitter.builder.ins().iconst(I8, i64::from(b'-'));
            self.emitter.store(minus, to, 0);
            self.emitter.builder.ins().jump(join, &[before.into()]);
        } else {
            self.emitter.jump(plain);
        }
        self.emitter.switch_to(plain);
        self.emitter.builder.ins().jump(join, &[end.into()]);
        self.emitter.switch_to(join);
        // The verifier would follow every length that numbers can have, in all combinations. What memory
        // holds it does not know: behind this all lengths are one.
        let start = self.forget(start);
        let (inside, impossible) = (self.emitter.block(), self.emitter.block());
        let result = self.emitter.builder.append_block_param(inside, I64);
        let address =
            self.emitter.checked_element(buffer, start, i64::from(NUMBER_BYTES), 1, impossible);
        self.emitter.builder.ins().jump(inside, &[address.into()]);
        self.emitter.switch_to(impossible);
        self.emitter.builder.ins().jump(inside, &[buffer.into()]);
        self.emitter.switch_to(inside);
        result
    }

    /// The same number, of which the verifier knows nothing any more.
    fn forget(&mut self, value: Value) -> Value {
        let room = self.emitter.scratch_room(8);
        let address = self.room_address(room, 0);
        self.emitter.store(value, address, 0);
        let address = self.emitter.pin(address);
        self.emitter.load(address, 0)
    }

    /// The character of a digit.
    fn character(&mut self, digit: Value, base: i64) -> Value {
        let decimal = self.emitter.builder.ins().iadd_imm_s(digit, i64::from(b'0'));
        if base <= 10 {
            return decimal;
        }
        let letter = self.emitter.builder.ins().iadd_imm_s(digit, i64::from(b'a') - 10);
        let is = self.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, digit, 10);
        self.emitter.builder.ins().select(is, decimal, letter)
    }
}

/// `%d`.
const DECIMAL: Conversion =
    Conversion { flag: None, width: None, precision: None, kind: ConversionKind::Signed };

/// Bytes a string can take, a multiple of 8.
fn width_of(text: &Text) -> u32 {
    match text {
        Text::Literal(text) => (text.len() as u32 + 1).next_multiple_of(8),
        Text::Memory { width, .. } => *width,
    }
}
