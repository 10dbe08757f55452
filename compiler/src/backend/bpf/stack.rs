//! The stack need of a call chain.
//!
//! Kernels before private stacks count all frames of a chain against one limit, each rounded up to
//! 32 bytes, and allow eight frames. We keep to that on every kernel.

use std::fmt;

use super::{BpfCode, RelocationKind, STACK_BYTES};

/// Frames in one call chain.
const MAXIMUM_FRAMES: usize = 8;
/// Frames are rounded up to this in a chain.
const FRAME_ALIGNMENT: u32 = 32;

/// Why a call chain is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallChainError {
    /// The frames together exceed [`STACK_BYTES`].
    TooLarge {
        /// What they need.
        bytes: u32,
    },
    /// More than eight functions call each other in a chain, perhaps recursively.
    TooDeep,
}

impl fmt::Display for CallChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallChainError::TooLarge { bytes } => write!(
                f,
                "the functions called need {bytes} bytes of stack together, \
                 the kernel gives {STACK_BYTES}"
            ),
            CallChainError::TooDeep => {
                write!(f, "functions call each other more than {MAXIMUM_FRAMES} deep")
            }
        }
    }
}

impl std::error::Error for CallChainError {}

/// The bytes of stack the deepest call chain from `code` needs. `subprograms` are the functions by
/// index. Functions whose address is taken count as called (`bpf_loop` runs its callback on the
/// same stack).
pub fn call_chain_bytes(code: &BpfCode, subprograms: &[&BpfCode]) -> Result<u32, CallChainError> {
    let bytes = chain(code, subprograms, 1)?;
    if bytes > STACK_BYTES { Err(CallChainError::TooLarge { bytes }) } else { Ok(bytes) }
}

fn chain(code: &BpfCode, subprograms: &[&BpfCode], depth: usize) -> Result<u32, CallChainError> {
    if depth > MAXIMUM_FRAMES {
        return Err(CallChainError::TooDeep);
    }
    let mut callees: Vec<u32> = Vec::new();
    for relocation in &code.relocations {
        match relocation.kind {
            RelocationKind::SubprogramCall(index) | RelocationKind::SubprogramAddress(index) => {
                if !callees.contains(&index) {
                    callees.push(index);
                }
            }
            RelocationKind::Map(_) | RelocationKind::Data(_) | RelocationKind::CoreField(_) => {}
        }
    }
    let mut deepest = 0;
    for index in &callees {
        if let Some(callee) = subprograms.get(*index as usize) {
            deepest = deepest.max(chain(callee, subprograms, depth + 1)?);
        }
    }
    let own = match callees.is_empty() && depth == 1 {
        true => code.frame_bytes,
        false => code.frame_bytes.max(1).next_multiple_of(FRAME_ALIGNMENT),
    };
    Ok(own + deepest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::bpf::Relocation;

    fn function(frame_bytes: u32, callees: &[u32]) -> BpfCode {
        let call = |&callee| Relocation { at: 0, kind: RelocationKind::SubprogramCall(callee) };
        BpfCode {
            frame_bytes,
            relocations: callees.iter().map(call).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn the_deepest_chain_counts() {
        let (leaf, middle, other) = (function(40, &[]), function(8, &[0]), function(200, &[]));
        let subprograms = [&leaf, &middle, &other];
        let rows: &[(u32, &[u32], Result<u32, CallChainError>)] = &[
            (512, &[], Ok(512)),
            (520, &[], Err(CallChainError::TooLarge { bytes: 520 })),
            (0, &[1], Ok(32 + 32 + 64)),
            (100, &[1, 2], Ok(128 + 224)),
            (300, &[2], Err(CallChainError::TooLarge { bytes: 320 + 224 })),
        ];
        for (frame, callees, expected) in rows {
            let code = function(*frame, callees);
            assert_eq!(&call_chain_bytes(&code, &subprograms), expected, "{frame} {callees:?}");
        }
        let recursive = function(8, &[0]);
        assert_eq!(call_chain_bytes(&recursive, &[&recursive]), Err(CallChainError::TooDeep));
    }
}
