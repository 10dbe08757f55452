//! Stacks as text: the addresses in hexadecimal, with a space between.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types::I64};

use super::{Routine, RoutineCode};

/// Most digits of an address, and the space behind them.
const WIDEST: i64 = 17;

/// `(text, frames, count)`: writes so many of the addresses, up to the first that is 0; `text` holds zeros.
pub const STACK_TEXT: &Routine = &Routine { name: "stack_text", code: stack_text };

fn stack_text(k: &mut RoutineCode<'_, '_>) {
    let ((text, room), (frames, bytes), count) = (k.memory(0), k.memory(1), k.number(2));
    let outside = k.emitter.block();
    let zero = k.emitter.constant(0);
    // Digits are written 16 at a time, and zeros behind the last ones.
    let most = i64::from(room) - 2 * WIDEST;
    let ended = k.rounds(bytes / 8, &[zero], |k, index, values, end| {
        let length = values[0];
        let wanted = k.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, index, count);
        k.unless(wanted, end, &[length]);
        let at = k.emitter.checked_element(frames, index, i64::from(bytes / 8), 8, outside);
        let address = k.emitter.load(at, 0);
        let some = k.compare_with(IntCC::NotEqual, address, 0);
        k.unless(some, end, &[length]);
        let (shifted, digits) = without_leading_zeros(k, address);
        let to = k.emitter.checked_element(text, length, most, 1, outside);
        let upper = k.emitter.builder.ins().ushr_imm_u(shifted, 32);
        let lower = k.emitter.builder.ins().band_imm_u(shifted, 0xffff_ffff);
        for (offset, half) in [(0, upper), (8, lower)] {
            let characters = hexadecimal(k, half);
            k.emitter.store(characters, to, offset);
        }
        let behind = k.emitter.builder.ins().iadd(length, digits);
        let to = k.emitter.checked_element(text, behind, i64::from(room) - WIDEST, 1, outside);
        let space = k.emitter.constant(i64::from(b' '));
        k.emitter.store(space, to, 0);
        let zeros = k.emitter.constant(0);
        k.emitter.store(zeros, to, 8);
        vec![k.emitter.builder.ins().iadd_imm_s(behind, 1)]
    });
    // The last space.
    let length = ended[0];
    let some = k.compare_with(IntCC::NotEqual, length, 0);
    k.unless(some, outside, &[]);
    let last = k.emitter.builder.ins().iadd_imm_s(length, -1);
    let to = k.emitter.checked_element(text, last, i64::from(room) - WIDEST, 1, outside);
    let zeros = k.emitter.constant(0);
    k.emitter.store(zeros, to, 0);
    k.finish_with(0);
    k.emitter.switch_to(outside);
    k.finish_with(0);
}

/// The number shifted so that its first digit is the highest, and how many digits it has. Without branches:
/// the verifier would follow each.
fn without_leading_zeros(k: &mut RoutineCode<'_, '_>, address: Value) -> (Value, Value) {
    let mut value = address;
    let mut digits = k.emitter.constant(16);
    for (bits, shift) in [(32, 32), (48, 16), (56, 8), (60, 4)] {
        // 1 when the upper digits are all 0: then the rest minus 1 is negative.
        let upper = k.emitter.builder.ins().ushr_imm_u(value, bits);
        let less = k.emitter.builder.ins().iadd_imm_s(upper, -1);
        let empty = k.emitter.builder.ins().ushr_imm_u(less, 63);
        let by = k.emitter.builder.ins().imul_imm_s(empty, shift);
        value = k.emitter.builder.ins().ishl(value, by);
        let count = k.emitter.builder.ins().imul_imm_s(empty, shift / 4);
        digits = k.emitter.builder.ins().isub(digits, count);
    }
    let digits = k.emitter.builder.ins().band_imm_u(digits, 31);
    (value, digits)
}

/// Eight hexadecimal digits of a 32-bit number as characters, the first in the lowest byte.
fn hexadecimal(k: &mut RoutineCode<'_, '_>, number: Value) -> Value {
    let mut spread = number;
    for (shift, mask) in
        [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)]
    {
        let up = k.emitter.builder.ins().ishl_imm_u(spread, shift);
        let both = k.emitter.builder.ins().bor(up, spread);
        let mask = k.emitter.builder.ins().iconst(I64, mask);
        spread = k.emitter.builder.ins().band(both, mask);
    }
    // 1 in each byte of a digit from a to f.
    let six = k.emitter.constant(0x0606_0606_0606_0606);
    let carried = k.emitter.builder.ins().iadd(spread, six);
    let carried = k.emitter.builder.ins().ushr_imm_u(carried, 4);
    let one = k.emitter.constant(0x0101_0101_0101_0101);
    let letters = k.emitter.builder.ins().band(carried, one);
    let to_letter = i64::from(b'a') - i64::from(b'0') - 10;
    let letters = k.emitter.builder.ins().imul_imm_s(letters, to_letter);
    let zeros = k.emitter.constant(0x3030_3030_3030_3030);
    let characters = k.emitter.builder.ins().iadd(spread, zeros);
    let characters = k.emitter.builder.ins().iadd(characters, letters);
    k.emitter.builder.ins().bswap(characters)
}
