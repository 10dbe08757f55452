//! Strings within strings, and the numbers they start with.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types::I64};

use super::text::APPEND;
use super::{Argument, Routine, RoutineCode};
use crate::lower::emitter::trusted;

/// `(text, part)`: where a part begins, -1 when it is not there.
pub const POSITION: &Routine = &Routine { name: "position", code: position };

/// `(buffer, text, search, replacement)`: makes the text with all parts replaced in the buffer.
pub const REPLACE: &Routine = &Routine { name: "replace", code: replace };

/// `(text, base)`: the number at the start of a text.
pub const TO_LONG: &Routine = &Routine { name: "to_long", code: to_long };

/// `(text, position, part)`: whether the part is there.
const STARTS: &Routine = &Routine { name: "starts", code: starts };

fn starts(k: &mut RoutineCode<'_, '_>) {
    let (text, start, part) = (k.memory(0), k.number(1), k.memory(2));
    let differ = k.emitter.block();
    k.rounds(part.1, &[], |k, at, _, end| {
        let wanted = k.byte(part, at, differ);
        let more = k.compare_with(IntCC::NotEqual, wanted, 0);
        k.unless(more, end, &[]);
        let place = k.emitter.builder.ins().iadd(start, at);
        let found = k.byte(text, place, differ);
        let same = k.emitter.builder.ins().icmp(IntCC::Equal, wanted, found);
        k.unless(same, differ, &[]);
        vec![]
    });
    k.finish_with(1);
    k.emitter.switch_to(differ);
    k.finish_with(0);
}

fn position(k: &mut RoutineCode<'_, '_>) {
    let (text, part) = (k.memory(0), k.memory(1));
    let missing = k.emitter.block();
    let none = k.emitter.constant(-1);
    let found = k.rounds(text.1, &[none], |k, at, values, end| {
        let is = k.call(STARTS, &arguments(text, at, part), 0);
        let not = k.compare_with(IntCC::Equal, is, 0);
        k.unless(not, end, &[at]);
        let byte = k.byte(text, at, missing);
        k.unless(byte, missing, &[]);
        values.to_vec()
    });
    k.finish(found[0]);
    k.emitter.switch_to(missing);
    k.finish_with(-1);
}

fn arguments(text: (Value, u32), at: Value, part: (Value, u32)) -> [Argument; 3] {
    [Argument::Memory(text.0, text.1), Argument::Number(at), Argument::Memory(part.0, part.1)]
}

fn replace(k: &mut RoutineCode<'_, '_>) {
    let (buffer, text) = (k.memory(0), k.memory(1));
    let (search, replacement) = (k.memory(2), k.memory(3));
    let outside = k.emitter.block();
    let first = k.emitter.builder.ins().uload8(I64, trusted(), search.0, 0);
    let some = k.compare_with(IntCC::NotEqual, first, 0);
    let some = k.emitter.builder.ins().uextend(I64, some);
    let zero = k.emitter.constant(0);
    // How many bytes of what was found are still to be passed over, and how many are written.
    k.rounds(text.1, &[zero, zero], |k, at, values, end| {
        let (passed, length) = (values[0], values[1]);
        let byte = k.byte(text, at, outside);
        k.unless(byte, end, &[passed, length]);
        let (plain, test, hit, next) =
            (k.emitter.block(), k.emitter.block(), k.emitter.block(), k.emitter.block());
        let to_pass = k.emitter.builder.append_block_param(next, I64);
        let written = k.emitter.builder.append_block_param(next, I64);
        let less = k.emitter.builder.ins().iadd_imm_s(passed, -1);
        k.emitter.builder.ins().brif(passed, next, &[less.into(), length.into()], test, &[]);
        k.emitter.switch_to(test);
        let is = k.call(STARTS, &arguments(text, at, search), 0);
        let is = k.emitter.builder.ins().band(is, some);
        k.emitter.builder.ins().brif(is, hit, &[], plain, &[]);

        k.emitter.switch_to(plain);
        let most = i64::from(k.features.longest()) - 1;
        k.store_byte((buffer.0, most as u32), length, byte, outside);
        let longer = k.emitter.builder.ins().iadd_imm_s(length, 1);
        let zero = k.emitter.constant(0);
        k.emitter.builder.ins().jump(next, &[zero.into(), longer.into()]);

        k.emitter.switch_to(hit);
        let pieces = [
            Argument::Memory(buffer.0, buffer.1),
            Argument::Number(length),
            Argument::Memory(replacement.0, replacement.1),
        ];
        let longer = k.call(APPEND, &pieces, 0);
        let passed = k.call(LENGTH, &[Argument::Memory(search.0, search.1)], 0);
        let passed = k.emitter.builder.ins().iadd_imm_s(passed, -1);
        k.emitter.builder.ins().jump(next, &[passed.into(), longer.into()]);
        k.emitter.switch_to(next);
        vec![to_pass, written]
    });
    k.finish_with(0);
    k.emitter.switch_to(outside);
    k.finish_with(0);
}

/// `(text)`: its bytes.
const LENGTH: &Routine = &Routine { name: "length", code: length };

fn length(k: &mut RoutineCode<'_, '_>) {
    let text = k.memory(0);
    let outside = k.emitter.block();
    let zero = k.emitter.constant(0);
    let end = k.rounds(text.1, &[zero], |k, at, _, end| {
        let byte = k.byte(text, at, outside);
        k.unless(byte, end, &[at]);
        vec![at]
    });
    k.finish(end[0]);
    k.emitter.switch_to(outside);
    k.finish_with(0);
}

fn to_long(k: &mut RoutineCode<'_, '_>) {
    let (text, base) = (k.memory(0), k.number(1));
    let byte = |k: &mut RoutineCode<'_, '_>, at: i32| {
        k.emitter.builder.ins().uload8(I64, trusted(), text.0, at)
    };
    let word = |k: &mut RoutineCode<'_, '_>, condition: Value| {
        k.emitter.builder.ins().uextend(I64, condition)
    };
    let first = byte(k, 0);
    let negative = k.compare_with(IntCC::Equal, first, i64::from(b'-'));
    let negative = word(k, negative);
    // The three bytes behind the sign: `0x` and a digit?
    let behind: Vec<Value> = (0..3)
        .map(|at| {
            let (with, without) = (byte(k, at + 1), byte(k, at));
            k.emitter.builder.ins().select(negative, with, without)
        })
        .collect();
    let zero = k.compare_with(IntCC::Equal, behind[0], i64::from(b'0'));
    let zero = word(k, zero);
    let lower = k.emitter.builder.ins().bor_imm_u(behind[1], 0x20);
    let x = k.compare_with(IntCC::Equal, lower, i64::from(b'x'));
    let x = word(k, x);
    let digit = digit_value(k, behind[2]);
    let digit = k.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, digit, 16);
    let digit = word(k, digit);
    let prefix = k.emitter.builder.ins().band(zero, x);
    let prefix = k.emitter.builder.ins().band(prefix, digit);
    let any = k.compare_with(IntCC::Equal, base, 0);
    let any = word(k, any);
    let sixteen = k.compare_with(IntCC::Equal, base, 16);
    let sixteen = word(k, sixteen);
    let takes = k.emitter.builder.ins().bor(any, sixteen);
    let prefix = k.emitter.builder.ins().band(prefix, takes);
    let numbers: Vec<Value> = [8, 10, 16].map(|n| k.emitter.constant(n)).to_vec();
    let guessed = k.emitter.builder.ins().select(zero, numbers[0], numbers[1]);
    let guessed = k.emitter.builder.ins().select(prefix, numbers[2], guessed);
    let base = k.emitter.builder.ins().select(any, guessed, base);
    let skipped = k.emitter.builder.ins().iadd(prefix, prefix);
    let start = k.emitter.builder.ins().iadd(negative, skipped);
    let outside = k.emitter.block();
    let none = k.emitter.constant(0);
    let ended = k.rounds(text.1, &[none], |k, at, values, end| {
        let place = k.emitter.builder.ins().iadd(start, at);
        let byte = k.byte(text, place, outside);
        let digit = digit_value(k, byte);
        let fits = k.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, digit, base);
        k.unless(fits, end, values);
        let scaled = k.emitter.builder.ins().imul(values[0], base);
        vec![k.emitter.builder.ins().iadd(scaled, digit)]
    });
    let negated = k.emitter.builder.ins().ineg(ended[0]);
    let result = k.emitter.builder.ins().select(negative, negated, ended[0]);
    k.finish(result);
    // A text ends before its memory does.
    k.emitter.switch_to(outside);
    k.finish_with(0);
}

/// The value of a hexadecimal digit, -1 of other characters.
fn digit_value(k: &mut RoutineCode<'_, '_>, byte: Value) -> Value {
    let decimal = k.emitter.builder.ins().iadd_imm_s(byte, -i64::from(b'0'));
    let lower = k.emitter.builder.ins().bor_imm_u(byte, 0x20);
    let letter = k.emitter.builder.ins().iadd_imm_s(lower, -i64::from(b'a'));
    let is_letter = k.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, letter, 6);
    let ten = k.emitter.builder.ins().iadd_imm_s(letter, 10);
    let other = k.emitter.constant(-1);
    let letter = k.emitter.builder.ins().select(is_letter, ten, other);
    let is_decimal = k.emitter.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, decimal, 10);
    k.emitter.builder.ins().select(is_decimal, decimal, letter)
}
