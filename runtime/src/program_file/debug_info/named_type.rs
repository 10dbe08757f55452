//! Types of a program by their names.

use std::path::Path;

use gimli::{AttributeValue, DwTag, Dwarf, Unit, UnitOffset};
use ntap_compiler::btf::{Btf, Kind, TypeId};

use super::types::Types;
use super::{Slice, attribute, each_unit, with_dwarf};

/// The first definition of a type of one of these kinds and this name, tried in the order of the kinds. With the types it
/// names, which go on where those of `base` end.
pub(in crate::program_file) fn named_type(
    path: &Path,
    kinds: &[Kind],
    name: &str,
    base: &Btf,
) -> Option<(TypeId, Vec<u8>)> {
    with_dwarf(path, |dwarf, _| {
        let mut types = Types::new(base);
        let mut best: Option<(usize, TypeId)> = None;
        each_unit(dwarf, |unit, _| {
            let before = best.map_or(kinds.len(), |(rank, _)| rank);
            let found = in_unit(dwarf, unit, &kinds[..before], name).ok().flatten();
            if let Some((rank, offset)) = found {
                best = Some((rank, types.of(dwarf, unit, AttributeValue::UnitRef(offset))));
            }
        });
        best.map(|(_, found)| (found, types.finish()))
    })?
}

/// Where a unit defines the type, and which of the kinds it is.
fn in_unit(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    kinds: &[Kind],
    wanted: &str,
) -> gimli::Result<Option<(usize, UnitOffset)>> {
    let mut best: Option<(usize, UnitOffset)> = None;
    let mut entries = unit.entries();
    while let Some((_, entry)) = entries.next_dfs()? {
        let before = best.map_or(kinds.len(), |(rank, _)| rank);
        let tag = entry.tag();
        let Some(rank) = kinds[..before].iter().position(|&kind| is_kind(tag, kind)) else {
            continue;
        };
        // A declaration says only that there is such a type.
        if entry.attr_value(gimli::DW_AT_declaration)?.is_some() {
            continue;
        }
        let Some(name) = attribute(dwarf, unit, entry, gimli::DW_AT_name)? else { continue };
        if dwarf.attr_string(unit, name)?.slice() == wanted.as_bytes() {
            best = Some((rank, entry.offset()));
        }
    }
    Ok(best)
}

fn is_kind(tag: DwTag, kind: Kind) -> bool {
    match tag {
        gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type => kind == Kind::Struct,
        gimli::DW_TAG_union_type => kind == Kind::Union,
        gimli::DW_TAG_typedef => kind == Kind::Typedef,
        gimli::DW_TAG_enumeration_type => matches!(kind, Kind::Enum | Kind::Enum64),
        gimli::DW_TAG_base_type => kind == Kind::Integer,
        _ => false,
    }
}
