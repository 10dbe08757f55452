//! Types of modules beside those of the kernel.
//!
//! A module's type information (/sys/kernel/btf/NAME, 5.11) goes on where the kernel's ends: its ids and places of
//! names begin behind the kernel's. Here it goes on where other types end, which may be later: what it says of
//! itself is moved, what it says of the kernel stays.

use super::index::{RECORD_BYTES, kind_bits, tail_bytes, vector_length};
use super::{Btf, BtfError, Kind, TypeId, build, read_u32};

const TRACEPOINT_PREFIX: &[u8] = b"btf_trace_";

/// The types of a module among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleTypes {
    /// The first of its types.
    first: u32,
    /// How many there are.
    count: u32,
    /// What the kernel calls the first.
    own_first: u32,
}

impl ModuleTypes {
    /// Whether a type is one of the module's own.
    pub fn contains(self, id: TypeId) -> bool {
        id.0 >= self.first && id.0 - self.first < self.count
    }

    /// What the kernel calls a type of the module's own; `None` for others.
    pub fn own_id(self, id: TypeId) -> Option<u32> {
        self.contains(id).then(|| id.0 - self.first + self.own_first)
    }
}

/// By how much a module's ids and places of names move.
struct Shift {
    kernel_types: u32,
    kernel_strings: u32,
    types: u32,
    strings: u32,
}

impl Btf {
    /// These types and those of some modules of the kernel whose types these begin with. A module that is no
    /// type information is an error.
    pub fn with_modules(
        &self,
        kernel: &Btf,
        modules: &[Vec<u8>],
    ) -> Result<(Btf, Vec<ModuleTypes>), BtfError> {
        let (mut types, mut strings) = (self.types().to_vec(), self.strings().to_vec());
        let mut count = self.type_count() as u32;
        let kernel_types = kernel.type_count() as u32;
        let kernel_strings = kernel.strings().len() as u32;
        let mut places = vec![];
        for module in modules {
            let own = Btf::parse(module.clone())?;
            let shift = Shift {
                kernel_types,
                kernel_strings,
                types: count - kernel_types,
                strings: strings.len() as u32 - kernel_strings,
            };
            let (moved, own_count) = moved(own.types(), &shift);
            types.extend(moved);
            strings.extend(own.strings());
            places.push(ModuleTypes {
                first: count + 1,
                count: own_count,
                own_first: kernel_types + 1,
            });
            count += own_count;
        }
        Ok((Btf::parse(build::blob(&types, &strings))?, places))
    }
}

/// The type records with their references moved, and how many there are.
fn moved(records: &[u8], shift: &Shift) -> (Vec<u8>, u32) {
    let mut out = records.to_vec();
    let (mut at, mut count) = (0, 0);
    while let Some(info) = read_u32(records, at + 4) {
        let Some(tail) = tail_bytes(info) else { break };
        let end = at + RECORD_BYTES + tail;
        let Some(kind) = Kind::from_bits(kind_bits(info)).filter(|_| end <= records.len()) else {
            break;
        };
        move_string(&mut out, at, shift);
        if names_a_type(kind) {
            move_type(&mut out, at + 8, shift);
        }
        let first = at + RECORD_BYTES;
        let members = |bytes: usize| (0..vector_length(info)).map(move |n| first + n * bytes);
        match kind {
            Kind::Array => {
                move_type(&mut out, first, shift);
                move_type(&mut out, first + 4, shift);
            }
            Kind::Struct | Kind::Union => {
                for member in members(12) {
                    move_string(&mut out, member, shift);
                    move_type(&mut out, member + 4, shift);
                }
            }
            Kind::FunctionPrototype => {
                for parameter in members(8) {
                    move_string(&mut out, parameter, shift);
                    move_type(&mut out, parameter + 4, shift);
                }
            }
            Kind::Enum => members(8).for_each(|value| move_string(&mut out, value, shift)),
            Kind::Enum64 => members(12).for_each(|value| move_string(&mut out, value, shift)),
            Kind::DataSection => {
                members(12).for_each(|variable| move_type(&mut out, variable, shift));
            }
            Kind::Void
            | Kind::Integer
            | Kind::Pointer
            | Kind::Forward
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Function
            | Kind::Variable
            | Kind::Float
            | Kind::DeclarationTag
            | Kind::TypeTag => {}
        }
        count += 1;
        at = end;
    }
    out.truncate(at);
    (out, count)
}

/// Whether the third word of a record is a type.
fn names_a_type(kind: Kind) -> bool {
    match kind {
        Kind::Pointer
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Function
        | Kind::FunctionPrototype
        | Kind::Variable
        | Kind::DeclarationTag
        | Kind::TypeTag => true,
        Kind::Void
        | Kind::Integer
        | Kind::Array
        | Kind::Struct
        | Kind::Union
        | Kind::Enum
        | Kind::Forward
        | Kind::DataSection
        | Kind::Float
        | Kind::Enum64 => false,
    }
}

fn move_type(out: &mut [u8], at: usize, shift: &Shift) {
    if let Some(id) = read_u32(out, at).filter(|&id| id > shift.kernel_types) {
        out[at..at + 4].copy_from_slice(&id.wrapping_add(shift.types).to_le_bytes());
    }
}

fn move_string(out: &mut [u8], at: usize, shift: &Shift) {
    if let Some(place) = read_u32(out, at).filter(|&place| place >= shift.kernel_strings) {
        out[at..at + 4].copy_from_slice(&place.wrapping_add(shift.strings).to_le_bytes());
    }
}

/// The names of the tracepoints that a module's type information tells of, in the order of the data.
pub fn module_tracepoints(module: &[u8]) -> Vec<String> {
    names_of_module(module)
        .filter_map(|name| name.strip_prefix(TRACEPOINT_PREFIX))
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// Whether a module's type information has a name of its own: a type, a function, or a member.
pub fn module_mentions(module: &[u8], name: &str) -> bool {
    names_of_module(module).any(|own| own == name.as_bytes())
}

/// The names in a module's type information that the kernel's has not got.
fn names_of_module(module: &[u8]) -> impl Iterator<Item = &[u8]> {
    let word = |at| read_u32(module, at).unwrap_or(0) as usize;
    // The header: its length, and where behind it the names are.
    let start = word(4).saturating_add(word(16));
    let strings = module.get(start..start.saturating_add(word(20))).unwrap_or_default();
    strings.split(|&byte| byte == 0).filter(|name| !name.is_empty())
}
