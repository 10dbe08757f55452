//! Arguments of marks (USDT): from what the compiler wrote into `.note.stapsdt` to places.
//!
//! An argument is `SIZE@OPERAND` with an operand of the assembler, for x86-64 in AT&T syntax: `-4@%edi`,
//! `8@-24(%rbp)`, `2@8(%rax,%rcx,4)`, `4@$-7`, `8@name+16(%rip)`; for arm64 `-4@w0`, `8@[sp, 16]`, `4@5`.
//! The size is 1, 2, 4 or 8, negative when signed.

use crate::facts::Architecture;
use crate::hir::{MarkArgument, Scalar};
use crate::program_file::{Mark, ProgramFile};
use crate::registers;

/// The arguments of a mark, those that cannot be understood as `None`.
pub(super) fn arguments(
    architecture: Architecture,
    file: &ProgramFile,
    mark: &Mark,
) -> Vec<Option<(MarkArgument, Scalar)>> {
    split(&mark.arguments).iter().map(|text| argument(architecture, file, mark, text)).collect()
}

/// Operands of arm64 have spaces in brackets.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut depth = 0;
    for character in text.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ' ' if depth == 0 => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn argument(
    architecture: Architecture,
    file: &ProgramFile,
    mark: &Mark,
    text: &str,
) -> Option<(MarkArgument, Scalar)> {
    let (size, operand) = match text.split_once('@') {
        // `8f@%xmm0`: a floating point number is taken as its bits.
        Some((size, operand)) => (size.trim_end_matches('f').parse::<i8>().ok()?, operand),
        // Without a size it is a word.
        None => (-8, text),
    };
    let bytes = size.unsigned_abs();
    if !matches!(bytes, 1 | 2 | 4 | 8) {
        return None;
    }
    let scalar = Scalar { bytes, signed: size < 0 };
    let place = match architecture {
        Architecture::X86_64 => x86_64(file, mark, operand.trim())?,
        Architecture::Aarch64 => arm64(operand.trim())?,
    };
    Some((place, scalar))
}

fn x86_64(file: &ProgramFile, mark: &Mark, operand: &str) -> Option<MarkArgument> {
    let register =
        |text: &str| registers::operand(Architecture::X86_64, text.trim().strip_prefix('%')?);
    if let Some(constant) = operand.strip_prefix('$') {
        return Some(MarkArgument::Constant(number(constant)?));
    }
    if operand.starts_with('%') && !operand.contains(':') {
        return register(operand).map(MarkArgument::Register);
    }
    // A segment (%fs: thread-local memory) has a base of its own, which is not among the registers.
    if operand.contains(':') {
        return None;
    }
    let (displacement, inside) = match operand.split_once('(') {
        Some((displacement, rest)) => (displacement, Some(rest.strip_suffix(')')?)),
        None => (operand, None),
    };
    let parts: Vec<&str> = inside.map_or(vec![], |inside| inside.split(',').collect());
    let is_relative = parts.first().is_some_and(|base| base.trim() == "%rip");
    if is_relative || parts.is_empty() {
        let address = match number(displacement) {
            Some(address) => address as u64,
            None => symbol(file, displacement)?,
        };
        // As far from the mark as the linker put it.
        let from_mark = address.wrapping_sub(mark.address) as i64;
        let base = Some(registers::instruction_pointer(Architecture::X86_64));
        return Some(MarkArgument::Memory { base, index: None, scale: 1, offset: from_mark });
    }
    let offset = match displacement.trim() {
        "" => 0,
        text => number(text)?,
    };
    let base = match parts[0].trim() {
        "" => None,
        name => Some(register(name)?),
    };
    let index = match parts.get(1) {
        Some(name) => Some(register(name)?),
        None => None,
    };
    let scale = match parts.get(2) {
        Some(scale) => u8::try_from(number(scale)?).ok().filter(|s| matches!(s, 1 | 2 | 4 | 8))?,
        None => 1,
    };
    Some(MarkArgument::Memory { base, index, scale, offset })
}

/// The address of `name`, `name+8` or `8+name`.
fn symbol(file: &ProgramFile, text: &str) -> Option<u64> {
    let mut address = 0u64;
    let mut named = false;
    for part in text.replace('-', "+-").split('+') {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        address = match number(part) {
            Some(n) => address.wrapping_add(n as u64),
            None => {
                named = true;
                let variable = file.variables.iter().find(|(name, _)| name == part);
                let function = || file.functions.iter().find(|f| f.name == part);
                let found = variable.map(|v| v.1).or_else(|| function().map(|f| f.address))?;
                address.wrapping_add(found)
            }
        };
    }
    named.then_some(address)
}

fn arm64(operand: &str) -> Option<MarkArgument> {
    let register = |text: &str| registers::operand(Architecture::Aarch64, text.trim());
    if let Some(inside) = operand.strip_prefix('[') {
        let mut parts = inside.strip_suffix(']')?.split(',');
        let base = Some(register(parts.next()?)?);
        return match parts.next().map(str::trim) {
            None => Some(MarkArgument::Memory { base, index: None, scale: 1, offset: 0 }),
            Some(text) => match number(text.trim_start_matches('#')) {
                Some(offset) => Some(MarkArgument::Memory { base, index: None, scale: 1, offset }),
                None => {
                    let index = Some(register(text)?);
                    let scale = match parts.next().map(str::trim) {
                        None => 1,
                        Some(shift) => {
                            let shift = shift.strip_prefix("lsl")?.trim().trim_start_matches('#');
                            1u8.checked_shl(shift.parse().ok()?)?
                        }
                    };
                    Some(MarkArgument::Memory { base, index, scale, offset: 0 })
                }
            },
        };
    }
    match number(operand.trim_start_matches('#')) {
        Some(constant) => Some(MarkArgument::Constant(constant)),
        None => register(operand).map(MarkArgument::Register),
    }
}

/// A number as the assembler writes it.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<u64>().ok()?,
    };
    Some(if negative { (value as i64).wrapping_neg() } else { value as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::Register;

    fn at(register: &str) -> Register {
        registers::operand(Architecture::X86_64, register).unwrap()
    }

    #[test]
    fn operands_of_x86_64() {
        use MarkArgument::{Constant, Memory, Register as InRegister};
        let file = ProgramFile {
            variables: vec![("counter".into(), 0x4010), ("a.b".into(), 0x5000)],
            ..ProgramFile::default()
        };
        let mark = Mark {
            provider: String::new(),
            name: String::new(),
            address: 0x1100,
            offset: 0,
            semaphore: 0,
            arguments: String::new(),
        };
        let memory = |base: &str, index: &str, scale, offset| Memory {
            base: registers::operand(Architecture::X86_64, base),
            index: registers::operand(Architecture::X86_64, index),
            scale,
            offset,
        };
        let rows: [(&str, Option<(MarkArgument, i8)>); 24] = [
            ("8@%rdi", Some((InRegister(at("rdi")), 8))),
            ("-4@%edi", Some((InRegister(at("edi")), -4))),
            ("2@%ax", Some((InRegister(Register { bytes: 2, ..at("rax") }), 2))),
            ("1@%ah", Some((InRegister(Register { bytes: 1, shift: 8, ..at("rax") }), 1))),
            ("-1@%r10b", Some((InRegister(at("r10b")), -1))),
            ("-2@%r9w", Some((InRegister(at("r9w")), -2))),
            ("4@%r15d", Some((InRegister(at("r15d")), 4))),
            ("-8@$-42", Some((Constant(-42), -8))),
            ("4@$0x10", Some((Constant(16), 4))),
            ("8@$18446744073709551615", Some((Constant(-1), 8))),
            ("-4@-20(%rbp)", Some((memory("rbp", "", 1, -20), -4))),
            ("8@(%rsp)", Some((memory("rsp", "", 1, 0), 8))),
            ("8@(%rax,%rcx,8)", Some((memory("rax", "rcx", 8, 0), 8))),
            ("1@5(%rax,%rcx)", Some((memory("rax", "rcx", 1, 5), 1))),
            ("4@-8(,%rdx,4)", Some((memory("", "rdx", 4, -8), 4))),
            ("4@counter(%rip)", Some((memory("rip", "", 1, 0x2f10), 4))),
            ("4@counter+8(%rip)", Some((memory("rip", "", 1, 0x2f18), 4))),
            ("4@8+counter(%rip)", Some((memory("rip", "", 1, 0x2f18), 4))),
            ("4@a.b-4(%rip)", Some((memory("rip", "", 1, 0x3efc), 4))),
            ("4@counter", Some((memory("rip", "", 1, 0x2f10), 4))),
            ("4@nothing(%rip)", None),
            ("4@%fs:16", None),
            ("3@%rdi", None),
            ("8@%zmm99", None),
        ];
        for (text, expected) in rows {
            let found = argument(Architecture::X86_64, &file, &mark, text);
            let found = found
                .map(|(place, s)| (place, if s.signed { -(s.bytes as i8) } else { s.bytes as i8 }));
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(split("8@(%rax, %rcx,8) -4@$1  8@[x0, 16]").len(), 3);
    }
}
