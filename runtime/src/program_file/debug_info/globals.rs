//! Variables that belong to no function.

use std::path::Path;

use gimli::{AttributeValue, Dwarf, Operation, Unit};
use ntap_compiler::btf::{Btf, TypeId};
use ntap_compiler::hir::{MarkArgument, Scalar};
use ntap_compiler::program_file::ProgramVariable;

use super::types::Types;
use super::{Slice, attribute, each_unit, is_path, place, with_dwarf};

/// A variable as seen from an address: one of the source file with the code there comes first. With the types it
/// names, which go on where those of `base` end.
pub(in crate::program_file) fn variable(
    path: &Path,
    address: u64,
    name: &str,
    file: Option<&str>,
    base: &Btf,
) -> Option<(ProgramVariable, Vec<u8>)> {
    with_dwarf(path, |dwarf, _| {
        let mut types = Types::new(base);
        let mut best: Option<(bool, ProgramVariable)> = None;
        each_unit(dwarf, |unit, ranges| {
            let is_here = ranges.iter().any(|range| range.contains(&address));
            let is_file = file.is_none_or(|file| {
                unit.name.is_some_and(|name| is_path(&name.to_string_lossy(), file))
            });
            if !is_file || best.as_ref().is_some_and(|(best, _)| *best || !is_here) {
                return;
            }
            if let Ok(Some((at, ty))) = in_unit(dwarf, unit, name, is_here, &mut types) {
                let register = place::instruction_pointer();
                // Programs are loaded anywhere: what is told from the instruction holds there, too.
                let offset = at.wrapping_sub(address) as i64;
                let place = MarkArgument::Sum { register, offset };
                best = Some((is_here, of_place(name, ty, place)));
            }
        });
        best.map(|(_, found)| (found, types.finish()))
    })?
}

/// A variable whose address is at a place.
pub(super) fn of_place(name: &str, ty: TypeId, place: MarkArgument) -> ProgramVariable {
    let value = Scalar { bytes: 8, signed: false };
    ProgramVariable { name: name.to_string(), ty: ty.0, value, place: Some(place) }
}

/// The address and the type of a variable of a unit; of those that are static only where `is_here` says that the unit
/// is meant.
pub(super) fn in_unit(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    wanted: &str,
    is_here: bool,
    types: &mut Types<'_>,
) -> gimli::Result<Option<(u64, TypeId)>> {
    let mut entries = unit.entries();
    let mut depth = 0;
    let mut inside: Option<isize> = None;
    while let Some((step, entry)) = entries.next_dfs()? {
        depth += step;
        if inside.is_some_and(|of| depth > of) {
            continue;
        }
        inside = None;
        match entry.tag() {
            gimli::DW_TAG_subprogram => inside = Some(depth),
            gimli::DW_TAG_variable => {
                let Some(AttributeValue::Exprloc(location)) =
                    entry.attr_value(gimli::DW_AT_location)?
                else {
                    continue;
                };
                let Some(name) = attribute(dwarf, unit, entry, gimli::DW_AT_name)? else {
                    continue;
                };
                if dwarf.attr_string(unit, name)?.slice() != wanted.as_bytes() {
                    continue;
                }
                // What is static in another file is not the same variable.
                let external = attribute(dwarf, unit, entry, gimli::DW_AT_external)?;
                if !is_here && !matches!(external, Some(AttributeValue::Flag(true))) {
                    continue;
                }
                let mut operations = location.operations(unit.encoding());
                let at = match operations.next()? {
                    Some(Operation::Address { address }) => address,
                    Some(Operation::AddressIndex { index }) => dwarf.address(unit, index)?,
                    _ => continue,
                };
                let Some(target) = attribute(dwarf, unit, entry, gimli::DW_AT_type)? else {
                    continue;
                };
                return Ok(Some((at, types.of(dwarf, unit, target))));
            }
            _ => {}
        }
    }
    Ok(None)
}
