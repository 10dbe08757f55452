//! Questions about types made of parts: members, enum values, parameters.

use super::types::Record;
use super::{Btf, Kind, TypeId};

/// How many members one search for a field may look at, so that a malformed nest ends.
const FIELD_SEARCH_LIMIT: u32 = 1 << 17;
/// How deep anonymous members are searched; C programs stay below 5.
const FIELD_DEPTH_LIMIT: u32 = 16;

/// A member of a struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name; empty for an anonymous struct or union.
    pub name: &'a str,
    /// Its type.
    pub ty: TypeId,
    /// Where it starts, in bits from the start of the aggregate.
    pub bit_offset: u32,
    /// Its size when it is a bitfield, 0 otherwise.
    pub bit_size: u32,
}

/// A field as an access path sees it: relative to the outermost aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it starts, in bits from the start of the aggregate that was asked.
    pub bit_offset: u32,
    /// Its size when it is a bitfield, 0 otherwise.
    pub bit_size: u32,
    /// Its type.
    pub ty: TypeId,
}

/// A constant of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumValue<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value; values of unsigned 64-bit enums above `i64::MAX` wrap.
    pub value: i64,
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name; prototypes behind function pointers have none.
    pub name: &'a str,
    /// Its type; [`TypeId::VOID`] stands for the `...` of a variadic function.
    pub ty: TypeId,
}

/// A global variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its type.
    pub ty: TypeId,
    /// Whether each CPU has its own.
    pub per_cpu: bool,
}

/// The section of the variables that each CPU has its own of.
const PER_CPU: &str = ".data..percpu";

impl Btf {
    /// The members of a struct or union, possibly behind modifiers and typedefs; none otherwise.
    pub fn members(&self, id: TypeId) -> impl Iterator<Item = Member<'_>> {
        let record = self
            .record(self.strip(id))
            .filter(|record| matches!(record.kind, Kind::Struct | Kind::Union));
        self.parts(record, 12).filter_map(move |(record, at)| {
            let word = |offset| self.tail_word(&record, at + offset);
            let (name, ty, place) = (word(0)?, TypeId(word(4)?), word(8)?);
            let (bit_offset, bit_size) = if record.flag {
                (place & 0xff_ffff, place >> 24)
            } else {
                self.legacy_bitfield(ty, place)
            };
            Some(Member { name: self.string(name), ty, bit_offset, bit_size })
        })
    }

    /// The named field of a struct or union; anonymous members are searched, too.
    pub fn field(&self, id: TypeId, name: &str) -> Option<Field> {
        if name.is_empty() {
            return None;
        }
        let mut budget = FIELD_SEARCH_LIMIT;
        self.field_within(id, name, FIELD_DEPTH_LIMIT, &mut budget)
    }

    /// The names a script can write after `id->`, those of anonymous members included.
    pub fn field_names(&self, id: TypeId) -> Vec<&str> {
        let mut names = vec![];
        let mut budget = FIELD_SEARCH_LIMIT;
        self.collect_field_names(id, FIELD_DEPTH_LIMIT, &mut budget, &mut names);
        names
    }

    /// The constants of an enum, possibly behind modifiers and typedefs; none otherwise.
    pub fn enum_values(&self, id: TypeId) -> impl Iterator<Item = EnumValue<'_>> {
        let record = self
            .record(self.strip(id))
            .filter(|record| matches!(record.kind, Kind::Enum | Kind::Enum64));
        let each = if record.is_some_and(|record| record.kind == Kind::Enum64) { 12 } else { 8 };
        self.parts(record, each).filter_map(move |(record, at)| {
            let word = |offset| self.tail_word(&record, at + offset);
            let low = word(4)?;
            let value = match record.kind {
                Kind::Enum64 => (u64::from(word(8)?) << 32 | u64::from(low)) as i64,
                _ if record.flag => i64::from(low as i32),
                _ => i64::from(low),
            };
            Some(EnumValue { name: self.string(word(0)?), value })
        })
    }

    /// The enum and value of a constant, searched in all enums: `enumerator("IPPROTO_TCP")`.
    pub fn enumerator(&self, name: &str) -> Option<(TypeId, i64)> {
        if name.is_empty() {
            return None;
        }
        [Kind::Enum, Kind::Enum64].into_iter().find_map(|kind| {
            self.ids(kind).find_map(|id| {
                let found = self.enum_values(id).find(|constant| constant.name == name)?;
                Some((id, found.value))
            })
        })
    }

    /// A global variable.
    pub fn variable(&self, name: &str) -> Option<Variable> {
        let id = self.find(name, Kind::Variable)?;
        let per_cpu = self.find(PER_CPU, Kind::DataSection).is_some_and(|section| {
            let record = self.record(section);
            self.parts(record, 12).any(|(record, at)| self.tail_word(&record, at) == Some(id.0))
        });
        Some(Variable { ty: TypeId(self.record(id)?.word), per_cpu })
    }

    /// The prototype of a function, of a function pointer, or of itself.
    pub fn prototype(&self, id: TypeId) -> Option<TypeId> {
        let mut at = self.strip(id);
        // A pointer to a function takes two steps.
        for _ in 0..3 {
            let record = self.record(at)?;
            match record.kind {
                Kind::FunctionPrototype => return Some(at),
                Kind::Function | Kind::Pointer => at = self.strip(TypeId(record.word)),
                _ => return None,
            }
        }
        None
    }

    /// The parameters of what [`Btf::prototype`] accepts; none otherwise.
    pub fn parameters(&self, id: TypeId) -> impl Iterator<Item = Parameter<'_>> {
        let record = self.prototype(id).and_then(|id| self.record(id));
        self.parts(record, 8).filter_map(move |(record, at)| {
            let name = self.string(self.tail_word(&record, at)?);
            Some(Parameter { name, ty: TypeId(self.tail_word(&record, at + 4)?) })
        })
    }

    /// What a function returns; [`TypeId::VOID`] for nothing, `None` when it is not a function.
    pub fn return_type(&self, id: TypeId) -> Option<TypeId> {
        Some(TypeId(self.record(self.prototype(id)?)?.word))
    }

    /// The record with the offset of each of its parts behind it.
    fn parts(&self, record: Option<Record>, each: usize) -> impl Iterator<Item = (Record, usize)> {
        record
            .into_iter()
            .flat_map(move |record| (0..record.length).map(move |i| (record, i * each)))
    }

    /// Offset and size of a member of an aggregate written without bitfield sizes: the integer type itself
    /// then says which of its bits are meant.
    fn legacy_bitfield(&self, ty: TypeId, bit_offset: u32) -> (u32, u32) {
        let Some(record) = self.stripped(ty, Kind::Integer) else { return (bit_offset, 0) };
        let Some(data) = self.tail_word(&record, 0) else { return (bit_offset, 0) };
        let (shift, bits) = (data >> 16 & 0xff, data & 0xff);
        if u64::from(bits) == u64::from(record.word) * 8 && shift == 0 {
            (bit_offset, 0)
        } else {
            (bit_offset.saturating_add(shift), bits)
        }
    }

    fn field_within(&self, id: TypeId, name: &str, depth: u32, budget: &mut u32) -> Option<Field> {
        let depth = depth.checked_sub(1)?;
        for member in self.members(id) {
            *budget = budget.checked_sub(1)?;
            if member.name == name {
                let Member { bit_offset, bit_size, ty, .. } = member;
                return Some(Field { bit_offset, bit_size, ty });
            }
            if member.name.is_empty()
                && let Some(inner) = self.field_within(member.ty, name, depth, budget)
            {
                let bit_offset = member.bit_offset.checked_add(inner.bit_offset)?;
                return Some(Field { bit_offset, ..inner });
            }
        }
        None
    }

    fn collect_field_names<'a>(
        &'a self,
        id: TypeId,
        depth: u32,
        budget: &mut u32,
        names: &mut Vec<&'a str>,
    ) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for member in self.members(id) {
            let Some(left) = budget.checked_sub(1) else { return };
            *budget = left;
            if member.name.is_empty() {
                self.collect_field_names(member.ty, depth, budget, names);
            } else {
                names.push(member.name);
            }
        }
    }
}
