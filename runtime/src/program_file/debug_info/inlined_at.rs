//! Which functions the compiler has put into others, at an address: for stacks.
//!
//! A program's debug information may be hundreds of megabytes. Where the code of each compilation unit is comes from
//! `.debug_aranges`, or from the first entry of the unit; of a unit all inlined functions are read when one of its
//! addresses is first asked about.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use gimli::{AttributeValue, DebugInfoOffset, Dwarf, EndianSlice, LittleEndian, Unit};
use object::{Object, ObjectSection};

use super::{Entry, Slice, contents, file_name, name_in_program};
use crate::program_file::{Bytes, Elf, debug_file, map, parse};

/// So many addresses are kept.
const MOST_KEPT: usize = 1 << 16;
/// More inlined functions than this are not read of one unit.
const MOST_OF_UNIT: usize = 4_000_000;

/// A function that was inlined where an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InlinedFunction {
    /// Its name for the linker, or that of the source where it has no such.
    pub(crate) name: String,
    /// The source file and line of its call.
    pub(crate) call: Option<(String, u64)>,
}

/// The inlined functions of a program.
#[derive(Default)]
pub(crate) struct InlinedFunctions {
    sections: Option<gimli::DwarfSections<Section>>,
    /// Where the code of units is, ascending, and where the units are.
    units: Vec<(Range<u64>, usize)>,
    read: RefCell<HashMap<usize, Rc<UnitCopies>>>,
    known: RefCell<HashMap<u64, Rc<[InlinedFunction]>>>,
}

impl std::fmt::Debug for InlinedFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InlinedFunctions").field("units", &self.units.len()).finish()
    }
}

/// A section of a file that stays mapped.
enum Section {
    Mapped(Rc<Bytes>, Range<usize>),
    Unpacked(Vec<u8>),
}

impl Section {
    fn bytes(&self) -> &[u8] {
        match self {
            Section::Mapped(file, range) => &file[range.clone()],
            Section::Unpacked(bytes) => bytes,
        }
    }
}

/// The inlined functions of a unit.
#[derive(Default)]
struct UnitCopies {
    names: Vec<String>,
    files: Vec<String>,
    copies: Vec<Copy>,
}

/// A range of code of an inlined function.
struct Copy {
    range: Range<u64>,
    /// How deep it is in the tree of entries: what is inlined into something is deeper.
    depth: u32,
    name: u32,
    call_file: u32,
    call_line: u32,
}

impl InlinedFunctions {
    /// Opens the debug information of a program; without it there are none.
    pub(crate) fn open(path: &Path) -> InlinedFunctions {
        let mut opened =
            InlinedFunctions { sections: sections(path), ..InlinedFunctions::default() };
        let units = opened.dwarf().map(|dwarf| units(&dwarf)).unwrap_or_default();
        opened.units = units;
        opened
    }

    fn dwarf(&self) -> Option<Dwarf<Slice<'_>>> {
        let sections = self.sections.as_ref()?;
        Some(sections.borrow(|section| EndianSlice::new(section.bytes(), LittleEndian)))
    }

    /// The functions inlined at an address, the innermost first; the one with code of its own is not among them.
    pub(crate) fn at(&self, address: u64) -> Rc<[InlinedFunction]> {
        if let Some(known) = self.known.borrow().get(&address) {
            return known.clone();
        }
        let found: Rc<[InlinedFunction]> = self.find(address).unwrap_or_default().into();
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.insert(address, found.clone());
        found
    }

    fn find(&self, address: u64) -> Option<Vec<InlinedFunction>> {
        let after = self.units.partition_point(|(range, _)| range.start <= address);
        let (_, unit) = self.units[..after].last().filter(|(range, _)| range.contains(&address))?;
        let known = self.read.borrow().get(unit).cloned();
        let unit = match known {
            Some(known) => known,
            None => {
                let copies = Rc::new(self.read_unit(*unit).unwrap_or_default());
                self.read.borrow_mut().insert(*unit, copies.clone());
                copies
            }
        };
        let mut here: Vec<&Copy> =
            unit.copies.iter().filter(|copy| copy.range.contains(&address)).collect();
        here.sort_by_key(|copy| std::cmp::Reverse(copy.depth));
        let function = |copy: &Copy| InlinedFunction {
            name: unit.names[copy.name as usize].clone(),
            call: (copy.call_line > 0)
                .then(|| (unit.files[copy.call_file as usize].clone(), u64::from(copy.call_line))),
        };
        Some(here.into_iter().map(function).collect())
    }

    fn read_unit(&self, offset: usize) -> Option<UnitCopies> {
        let dwarf = self.dwarf()?;
        let header = dwarf.debug_info.header_from_offset(DebugInfoOffset(offset)).ok()?;
        let unit = dwarf.unit(header).ok()?;
        let mut copies = UnitCopies::default();
        // What was read before something that is damaged counts.
        let _ = copies.read(&dwarf, &unit);
        Some(copies)
    }
}

impl UnitCopies {
    fn read<'d>(&mut self, dwarf: &Dwarf<Slice<'d>>, unit: &Unit<Slice<'d>>) -> gimli::Result<()> {
        let mut names: HashMap<AttributeKey, u32> = HashMap::new();
        let mut files: HashMap<u64, u32> = HashMap::new();
        let mut entries = unit.entries();
        let mut depth = 0;
        while let Some((step, entry)) = entries.next_dfs()? {
            depth += step;
            if entry.tag() != gimli::DW_TAG_inlined_subroutine || self.copies.len() >= MOST_OF_UNIT
            {
                continue;
            }
            let Some(origin) = origin(entry)? else { continue };
            let name = match names.get(&origin) {
                Some(&name) => name,
                None => {
                    let Some(name) = name_in_program(dwarf, unit, entry)? else { continue };
                    self.names.push(name);
                    let name = self.names.len() as u32 - 1;
                    names.insert(origin, name);
                    name
                }
            };
            let file = match entry.attr_value(gimli::DW_AT_call_file)? {
                Some(AttributeValue::FileIndex(index)) => Some(index),
                _ => None,
            };
            let call_file = file.map_or(0, |index| {
                *files.entry(index).or_insert_with(|| {
                    self.files.push(file_name(dwarf, unit, index).unwrap_or_default());
                    self.files.len() as u32 - 1
                })
            });
            let line = entry.attr_value(gimli::DW_AT_call_line)?;
            let line = line.filter(|_| file.is_some()).and_then(|line| line.udata_value());
            let call_line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
            let mut ranges = dwarf.die_ranges(unit, entry)?;
            while let Some(range) = ranges.next()? {
                let (range, depth) = (range.begin..range.end, depth as u32);
                self.copies.push(Copy { range, depth, name, call_file, call_line });
            }
        }
        Ok(())
    }
}

/// Which entry says what was inlined.
#[derive(PartialEq, Eq, Hash)]
enum AttributeKey {
    Unit(usize),
    File(usize),
    Other(usize),
}

fn origin(entry: &Entry<'_, '_>) -> gimli::Result<Option<AttributeKey>> {
    Ok(match entry.attr_value(gimli::DW_AT_abstract_origin)? {
        Some(AttributeValue::UnitRef(offset)) => Some(AttributeKey::Unit(offset.0)),
        Some(AttributeValue::DebugInfoRef(offset)) => Some(AttributeKey::File(offset.0)),
        Some(AttributeValue::DebugInfoRefSup(offset)) => Some(AttributeKey::Other(offset.0)),
        _ => None,
    })
}

/// Where the code of all units is.
fn units(dwarf: &Dwarf<Slice<'_>>) -> Vec<(Range<u64>, usize)> {
    let mut found = vec![];
    let mut listed = vec![];
    let mut tables = dwarf.debug_aranges.headers();
    while let Ok(Some(table)) = tables.next() {
        let unit = table.debug_info_offset().0;
        let before = found.len();
        let mut entries = table.entries();
        while let Ok(Some(entry)) = entries.next() {
            found.push((entry.range().begin..entry.range().end, unit));
        }
        // Of a table without addresses it is not known whether the unit has none.
        if found.len() > before {
            listed.push(unit);
        }
    }
    listed.sort_unstable();
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        let Some(offset) = header.offset().as_debug_info_offset().map(|offset| offset.0) else {
            continue;
        };
        if listed.binary_search(&offset).is_ok() {
            continue;
        }
        let Ok(unit) = dwarf.unit(header) else { continue };
        let Ok(mut ranges) = dwarf.unit_ranges(&unit) else { continue };
        while let Ok(Some(range)) = ranges.next() {
            found.push((range.begin..range.end, offset));
        }
    }
    // Code that the linker has left out is at 0.
    found.retain(|(range, _)| range.start > 0 && range.start < range.end);
    found.sort_by_key(|(range, _)| (range.start, range.end));
    found
}

/// The sections of the file with a program's debug information; it stays mapped as long as they live.
fn sections(path: &Path) -> Option<gimli::DwarfSections<Section>> {
    let bytes = map(path).ok()?;
    let elf = parse(path, &bytes).ok()?;
    if elf.section_by_name(".debug_info").is_some() {
        drop(elf);
        return sections_of(path, bytes);
    }
    let apart = debug_file::of(path, &elf)?;
    let bytes = map(&apart).ok()?;
    sections_of(&apart, bytes)
}

fn sections_of(path: &Path, bytes: Bytes) -> Option<gimli::DwarfSections<Section>> {
    let bytes = Rc::new(bytes);
    let elf: Elf<'_> = parse(path, &bytes).ok()?;
    let load = |id: gimli::SectionId| -> gimli::Result<Section> {
        let Some(section) = elf.section_by_name(id.name()) else {
            return Ok(Section::Unpacked(vec![]));
        };
        let plain = section.compressed_file_range().ok();
        let plain = plain.filter(|range| range.format == object::CompressionFormat::None);
        let range = plain.and_then(|range| {
            let start = usize::try_from(range.offset).ok()?;
            let end = start.checked_add(usize::try_from(range.compressed_size).ok()?)?;
            (end <= bytes.len()).then_some(start..end)
        });
        Ok(match range {
            Some(range) => Section::Mapped(bytes.clone(), range),
            None => Section::Unpacked(contents(section).into_owned()),
        })
    };
    gimli::DwarfSections::load(load).ok()
}
