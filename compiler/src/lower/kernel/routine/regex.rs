//! Regular expressions, by tables.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types::I64};

use super::{Routine, RoutineCode};
use crate::backend::names;
use crate::lower::emitter::trusted;
use crate::lower::kernel::variables;
use crate::regex::{CLASSES_BYTES, MATCHED, START};

/// `(text)`: whether it contains a match of the expression whose table has the index of the detail.
pub const MATCHES: &Routine = &Routine { name: "matches", code: matches };

fn matches(k: &mut RoutineCode<'_, '_>) {
    let text = k.memory(0);
    let index = k.detail as usize;
    let (automaton, offset) = k.layout.automaton(index);
    let (classes, states) = (automaton.classes(), automaton.states());
    let table = |k: &mut RoutineCode<'_, '_>, offset: u32| {
        k.emitter.symbol(names::DATA, variables::TABLES, i64::from(offset))
    };
    let outside = k.emitter.block();
    let start = k.emitter.constant(i64::from(START));
    let ended = k.rounds(text.1, &[start], |k, at, values, end| {
        let byte = k.byte(text, at, outside);
        let class_of = table(k, offset);
        let class = k.byte((class_of, CLASSES_BYTES), byte, outside);
        let row = k.emitter.builder.ins().imul_imm_s(values[0], i64::from(classes));
        let entry = k.emitter.builder.ins().iadd(row, class);
        let transitions = table(k, offset + CLASSES_BYTES);
        let entries = i64::from(states * classes);
        let entry = k.emitter.checked_element(transitions, entry, entries, 2, outside);
        let state = k.emitter.builder.ins().uload16(I64, trusted(), entry, 0);
        let open = k.emitter.builder.ins().icmp_imm_u(
            IntCC::UnsignedGreaterThanOrEqual,
            state,
            i64::from(START),
        );
        k.unless(open, end, &[state]);
        vec![state]
    });
    let is = k.compare_with(IntCC::Equal, ended[0], i64::from(MATCHED));
    let is = k.emitter.builder.ins().uextend(I64, is);
    k.finish(is);
    k.emitter.switch_to(outside);
    k.finish_with(0);
}
