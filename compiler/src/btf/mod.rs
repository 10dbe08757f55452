//! A reader for the kernel's BPF Type Format.
//!
//! Works on the bytes where they are: [`Btf::parse`] looks at the header only, the table of type
//! offsets is built on first use, and no name is ever copied. Types are named by [`TypeId`].
//!
//! ```text
//! header | types: records of 12 bytes, each followed by what its kind needs | strings
//! ```
//!
//! The bytes are not trusted. A question about something malformed has the answer `None`, an empty
//! iterator or an empty name; nothing panics, and chains and nests are followed to a fixed depth.
//! Only little-endian data is read. A module's types build on the kernel's: [`Btf::with_modules`].

mod aggregate;
mod build;
mod describe;
mod index;
mod module;
mod scalar;
#[cfg(test)]
mod tests;
mod tracepoint;
mod types;

use std::fmt;
use std::sync::OnceLock;

pub use aggregate::{EnumValue, Field, Member, Parameter, Variable};
pub use build::{Builder, NewInteger, NewMember};
pub use module::{ModuleTypes, module_mentions, module_tracepoints};
pub use scalar::ScalarType;
pub use tracepoint::{Tracepoint, tracepoint, tracepoint_names};
pub use types::{Array, Integer, IntegerEncoding};

use index::Index;

/// How many links of a chain of types (modifiers, typedefs, pointers, nested aggregates) are followed.
const DEPTH_LIMIT: u32 = 32;

/// A type in one [`Btf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type `void`, which has no record.
    pub const VOID: TypeId = TypeId(0);
}

/// What a type record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    /// No type; only [`TypeId::VOID`].
    Void = 0,
    Integer = 1,
    Pointer = 2,
    Array = 3,
    Struct = 4,
    Union = 5,
    Enum = 6,
    /// A struct or union that is declared but not defined.
    Forward = 7,
    Typedef = 8,
    Volatile = 9,
    Const = 10,
    Restrict = 11,
    Function = 12,
    FunctionPrototype = 13,
    Variable = 14,
    DataSection = 15,
    Float = 16,
    DeclarationTag = 17,
    TypeTag = 18,
    /// An enum with 64-bit values (kernel 6.0).
    Enum64 = 19,
}

impl Kind {
    fn from_bits(bits: u32) -> Option<Kind> {
        use Kind::*;
        const KINDS: [Kind; 20] = [
            Void,
            Integer,
            Pointer,
            Array,
            Struct,
            Union,
            Enum,
            Forward,
            Typedef,
            Volatile,
            Const,
            Restrict,
            Function,
            FunctionPrototype,
            Variable,
            DataSection,
            Float,
            DeclarationTag,
            TypeTag,
            Enum64,
        ];
        KINDS.get(bits as usize).copied()
    }
}

/// Why bytes are not BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BtfError {
    /// Shorter than a header.
    Truncated,
    /// The first bytes are not BTF's magic number.
    Magic(u16),
    /// Written on a machine of the other byte order.
    BigEndian,
    /// A version of the format we do not know.
    Version(u8),
    /// The header places types or strings outside the data.
    Layout,
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BtfError::Truncated => f.write_str("BTF data is shorter than its header"),
            BtfError::Magic(magic) => write!(f, "not BTF data (magic number {magic:#06x})"),
            BtfError::BigEndian => f.write_str("big-endian BTF data is not supported"),
            BtfError::Version(version) => write!(f, "BTF version {version} is not supported"),
            BtfError::Layout => f.write_str("the BTF header describes sections outside the data"),
        }
    }
}

impl std::error::Error for BtfError {}

/// The type information of one kernel image.
pub struct Btf {
    data: Box<dyn AsRef<[u8]> + Send + Sync>,
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
    index: OnceLock<Index>,
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("types", &self.types)
            .field("strings", &self.strings)
            .field("indexed", &self.index.get().is_some())
            .finish_non_exhaustive()
    }
}

impl Btf {
    /// Checks the header; everything else is read when asked for.
    pub fn parse(data: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Btf, BtfError> {
        let bytes = data.as_ref();
        let header = bytes.get(..HEADER_BYTES).ok_or(BtfError::Truncated)?;
        let magic = u16::from_le_bytes([header[0], header[1]]);
        if magic == MAGIC.swap_bytes() {
            return Err(BtfError::BigEndian);
        }
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        if header[2] != 1 {
            return Err(BtfError::Version(header[2]));
        }
        let word = |at| read_u32(header, at).map(|w| w as usize).ok_or(BtfError::Truncated);
        let start = word(4)?;
        let section = |offset: usize, length: usize| {
            let from = start.checked_add(offset).ok_or(BtfError::Layout)?;
            let to = from.checked_add(length).ok_or(BtfError::Layout)?;
            if start < HEADER_BYTES || to > bytes.len() {
                Err(BtfError::Layout)
            } else {
                Ok(from..to)
            }
        };
        let types = section(word(8)?, word(12)?)?;
        let strings = section(word(16)?, word(20)?)?;
        Ok(Btf { data: Box::new(data), types, strings, index: OnceLock::new() })
    }

    /// These types and others, whose data builds on this one's: ids and places of names go on where these end.
    pub fn with_more(&self, more: &[u8]) -> Result<Btf, BtfError> {
        let own = Btf::parse(more.to_vec())?;
        let (types, strings) = ([self.types(), own.types()], [self.strings(), own.strings()]);
        Btf::parse(build::blob(&types.concat(), &strings.concat()))
    }

    /// The first type of this kind and name. `find("sk_buff", Kind::Struct)`.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.index().find(self.types(), self.strings(), name.as_bytes(), kind)
    }

    /// The function of this name: shorthand for [`Btf::find`] with [`Kind::Function`].
    pub fn function(&self, name: &str) -> Option<TypeId> {
        self.find(name, Kind::Function)
    }

    /// All types of one kind, in the order of the data.
    pub fn ids(&self, kind: Kind) -> impl Iterator<Item = TypeId> + '_ {
        self.index().ids(self.types(), kind)
    }

    /// The names of all types of one kind, anonymous ones left out.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.ids(kind).map(|id| self.name(id)).filter(|name| !name.is_empty())
    }

    /// The number of types, `void` not counted.
    pub fn type_count(&self) -> usize {
        self.index().count()
    }

    fn types(&self) -> &[u8] {
        (*self.data).as_ref().get(self.types.clone()).unwrap_or_default()
    }

    fn strings(&self) -> &[u8] {
        (*self.data).as_ref().get(self.strings.clone()).unwrap_or_default()
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::build(self.types()))
    }
}

const HEADER_BYTES: usize = 24;
const MAGIC: u16 = 0xeb9f;

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}
