//! Strings made of pieces.
//!
//! A string under construction is in a buffer of `KernelFeatures::buffer_bytes`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{InstBuilder, Value};

use super::{Routine, RoutineCode};
use crate::lower::Helper;

/// Bytes at the end of a buffer in which the digits of a number are made: 20 digits, a sign, a
/// terminator.
const NUMBER_BYTES: u32 = 24;

/// `(buffer, length, piece)`: adds a string to the one in the buffer; gives the new length.
pub const APPEND: &Routine = &Routine { name: "append", code: append };

/// `(buffer, length, number, base, signed)`: adds a number as text; gives the new length.
pub const APPEND_NUMBER: &Routine = &Routine { name: "append_number", code: append_number };

/// `(to, text, start, length)`: the part of a text; `to` holds zeros, and as many as a string can have.
pub const PART: &Routine = &Routine { name: "part", code: part };

fn append(k: &mut RoutineCode<'_, '_>) {
    let (from, bytes) = k.memory(2);
    append_from(k, from, bytes);
}

/// Adds the string at an address, of at most so many bytes, and ends the function.
fn append_from(k: &mut RoutineCode<'_, '_>, from: Value, bytes: u32) {
    let ((buffer, _), length) = (k.memory(0), k.number(1));
    let full = k.emitter.block();
    let most = i64::from(k.features.longest());
    let to = k.emitter.checked_element(buffer, length, most, 1, full);
    let size = k.emitter.constant(i64::from(bytes));
    // Gives the bytes with their terminator; both are memory of ours: it cannot fail.
    let bytes = k.emitter.helper(Helper::ProbeReadKernelStr, &[to, size, from]);
    let end = k.emitter.builder.ins().iadd(length, bytes);
    let length = k.emitter.builder.ins().iadd_imm_s(end, -1);
    k.finish(length);
    k.emitter.switch_to(full);
    k.finish_with(most);
}

fn append_number(k: &mut RoutineCode<'_, '_>) {
    let (buffer, buffer_bytes) = k.memory(0);
    let (value, base, signed) = (k.number(2), k.number(3), k.number(4));
    let digits = i64::from(buffer_bytes - NUMBER_BYTES);
    let digits = k.emitter.builder.ins().iadd_imm_s(buffer, digits);
    let digits = (digits, NUMBER_BYTES);
    let last = i64::from(NUMBER_BYTES) - 1;
    let zero = k.emitter.builder.ins().iconst(I8, 0);
    k.emitter.store(zero, digits.0, last as u32);
    let below = k.emitter.builder.ins().icmp_imm_s(IntCC::SignedLessThan, value, 0);
    let below = k.emitter.builder.ins().uextend(I64, below);
    let negative = k.emitter.builder.ins().band(below, signed);
    let negated = k.emitter.builder.ins().ineg(value);
    let magnitude = k.emitter.builder.ins().select(negative, negated, value);
    let first = k.emitter.constant(last);
    let ended = k.rounds(NUMBER_BYTES - 2, &[magnitude, first], |k, _, values, end| {
        let (rest, at) = (values[0], values[1]);
        let outside = k.emitter.block();
        let digit = k.emitter.builder.ins().urem(rest, base);
        let decimal = k.emitter.builder.ins().iadd_imm_s(digit, i64::from(b'0'));
        let letter = k.emitter.builder.ins().iadd_imm_s(digit, i64::from(b'a') - 10);
        let is = k.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, digit, 10);
        let character = k.emitter.builder.ins().select(is, decimal, letter);
        let at = k.emitter.builder.ins().iadd_imm_s(at, -1);
        k.store_byte(digits, at, character, outside);
        let rest = k.emitter.builder.ins().udiv(rest, base);
        let more = k.compare_with(IntCC::NotEqual, rest, 0);
        k.unless(more, end, &[rest, at]);
        let here = k.emitter.builder.current_block();
        // No number has so many digits.
        k.emitter.switch_to(outside);
        k.finish_with(0);
        if let Some(here) = here {
            k.emitter.switch_to(here);
        }
        vec![rest, at]
    });
    let outside = k.emitter.block();
    let minus = k.emitter.constant(i64::from(b'-'));
    let before = k.emitter.builder.ins().iadd_imm_s(ended[1], -1);
    k.store_byte(digits, before, minus, outside);
    let start = k.emitter.builder.ins().isub(ended[1], negative);
    let from = k.emitter.checked_element(digits.0, start, i64::from(NUMBER_BYTES), 1, outside);
    append_from(k, from, NUMBER_BYTES);
    k.emitter.switch_to(outside);
    k.finish_with(0);
}

fn part(k: &mut RoutineCode<'_, '_>) {
    let ((to, room), (text, bytes)) = (k.memory(0), k.memory(1));
    let (start, length) = (k.number(2), k.number(3));
    let none = k.emitter.block();
    let some = k.compare_with(IntCC::SignedGreaterThan, length, 0);
    k.unless(some, none, &[]);
    let length = k.emitter.pin(length);
    let most = i64::from(room) - 1;
    let (long, join) = (k.emitter.block(), k.emitter.block());
    let cut = k.emitter.builder.append_block_param(join, I64);
    let fits = k.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, length, most);
    k.emitter.builder.ins().brif(fits, join, &[length.into()], long, &[]);
    k.emitter.switch_to(long);
    let most = k.emitter.constant(most);
    k.emitter.builder.ins().jump(join, &[most.into()]);
    k.emitter.switch_to(join);
    let size = k.emitter.builder.ins().iadd_imm_s(cut, 1);
    // Behind the end of a text its memory is zeros: a part from there is empty.
    let from = k.emitter.checked_element(text, start, i64::from(bytes), 1, none);
    k.emitter.helper(Helper::ProbeReadKernelStr, &[to, size, from]);
    k.finish_with(0);
    k.emitter.switch_to(none);
    k.finish_with(0);
}
