//! Strings compared, and their bytes.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types::I64};

use super::{Routine, RoutineCode};

/// `(left, right)`: less than 0, 0 or more than 0 as the left one is less, equal or greater by its bytes.
pub const COMPARE: &Routine = &Routine { name: "compare", code: compare };

/// `(text, position)`: the byte at a position, 0 outside.
pub const BYTE_AT: &Routine = &Routine { name: "byte_at", code: byte_at };

fn compare(k: &mut RoutineCode<'_, '_>) {
    let ((left, left_bytes), (right, right_bytes)) = (k.memory(0), k.memory(1));
    // Where the shorter memory ends both strings have ended, if they were equal so far.
    let words = left_bytes.min(right_bytes) / 8;
    let zero = k.emitter.constant(0);
    let pair = k.rounds(words, &[zero, zero], |k, at, values, end| {
        let outside = k.emitter.block();
        let from = k.emitter.checked_element(left, at, i64::from(words), 8, outside);
        let a = k.emitter.load(from, 0);
        let from = k.emitter.checked_element(right, at, i64::from(words), 8, outside);
        let b = k.emitter.load(from, 0);
        let same = k.emitter.builder.ins().icmp(IntCC::Equal, a, b);
        k.unless(same, end, &[a, b]);
        let here = k.emitter.builder.current_block();
        k.emitter.switch_to(outside);
        k.finish_with(0);
        if let Some(here) = here {
            k.emitter.switch_to(here);
        }
        values.to_vec()
    });
    // The first byte of a little-endian word is its lowest: turn it into the highest, so that comparing
    // words compares bytes in order.
    let ins = |k: &mut RoutineCode<'_, '_>, at: usize| k.emitter.builder.ins().bswap(pair[at]);
    let (a, b) = (ins(k, 0), ins(k, 1));
    let greater = k.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThan, a, b);
    let greater = k.emitter.builder.ins().uextend(I64, greater);
    let less = k.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
    let less = k.emitter.builder.ins().uextend(I64, less);
    let order = k.emitter.builder.ins().isub(greater, less);
    k.finish(order);
}

fn byte_at(k: &mut RoutineCode<'_, '_>) {
    let (text, position) = (k.memory(0), k.number(1));
    let outside = k.emitter.block();
    let byte = k.byte(text, position, outside);
    k.finish(byte);
    k.emitter.switch_to(outside);
    k.finish_with(0);
}
