//! Arithmetic: two-operand operations, shifts, division, minimum and maximum, high products.
//!
//! 8- and 16-bit values are computed in 32 bits; they are extended first only where the bits above
//! the type matter (right shifts, division, comparison).

use cranelift_codegen::ir::{Inst, InstructionData, Opcode, Value};
use regalloc2::VReg;

use super::Selector;
use crate::backend::bpf::BackendError;
use crate::backend::bpf::accept;
use crate::backend::bpf::instruction::{Alu, Comparison, Condition, Source, Width};
use crate::backend::bpf::machine::Machine;
use crate::backend::names;
use crate::facts::CpuVersion;

impl Selector<'_> {
    pub(super) fn arithmetic(&mut self, inst: Inst) -> Result<(), BackendError> {
        use Opcode::*;
        let (destination, bits) = self.result(inst);
        let width = Width::of(bits);
        let opcode = self.data(inst).opcode();
        let left = self.argument(inst, 0);
        match opcode {
            Iadd | Isub | Imul | Band | Bor | Bxor => {
                self.simple(opcode, width, destination, left, self.argument(inst, 1));
            }
            Ishl | Ushr | Sshr => {
                let (operation, source) = match opcode {
                    Ishl => (Alu::ShiftLeft, self.register(left)),
                    Ushr => (Alu::ShiftRight, self.widened(left, false)),
                    _ => (Alu::ShiftRightSigned, self.widened(left, true)),
                };
                let amount = self.shift_amount(self.argument(inst, 1), bits);
                self.alu(operation, width, destination, source, amount);
            }
            Udiv | Urem | Sdiv | Srem => {
                self.divide(opcode, width, destination, left, self.argument(inst, 1));
            }
            Umulhi | Smulhi => {
                let right = self.argument(inst, 1);
                self.high_product(opcode == Smulhi, destination, left, right, bits);
            }
            Ineg => {
                let source = self.register(left);
                self.push(Machine::Negate { width, destination, source });
            }
            Bnot => {
                let source = self.register(left);
                self.alu(Alu::Xor, width, destination, source, Source::Immediate(-1));
            }
            Iabs => {
                let source = self.widened(left, true);
                self.push(Machine::AbsoluteValue { width, destination, source });
            }
            _ => self.extremum(opcode, width, destination, left, self.argument(inst, 1)),
        }
        Ok(())
    }

    fn simple(
        &mut self,
        opcode: Opcode,
        width: Width,
        destination: VReg,
        left: Value,
        right: Value,
    ) {
        let operation = match opcode {
            Opcode::Iadd => Alu::Add,
            Opcode::Isub => Alu::Subtract,
            Opcode::Imul => Alu::Multiply,
            Opcode::Band => Alu::And,
            Opcode::Bor => Alu::Or,
            _ => Alu::Xor,
        };
        let constant_first = self.constant(left).is_some() && self.constant(right).is_none();
        let (left, right) =
            if constant_first && opcode != Opcode::Isub { (right, left) } else { (left, right) };
        // Keeping the offset in the addition lets the loader patch it in place.
        if let (Opcode::Iadd, Some(field)) = (opcode, self.core_field(right)) {
            let left = self.register(left);
            return self.push(Machine::Alu {
                operation,
                width,
                signed: false,
                destination,
                left,
                right: Source::Immediate(0),
                relocation: Some(field),
            });
        }
        let left = self.register(left);
        let right = self.source(right);
        self.alu(operation, width, destination, left, right);
    }

    fn core_field(&self, value: Value) -> Option<u32> {
        let InstructionData::UnaryGlobalValue { global_value, .. } =
            *self.data(self.definition(value)?)
        else {
            return None;
        };
        match accept::symbol_name(self.function, global_value) {
            Ok((names::CORE_FIELD, field, _)) => Some(field),
            _ => None,
        }
    }

    /// A shift amount modulo the bits of the shifted type; 32- and 64-bit shifts wrap by themselves.
    fn shift_amount(&mut self, amount: Value, bits: u32) -> Source<VReg> {
        let mask = bits as i32 - 1;
        if let Some(constant) = self.constant(amount) {
            return Source::Immediate(constant as i32 & mask);
        }
        let amount = self.register(amount);
        if bits >= 32 {
            Source::Register(amount)
        } else {
            Source::Register(self.computed(Alu::And, Width::Word, amount, Source::Immediate(mask)))
        }
    }

    fn divide(
        &mut self,
        opcode: Opcode,
        width: Width,
        destination: VReg,
        left: Value,
        right: Value,
    ) {
        let signed = matches!(opcode, Opcode::Sdiv | Opcode::Srem);
        let remainder = matches!(opcode, Opcode::Urem | Opcode::Srem);
        let left = self.widened(left, signed);
        if signed && self.cpu < CpuVersion::V4 {
            let right = self.widened(right, true);
            let scratch = self.fresh();
            return self.push(Machine::SignedDivide {
                width,
                remainder,
                destination,
                left,
                right,
                scratch,
            });
        }
        let right = match self.widened_source(right, signed) {
            // The verifier refuses a constant zero divisor, even where a test for it precedes.
            Source::Immediate(0) => Source::Register(self.widened(right, signed)),
            source => source,
        };
        let operation = if remainder { Alu::Modulo } else { Alu::Divide };
        let relocation = None;
        self.push(Machine::Alu { operation, width, signed, destination, left, right, relocation });
    }

    fn extremum(
        &mut self,
        opcode: Opcode,
        width: Width,
        destination: VReg,
        left: Value,
        right: Value,
    ) {
        let (comparison, signed) = match opcode {
            Opcode::Umin => (Comparison::LessOrEqual, false),
            Opcode::Umax => (Comparison::GreaterOrEqual, false),
            Opcode::Smin => (Comparison::SignedLessOrEqual, true),
            _ => (Comparison::SignedGreaterOrEqual, true),
        };
        let left = self.widened(left, signed);
        let right = self.widened(right, signed);
        let condition = Condition { comparison, width, left, right: Source::Register(right) };
        self.push(Machine::Select { destination, then: left, otherwise: right, condition });
    }

    /// The upper half of a product. Up to 32 bits it is computed in 64; a 64-bit one from the four
    /// products of the halves, corrected for negative operands when signed.
    fn high_product(
        &mut self,
        signed: bool,
        destination: VReg,
        left: Value,
        right: Value,
        bits: u32,
    ) {
        const DOUBLE: Width = Width::Double;
        if bits <= 32 {
            let (left, right) = if signed {
                (self.sign_extended(left, DOUBLE), self.sign_extended(right, DOUBLE))
            } else {
                (self.zero_extended(left), self.zero_extended(right))
            };
            let product = self.computed(Alu::Multiply, DOUBLE, left, Source::Register(right));
            let amount = Source::Immediate(bits as i32);
            return self.alu(Alu::ShiftRight, DOUBLE, destination, product, amount);
        }
        let (left, right) = (self.register(left), self.register(right));
        let half = Source::Immediate(32);
        let low = |selector: &mut Self, source| {
            let destination = selector.fresh();
            selector.push(Machine::ZeroExtendWord { destination, source });
            destination
        };
        let (left_low, right_low) = (low(self, left), low(self, right));
        let left_high = self.computed(Alu::ShiftRight, DOUBLE, left, half);
        let right_high = self.computed(Alu::ShiftRight, DOUBLE, right, half);
        let product = |selector: &mut Self, left, right| {
            selector.computed(Alu::Multiply, DOUBLE, left, Source::Register(right))
        };
        let sum = |selector: &mut Self, left, right| {
            selector.computed(Alu::Add, DOUBLE, left, Source::Register(right))
        };
        let low_low = product(self, left_low, right_low);
        let high_low = product(self, left_high, right_low);
        let low_high = product(self, left_low, right_high);
        let high_high = product(self, left_high, right_high);
        let carry = self.computed(Alu::ShiftRight, DOUBLE, low_low, half);
        let middle = sum(self, high_low, carry);
        let middle_low = low(self, middle);
        let other_middle = sum(self, low_high, middle_low);
        let middle_high = self.computed(Alu::ShiftRight, DOUBLE, middle, half);
        let upper = sum(self, high_high, middle_high);
        let other_middle_high = self.computed(Alu::ShiftRight, DOUBLE, other_middle, half);
        if !signed {
            let last = Source::Register(other_middle_high);
            return self.alu(Alu::Add, DOUBLE, destination, upper, last);
        }
        let unsigned = sum(self, upper, other_middle_high);
        let correction = |selector: &mut Self, sign_of, other| {
            let amount = Source::Immediate(63);
            let sign = selector.computed(Alu::ShiftRightSigned, DOUBLE, sign_of, amount);
            selector.computed(Alu::And, DOUBLE, sign, Source::Register(other))
        };
        let for_left = correction(self, left, right);
        let for_right = correction(self, right, left);
        let partial = self.computed(Alu::Subtract, DOUBLE, unsigned, Source::Register(for_left));
        self.alu(Alu::Subtract, DOUBLE, destination, partial, Source::Register(for_right));
    }
}
