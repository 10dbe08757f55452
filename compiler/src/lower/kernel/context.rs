//! What handlers are given: words, fields and registers of the context, and integers behind its pointers.

use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlot, Type as ClifType, Value};

use super::KernelCode;
use crate::hir::{ContextSource, Scalar};
use crate::lower::{Helper, emitter::trusted};

impl KernelCode<'_, '_> {
    /// Loads a context variable; its upper bytes are undefined in the context, defined here.
    pub(super) fn context_variable(&mut self, index: usize) -> Value {
        let variable = &self.point.context[index];
        let scalar = variable.value;
        let word = match variable.source {
            ContextSource::Word(word) => word,
            ContextSource::HiddenWord(word) => return self.read_context(word),
            ContextSource::Member { word, offset } => {
                let flags = MemFlagsData::new();
                let place = 8 * word as i32;
                let structure = self.emitter.builder.ins().load(I64, flags, self.context, place);
                return self.load_scalar(structure, offset as i32, scalar);
            }
            ContextSource::Argument(argument) => return self.mark_argument(argument, scalar),
            ContextSource::Field { offset } => return self.field(offset, scalar),
            ContextSource::FieldAddress { offset } => return self.field_address(offset),
            ContextSource::FieldElsewhere { offset, relative } => {
                let word = self.field(offset, Scalar { bytes: 4, signed: false });
                let place = self.emitter.builder.ins().band_imm_u(word, 0xffff);
                let from = self.field_address(if relative { offset + 4 } else { 0 });
                return self.emitter.builder.ins().iadd(from, place);
            }
            ContextSource::Nowhere => return self.emitter.constant(0),
            ContextSource::Register(offset) => {
                let value = self.saved_register(offset);
                return self.extend(value, scalar);
            }
        };
        // Access to the context may be rewritten by the verifier: not even `notrap`.
        let flags = MemFlagsData::new();
        let value = self.emitter.builder.ins().load(I64, flags, self.context, 8 * word as i32);
        self.extend(value, scalar)
    }

    /// A word of the context as a number, whatever the verifier takes it for.
    pub(super) fn read_context(&mut self, word: u32) -> Value {
        let slot = self.load_slot();
        let to = self.emitter.slot_address(slot, 0);
        let size = self.emitter.constant(8);
        let from = self.emitter.builder.ins().iadd_imm_s(self.context, 8 * i64::from(word));
        self.emitter.helper(Helper::ProbeReadKernel, &[to, size, from]);
        let from = self.emitter.slot_address(slot, 0);
        self.emitter.load(from, 0)
    }

    /// An integer in the context, which the verifier lets handlers load in its own size.
    fn field(&mut self, offset: u32, scalar: Scalar) -> Value {
        let flags = MemFlagsData::new();
        let ins = self.emitter.builder.ins();
        let place = offset as i32;
        match (scalar.bytes, scalar.signed) {
            (1, false) => ins.uload8(I64, flags, self.context, place),
            (1, true) => ins.sload8(I64, flags, self.context, place),
            (2, false) => ins.uload16(I64, flags, self.context, place),
            (2, true) => ins.sload16(I64, flags, self.context, place),
            (4, false) => ins.uload32(flags, self.context, place),
            (4, true) => ins.sload32(flags, self.context, place),
            _ => ins.load(I64, flags, self.context, place),
        }
    }

    /// The address of a place in the context, as a number: to the verifier it is one when a helper has read it.
    fn field_address(&mut self, offset: u32) -> Value {
        let address = self.emitter.builder.ins().iadd_imm_s(self.context, i64::from(offset));
        let kept = self.emitter.permanent_slot(8);
        let from = self.emitter.slot_address(kept, 0);
        self.emitter.store(address, from, 0);
        let slot = self.load_slot();
        let to = self.emitter.slot_address(slot, 0);
        let size = self.emitter.constant(8);
        self.emitter.helper(Helper::ProbeReadKernel, &[to, size, from]);
        let from = self.emitter.slot_address(slot, 0);
        self.emitter.load(from, 0)
    }

    /// The value of the lowest bytes of a word.
    pub fn extend(&mut self, value: Value, scalar: Scalar) -> Value {
        let Some(ty) = clif_type(scalar.bytes) else { return value };
        let low = self.emitter.builder.ins().ireduce(ty, value);
        if scalar.signed {
            self.emitter.builder.ins().sextend(I64, low)
        } else {
            self.emitter.builder.ins().uextend(I64, low)
        }
    }

    /// Where helpers put what they read, until it is loaded right behind the call.
    pub(super) fn load_slot(&mut self) -> StackSlot {
        match self.load_slot {
            Some(slot) => slot,
            None => *self.load_slot.insert(self.emitter.permanent_slot(8)),
        }
    }

    /// Loads an integer at an address that cannot fault.
    pub fn load_scalar(&mut self, address: Value, offset: i32, scalar: Scalar) -> Value {
        let flags = trusted();
        let ins = self.emitter.builder.ins();
        match (scalar.bytes, scalar.signed) {
            (1, false) => ins.uload8(I64, flags, address, offset),
            (1, true) => ins.sload8(I64, flags, address, offset),
            (2, false) => ins.uload16(I64, flags, address, offset),
            (2, true) => ins.sload16(I64, flags, address, offset),
            (4, false) => ins.uload32(flags, address, offset),
            (4, true) => ins.sload32(flags, address, offset),
            _ => ins.load(I64, flags, address, offset),
        }
    }

    /// The bits of a bit field, extended.
    pub(super) fn bit_field(
        &mut self,
        value: Value,
        bits: Option<(u8, u8)>,
        signed: bool,
    ) -> Value {
        let Some((low, width)) = bits else { return value };
        let up =
            self.emitter.builder.ins().ishl_imm_u(value, 64 - i64::from(low) - i64::from(width));
        let down = 64 - i64::from(width);
        if signed {
            self.emitter.builder.ins().sshr_imm_u(up, down)
        } else {
            self.emitter.builder.ins().ushr_imm_u(up, down)
        }
    }
}

/// The CLIF type of so many bytes, when it is narrower than 64 bits.
fn clif_type(bytes: u8) -> Option<ClifType> {
    match bytes {
        1 => Some(I8),
        2 => Some(I16),
        4 => Some(I32),
        _ => None,
    }
}
