//! Loads, stores and atomic operations.

use cranelift_codegen::ir::{AtomicRmwOp, Inst, InstructionData, Opcode, Value};

use super::Selector;
use crate::backend::bpf::BackendError;
use crate::backend::bpf::instruction::{ATOMIC_EXCHANGE, ATOMIC_FETCH, Alu, Size, Source, Width};
use crate::backend::bpf::machine::{Address, Base, Machine};
use crate::facts::CpuVersion;

impl Selector<'_> {
    pub(super) fn memory(&mut self, inst: Inst) -> Result<(), BackendError> {
        match *self.data(inst) {
            InstructionData::Load { opcode, arg, offset, .. } => {
                self.load(inst, opcode, arg, offset.into());
            }
            InstructionData::LoadNoOffset { opcode, arg, .. } => self.load(inst, opcode, arg, 0),
            InstructionData::Store { opcode, args: [value, base], offset, .. } => {
                let size = match opcode {
                    Opcode::Istore8 => Size::Byte,
                    Opcode::Istore16 => Size::Half,
                    Opcode::Istore32 => Size::Word,
                    _ => Size::of(self.bits(value)),
                };
                let value = self.source(value);
                let address = self.address(base, offset.into());
                self.push(Machine::Store { size, address, value });
            }
            InstructionData::StoreNoOffset { args: [value, base], .. } => {
                // An exchange is the sequentially consistent store.
                let size = self.atomic_size(value)?;
                let value = self.register(value);
                let address = self.address(base, 0);
                let old = Some(self.fresh());
                let operation = ATOMIC_EXCHANGE;
                self.push(Machine::Atomic { operation, size, address, value, old });
            }
            InstructionData::AtomicRmw { op, args: [base, value], .. } => {
                self.read_modify_write(inst, op, base, value)?;
            }
            InstructionData::AtomicCas { args: [base, expected, value], .. } => {
                let size = self.atomic_size(value)?;
                let (old, _) = self.result(inst);
                let expected = self.register(expected);
                let value = self.register(value);
                let address = self.address(base, 0);
                self.push(Machine::CompareExchange { size, address, expected, value, old });
            }
            _ => return Err(self.unsupported(inst)),
        }
        Ok(())
    }

    fn load(&mut self, inst: Inst, opcode: Opcode, base: Value, offset: i32) {
        let (destination, result_bits) = self.result(inst);
        let bits = match opcode {
            Opcode::Uload8 | Opcode::Sload8 => 8,
            Opcode::Uload16 | Opcode::Sload16 => 16,
            Opcode::Uload32 | Opcode::Sload32 => 32,
            _ => result_bits,
        };
        let signed = matches!(opcode, Opcode::Sload8 | Opcode::Sload16 | Opcode::Sload32);
        let size = Size::of(bits);
        let address = self.address(base, offset);
        if !signed || self.cpu >= CpuVersion::V4 {
            return self.push(Machine::Load { size, signed, destination, address });
        }
        let source = self.fresh();
        let width = Width::of(result_bits);
        self.push(Machine::Load { size, signed: false, destination: source, address });
        self.push(Machine::SignExtend { destination, source, bits, width });
    }

    fn read_modify_write(
        &mut self,
        inst: Inst,
        operation: AtomicRmwOp,
        base: Value,
        value: Value,
    ) -> Result<(), BackendError> {
        let size = self.atomic_size(value)?;
        let width = Width::of(self.bits(value));
        let mut value = self.register(value);
        let operation = match operation {
            AtomicRmwOp::Add => Alu::Add as i32,
            AtomicRmwOp::Sub => {
                let destination = self.fresh();
                self.push(Machine::Negate { width, destination, source: value });
                value = destination;
                Alu::Add as i32
            }
            AtomicRmwOp::Or => Alu::Or as i32,
            AtomicRmwOp::And => Alu::And as i32,
            AtomicRmwOp::Xor => Alu::Xor as i32,
            AtomicRmwOp::Xchg => ATOMIC_EXCHANGE,
            AtomicRmwOp::Nand
            | AtomicRmwOp::Umin
            | AtomicRmwOp::Umax
            | AtomicRmwOp::Smin
            | AtomicRmwOp::Smax => return Err(self.unsupported(inst)),
        };
        let address = self.address(base, 0);
        // The form that returns the old value is dearer, so only if it is used.
        let result = self.function.dfg.first_result(inst);
        let fetches = operation & ATOMIC_FETCH != 0 || self.registers[result].is_some();
        let old = fetches.then(|| self.register_of(result));
        let operation = if fetches { operation | ATOMIC_FETCH } else { operation };
        self.push(Machine::Atomic { operation, size, address, value, old });
        Ok(())
    }

    fn atomic_size(&self, value: Value) -> Result<Size, BackendError> {
        match self.bits(value) {
            32 => Ok(Size::Word),
            64 => Ok(Size::Double),
            bits => Err(BackendError::Unsupported(format!("an atomic access of {bits} bits"))),
        }
    }

    /// Folds stack slots and constant additions into the memory operand.
    fn address(&mut self, base: Value, offset: i32) -> Address {
        let mut base = self.function.dfg.resolve_aliases(base);
        let mut offset = offset;
        while let Some(inst) = self.definition(base) {
            match *self.data(inst) {
                InstructionData::StackAddr { stack_slot, offset: start, .. } => {
                    let Some(total) = offset.checked_add(start.into()) else { break };
                    return Address { base: Base::Slot(stack_slot), offset: total };
                }
                InstructionData::Binary { opcode: Opcode::Iadd, args: [left, right] } => {
                    let (start, constant) = match (self.constant(right), self.constant(left)) {
                        (Some(constant), _) => (left, constant),
                        (None, Some(constant)) => (right, constant),
                        (None, None) => break,
                    };
                    let total = i64::from(offset).checked_add(constant);
                    let Some(total) = total.and_then(|total| i16::try_from(total).ok()) else {
                        break;
                    };
                    offset = total.into();
                    base = self.function.dfg.resolve_aliases(start);
                }
                _ => break,
            }
        }
        let mut register = self.register(base);
        if i16::try_from(offset).is_err() {
            register = self.computed(Alu::Add, Width::Double, register, Source::Immediate(offset));
            offset = 0;
        }
        Address { base: Base::Register(register), offset }
    }

    pub(super) fn unsupported(&self, inst: Inst) -> BackendError {
        BackendError::Unsupported(format!("`{}`", self.function.dfg.display_inst(inst)))
    }
}
