//! Strings and keys in a kernel handler's memory.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{InstBuilder, Value};

use super::{KernelCode, routine, variables};
use crate::backend::names;
use crate::bytes;
use crate::hir::Comparison;
use crate::lower::{Helper, Operand, Text, expression::condition_code};
use crate::types::{MAX_STRING, Type};

/// Strings of more words than this are compared by a function.
const IN_PLACE: u32 = 8;

/// More bytes than this are copied by a helper.
const MANY: u32 = 64;

/// The 64-bit words of a literal padded with zeros to `width`; truncated so that it stays terminated.
fn literal_words(text: &str, width: u32) -> Vec<i64> {
    let mut bytes = bytes::of(text).into_owned();
    bytes.truncate(width as usize - 1);
    bytes.resize(width as usize, 0);
    bytes
        .chunks_exact(8)
        .map(|w| i64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]))
        .collect()
}

impl KernelCode<'_, '_> {
    /// Copies a string to memory, padded with zeros to `width`.
    pub(super) fn copy_text(&mut self, text: &Text, to: Value, offset: u32, width: u32) {
        match text {
            Text::Literal(text) => {
                let bytes = (bytes::length(text) + 1).next_multiple_of(8).min(width);
                for (at, word) in literal_words(text, bytes).into_iter().enumerate() {
                    let word = self.emitter.constant(word);
                    self.emitter.store(word, to, offset + 8 * at as u32);
                }
                self.fill_zeros(to, offset + bytes, width - bytes);
            }
            Text::Memory { address, width: from } => {
                let bytes = width.min(*from);
                self.copy_bytes(*address, to, offset, bytes);
                self.fill_zeros(to, offset + bytes, width - bytes);
                let is_odd = !self.features.string_bytes.is_multiple_of(8);
                if width >= self.longest() && (*from > width || is_odd) {
                    self.cut_text(to, offset);
                } else if *from > width {
                    let zero = self.emitter.builder.ins().iconst(I8, 0);
                    self.emitter.store(zero, to, offset + width - 1);
                }
            }
        }
    }

    /// Copies so many bytes, a multiple of 8: word by word, or when they are many by a helper.
    fn copy_bytes(&mut self, from: Value, to: Value, offset: u32, bytes: u32) {
        if bytes > MANY {
            return self.copy_by_helper(from, to, offset, bytes);
        }
        for at in (0..bytes).step_by(8) {
            let word = self.emitter.load(from, at);
            self.emitter.store(word, to, offset + at);
        }
    }

    /// Fills so many bytes, a multiple of 8, with zeros.
    pub(super) fn fill_zeros(&mut self, to: Value, offset: u32, bytes: u32) {
        if bytes > MANY {
            let mut done = 0;
            while done < bytes {
                let part = (bytes - done).min(MAX_STRING);
                let zeros = self.emitter.symbol(names::DATA, variables::ZEROS, 0);
                self.copy_by_helper(zeros, to, offset + done, part);
                done += part;
            }
            return;
        }
        for at in (0..bytes).step_by(8) {
            let zero = self.emitter.constant(0);
            self.emitter.store(zero, to, offset + at);
        }
    }

    fn copy_by_helper(&mut self, from: Value, to: Value, offset: u32, bytes: u32) {
        let to = self.plus(to, offset);
        let bytes = self.emitter.constant(i64::from(bytes));
        // All of it is memory of ours: this cannot fail.
        self.emitter.helper(Helper::ProbeReadKernel, &[to, bytes, from]);
    }

    /// An address plus a constant.
    pub(super) fn plus(&mut self, address: Value, offset: u32) -> Value {
        if offset == 0 {
            return address;
        }
        self.emitter.builder.ins().iadd_imm_s(address, i64::from(offset))
    }

    /// Stores a value of a type to memory.
    pub(super) fn store_operand(&mut self, operand: &Operand, to: Value, offset: u32, ty: Type) {
        match (operand, ty) {
            (Operand::Text(text), Type::Text(width)) => self.copy_text(text, to, offset, width),
            (operand, _) => self.emitter.store(operand.long(), to, offset),
        }
    }

    /// The address of the keys as the map wants them; only to be read.
    pub(super) fn key_memory(&mut self, keys: &[Operand], types: &[Type]) -> Value {
        // A string that is the whole key already is not copied to be looked up.
        if let ([Operand::Text(Text::Memory { address, width })], [Type::Text(wanted)]) =
            (keys, types)
            && width == wanted
        {
            return *address;
        }
        let bytes: u32 = types.iter().map(|t| t.bytes()).sum();
        let room = self.room(bytes.max(8));
        let base = self.room_address(room, 0);
        if keys.is_empty() {
            let zero = self.emitter.constant(0);
            self.emitter.store(zero, base, 0);
        }
        let mut offset = 0;
        for (key, &ty) in keys.iter().zip(types) {
            self.store_operand(key, base, offset, ty);
            offset += ty.bytes();
        }
        base
    }

    /// The words of a string, up to `words` of them.
    fn word(&mut self, text: &Text, at: u32) -> Value {
        match text {
            Text::Literal(text) => {
                let width = (bytes::length(text) + 1).next_multiple_of(8);
                let word = literal_words(text, width).get(at as usize).copied().unwrap_or(0);
                self.emitter.constant(word)
            }
            Text::Memory { address, width } => {
                if at * 8 < *width {
                    self.emitter.load(*address, at * 8)
                } else {
                    self.emitter.constant(0)
                }
            }
        }
    }

    /// Whether two zero-padded strings of so many words are equal, or not: the verifier keeps every branch
    /// it has yet to follow, and can keep only so many.
    fn compare_without_branches(
        &mut self,
        operator: Comparison,
        left: &Text,
        right: &Text,
        count: u32,
    ) -> Value {
        let mut difference = self.emitter.constant(0);
        for at in 0..count {
            let (l, r) = (self.word(left, at), self.word(right, at));
            let differs = self.emitter.builder.ins().bxor(l, r);
            let so_far = self.emitter.builder.ins().bor(difference, differs);
            // Held here: put off to the end, it would keep all the words in registers.
            difference = self.emitter.pin(so_far);
        }
        let code = if operator == Comparison::Equal { IntCC::Equal } else { IntCC::NotEqual };
        let is = self.emitter.builder.ins().icmp_imm_s(code, difference, 0);
        self.emitter.builder.ins().uextend(I64, is)
    }

    /// Compares two zero-padded strings; 0 or 1.
    pub(super) fn compare_padded(
        &mut self,
        operator: Comparison,
        left: &Text,
        right: &Text,
    ) -> Value {
        let words = |t: &Text| match t {
            Text::Literal(text) => (bytes::length(text) + 1).div_ceil(8),
            Text::Memory { width, .. } => width / 8,
        };
        let count = words(left).max(words(right));
        if count <= IN_PLACE && matches!(operator, Comparison::Equal | Comparison::NotEqual) {
            return self.compare_without_branches(operator, left, right, count);
        }
        let arguments = [self.text_argument(left), self.text_argument(right)];
        let order = self.call_routine(routine::COMPARE, &arguments, 0);
        let is = self.emitter.builder.ins().icmp_imm_s(condition_code(operator), order, 0);
        self.emitter.builder.ins().uextend(I64, is)
    }
}
