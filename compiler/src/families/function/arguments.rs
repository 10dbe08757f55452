//! Where the calling convention keeps a function's arguments and its result.

use crate::btf::{Btf, TypeId};
use crate::facts::Architecture;
use crate::hir::{ContextSource, ContextVariable, Scalar};

/// Words of `struct pt_regs` that hold the first arguments.
fn argument_words(architecture: Architecture) -> &'static [u32] {
    match architecture {
        // rdi, rsi, rdx, rcx, r8, r9.
        Architecture::X86_64 => &[14, 13, 12, 11, 9, 8],
        // x0 to x7.
        Architecture::Aarch64 => &[0, 1, 2, 3, 4, 5, 6, 7],
    }
}

/// The word that holds the result.
fn result_word(architecture: Architecture) -> u32 {
    match architecture {
        // rax.
        Architecture::X86_64 => 10,
        Architecture::Aarch64 => 0,
    }
}

/// The parameters of a function at its entry, as far as they are in registers.
pub(super) fn parameters(
    btf: &Btf,
    function: TypeId,
    architecture: Architecture,
) -> Vec<ContextVariable> {
    let mut free = argument_words(architecture).iter();
    let mut context = vec![];
    for (at, parameter) in btf.parameters(function).enumerate() {
        let name = match parameter.name {
            "" => format!("arg{}", at + 1),
            name => name.to_string(),
        };
        match btf.size(parameter.ty).unwrap_or(0) {
            0..=8 => {
                let Some(&word) = free.next() else { continue };
                context.extend(variable(btf, &name, parameter.ty, word));
            }
            // A structure of two words takes two registers, or none when only one is left.
            9..=16 if free.len() >= 2 => {
                free.next();
                free.next();
            }
            // Larger ones are on the stack.
            _ => {}
        }
    }
    context
}

/// `$return` at a function's return; none where it returns nothing.
pub(super) fn result(
    btf: &Btf,
    function: TypeId,
    architecture: Architecture,
) -> Option<ContextVariable> {
    variable(btf, "return", btf.return_type(function)?, result_word(architecture))
}

fn variable(btf: &Btf, name: &str, ty: TypeId, word: u32) -> Option<ContextVariable> {
    // Structures by value have no value a script can hold.
    let value = btf.scalar(ty)?;
    Some(ContextVariable {
        name: name.to_string(),
        ty: ty.0,
        source: ContextSource::Word(word),
        value: Scalar { bytes: value.bytes, signed: value.signed },
        trusted: false,
    })
}
