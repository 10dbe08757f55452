//! The registers of the CPU at a probe, where the handler's context has them.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types::I64};

use super::KernelCode;
use crate::hir::{Attach, Direction, MarkArgument, Scalar, SyscallPoint};
use crate::lower::{ErrorKind, ErrorSite, Helper, Operand, Text};
use crate::registers::{self, Register};

impl KernelCode<'_, '_> {
    /// Whether the handler's context begins with registers.
    pub fn has_registers(&self) -> bool {
        self.point.attach.has_registers()
    }

    /// A register, zero-extended; only where there are registers.
    pub fn register(&mut self, register: Register, signed: bool) -> Value {
        let flags = MemFlagsData::new();
        let offset = register.offset as i32;
        let word = self.emitter.builder.ins().load(I64, flags, self.context, offset);
        self.part(word, register, signed)
    }

    fn part(&mut self, word: Value, register: Register, signed: bool) -> Value {
        let low = match register.shift {
            0 => word,
            shift => self.emitter.builder.ins().ushr_imm_u(word, i64::from(shift)),
        };
        self.extend(low, Scalar { bytes: register.bytes, signed })
    }

    /// The address of the instruction at the probe; 0 where there are no registers.
    pub fn instruction_address(&mut self) -> Value {
        let register = registers::instruction_pointer(self.architecture);
        if self.has_registers() { self.register(register, false) } else { self.emitter.constant(0) }
    }

    /// Whether the registers are those of user code, 0 or 1.
    pub fn in_user_mode(&mut self) -> Value {
        if !self.has_registers() {
            return self.emitter.constant(0);
        }
        let (register, bits, user) = registers::mode(self.architecture);
        let mode = self.register(register, false);
        let mode = self.emitter.builder.ins().band_imm_u(mode, bits);
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, mode, user);
        self.emitter.builder.ins().uextend(I64, is)
    }

    /// A register of the task's user code: where it left for the kernel, or is.
    pub fn user_register(&mut self, register: Register) -> Value {
        // The kernel keeps the registers of user code at a place of its own; while user code runs they are
        // in the context.
        let (user, kernel, join) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let result = self.emitter.builder.append_block_param(join, I64);
        if self.has_registers() {
            let is_user = self.in_user_mode();
            self.emitter.builder.ins().brif(is_user, user, &[], kernel, &[]);
            self.emitter.switch_to(user);
            let value = self.register(register, false);
            self.emitter.builder.ins().jump(join, &[value.into()]);
        } else {
            self.emitter.jump(kernel);
            self.emitter.switch_to(user);
            let zero = self.emitter.constant(0);
            self.emitter.builder.ins().jump(join, &[zero.into()]);
        }
        self.emitter.switch_to(kernel);
        let task = self.emitter.helper(Helper::GetCurrentTaskBtf, &[]);
        let kept = self.emitter.helper(Helper::TaskPtRegs, &[task]);
        let flags = MemFlagsData::new();
        let word = self.emitter.builder.ins().load(I64, flags, kept, register.offset as i32);
        let value = self.part(word, register, false);
        self.emitter.builder.ins().jump(join, &[value.into()]);
        self.emitter.switch_to(join);
        result
    }

    /// Where the task's user code is, or was when it entered the kernel.
    pub fn user_instruction_address(&mut self) -> Value {
        self.user_register(registers::instruction_pointer(self.architecture))
    }

    /// The register a script names.
    pub fn named_register(&mut self, name: &Text, signed: bool) -> Operand {
        let known = match name {
            Text::Literal(name) => registers::named(self.architecture, name),
            Text::Memory { .. } => None,
        };
        match known {
            Some(register) if self.has_registers() => {
                Operand::Long(self.register(register, signed))
            }
            Some(_) => self.refuse("no registers at this probe point"),
            None => self.refuse("unknown register"),
        }
    }

    /// The n-th argument (from 1) of the function that was entered, as a whole word.
    pub fn function_argument(&mut self, n: Value) -> Operand {
        if matches!(self.point.attach, Attach::Syscall(_)) {
            return self.system_call_argument(n);
        }
        if !self.has_registers() {
            return self.refuse("no function arguments at this probe point");
        }
        let arguments = registers::arguments(self.architecture);
        let in_registers = arguments.len() as i64;
        let join = self.emitter.block();
        let result = self.emitter.builder.append_block_param(join, I64);
        if let Some(n) = self.known(n)
            && (1..=in_registers).contains(&n)
        {
            return Operand::Long(self.register(arguments[n as usize - 1], false));
        }
        for (at, &register) in arguments.iter().enumerate() {
            let (this, other) = (self.emitter.block(), self.emitter.block());
            let is = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, n, at as i64 + 1);
            self.emitter.builder.ins().brif(is, this, &[], other, &[]);
            self.emitter.switch_to(this);
            let value = self.register(register, false);
            self.emitter.builder.ins().jump(join, &[value.into()]);
            self.emitter.switch_to(other);
        }
        // The others are on the stack.
        let stack = self.register(registers::stack_pointer(self.architecture), false);
        let first = registers::stack_arguments(self.architecture) - 8 * (in_registers + 1);
        let offset = self.emitter.builder.ins().imul_imm_s(n, 8);
        let offset = self.emitter.builder.ins().iadd_imm_s(offset, first);
        let address = self.emitter.builder.ins().iadd(stack, offset);
        let helper = match self.point.attach.in_process() {
            true => Helper::ProbeReadUser,
            false => Helper::ProbeReadKernel,
        };
        let word = Scalar { bytes: 8, signed: false };
        let value = self.read_number(helper, address, word, "argument").long();
        self.emitter.builder.ins().jump(join, &[value.into()]);
        self.emitter.switch_to(join);
        Operand::Long(result)
    }

    /// What the function that was left returned.
    pub fn function_result(&mut self) -> Operand {
        if let Attach::Syscall(SyscallPoint { direction: Direction::Return, .. }) =
            self.point.attach
        {
            return Operand::Long(self.context_word(1));
        }
        if !self.has_registers() {
            return self.refuse("no return value at this probe point");
        }
        Operand::Long(self.register(registers::result(self.architecture), false))
    }

    /// A value that is found by registers; an error where the process's memory cannot be read.
    pub(super) fn mark_argument(&mut self, argument: MarkArgument, scalar: Scalar) -> Value {
        let (base, index, scale, offset) = match argument {
            MarkArgument::Constant(value) => {
                let value = self.emitter.constant(value);
                return self.extend(value, scalar);
            }
            MarkArgument::Register(register) => {
                let value = self.register(register, scalar.signed);
                // What the register holds may be wider than the argument.
                return self.extend(value, scalar);
            }
            MarkArgument::Sum { register, offset } => {
                let value = self.register(register, false);
                let value = self.emitter.builder.ins().iadd_imm_s(value, offset);
                return self.extend(value, scalar);
            }
            MarkArgument::Memory { base, index, scale, offset } => (base, index, scale, offset),
        };
        let mut address = self.emitter.constant(offset);
        for (register, scale) in [(base, 1), (index, scale)] {
            if let Some(register) = register {
                let value = self.register(register, false);
                let value = self.emitter.builder.ins().imul_imm_s(value, i64::from(scale));
                address = self.emitter.builder.ins().iadd(address, value);
            }
        }
        let slot = self.emitter.slot(8);
        let to = self.emitter.slot_address(slot, 0);
        let zero = self.emitter.constant(0);
        self.emitter.store(zero, to, 0);
        let size = self.emitter.constant(i64::from(scalar.bytes));
        let (helper, near) = match self.point.attach {
            Attach::Instruction(_) => (Helper::ProbeReadUser, "argument of the mark"),
            _ => (Helper::ProbeReadKernel, "variable"),
        };
        let status = self.emitter.helper(helper, &[to, size, address]);
        let (span, near) = (self.call_span, near.to_string());
        let site = self.tables.error(ErrorSite { kind: ErrorKind::ReadFault, span, near });
        self.fail_if(IntCC::NotEqual, status, site, address);
        let from = self.emitter.slot_address(slot, 0);
        self.load_scalar(from, 0, scalar)
    }

    /// The value of a constant.
    pub(super) fn known(&self, value: Value) -> Option<i64> {
        use cranelift_codegen::ir::{InstructionData, Opcode};
        let function = &self.emitter.builder.func;
        let inst = function.dfg.value_def(value).inst()?;
        match function.dfg.insts[inst] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits()),
            _ => None,
        }
    }

    /// Raises a run-time error in place of a number.
    pub fn refuse(&mut self, message: &str) -> Operand {
        let kind = ErrorKind::Text(message.to_string());
        let site = ErrorSite { kind, span: self.call_span, near: String::new() };
        let site = self.tables.error(site);
        let failure = self.failure_block(site);
        let error = self.error(site, None);
        self.emitter.builder.ins().jump(failure, &error);
        let unreached = self.emitter.block();
        self.emitter.switch_to(unreached);
        Operand::Long(self.emitter.constant(0))
    }
}
