//! Refuses CLIF that has no meaning in eBPF, before selection.
//!
//! Afterwards holds: every reachable value is an integer of at most 64 bits; functions and calls
//! take at most five parameters and return at most one value; every name is in a namespace kernel
//! code may use; `elem` has a constant scale and `may_goto` is used as a branch condition only.
//! Opcodes are judged by selection itself, which knows what it can lower.

use cranelift_codegen::ir::{
    ExternalName, Function, GlobalValue, GlobalValueData, Inst, InstructionData, Opcode, Value,
    ValueDef,
};

use super::BackendError;
use crate::backend::names;

/// Calls and functions take at most this many parameters, in r1..r5.
const MAXIMUM_PARAMETERS: usize = 5;

pub(super) fn accept(function: &Function) -> Result<(), BackendError> {
    if function.layout.entry_block().is_none() {
        return unsupported("a function without a body");
    }
    let parameters = function.signature.params.len();
    if parameters > MAXIMUM_PARAMETERS {
        return unsupported(format!("a function of {parameters} parameters"));
    }
    if function.signature.returns.len() > 1 {
        return unsupported("a function of several results");
    }
    for block in function.layout.blocks() {
        for &parameter in function.dfg.block_params(block) {
            accept_type(function, parameter)?;
        }
        if function
            .layout
            .last_inst(block)
            .is_none_or(|inst| !opcode(function, inst).is_terminator())
        {
            return unsupported("a block without terminator");
        }
        for inst in function.layout.block_insts(block) {
            for &result in function.dfg.inst_results(inst) {
                accept_type(function, result)?;
            }
            accept_instruction(function, inst)?;
        }
    }
    Ok(())
}

fn accept_type(function: &Function, value: Value) -> Result<(), BackendError> {
    let value_type = function.dfg.value_type(value);
    if value_type.is_int() && value_type.bits() <= 64 {
        Ok(())
    } else {
        unsupported(format!("a value of type {value_type}"))
    }
}

fn accept_instruction(function: &Function, inst: Inst) -> Result<(), BackendError> {
    match &function.dfg.insts[inst] {
        InstructionData::Call { func_ref, .. } => accept_call(function, inst, *func_ref)?,
        InstructionData::FuncAddr { func_ref, .. } => {
            let (namespace, _) = callee_name(function, *func_ref)?;
            if namespace != names::SUBPROGRAM {
                return unsupported(format!("the address of a function of namespace {namespace}"));
            }
        }
        InstructionData::UnaryGlobalValue { opcode: Opcode::SymbolValue, global_value } => {
            accept_symbol(function, *global_value)?;
        }
        _ => {}
    }
    let is_condition = matches!(&function.dfg.insts[inst], InstructionData::Brif { .. });
    let used = function.dfg.inst_values(inst);
    for (index, value) in used.enumerate() {
        if is_may_goto(function, value) && !(is_condition && index == 0) {
            return unsupported("`may_goto` other than as a branch condition");
        }
    }
    Ok(())
}

fn accept_call(
    function: &Function,
    inst: Inst,
    callee: cranelift_codegen::ir::FuncRef,
) -> Result<(), BackendError> {
    let arguments = function.dfg.inst_args(inst);
    if arguments.len() > MAXIMUM_PARAMETERS {
        return unsupported(format!("a call of {} arguments", arguments.len()));
    }
    if function.dfg.inst_results(inst).len() > 1 {
        return unsupported("a call of several results");
    }
    let (namespace, index) = callee_name(function, callee)?;
    match namespace {
        names::HELPER | names::SUBPROGRAM | names::KFUNC => Ok(()),
        names::INTRINSIC => {
            let shape = (index, arguments.len(), function.dfg.inst_results(inst).len());
            match shape {
                (names::INTRINSIC_PIN, 1, 1) | (names::INTRINSIC_MAY_GOTO, 0, 1) => Ok(()),
                (names::INTRINSIC_ELEM, 3, 1) => {
                    let scale = arguments[2];
                    let constant = constant_definition(function, scale);
                    match constant {
                        Some(scale) if (1..=i64::from(i32::MAX)).contains(&scale) => Ok(()),
                        Some(scale) => unsupported(format!("`elem` of scale {scale}")),
                        None => unsupported("`elem` without a constant scale"),
                    }
                }
                _ => unsupported(format!("intrinsic {index} of this shape")),
            }
        }
        names::RUNTIME | names::BLOCK => {
            unsupported(format!("call of user half function {namespace}:{index} in kernel code"))
        }
        _ => unsupported(format!("function of unknown namespace {namespace}")),
    }
}

fn accept_symbol(function: &Function, symbol: GlobalValue) -> Result<(), BackendError> {
    let (namespace, _, offset) = symbol_name(function, symbol)?;
    match namespace {
        names::CONSTANT | names::CORE_FIELD => Ok(()),
        names::MAP if offset == 0 => Ok(()),
        names::MAP => unsupported("an offset into a map"),
        names::DATA if (0..=i64::from(i32::MAX)).contains(&offset) => Ok(()),
        names::DATA => unsupported(format!("a variable's address {offset:+}")),
        _ => unsupported(format!("symbol of unknown namespace {namespace}")),
    }
}

/// Namespace and index of a callee.
pub(super) fn callee_name(
    function: &Function,
    callee: cranelift_codegen::ir::FuncRef,
) -> Result<(u32, u32), BackendError> {
    match &function.dfg.ext_funcs[callee].name {
        ExternalName::User(reference) => {
            let name = &function.params.user_named_funcs()[*reference];
            Ok((name.namespace, name.index))
        }
        name => unsupported(format!("callee {}", name.display(Some(&function.params)))),
    }
}

/// Namespace, index and offset of a symbol.
pub(super) fn symbol_name(
    function: &Function,
    symbol: GlobalValue,
) -> Result<(u32, u32, i64), BackendError> {
    match &function.global_values[symbol] {
        GlobalValueData::Symbol { name: ExternalName::User(reference), offset, .. } => {
            let name = &function.params.user_named_funcs()[*reference];
            Ok((name.namespace, name.index, offset.bits()))
        }
        other => unsupported(format!("global value {other}")),
    }
}

/// Whether a value is the result of the `may_goto` intrinsic.
pub(crate) fn is_may_goto(function: &Function, value: Value) -> bool {
    let Some(inst) = definition(function, value) else { return false };
    let InstructionData::Call { func_ref, .. } = function.dfg.insts[inst] else { return false };
    callee_name(function, func_ref).ok() == Some((names::INTRINSIC, names::INTRINSIC_MAY_GOTO))
}

fn constant_definition(function: &Function, value: Value) -> Option<i64> {
    let inst = definition(function, value)?;
    match function.dfg.insts[inst] {
        InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits()),
        _ => None,
    }
}

/// The instruction a value is the first result of.
pub(super) fn definition(function: &Function, value: Value) -> Option<Inst> {
    match function.dfg.value_def(function.dfg.resolve_aliases(value)) {
        ValueDef::Result(inst, 0) => Some(inst),
        _ => None,
    }
}

fn opcode(function: &Function, inst: Inst) -> Opcode {
    function.dfg.insts[inst].opcode()
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, BackendError> {
    Err(BackendError::Unsupported(what.into()))
}
