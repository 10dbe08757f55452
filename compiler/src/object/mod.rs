//! The ELF object: programs, maps, variables, BTF and line information in one file.
//!
//! In: compiled functions and the declarations of what they refer to. Out: the bytes of a
//! relocatable ELF file for the BPF machine, as libbpf and aya load it.
//!
//! | section | content |
//! |---|---|
//! | the section of a program (`tp_btf/kfree_skb`) | the programs for that event, one function each |
//! | `.text` | our own functions called by programs |
//! | `.maps` | room for the maps; their definitions are BTF types |
//! | `.bss` | the variables, which a loader turns into one array map |
//! | `.rodata` | the constants, likewise, in a map that cannot be written |
//! | `license` | `GPL`, without which most tracing helpers are refused |
//! | `.BTF`, `.BTF.ext` | types; function and line information; CO-RE relocations |

mod btf;
mod btf_ext;
mod describe;
mod sections;

use std::fmt;

use crate::backend::bpf::BpfCode;

pub use describe::describe;

/// Everything an object holds.
///
/// The indices in the code's relocations are positions in these lists. Names are C identifiers, or
/// the kernel refuses the BTF.
#[derive(Clone, Debug, Default)]
pub struct ObjectInput {
    /// Maps, by the index of `names::MAP`.
    pub maps: Vec<MapDefinition>,
    /// Variables and constants, by the index of `names::DATA`.
    pub variables: Vec<Variable>,
    /// Programs; those of one section are in the order given here.
    pub programs: Vec<Program>,
    /// Our own functions, by the index of `names::SUBPROGRAM`.
    pub subprograms: Vec<Subprogram>,
    /// CO-RE fields, by the index of `names::CORE_FIELD`.
    pub core_fields: Vec<CoreField>,
    /// Source locations, by the `SourceLoc` bits; entry 0 stands for "no location".
    pub locations: Vec<Location>,
}

/// A map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDefinition {
    /// Name, at most 15 bytes are visible in the kernel.
    pub name: String,
    /// The number in `enum bpf_map_type`.
    pub kind: u32,
    /// Bytes of a key; 0 for maps without (ring buffers).
    pub key_size: u32,
    /// Bytes of a value; 0 for maps without.
    pub value_size: u32,
    /// Entries, or bytes of a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` flags.
    pub flags: u32,
}

/// A variable, 8-byte aligned: in `.bss` and initially zero, or a constant in `.rodata`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Size in bytes.
    pub size: u32,
    /// The bytes of a constant.
    pub constant: Option<Vec<u8>>,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name of its function.
    pub name: String,
    /// Section, which tells loaders the program type and target: `tp_btf/kfree_skb`.
    pub section: String,
    /// The code.
    pub code: BpfCode,
}

/// One of our own functions.
#[derive(Clone, Debug)]
pub struct Subprogram {
    /// Name.
    pub name: String,
    /// The code.
    pub code: BpfCode,
    /// The parameters of a global function, which the kernel verifies once and on its own (5.12). One
    /// without is verified anew at each call, with what is known of its arguments there.
    pub global: Option<Vec<SubprogramParameter>>,
}

/// A parameter of a global function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubprogramParameter {
    /// A 64-bit number.
    Number,
    /// The address of so many bytes that may be read and written, or 0.
    Memory(u32),
}

/// A value of a kernel type that the loader fills in for the running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreField {
    /// The structure, with its size and the members the access needs, as known when compiling.
    pub structure: String,
    /// Size of the structure in bytes.
    pub size: u32,
    /// Members: name, bytes, offset in bytes.
    pub members: Vec<(String, u32, u32)>,
    /// The path from the structure: `0:1` is its second member.
    pub access: String,
    /// The number in `enum bpf_core_relo_kind`; 0 is the byte offset of the field.
    pub kind: u32,
}

/// Where in a script an instruction comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// File name.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The text of the line.
    pub text: String,
}

/// Why an object could not be written: always an inconsistent input, so a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// A relocation refers to nothing.
    DanglingReference {
        /// The function.
        function: String,
        /// What it refers to.
        reference: String,
    },
    /// The ELF writer refused.
    Elf(String),
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::DanglingReference { function, reference } => {
                write!(f, "`{function}` refers to {reference}, which the object does not hold")
            }
            ObjectError::Elf(why) => write!(f, "writing the object: {why}"),
        }
    }
}

impl std::error::Error for ObjectError {}

/// Writes the object.
pub fn write(input: &ObjectInput) -> Result<Vec<u8>, ObjectError> {
    Ok(sections::build(input)?.bytes)
}
