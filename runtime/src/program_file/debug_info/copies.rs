//! Where functions were inlined, what they call, and where labels are.

use std::collections::HashMap;
use std::path::Path;

use gimli::{AttributeValue, Dwarf, Unit};
use ntap_compiler::glob;
use ntap_compiler::program_file::Label;

use super::{Entry, Slice, attribute, each_unit, with_dwarf};

/// Where a program's functions were inlined. A large program has hundreds of thousands of such places, and all of its
/// debug information is read to find them: once.
#[derive(Debug, Default)]
pub(in crate::program_file) struct Inlined {
    names: Vec<String>,
    /// Which name, and the address.
    places: Vec<(u32, u64)>,
}

impl Inlined {
    /// Finds them all.
    pub(in crate::program_file) fn read(path: &Path) -> Inlined {
        let found = with_dwarf(path, |dwarf, _| {
            let mut found = Inlined::default();
            let mut numbers = HashMap::new();
            each_unit(dwarf, |unit, _| {
                let _ = found.read_unit(dwarf, unit, &mut numbers);
            });
            found
        });
        let mut found = found.unwrap_or_default();
        found.sort();
        found
    }

    /// Brings them in the order they are asked for.
    pub(super) fn sort(&mut self) {
        self.places.sort_unstable_by_key(|&(name, address)| (address, name));
        self.places.dedup();
    }

    /// Adds those of a unit; `numbers` has what names are numbered so far.
    pub(super) fn read_unit(
        &mut self,
        dwarf: &Dwarf<Slice<'_>>,
        unit: &Unit<Slice<'_>>,
        numbers: &mut HashMap<String, u32>,
    ) -> gimli::Result<()> {
        // What was inlined, by the place of its entry.
        let mut origins: HashMap<usize, Option<u32>> = HashMap::new();
        let mut entries = unit.entries();
        while let Some((_, entry)) = entries.next_dfs()? {
            if entry.tag() != gimli::DW_TAG_inlined_subroutine {
                continue;
            }
            let origin = entry.attr_value(gimli::DW_AT_abstract_origin)?;
            let Some(AttributeValue::UnitRef(origin)) = origin else { continue };
            let number = match origins.get(&origin.0) {
                Some(number) => *number,
                None => {
                    let number = name(dwarf, unit, entry)?.map(|name| {
                        *numbers.entry(name).or_insert_with_key(|name| {
                            self.names.push(name.clone());
                            self.names.len() as u32 - 1
                        })
                    });
                    origins.insert(origin.0, number);
                    number
                }
            };
            if let (Some(number), Some(address)) = (number, begin(dwarf, unit, entry)?) {
                self.places.push((number, address));
            }
        }
        Ok(())
    }

    /// Those whose names match: name and address, ascending by address.
    pub(in crate::program_file) fn matching(&self, pattern: &str) -> Vec<(String, u64)> {
        let is_meant: Vec<bool> =
            self.names.iter().map(|name| glob::matches(pattern, name)).collect();
        let places = self.places.iter().filter(|(name, _)| is_meant[*name as usize]);
        places.map(|&(name, address)| (self.names[name as usize].clone(), address)).collect()
    }
}

/// The labels in functions whose names match a pattern, by their order in the debug information.
pub(in crate::program_file) fn labels(path: &Path, function: &str) -> Vec<Label> {
    let found = with_dwarf(path, |dwarf, _| {
        let mut found = vec![];
        each_unit(dwarf, |unit, _| {
            let _ = labels_in(dwarf, unit, function, &mut found);
        });
        found
    });
    found.unwrap_or_default()
}

pub(super) fn labels_in(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    pattern: &str,
    found: &mut Vec<Label>,
) -> gimli::Result<()> {
    let mut entries = unit.entries();
    let mut depth = 0;
    let mut functions: Vec<(isize, String)> = vec![];
    while let Some((step, entry)) = entries.next_dfs()? {
        depth += step;
        while functions.last().is_some_and(|(of, _)| depth <= *of) {
            functions.pop();
        }
        match entry.tag() {
            gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine => {
                functions.push((depth, name(dwarf, unit, entry)?.unwrap_or_default()));
            }
            gimli::DW_TAG_label => {
                let Some((_, function)) = functions.last() else { continue };
                if !glob::matches(pattern, function) {
                    continue;
                }
                if let (Some(name), Some(address)) =
                    (name(dwarf, unit, entry)?, begin(dwarf, unit, entry)?)
                {
                    found.push(Label { function: function.clone(), name, address });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The names of the functions that the one at an address calls, each once: compilers that optimize note them.
pub(in crate::program_file) fn calls(path: &Path, function: u64) -> Vec<String> {
    let found = with_dwarf(path, |dwarf, _| {
        let mut found = vec![];
        each_unit(dwarf, |unit, ranges| {
            if ranges.iter().any(|range| range.contains(&function)) {
                let _ = calls_in(dwarf, unit, function, &mut found);
            }
        });
        found
    });
    let mut found = found.unwrap_or_default();
    found.sort();
    found.dedup();
    found
}

pub(super) fn calls_in(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    function: u64,
    found: &mut Vec<String>,
) -> gimli::Result<()> {
    let mut entries = unit.entries();
    let mut depth = 0;
    let mut inside: Option<isize> = None;
    while let Some((step, entry)) = entries.next_dfs()? {
        depth += step;
        if inside.is_some_and(|of| depth <= of) {
            return Ok(());
        }
        match entry.tag() {
            gimli::DW_TAG_subprogram if begin(dwarf, unit, entry)? == Some(function) => {
                inside = Some(depth);
            }
            gimli::DW_TAG_call_site | gimli::DW_TAG_GNU_call_site if inside.is_some() => {
                for link in [gimli::DW_AT_call_origin, gimli::DW_AT_abstract_origin] {
                    let Some(AttributeValue::UnitRef(origin)) = entry.attr_value(link)? else {
                        continue;
                    };
                    found.extend(name(dwarf, unit, &unit.entry(origin)?)?);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn name<'d>(
    dwarf: &Dwarf<Slice<'d>>,
    unit: &Unit<Slice<'d>>,
    entry: &Entry<'_, 'd>,
) -> gimli::Result<Option<String>> {
    let Some(name) = attribute(dwarf, unit, entry, gimli::DW_AT_name)? else { return Ok(None) };
    Ok(Some(dwarf.attr_string(unit, name)?.to_string_lossy().into_owned()))
}

/// Where an entry's code is entered.
pub(super) fn begin<'d>(
    dwarf: &Dwarf<Slice<'d>>,
    unit: &Unit<Slice<'d>>,
    entry: &Entry<'_, 'd>,
) -> gimli::Result<Option<u64>> {
    for name in [gimli::DW_AT_entry_pc, gimli::DW_AT_low_pc] {
        if let Some(value) = entry.attr_value(name)?
            && let Some(address) = dwarf.attr_address(unit, value)?
        {
            return Ok(Some(address));
        }
    }
    Ok(dwarf.die_ranges(unit, entry)?.next()?.map(|range| range.begin))
}
