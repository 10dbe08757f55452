//! Values in registers.
//!
//! A register holds a value in the low bits of its type; what is above is unspecified, except where
//! [`Selector::is_zero_extended`] knows better from the defining operation. Only operations that
//! write the whole register on every path may be listed there: a sequence that writes its result on
//! one path only (an absolute value, a select) leaves the upper bits of its input on the other.

use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{Inst, InstructionData, Opcode, Value};
use regalloc2::VReg;

use super::Selector;
use crate::backend::bpf::accept;
use crate::backend::bpf::instruction::{Alu, Comparison, Condition, Source, Width};
use crate::backend::bpf::machine::Machine;
use crate::backend::bpf::{BackendError, RelocationKind};
use crate::backend::names;

impl Selector<'_> {
    pub(super) fn bits(&self, value: Value) -> u32 {
        self.function.dfg.value_type(value).bits()
    }

    pub(super) fn definition(&self, value: Value) -> Option<Inst> {
        accept::definition(self.function, value)
    }

    /// The register assigned to a value, asking for it to be computed.
    pub(super) fn register_of(&mut self, value: Value) -> VReg {
        let value = self.function.dfg.resolve_aliases(value);
        match self.registers[value] {
            Some(register) => register,
            None => {
                let register = self.fresh();
                self.registers[value] = Some(register);
                register
            }
        }
    }

    /// A constant, zero-extended from its type.
    pub(super) fn constant(&self, value: Value) -> Option<i64> {
        let bits = self.bits(value);
        let constant = match *self.data(self.definition(value)?) {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => imm.bits(),
            InstructionData::UnaryGlobalValue { opcode: Opcode::SymbolValue, global_value } => {
                match accept::symbol_name(self.function, global_value) {
                    Ok((names::CONSTANT, _, constant)) => constant,
                    _ => return None,
                }
            }
            InstructionData::Unary { opcode: Opcode::Ireduce, arg } => self.constant(arg)?,
            _ => return None,
        };
        Some(if bits == 64 { constant } else { constant & ((1 << bits) - 1) })
    }

    /// A constant, sign-extended from its type.
    fn signed_constant(&self, value: Value) -> Option<i64> {
        let unused = 64 - self.bits(value);
        self.constant(value).map(|constant| constant << unused >> unused)
    }

    /// Whether the bits above the type are zero in the register that holds the value.
    fn is_zero_extended(&self, value: Value) -> bool {
        use Opcode::*;
        let bits = self.bits(value);
        if bits == 64 {
            return true;
        }
        let Some(inst) = self.definition(value) else { return false };
        let arguments = self.function.dfg.inst_args(inst);
        match self.data(inst).opcode() {
            Iconst | Icmp | Load | Uload8 | Uload16 | Uload32 | Clz | Ctz | Popcnt | Udiv
            | Urem | Uextend | Ushr => true,
            Band => bits == 32 || arguments.iter().any(|&value| self.is_zero_extended(value)),
            // Results of 32-bit operations. Those on narrower types may carry into the bits above.
            Iadd | Isub | Imul | Bor | Bxor | Ishl | Ineg | Bnot | Sextend | Sshr | Sdiv | Srem
            | Rotl | Rotr => bits == 32,
            Select | SelectSpectreGuard => {
                self.is_zero_extended(arguments[1]) && self.is_zero_extended(arguments[2])
            }
            _ => false,
        }
    }

    /// A register whose low bits hold the value; what is above is unspecified unless
    /// [`Self::is_zero_extended`].
    pub(super) fn register(&mut self, value: Value) -> VReg {
        let value = self.function.dfg.resolve_aliases(value);
        match self.rematerialized(value) {
            Some(register) => register,
            None => self.register_of(value),
        }
    }

    /// Makes a cheap value afresh, or uses the register of what it is made of.
    fn rematerialized(&mut self, value: Value) -> Option<VReg> {
        if let Some(constant) = self.constant(value) {
            let destination = self.fresh();
            self.push(Machine::Constant { destination, constant });
            return Some(destination);
        }
        match *self.data(self.definition(value)?) {
            InstructionData::StackAddr { stack_slot: slot, offset, .. } => {
                let destination = self.fresh();
                self.push(Machine::SlotAddress { destination, slot, offset: offset.into() });
                Some(destination)
            }
            InstructionData::UnaryGlobalValue { opcode: Opcode::SymbolValue, global_value } => {
                let (namespace, index, offset) =
                    accept::symbol_name(self.function, global_value).ok()?;
                let destination = self.fresh();
                self.push(match namespace {
                    names::MAP => {
                        Machine::Symbol { destination, kind: RelocationKind::Map(index), offset: 0 }
                    }
                    names::DATA => Machine::Symbol {
                        destination,
                        kind: RelocationKind::Data(index),
                        offset: offset as i32,
                    },
                    _ => Machine::RelocatedConstant { destination, field: index },
                });
                Some(destination)
            }
            InstructionData::FuncAddr { func_ref, .. } => {
                let (_, index) = accept::callee_name(self.function, func_ref).ok()?;
                let kind = RelocationKind::SubprogramAddress(index);
                let destination = self.fresh();
                self.push(Machine::Symbol { destination, kind, offset: 0 });
                Some(destination)
            }
            InstructionData::Unary { opcode: Opcode::Ireduce, arg } => Some(self.register(arg)),
            InstructionData::Unary { opcode: Opcode::Uextend, arg }
                if self.is_zero_extended(arg) =>
            {
                Some(self.register(arg))
            }
            _ => None,
        }
    }

    /// A register that holds the value with zeros above.
    pub(super) fn zero_extended(&mut self, value: Value) -> VReg {
        let source = self.register(value);
        if self.is_zero_extended(value) || self.constant(value).is_some() {
            return source;
        }
        match self.bits(value) {
            32 => {
                let destination = self.fresh();
                self.push(Machine::ZeroExtendWord { destination, source });
                destination
            }
            bits => {
                self.computed(Alu::And, Width::Word, source, Source::Immediate((1 << bits) - 1))
            }
        }
    }

    /// A register that holds the value sign-extended to `width`.
    pub(super) fn sign_extended(&mut self, value: Value, width: Width) -> VReg {
        let bits = self.bits(value);
        if let Some(constant) = self.signed_constant(value) {
            let constant = match width {
                Width::Word => i64::from(constant as u32),
                Width::Double => constant,
            };
            let destination = self.fresh();
            self.push(Machine::Constant { destination, constant });
            return destination;
        }
        let source = self.register(value);
        if bits >= width.bits() {
            return source;
        }
        let destination = self.fresh();
        self.push(Machine::SignExtend { destination, source, bits, width });
        destination
    }

    /// The value widened for an operation that looks at the bits above its type; values of 32 and
    /// 64 bits are what 32- and 64-bit operations take as they are.
    pub(super) fn widened(&mut self, value: Value, signed: bool) -> VReg {
        match (self.bits(value) < 32, signed) {
            (false, _) => self.register(value),
            (true, false) => self.zero_extended(value),
            (true, true) => self.sign_extended(value, Width::Word),
        }
    }

    /// Like [`Self::widened`], as an immediate where the value is a constant that fits.
    pub(super) fn widened_source(&mut self, value: Value, signed: bool) -> Source<VReg> {
        let constant = if signed { self.signed_constant(value) } else { self.constant(value) };
        match constant.and_then(|constant| immediate(constant, self.bits(value))) {
            Some(immediate) => Source::Immediate(immediate),
            None => Source::Register(self.widened(value, signed)),
        }
    }

    /// The value as an operand whose upper bits do not matter.
    pub(super) fn source(&mut self, value: Value) -> Source<VReg> {
        match self.constant(value).and_then(|constant| immediate(constant, self.bits(value))) {
            Some(immediate) => Source::Immediate(immediate),
            None => Source::Register(self.register(value)),
        }
    }

    /// The condition "value is not zero", fused with the comparison that computes it.
    pub(super) fn condition(&mut self, value: Value) -> Condition<VReg> {
        if let Some(inst) = self.definition(value) {
            match *self.data(inst) {
                InstructionData::IntCompare { cond, args, .. } => {
                    return self.comparison(cond, args[0], args[1]);
                }
                InstructionData::Unary { opcode: Opcode::Uextend, arg } => {
                    return self.condition(arg);
                }
                _ => {}
            }
        }
        Condition {
            comparison: Comparison::NotEqual,
            width: Width::of(self.bits(value)),
            left: self.widened(value, false),
            right: Source::Immediate(0),
        }
    }

    fn comparison(&mut self, condition: IntCC, left: Value, right: Value) -> Condition<VReg> {
        let swap = self.constant(left).is_some() && self.constant(right).is_none();
        let (condition, left, right) =
            if swap { (condition.swap_args(), right, left) } else { (condition, left, right) };
        let comparison = Comparison::from_clif(condition);
        let signed = comparison.is_signed();
        Condition {
            comparison,
            width: Width::of(self.bits(left)),
            left: self.widened(left, signed),
            right: self.widened_source(right, signed),
        }
    }

    /// Constants, addresses, conversions and conditions that were asked for in a register.
    pub(super) fn value_operation(&mut self, inst: Inst) -> Result<(), BackendError> {
        use Opcode::*;
        let result = self.function.dfg.first_result(inst);
        let (destination, bits) = self.result(inst);
        let width = Width::of(bits);
        match self.data(inst).opcode() {
            Uextend => {
                let source = self.zero_extended(self.argument(inst, 0));
                self.push(Machine::Copy { destination, source });
            }
            Sextend => {
                let source = self.sign_extended(self.argument(inst, 0), width);
                self.push(Machine::Copy { destination, source });
            }
            Icmp => {
                let condition = self.condition(result);
                self.push(Machine::SetIf { destination, condition });
            }
            Bmask => {
                let condition = self.condition(self.argument(inst, 0));
                let source = self.fresh();
                self.push(Machine::SetIf { destination: source, condition });
                self.push(Machine::Negate { width, destination, source });
            }
            Select | SelectSpectreGuard => {
                let then = self.register(self.argument(inst, 1));
                let otherwise = self.register(self.argument(inst, 2));
                let condition = self.condition(self.argument(inst, 0));
                self.push(Machine::Select { destination, then, otherwise, condition });
            }
            // Made afresh at every use, so a register is asked for only as a block parameter.
            _ => {
                let source = self.register(result);
                self.push(Machine::Copy { destination, source });
            }
        }
        Ok(())
    }
}

/// A constant of `bits` bits as an immediate: the machine sign-extends it to the operation's width.
fn immediate(constant: i64, bits: u32) -> Option<i32> {
    match bits {
        64 => i32::try_from(constant).ok(),
        _ => Some(constant as i32),
    }
}
