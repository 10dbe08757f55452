//! Where each type record starts.
//!
//! Records have no common size, so the table is made by walking all of them once. A record of an
//! unknown kind or one that leaves the data ends the walk: what precedes it stays usable.
//!
//! Names are looked up by a scan, until so many of a kind have been that a table of them pays.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Kind, TypeId, read_u32};

/// Name, info, size or type.
pub(super) const RECORD_BYTES: usize = 12;

/// How many scans for names of one kind take about as long as to make a table of them.
const SCANS: u32 = 16;

/// Offsets of the records in the type section; type 1 is the first.
pub(super) struct Index {
    offsets: Vec<u32>,
    names: [Names; 20],
}

/// The names of one kind.
#[derive(Default)]
struct Names {
    /// How often one was looked for.
    scans: AtomicU32,
    /// The hash of each name with its type, ascending.
    table: OnceLock<Vec<(u32, TypeId)>>,
}

impl Index {
    pub(super) fn build(types: &[u8]) -> Index {
        // The kernel's types take 20 to 24 bytes on average.
        let mut offsets = Vec::with_capacity(types.len() / 20);
        let mut at = 0;
        while let Some(record) = types.get(at..at + RECORD_BYTES) {
            let info = u32::from_le_bytes([record[4], record[5], record[6], record[7]]);
            let Some(tail) = tail_bytes(info) else { break };
            let end = at + RECORD_BYTES + tail;
            let (true, Ok(offset)) = (end <= types.len(), u32::try_from(at)) else { break };
            offsets.push(offset);
            at = end;
        }
        offsets.shrink_to_fit();
        Index { offsets, names: Default::default() }
    }

    pub(super) fn count(&self) -> usize {
        self.offsets.len()
    }

    /// Where the record of a type starts; `None` for `void` and for ids out of range.
    pub(super) fn offset(&self, id: TypeId) -> Option<usize> {
        let position = (id.0 as usize).checked_sub(1)?;
        Some(*self.offsets.get(position)? as usize)
    }

    pub(super) fn ids<'a>(
        &'a self,
        types: &'a [u8],
        kind: Kind,
    ) -> impl Iterator<Item = TypeId> + 'a {
        self.of_kind(types, kind).map(|(id, _)| id)
    }

    /// The first type of a kind and name. A script asks for few: the names are compared in place, and only a
    /// listing or the like has a table made.
    pub(super) fn find(
        &self,
        types: &[u8],
        strings: &[u8],
        name: &[u8],
        kind: Kind,
    ) -> Option<TypeId> {
        if name.is_empty() || name.contains(&0) {
            return None;
        }
        let is_called = |name_offset: u32| {
            let tail = strings.get(name_offset as usize..);
            let rest = tail.and_then(|tail| tail.strip_prefix(name));
            rest.is_some_and(|rest| rest.first() == Some(&0))
        };
        let names = &self.names[kind as usize];
        if names.table.get().is_none() && names.scans.fetch_add(1, Ordering::Relaxed) < SCANS {
            return self.of_kind(types, kind).find(|&(_, at)| is_called(at)).map(|(id, _)| id);
        }
        let table = names.table.get_or_init(|| {
            let mut table: Vec<(u32, TypeId)> = self
                .of_kind(types, kind)
                .map(|(id, at)| {
                    let tail = strings.get(at as usize..).unwrap_or_default();
                    (hash(tail.split(|&byte| byte == 0).next().unwrap_or_default()), id)
                })
                .collect();
            table.sort_unstable();
            table
        });
        let wanted = hash(name);
        let first = table.partition_point(|&(hash, _)| hash < wanted);
        let same = table[first..].iter().take_while(|&&(hash, _)| hash == wanted);
        same.map(|&(_, id)| id)
            .find(|&id| self.offset(id).and_then(|at| read_u32(types, at)).is_some_and(is_called))
    }

    /// Type and name offset of all records of one kind.
    fn of_kind<'a>(
        &'a self,
        types: &'a [u8],
        kind: Kind,
    ) -> impl Iterator<Item = (TypeId, u32)> + 'a {
        let wanted = kind as u32;
        self.offsets.iter().enumerate().filter_map(move |(position, &offset)| {
            let info = read_u32(types, offset as usize + 4)?;
            (kind_bits(info) == wanted)
                .then(|| Some((TypeId(position as u32 + 1), read_u32(types, offset as usize)?)))?
        })
    }
}

/// FNV-1a.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The kind in a record's info word.
pub(super) fn kind_bits(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// The number of members, values or parameters in a record's info word.
pub(super) fn vector_length(info: u32) -> usize {
    (info & 0xffff) as usize
}

/// What follows the common 12 bytes.
pub(super) fn tail_bytes(info: u32) -> Option<usize> {
    let each = vector_length(info);
    Some(match Kind::from_bits(kind_bits(info))? {
        Kind::Void => return None,
        Kind::Integer | Kind::Variable | Kind::DeclarationTag => 4,
        Kind::Array => 12,
        Kind::Struct | Kind::Union | Kind::DataSection | Kind::Enum64 => 12 * each,
        Kind::Enum | Kind::FunctionPrototype => 8 * each,
        Kind::Pointer
        | Kind::Forward
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Function
        | Kind::Float
        | Kind::TypeTag => 0,
    })
}
