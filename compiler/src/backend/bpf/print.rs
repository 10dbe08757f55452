//! eBPF as text, in the notation of the kernel and LLVM.

use std::fmt::Write as _;

use super::instruction::*;
use super::{BpfCode, RelocationKind, helper_name};

/// Disassembles a function, one instruction a line, with `; source` wherever the location changes.
///
/// `names` gives the name of what a relocation refers to, `source` the text of a location (`None`
/// to print nothing for it).
pub fn disassemble(
    code: &BpfCode,
    names: &dyn Fn(RelocationKind) -> String,
    source: &dyn Fn(u32) -> Option<String>,
) -> String {
    let mut text = String::new();
    let mut lines = code.lines.iter().peekable();
    let mut relocations = code.relocations.iter().peekable();
    let mut slot = 0;
    while let Some(&instruction) = code.instructions.get(slot) {
        while let Some((_, location)) = lines.next_if(|(at, _)| *at <= slot) {
            if let Some(line) = source(*location) {
                let _ = writeln!(text, "; {line}");
            }
        }
        let relocation = relocations.next_if(|relocation| relocation.at <= slot);
        let name = relocation.map(|relocation| names(relocation.kind));
        let second = code.instructions.get(slot + 1).copied().unwrap_or_default();
        let _ = writeln!(text, "{slot:4}: {}", instruction_text(instruction, second, name));
        slot += if instruction.is_wide() { 2 } else { 1 };
    }
    text
}

fn instruction_text(instruction: Instruction, second: Instruction, name: Option<String>) -> String {
    match instruction.code & 0x07 {
        CLASS_LD => wide_text(instruction, second, name),
        CLASS_LDX | CLASS_ST | CLASS_STX => memory_text(instruction),
        CLASS_ALU | CLASS_ALU64 => alu_text(instruction, name),
        _ => jump_text(instruction, name),
    }
}

fn wide_text(instruction: Instruction, second: Instruction, name: Option<String>) -> String {
    let register = instruction.destination;
    match name {
        Some(name) if instruction.immediate != 0 => {
            format!("r{register} = {name}{:+} ll", instruction.immediate)
        }
        Some(name) => format!("r{register} = {name} ll"),
        None => {
            let low = u64::from(instruction.immediate as u32);
            let high = u64::from(second.immediate as u32) << 32;
            format!("r{register} = {:#x} ll", high | low)
        }
    }
}

fn memory_text(instruction: Instruction) -> String {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let signed = code & 0xe0 == MODE_MEM_SIGNED;
    let size = match (code & 0x18, signed) {
        (0x10, false) => "u8",
        (0x08, false) => "u16",
        (0x00, false) => "u32",
        (_, false) => "u64",
        (0x10, true) => "s8",
        (0x08, true) => "s16",
        (_, true) => "s32",
    };
    let base = if code & 0x07 == CLASS_LDX { source } else { destination };
    let sign = if offset < 0 { '-' } else { '+' };
    let access = format!("*({size} *)(r{base} {sign} {})", offset.unsigned_abs());
    match code & 0x07 {
        CLASS_LDX => format!("r{destination} = {access}"),
        CLASS_ST => format!("{access} = {immediate}"),
        _ if code & 0xe0 == MODE_ATOMIC => atomic_text(instruction, &access),
        _ => format!("{access} = r{source}"),
    }
}

fn atomic_text(instruction: Instruction, access: &str) -> String {
    let Instruction { source, immediate, .. } = instruction;
    match immediate {
        ATOMIC_EXCHANGE => format!("r{source} = xchg({access}, r{source})"),
        ATOMIC_COMPARE_EXCHANGE => format!("r0 = cmpxchg({access}, r0, r{source})"),
        _ => {
            let operator = operator((immediate & !ATOMIC_FETCH) as u8);
            if immediate & ATOMIC_FETCH != 0 {
                format!("r{source} = lock fetch {access} {operator}= r{source}")
            } else {
                format!("lock {access} {operator}= r{source}")
            }
        }
    }
}

fn alu_text(instruction: Instruction, name: Option<String>) -> String {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let word = code & 0x07 == CLASS_ALU;
    let prefix = if word { 'w' } else { 'r' };
    let left = format!("{prefix}{destination}");
    let right = match (code & SOURCE_REGISTER != 0, name) {
        (true, _) => format!("{prefix}{source}"),
        (false, Some(name)) => name,
        (false, None) => immediate.to_string(),
    };
    match code & 0xf0 {
        ALU_NEGATE => format!("{left} = -{left}"),
        ALU_BYTE_ORDER => format!("r{destination} = be{immediate} r{destination}"),
        ALU_MOVE if offset != 0 => format!("{left} = (s{offset}){right}"),
        ALU_MOVE => format!("{left} = {right}"),
        operation => {
            let signed = if offset != 0 { "s" } else { "" };
            format!("{left} {signed}{}= {right}", operator(operation))
        }
    }
}

fn operator(operation: u8) -> &'static str {
    match operation {
        0x00 => "+",
        0x10 => "-",
        0x20 => "*",
        0x30 => "/",
        0x40 => "|",
        0x50 => "&",
        0x60 => "<<",
        0x70 => ">>",
        0x90 => "%",
        0xa0 => "^",
        0xc0 => "s>>",
        _ => "?",
    }
}

fn jump_text(instruction: Instruction, name: Option<String>) -> String {
    let Instruction { code, destination, source, offset, immediate } = instruction;
    let word = code & 0x07 == CLASS_JMP32;
    match code & 0xf0 {
        0x00 => return format!("goto {offset:+}"),
        JUMP_CALL => {
            return match (source, name) {
                (PSEUDO_CALL, Some(name)) => format!("call {name}"),
                (PSEUDO_CALL, None) => format!("call pc{immediate:+}"),
                (PSEUDO_KFUNC_CALL, _) => format!("call kernel-function#{immediate}"),
                _ => match helper_name(immediate as u32) {
                    Some(helper) => format!("call bpf_{helper}"),
                    None => format!("call helper#{immediate}"),
                },
            };
        }
        JUMP_EXIT => return "exit".to_string(),
        JUMP_MAY => return format!("may_goto {offset:+}"),
        _ => {}
    }
    let prefix = if word { 'w' } else { 'r' };
    let right = match code & SOURCE_REGISTER != 0 {
        true => format!("{prefix}{source}"),
        false => immediate.to_string(),
    };
    let comparison = match code & 0xf0 {
        0x10 => "==",
        0x20 => ">",
        0x30 => ">=",
        0x40 => "&",
        0x50 => "!=",
        0x60 => "s>",
        0x70 => "s>=",
        0xa0 => "<",
        0xb0 => "<=",
        0xc0 => "s<",
        0xd0 => "s<=",
        _ => "?",
    };
    format!("if {prefix}{destination} {comparison} {right} goto {offset:+}")
}
