//! Bit operations eBPF has no instructions for: rotation, counting, byte swap, bitwise selection.

use cranelift_codegen::ir::{Inst, Opcode, Value};
use regalloc2::VReg;

use super::Selector;
use crate::backend::bpf::BackendError;
use crate::backend::bpf::instruction::{Alu, Source, Width};
use crate::backend::bpf::machine::Machine;

impl Selector<'_> {
    pub(super) fn bit_operation(&mut self, inst: Inst) -> Result<(), BackendError> {
        let (destination, bits) = self.result(inst);
        let value = self.argument(inst, 0);
        match self.data(inst).opcode() {
            opcode @ (Opcode::Rotl | Opcode::Rotr) => {
                let amount = self.argument(inst, 1);
                self.rotate(opcode == Opcode::Rotl, destination, value, amount, bits);
            }
            Opcode::Clz => self.leading_zeros(destination, value, bits),
            Opcode::Ctz => self.trailing_zeros(destination, value, bits),
            Opcode::Popcnt => self.population_count(destination, value, bits),
            Opcode::Bswap => {
                let source = self.register(value);
                self.push(Machine::SwapBytes { bits, destination, source });
            }
            _ => {
                let (then, otherwise) = (self.argument(inst, 1), self.argument(inst, 2));
                self.bitwise_select(destination, value, then, otherwise, Width::of(bits));
            }
        }
        Ok(())
    }

    /// Two shifts and an or. The second amount is the negated first, both modulo the bits.
    fn rotate(&mut self, left: bool, destination: VReg, value: Value, amount: Value, bits: u32) {
        let width = Width::of(bits);
        let source = self.widened(value, false);
        let (first, second) = if left {
            (Alu::ShiftLeft, Alu::ShiftRight)
        } else {
            (Alu::ShiftRight, Alu::ShiftLeft)
        };
        let mask = bits - 1;
        let (first_amount, second_amount) = match self.constant(amount) {
            Some(constant) => {
                let constant = constant as u32 & mask;
                let complement = (bits - constant) & mask;
                (Source::Immediate(constant as i32), Source::Immediate(complement as i32))
            }
            None => {
                let mask = Source::Immediate(mask as i32);
                let amount = self.register(amount);
                let amount = self.computed(Alu::And, Width::Word, amount, mask);
                let negated = self.fresh();
                self.push(Machine::Negate {
                    width: Width::Word,
                    destination: negated,
                    source: amount,
                });
                let complement = self.computed(Alu::And, Width::Word, negated, mask);
                (Source::Register(amount), Source::Register(complement))
            }
        };
        let one = self.computed(first, width, source, first_amount);
        let other = self.computed(second, width, source, second_amount);
        self.alu(Alu::Or, width, destination, one, Source::Register(other));
    }

    fn leading_zeros(&mut self, destination: VReg, value: Value, bits: u32) {
        let source = self.widened(value, false);
        let scratch = self.fresh();
        let width = Width::of(bits);
        if bits >= 32 {
            return self.push(Machine::LeadingZeros { width, destination, source, scratch });
        }
        let count = self.fresh();
        self.push(Machine::LeadingZeros { width, destination: count, source, scratch });
        let excess = Source::Immediate(32 - bits as i32);
        self.alu(Alu::Subtract, width, destination, count, excess);
    }

    fn trailing_zeros(&mut self, destination: VReg, value: Value, bits: u32) {
        let mut source = self.register(value);
        let width = Width::of(bits);
        if bits < 32 {
            // A one above the type bounds the count.
            source = self.computed(Alu::Or, width, source, Source::Immediate(1 << bits));
        }
        let scratch = self.fresh();
        self.push(Machine::TrailingZeros { width, destination, source, scratch });
    }

    /// Sums bits in fields of two, four and eight, then adds the bytes by a multiplication.
    fn population_count(&mut self, destination: VReg, value: Value, bits: u32) {
        let width = Width::of(bits);
        let value = self.zero_extended(value);
        let shifted = |selector: &mut Self, value, amount| {
            selector.computed(Alu::ShiftRight, width, value, Source::Immediate(amount))
        };
        let masked = |selector: &mut Self, value, mask: u8| {
            let mask = selector.repeated_byte(mask, width);
            selector.computed(Alu::And, width, value, mask)
        };
        let odd = shifted(self, value, 1);
        let odd = masked(self, odd, 0x55);
        let pairs = self.computed(Alu::Subtract, width, value, Source::Register(odd));
        let upper = shifted(self, pairs, 2);
        let upper = masked(self, upper, 0x33);
        let lower = masked(self, pairs, 0x33);
        let nibbles = self.computed(Alu::Add, width, lower, Source::Register(upper));
        let upper = shifted(self, nibbles, 4);
        let both = self.computed(Alu::Add, width, nibbles, Source::Register(upper));
        let bytes = masked(self, both, 0x0f);
        let ones = self.repeated_byte(1, width);
        let total = self.computed(Alu::Multiply, width, bytes, ones);
        let amount = Source::Immediate(width.bits() as i32 - 8);
        self.alu(Alu::ShiftRight, width, destination, total, amount);
    }

    /// A constant whose bytes are all the same.
    fn repeated_byte(&mut self, byte: u8, width: Width) -> Source<VReg> {
        match width {
            Width::Word => Source::Immediate(i32::from_le_bytes([byte; 4])),
            Width::Double => {
                let destination = self.fresh();
                let constant = i64::from_le_bytes([byte; 8]);
                self.push(Machine::Constant { destination, constant });
                Source::Register(destination)
            }
        }
    }

    /// `otherwise ^ ((then ^ otherwise) & mask)`.
    fn bitwise_select(
        &mut self,
        destination: VReg,
        mask: Value,
        then: Value,
        otherwise: Value,
        width: Width,
    ) {
        let mask = Source::Register(self.register(mask));
        let then = self.register(then);
        let otherwise = Source::Register(self.register(otherwise));
        let difference = self.computed(Alu::Xor, width, then, otherwise);
        let taken = self.computed(Alu::And, width, difference, mask);
        self.alu(Alu::Xor, width, destination, taken, otherwise);
    }
}
