//! Places in the kernel's code that its debug information tells, and the variables there.
//!
//! A kernel has thousands of units. Those that have a name in them are found by its place in the table of names: only
//! these are read.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use gimli::{Section, UnitSectionOffset};
use ntap_compiler::btf::Btf;
use ntap_compiler::glob;
use ntap_compiler::hir::MarkArgument;
use ntap_compiler::program_file::{FunctionVariables, Label, Place, ProgramVariable};

use super::super::copies::{Inlined, calls_in, labels_in};
use super::super::frames::CallFrames;
use super::super::types::Types;
use super::super::{Reader, globals, is_path, place};
use super::{KernelDebugInfo, from_top};

/// A name that is the end of more other names than this is looked for in all units.
const MOST_NAMES: usize = 16;
/// Shorter names are not in the table.
const SHORTEST_NAME: usize = 4;

impl KernelDebugInfo {
    /// What is known of each of the places, and the types it names which are not among the kernel's own: they go on
    /// where those of `base` end.
    pub(crate) fn variables(
        &self,
        asked: &[Place<'_>],
        kernel: &Btf,
        base: &Btf,
    ) -> (Vec<Option<FunctionVariables>>, Vec<u8>) {
        let linked = |place: &Place<'_>| place.address.wrapping_sub(self.moved);
        let asked: Vec<Place<'_>> =
            asked.iter().map(|place| Place { address: linked(place), ..*place }).collect();
        let mut units: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, place) in asked.iter().enumerate() {
            if let Some(unit) = self.unit_at(place.address) {
                units.entry(unit).or_default().push(at);
            }
        }
        let code =
            place::Code { frames: CallFrames::Kernel(&self.frames), moved: Some(self.moved) };
        let mut types = Types::of_kernel(kernel, base, self.derived.take());
        let mut found: Vec<Option<FunctionVariables>> = vec![None; asked.len()];
        for (unit, here) in units {
            let Ok(unit) = self.dwarf.unit(self.units[unit].header) else { continue };
            let mut reader =
                Reader { dwarf: &self.dwarf, unit: &unit, code: &code, types: &mut types };
            let _ = reader.functions(&asked, &here, &mut found);
            for at in here {
                if let Some(known) = &mut found[at] {
                    known.file = from_top(&unit, &known.file).to_string();
                    known.begin = known.begin.wrapping_add(self.moved);
                }
            }
        }
        self.derived.replace(types.take_derived());
        (found, types.finish())
    }

    /// Where functions were inlined whose names match a pattern: name and address, ascending by address. Those of
    /// certain files are inlined in these only, unless they are headers.
    pub(crate) fn inlined(
        &self,
        pattern: &str,
        of_files: bool,
        is_meant: impl Fn(&str) -> bool,
    ) -> Vec<(String, u64)> {
        let mut units = self.units_mentioning(pattern);
        if of_files {
            let meant: Vec<usize> =
                (0..self.units.len()).filter(|&at| is_meant(self.path(at))).collect();
            if !meant.is_empty() {
                units.retain(|at| meant.binary_search(at).is_ok());
            }
        }
        self.inlined_in(units, pattern)
    }

    /// What was inlined into the function that begins at an address, in the same way.
    pub(crate) fn inlined_into(&self, function: u64) -> Vec<(String, u64)> {
        let unit = self.unit_at(function.wrapping_sub(self.moved));
        let mut found = self.inlined_in(unit.into_iter().collect(), "*");
        let code = self.code(function);
        found.retain(|(_, address)| code.iter().any(|range| range.contains(address)));
        found
    }

    fn inlined_in(&self, units: Vec<usize>, pattern: &str) -> Vec<(String, u64)> {
        let mut found = Inlined::default();
        let mut numbers = HashMap::new();
        for at in units {
            if let Ok(unit) = self.dwarf.unit(self.units[at].header) {
                let _ = found.read_unit(&self.dwarf, &unit, &mut numbers);
            }
        }
        found.sort();
        let moved = |(name, address): (String, u64)| (name, address.wrapping_add(self.moved));
        found.matching(pattern).into_iter().map(moved).collect()
    }

    /// The labels in functions whose names match a pattern.
    pub(crate) fn labels(&self, function: &str) -> Vec<Label> {
        let mut found = vec![];
        for at in self.units_mentioning(function) {
            if let Ok(unit) = self.dwarf.unit(self.units[at].header) {
                let _ = labels_in(&self.dwarf, &unit, function, &mut found);
            }
        }
        for label in &mut found {
            label.address = label.address.wrapping_add(self.moved);
        }
        found
    }

    /// The names of the functions that the one at an address calls, each once.
    pub(crate) fn calls(&self, function: u64) -> Vec<String> {
        let linked = function.wrapping_sub(self.moved);
        let mut found = vec![];
        let unit = self.unit_at(linked).map(|at| self.dwarf.unit(self.units[at].header));
        if let Some(Ok(unit)) = unit {
            let _ = calls_in(&self.dwarf, &unit, linked, &mut found);
        }
        found.sort();
        found.dedup();
        found
    }

    /// The code of the function that begins at an address.
    pub(crate) fn code(&self, function: u64) -> Vec<Range<u64>> {
        let linked = function.wrapping_sub(self.moved);
        let find = || {
            let unit = self.dwarf.unit(self.units[self.unit_at(linked)?].header).ok()?;
            let mut entries = unit.entries();
            while let Some((_, entry)) = entries.next_dfs().ok()? {
                if entry.tag() != gimli::DW_TAG_subprogram {
                    continue;
                }
                let mut ranges = self.dwarf.die_ranges(&unit, entry).ok()?;
                let mut all = vec![];
                while let Some(range) = ranges.next().ok()? {
                    all.push(
                        range.begin.wrapping_add(self.moved)..range.end.wrapping_add(self.moved),
                    );
                }
                if all.iter().any(|range| range.start == function) {
                    return Some(all);
                }
            }
            None
        };
        find().unwrap_or_default()
    }

    /// A variable that belongs to no function, with the types it names as in [`KernelDebugInfo::variables`]: that of
    /// the source file whose path, or end of the path, is `file`; without a file the one that all may use, or else
    /// any.
    pub(crate) fn variable(
        &self,
        name: &str,
        file: Option<&str>,
        kernel: &Btf,
        base: &Btf,
    ) -> Option<(ProgramVariable, Vec<u8>)> {
        let mut types = Types::of_kernel(kernel, base, self.derived.take());
        let units: Vec<usize> = match file {
            Some(file) => {
                (0..self.units.len()).filter(|&at| is_path(self.path(at), file)).collect()
            }
            None => self.units_mentioning(name),
        };
        let find = |types: &mut Types<'_>, of_file: bool| {
            units.iter().find_map(|&at| {
                let unit = self.dwarf.unit(self.units[at].header).ok()?;
                globals::in_unit(&self.dwarf, &unit, name, of_file, types).ok()?
            })
        };
        let external = if file.is_none() { find(&mut types, false) } else { None };
        let found = external.or_else(|| find(&mut types, true));
        self.derived.replace(types.take_derived());
        let (linked, ty) = found?;
        let address = linked.wrapping_add(self.moved) as i64;
        let found = globals::of_place(name, ty, MarkArgument::Constant(address));
        Some((found, types.finish()))
    }

    /// The units with a name in them that a pattern stands for, as far as that can be told without reading them.
    fn units_mentioning(&self, pattern: &str) -> Vec<usize> {
        let all = || (0..self.units.len()).collect();
        if glob::is_pattern(pattern) || pattern.len() < SHORTEST_NAME {
            return all();
        }
        let info = self.dwarf.debug_info.reader().slice();
        let strings = self.dwarf.debug_str.reader().slice();
        let name = [pattern.as_bytes(), &[0]].concat();
        let mut places: Vec<[u8; 4]> = vec![];
        let mut from = 0;
        while let Some(at) = find_bytes(&strings[from..], &name) {
            // One name that is the end of another shares its text.
            places.push(((from + at) as u32).to_le_bytes());
            if places.len() > MOST_NAMES {
                return all();
            }
            from += at + 1;
        }
        let has_name = |at: &usize| {
            let header = &self.units[*at].header;
            let UnitSectionOffset::DebugInfoOffset(start) = header.offset() else { return true };
            let end = start.0 + header.length_including_self();
            let Some(bytes) = info.get(start.0..end) else { return true };
            places.iter().any(|place| find_bytes(bytes, place).is_some())
        };
        (0..self.units.len()).filter(has_name).collect()
    }
}

/// Where some bytes are first found: there are 200 MB to look through.
fn find_bytes(text: &[u8], wanted: &[u8]) -> Option<usize> {
    // SAFETY: both ranges are memory of slices, of the lengths given.
    let found = unsafe {
        libc::memmem(text.as_ptr().cast(), text.len(), wanted.as_ptr().cast(), wanted.len())
    };
    (!found.is_null()).then(|| found as usize - text.as_ptr() as usize)
}
