//! Instructions that become a few: sign extension before v4, conditional moves, bit counts, signed
//! division before v4. Branches inside are short and fixed.

use super::{Emitter, Operands};
use crate::backend::bpf::BackendError;
use crate::backend::bpf::instruction::{Alu, Comparison, Condition, Instruction, Source, Width};
use crate::backend::bpf::machine::Machine;
use crate::facts::CpuVersion;

impl Emitter<'_> {
    pub(super) fn sequence(
        &mut self,
        machine: &Machine,
        mut operands: Operands<'_>,
    ) -> Result<(), BackendError> {
        match machine {
            Machine::SignExtend { bits, width, .. } => {
                let (source, destination) = (operands.register()?, operands.register()?);
                self.sign_extend(*bits, *width, source, destination);
            }
            Machine::Select { condition, .. } => {
                operands.register()?;
                let otherwise = operands.register()?;
                let condition = operands.condition(condition)?;
                let destination = operands.register()?;
                if destination != otherwise {
                    self.push(Instruction::jump_if(condition, 1));
                    self.move_register(destination, otherwise);
                }
            }
            Machine::SetIf { condition, .. } => {
                let condition = operands.condition(condition)?;
                let destination = operands.register()?;
                self.set(Width::Word, destination, 1);
                self.push(Instruction::jump_if(condition, 1));
                self.set(Width::Word, destination, 0);
            }
            Machine::AbsoluteValue { width, .. } => {
                self.absolute_value(*width, operands.register()?);
            }
            Machine::LeadingZeros { width, .. } => {
                let (source, scratch) = (operands.register()?, operands.register()?);
                self.leading_zeros(*width, source, scratch, operands.register()?);
            }
            Machine::TrailingZeros { width, .. } => {
                let (source, scratch) = (operands.register()?, operands.register()?);
                self.trailing_zeros(*width, source, scratch, operands.register()?);
            }
            Machine::SignedDivide { width, remainder, .. } => {
                let (left, right) = (operands.register()?, operands.register()?);
                let (scratch, destination) = (operands.register()?, operands.register()?);
                self.signed_divide(*width, *remainder, [left, right, scratch, destination]);
            }
            other => {
                return Err(BackendError::Unsupported(format!("a sequence for {other:?}")));
            }
        }
        Ok(())
    }

    fn sign_extend(&mut self, bits: u32, width: Width, source: u8, destination: u8) {
        let mut mov = Instruction::mov(width, destination, Source::Register(source));
        if self.cpu >= CpuVersion::V4 {
            mov.offset = bits as i16;
            return self.push(mov);
        }
        let unused = (width.bits() - bits) as i32;
        self.push(mov);
        self.immediate(Alu::ShiftLeft, width, destination, unused);
        self.immediate(Alu::ShiftRightSigned, width, destination, unused);
    }

    /// Negates a negative register.
    fn absolute_value(&mut self, width: Width, register: u8) {
        self.skip_if(Comparison::SignedGreaterOrEqual, width, register, 0, 1);
        self.push(Instruction::negate(width, register));
    }

    /// Binary search: the value in `scratch` is shifted up while its upper part is zero.
    fn leading_zeros(&mut self, width: Width, source: u8, scratch: u8, destination: u8) {
        self.copy(width, scratch, source);
        self.set(Width::Word, destination, 0);
        if width == Width::Double {
            // Go on with the high half, or with the low one and 32 zeros counted.
            self.immediate(Alu::ShiftRight, Width::Double, scratch, 32);
            self.skip_if(Comparison::NotEqual, Width::Word, scratch, 0, 2);
            self.copy(Width::Word, scratch, source);
            self.set(Width::Word, destination, 32);
        }
        for step in [16, 8, 4, 2, 1] {
            let bound = (1_u32 << (32 - step)) as i32;
            self.skip_if(Comparison::GreaterOrEqual, Width::Word, scratch, bound, 2);
            self.immediate(Alu::Add, Width::Word, destination, step);
            self.immediate(Alu::ShiftLeft, Width::Word, scratch, step);
        }
        self.skip_if(Comparison::NotEqual, Width::Word, scratch, 0, 1);
        self.immediate(Alu::Add, Width::Word, destination, 1);
    }

    /// Binary search: the value in `scratch` is shifted down while its lower part is zero.
    fn trailing_zeros(&mut self, width: Width, source: u8, scratch: u8, destination: u8) {
        self.copy(width, scratch, source);
        self.set(Width::Word, destination, 0);
        let mut step = width.bits() as i32 / 2;
        while step >= 1 {
            if step == 32 {
                self.skip_if(Comparison::NotEqual, Width::Word, scratch, 0, 2);
            } else {
                self.skip_if(Comparison::Test, width, scratch, (1 << step) - 1, 2);
            }
            self.immediate(Alu::Add, Width::Word, destination, step);
            self.immediate(Alu::ShiftRight, width, scratch, step);
            step /= 2;
        }
        self.skip_if(Comparison::NotEqual, width, scratch, 0, 1);
        self.immediate(Alu::Add, Width::Word, destination, 1);
    }

    /// Divides the absolute values and gives the result its sign: that of the dividend for a
    /// remainder, that of the product for a quotient.
    fn signed_divide(&mut self, width: Width, remainder: bool, registers: [u8; 4]) {
        let [left, right, scratch, destination] = registers;
        self.copy(width, destination, left);
        self.absolute_value(width, destination);
        self.copy(width, scratch, right);
        self.absolute_value(width, scratch);
        let operation = if remainder { Alu::Modulo } else { Alu::Divide };
        self.register(operation, width, destination, scratch);
        self.copy(width, scratch, left);
        if !remainder {
            self.register(Alu::Xor, width, scratch, right);
        }
        self.skip_if(Comparison::SignedGreaterOrEqual, width, scratch, 0, 1);
        self.push(Instruction::negate(width, destination));
    }

    fn copy(&mut self, width: Width, to: u8, from: u8) {
        self.push(Instruction::mov(width, to, Source::Register(from)));
    }

    fn set(&mut self, width: Width, register: u8, value: i32) {
        self.push(Instruction::mov(width, register, Source::Immediate(value)));
    }

    fn immediate(&mut self, operation: Alu, width: Width, destination: u8, value: i32) {
        self.push(Instruction::alu(operation, width, destination, Source::Immediate(value)));
    }

    fn register(&mut self, operation: Alu, width: Width, destination: u8, source: u8) {
        self.push(Instruction::alu(operation, width, destination, Source::Register(source)));
    }

    /// Skips the next `count` instructions if `left` compares so with `right`.
    fn skip_if(&mut self, comparison: Comparison, width: Width, left: u8, right: i32, count: i16) {
        let right = Source::Immediate(right);
        self.push(Instruction::jump_if(Condition { comparison, width, left, right }, count));
    }
}
