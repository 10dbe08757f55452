//! The context variables of probe points, and where their values are.

use crate::registers::Register;

/// A `$variable` of a probe point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextVariable {
    /// Its name without the `$`.
    pub name: String,
    /// Its BTF type.
    pub ty: u32,
    /// How its value is found.
    pub source: ContextSource,
    /// How wide the value is: the upper bytes of the word are undefined. Of a structure or an array in the memory
    /// of a process the value is its address.
    pub value: Scalar,
    /// Whether it is a pointer to a structure that the verifier lets programs read directly.
    pub trusted: bool,
}

/// Where a context variable comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextSource {
    /// The 64-bit word with this index in the program's context.
    Word(u32),
    /// The same, where the verifier may refuse to load it: a helper reads it.
    HiddenWord(u32),
    /// The 8 bytes at this offset of `struct pt_regs`, which the first word of the program's context
    /// points to.
    Register(u32),
    /// In the structure that the 64-bit word with this index in the program's context points to.
    Member {
        /// Which word.
        word: u32,
        /// Bytes from the structure's begin.
        offset: u32,
    },
    /// At this offset of the program's context.
    Field {
        /// Bytes, a multiple of the value's.
        offset: u32,
    },
    /// The address of what is at this offset of the program's context.
    FieldAddress {
        /// Bytes.
        offset: u32,
    },
    /// The address of what is where the field at this offset of the program's context says: its lower 16 bits are
    /// an offset.
    FieldElsewhere {
        /// Bytes.
        offset: u32,
        /// Whether that counts from behind the field, not from the begin of the context.
        relative: bool,
    },
    /// Found by registers, in a process.
    Argument(MarkArgument),
    /// Nowhere at this point: it was optimized away, or is of a kind that has no value here. Only its name is
    /// known, which `$$vars` shows.
    Nowhere,
}

/// Where a value is in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkArgument {
    /// Known.
    Constant(i64),
    /// In a register.
    Register(Register),
    /// What is in a register, plus a number.
    Sum {
        /// The register.
        register: Register,
        /// What is added.
        offset: i64,
    },
    /// In memory at `base + index * scale + offset`.
    Memory {
        /// The register added.
        base: Option<Register>,
        /// The register added times the scale.
        index: Option<Register>,
        /// 1, 2, 4 or 8.
        scale: u8,
        /// What is added.
        offset: i64,
    },
}

/// An integer in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// 1, 2, 4 or 8.
    pub bytes: u8,
    /// Whether it is sign-extended.
    pub signed: bool,
}
