//! Questions about single types: kind, name, size, what a pointer points to.

use super::index::{RECORD_BYTES, kind_bits, vector_length};
use super::{Btf, DEPTH_LIMIT, Kind, TypeId, read_u32};

/// Bytes of a pointer on every machine we trace.
const POINTER_BYTES: u64 = 8;

/// An array type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// The type of its elements.
    pub element: TypeId,
    /// How many there are; 0 for a flexible array member.
    pub len: u32,
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Its size: 1, 2, 4, 8 or 16.
    pub bytes: u32,
    /// Whether it has a sign.
    pub signed: bool,
    /// How C sees it.
    pub encoding: IntegerEncoding,
}

/// What an integer is used for, where the type says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerEncoding {
    /// A number.
    Number,
    /// A character. The kernel's own BTF does not mark `char`; see [`Integer::bytes`] then.
    Character,
    /// A `bool`.
    Boolean,
}

/// The common part of a type record.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) name_offset: u32,
    pub(super) kind: Kind,
    /// Number of members, values or parameters.
    pub(super) length: usize,
    /// Bitfield sizes in members, signed values in enums, union in forwards.
    pub(super) flag: bool,
    /// The record's third word: a size in bytes or a type.
    pub(super) word: u32,
    /// Where what follows the record starts in the type section.
    pub(super) tail: usize,
}

impl Btf {
    /// The kind of a type; `None` when there is no such type.
    pub fn kind(&self, id: TypeId) -> Option<Kind> {
        if id == TypeId::VOID { Some(Kind::Void) } else { Some(self.record(id)?.kind) }
    }

    /// The name of a type; empty for anonymous ones.
    pub fn name(&self, id: TypeId) -> &str {
        self.record(id).map_or("", |record| self.string(record.name_offset))
    }

    /// The type behind modifiers (`const`, `volatile`, `restrict`, tags) and typedefs.
    ///
    /// `void` stays `void`; a chain without an end is answered with its first link.
    pub fn strip(&self, id: TypeId) -> TypeId {
        let mut at = id;
        for _ in 0..DEPTH_LIMIT {
            match self.record(at) {
                Some(Record { kind, word, .. }) if is_transparent(kind) => at = TypeId(word),
                _ => return at,
            }
        }
        id
    }

    /// The type without the qualifiers of its outermost level: `int` of `const int`.
    pub fn unqualified(&self, id: TypeId) -> TypeId {
        let mut at = id;
        for _ in 0..DEPTH_LIMIT {
            match self.record(at) {
                Some(Record { kind, word, .. })
                    if is_transparent(kind) && kind != Kind::Typedef =>
                {
                    at = TypeId(word);
                }
                _ => return at,
            }
        }
        id
    }

    /// The size in bytes; `None` for `void`, functions and types that are only declared.
    pub fn size(&self, id: TypeId) -> Option<u64> {
        let mut at = id;
        let mut elements: u64 = 1;
        for _ in 0..DEPTH_LIMIT {
            at = self.strip(at);
            let record = self.record(at)?;
            let each = match record.kind {
                Kind::Integer
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float
                | Kind::DataSection => u64::from(record.word),
                Kind::Pointer => POINTER_BYTES,
                Kind::Array => {
                    let array = self.array(at)?;
                    elements = elements.checked_mul(u64::from(array.len))?;
                    at = array.element;
                    continue;
                }
                Kind::Variable => {
                    at = TypeId(record.word);
                    continue;
                }
                Kind::Void
                | Kind::Forward
                | Kind::Typedef
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::TypeTag
                | Kind::Function
                | Kind::FunctionPrototype
                | Kind::DeclarationTag => return None,
            };
            return elements.checked_mul(each);
        }
        None
    }

    /// What a pointer (possibly behind modifiers and typedefs) points to, as written, not stripped.
    pub fn pointee(&self, id: TypeId) -> Option<TypeId> {
        self.stripped(id, Kind::Pointer).map(|record| TypeId(record.word))
    }

    /// The element type and length of an array, possibly behind modifiers and typedefs.
    pub fn array(&self, id: TypeId) -> Option<Array> {
        let record = self.stripped(id, Kind::Array)?;
        let element = TypeId(self.tail_word(&record, 0)?);
        Some(Array { element, len: self.tail_word(&record, 8)? })
    }

    /// Size and sign of an integer type, possibly behind modifiers and typedefs. Enums are not
    /// integers here; see [`Btf::is_signed_enum`].
    pub fn integer(&self, id: TypeId) -> Option<Integer> {
        let record = self.stripped(id, Kind::Integer)?;
        let flags = self.tail_word(&record, 0)? >> 24;
        let encoding = match flags {
            flags if flags & 4 != 0 => IntegerEncoding::Boolean,
            flags if flags & 2 != 0 => IntegerEncoding::Character,
            _ => IntegerEncoding::Number,
        };
        Some(Integer { bytes: record.word, signed: flags & 1 != 0, encoding })
    }

    /// Whether the values of an enum have a sign; `None` when the type is not an enum. Compilers
    /// before kernel 6.0 did not record it: `false` then.
    pub fn is_signed_enum(&self, id: TypeId) -> Option<bool> {
        let record = self.record(self.strip(id))?;
        matches!(record.kind, Kind::Enum | Kind::Enum64).then_some(record.flag)
    }

    pub(super) fn record(&self, id: TypeId) -> Option<Record> {
        let types = self.types();
        let at = self.index().offset(id)?;
        let info = read_u32(types, at + 4)?;
        Some(Record {
            name_offset: read_u32(types, at)?,
            kind: Kind::from_bits(kind_bits(info))?,
            length: vector_length(info),
            flag: info >> 31 != 0,
            word: read_u32(types, at + 8)?,
            tail: at + RECORD_BYTES,
        })
    }

    /// The record behind modifiers and typedefs when it is of this kind.
    pub(super) fn stripped(&self, id: TypeId, kind: Kind) -> Option<Record> {
        self.record(self.strip(id)).filter(|record| record.kind == kind)
    }

    pub(super) fn tail_word(&self, record: &Record, offset: usize) -> Option<u32> {
        read_u32(self.types(), record.tail.checked_add(offset)?)
    }

    /// A name; empty when it is outside the data or not text.
    pub(super) fn string(&self, offset: u32) -> &str {
        let tail = self.strings().get(offset as usize..).unwrap_or_default();
        let end = tail.iter().position(|&byte| byte == 0).unwrap_or(0);
        str::from_utf8(&tail[..end]).unwrap_or_default()
    }
}

/// Modifiers and typedefs: kinds that only add a name or a qualifier.
fn is_transparent(kind: Kind) -> bool {
    matches!(kind, Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag)
}
