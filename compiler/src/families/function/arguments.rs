//! Where the calling convention keeps a function's arguments and its result.

use crate::btf::{Btf, TypeId};
use crate::facts::Architecture;
use crate::hir::{ContextSource, ContextVariable, Scalar};
use crate::registers::{self, Register};

/// The parameters of a function at its entry, as far as they are in registers.
pub(super) fn parameters(
    btf: &Btf,
    function: TypeId,
    architecture: Architecture,
) -> Vec<ContextVariable> {
    let words = registers::arguments(architecture);
    let mut free = words.iter();
    let mut context = vec![];
    for (at, parameter) in btf.parameters(function).enumerate() {
        let name = match parameter.name {
            "" => format!("arg{}", at + 1),
            name => name.to_string(),
        };
        match btf.size(parameter.ty).unwrap_or(0) {
            0..=8 => {
                let Some(&register) = free.next() else { continue };
                context.extend(variable(btf, &name, parameter.ty, register));
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
    let ty = btf.return_type(function)?;
    variable(btf, "return", ty, registers::result(architecture))
}

fn variable(btf: &Btf, name: &str, ty: TypeId, register: Register) -> Option<ContextVariable> {
    // Structures by value have no value a script can hold.
    let value = btf.scalar(ty)?;
    Some(ContextVariable {
        name: name.to_string(),
        ty: ty.0,
        source: ContextSource::Word(register.offset / 8),
        value: Scalar { bytes: value.bytes, signed: value.signed },
        trusted: false,
    })
}
