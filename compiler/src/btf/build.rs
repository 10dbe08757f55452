//! Types made here, in the kernel's format: those of a program's debug information, to be added to others with
//! [`Btf::with_more`].
//!
//! Types name each other in circles, so an id is given first ([`Builder::reserve`]) and filled later.

use super::{Btf, HEADER_BYTES, Kind, MAGIC, TypeId};

/// Types on their way, which go on where those of another [`Btf`] end.
pub struct Builder {
    first: u32,
    strings_start: u32,
    /// The records; an empty one has been reserved, not filled.
    records: Vec<Vec<u8>>,
    strings: Vec<u8>,
}

/// A member of a structure or union.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Its name; empty for a structure whose members count as those of the outer one.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// Where it is.
    pub bit_offset: u64,
    /// The bits of a bit field; 0 for others.
    pub bit_size: u32,
}

/// An integer's encoding: `BTF_INT_SIGNED`, `BTF_INT_CHAR`, `BTF_INT_BOOL`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewInteger {
    /// Bytes.
    pub bytes: u8,
    /// Whether it is signed.
    pub signed: bool,
    /// Whether it is a character.
    pub character: bool,
    /// Whether it is a truth value.
    pub boolean: bool,
}

impl Builder {
    /// No types yet; they will go on where those of `base` end.
    pub fn new(base: &Btf) -> Builder {
        Builder {
            first: base.type_count() as u32 + 1,
            strings_start: base.strings().len() as u32,
            records: vec![],
            // The first string is empty, as in every table.
            strings: vec![0],
        }
    }

    /// Whether nothing has been made.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many types have been made.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The id of a type that is filled later; until then it is a structure without members.
    pub fn reserve(&mut self) -> TypeId {
        self.records.push(vec![]);
        TypeId(self.first + self.records.len() as u32 - 1)
    }

    /// An integer.
    pub fn integer(&mut self, id: TypeId, name: &str, integer: NewInteger) {
        let NewInteger { bytes, signed, character, boolean } = integer;
        let encoding = u32::from(signed) | u32::from(character) << 1 | u32::from(boolean) << 2;
        let mut record = self.record(name, Kind::Integer, 0, false, u32::from(bytes));
        record.extend((encoding << 24 | u32::from(bytes) << 3).to_le_bytes());
        self.fill(id, record);
    }

    /// A floating point number.
    pub fn float(&mut self, id: TypeId, name: &str, bytes: u32) {
        let record = self.record(name, Kind::Float, 0, false, bytes);
        self.fill(id, record);
    }

    /// A pointer, a qualifier or a typedef: something made of one other type. Pointers and qualifiers have no
    /// name.
    pub fn derived(&mut self, id: TypeId, kind: Kind, name: &str, target: TypeId) {
        let record = self.record(name, kind, 0, false, target.0);
        self.fill(id, record);
    }

    /// An array.
    pub fn array(&mut self, id: TypeId, element: TypeId, length: u32) {
        let mut record = self.record("", Kind::Array, 0, false, 0);
        for word in [element.0, element.0, length] {
            record.extend(word.to_le_bytes());
        }
        self.fill(id, record);
    }

    /// A structure or union ([`Kind::Struct`], [`Kind::Union`]).
    pub fn aggregate(
        &mut self,
        id: TypeId,
        kind: Kind,
        name: &str,
        bytes: u32,
        members: &[NewMember],
    ) {
        let members = &members[..members.len().min(usize::from(u16::MAX))];
        let mut record = self.record(name, kind, members.len(), true, bytes);
        for member in members {
            // With the flag set the offset has 24 bits, the width of a bit field the 8 above them.
            let offset = member.bit_offset.min((1 << 24) - 1) as u32 | member.bit_size << 24;
            for word in [self.string(&member.name), member.ty.0, offset] {
                record.extend(word.to_le_bytes());
            }
        }
        self.fill(id, record);
    }

    /// An enum of 4 bytes or fewer; the values of wider ones are cut.
    pub fn enumeration(
        &mut self,
        id: TypeId,
        name: &str,
        bytes: u32,
        signed: bool,
        values: &[(String, i64)],
    ) {
        let values = &values[..values.len().min(usize::from(u16::MAX))];
        let mut record = self.record(name, Kind::Enum, values.len(), signed, bytes);
        for (name, value) in values {
            for word in [self.string(name), *value as u32] {
                record.extend(word.to_le_bytes());
            }
        }
        self.fill(id, record);
    }

    /// A structure or union that is declared, not defined.
    pub fn declaration(&mut self, id: TypeId, kind: Kind, name: &str) {
        let record = self.record(name, Kind::Forward, 0, kind == Kind::Union, 0);
        self.fill(id, record);
    }

    /// A function without what it takes and returns: pointers lead to it.
    pub fn function(&mut self, id: TypeId) {
        let record = self.record("", Kind::FunctionPrototype, 0, false, 0);
        self.fill(id, record);
    }

    /// The types as [`Btf::with_more`] takes them.
    pub fn finish(mut self) -> Vec<u8> {
        let unfilled = self.record("", Kind::Struct, 0, false, 0);
        let types: Vec<u8> = self
            .records
            .iter()
            .flat_map(|record| if record.is_empty() { &unfilled } else { record })
            .copied()
            .collect();
        blob(&types, &self.strings)
    }

    fn fill(&mut self, id: TypeId, record: Vec<u8>) {
        if let Some(place) = id.0.checked_sub(self.first) {
            self.records[place as usize] = record;
        }
    }

    /// The 12 bytes every record begins with.
    fn record(&mut self, name: &str, kind: Kind, length: usize, flag: bool, word: u32) -> Vec<u8> {
        let info = u32::from(flag) << 31 | (kind as u32) << 24 | length as u32;
        [self.string(name), info, word].into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() || text.contains('\0') {
            return 0;
        }
        let at = self.strings_start + self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }
}

/// A header with types and strings behind it.
pub(super) fn blob(types: &[u8], strings: &[u8]) -> Vec<u8> {
    let (types_bytes, strings_bytes) = (types.len() as u32, strings.len() as u32);
    let mut data = vec![];
    data.extend_from_slice(&MAGIC.to_le_bytes());
    data.extend_from_slice(&[1, 0]);
    for word in [HEADER_BYTES as u32, 0, types_bytes, types_bytes, strings_bytes] {
        data.extend_from_slice(&word.to_le_bytes());
    }
    data.extend_from_slice(types);
    data.extend_from_slice(strings);
    data
}

impl Btf {
    /// No types: what there is where the kernel's are not known.
    pub fn none() -> Btf {
        Btf::parse(blob(&[], &[0])).expect("a header of ours")
    }
}
