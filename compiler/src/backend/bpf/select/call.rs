//! Calls, intrinsics and returns.

use cranelift_codegen::ir::{Inst, InstructionData};
use regalloc2::VReg;

use super::Selector;
use crate::backend::bpf::BackendError;
use crate::backend::bpf::accept;
use crate::backend::bpf::instruction::{Alu, Source, Width};
use crate::backend::bpf::machine::{Callee, Machine};
use crate::backend::names;

impl Selector<'_> {
    pub(super) fn call(&mut self, inst: Inst) -> Result<(), BackendError> {
        let InstructionData::Call { func_ref, .. } = *self.data(inst) else {
            return Err(self.unsupported(inst));
        };
        let (namespace, index) = accept::callee_name(self.function, func_ref)?;
        let callee = match namespace {
            names::HELPER => Callee::Helper(index),
            names::KFUNC => Callee::Kfunc(index),
            names::SUBPROGRAM => Callee::Subprogram(index),
            names::INTRINSIC => {
                self.intrinsic(inst, index);
                return Ok(());
            }
            _ => return Err(self.unsupported(inst)),
        };
        let values = self.function.dfg.inst_args(inst).to_vec();
        let arguments: Vec<VReg> =
            values.into_iter().map(|value| self.zero_extended(value)).collect();
        let result = self.function.dfg.inst_results(inst).first().copied();
        let result = result
            .filter(|&result| self.registers[result].is_some())
            .map(|result| self.register_of(result));
        self.push(Machine::Call { callee, arguments, result });
        Ok(())
    }

    /// Intrinsics are calls only to the optimizer; unused ones leave no code.
    fn intrinsic(&mut self, inst: Inst, index: u32) {
        let result = self.function.dfg.first_result(inst);
        if self.registers[result].is_none() || index == names::INTRINSIC_MAY_GOTO {
            return;
        }
        let destination = self.register_of(result);
        if index == names::INTRINSIC_PIN {
            let source = self.register(self.argument(inst, 0));
            return self.push(Machine::Copy { destination, source });
        }
        let pointer = self.register(self.argument(inst, 0));
        let mut index = self.zero_extended(self.argument(inst, 1));
        let scale = self.constant(self.argument(inst, 2)).unwrap_or(1) as i32;
        if scale > 1 {
            let (operation, factor) = if scale & (scale - 1) == 0 {
                (Alu::ShiftLeft, scale.trailing_zeros() as i32)
            } else {
                (Alu::Multiply, scale)
            };
            index = self.computed(operation, Width::Double, index, Source::Immediate(factor));
        }
        self.alu(Alu::Add, Width::Double, destination, pointer, Source::Register(index));
    }

    /// The kernel wants r0 set at every exit, also by functions without result.
    pub(super) fn return_(&mut self, inst: Inst) -> Result<(), BackendError> {
        let value = self.function.dfg.inst_args(inst).first().copied();
        let register = match value {
            Some(value) => self.zero_extended(value),
            None => {
                let destination = self.fresh();
                self.push(Machine::Constant { destination, constant: 0 });
                destination
            }
        };
        self.push(Machine::Return(register));
        Ok(())
    }
}
