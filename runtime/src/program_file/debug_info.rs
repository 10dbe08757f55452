//! What a program's debug information (DWARF, of `cc -g`) says of functions: their parameters, what they
//! return, the variables at a place, and where lines are.
//!
//! In: a program, or the file of its debug information that is installed apart from it, and addresses. Out:
//! places in the registers and memory of a process, and types in the kernel's format. Only the compilation
//! units with the addresses are read.
//!
//! At its entry a function has its parameters where the calling convention puts them: code that is not optimized
//! stores them where its debug information says only some instructions later.

mod copies;
mod frames;
mod globals;
mod inlined_at;
mod kernel;
mod lines;
mod named_type;
mod place;
mod source_lines;
mod types;

use std::borrow::Cow;
use std::path::Path;

use gimli::{
    AttributeValue, DebugInfoOffset, DebuggingInformationEntry, Dwarf, EndianSlice, LittleEndian,
    Unit,
};
use ntap_compiler::btf::Btf;
use ntap_compiler::glob;
use ntap_compiler::hir::{MarkArgument, Scalar};
use ntap_compiler::program_file::{FunctionVariables, Place, ProgramVariable, Within};
use object::read::elf::ElfSection64;
use object::{Endianness, Object, ObjectSection};

use super::{Elf, debug_file, map, parse};
pub(super) use copies::{Inlined, calls, labels};
use frames::CallFrames;
pub(super) use globals::variable;
pub(crate) use inlined_at::InlinedFunctions;
pub(crate) use kernel::{KernelDebugInfo, TEXT_SYMBOL};
pub(super) use lines::lines;
pub(super) use named_type::named_type;
pub(crate) use place::register_of_number;
pub(crate) use source_lines::SourceLines;
pub(super) use source_lines::read as source_lines;
use types::Types;

/// Bytes of the debug information.
pub(super) type Slice<'d> = EndianSlice<'d, LittleEndian>;
type Entry<'a, 'd> = DebuggingInformationEntry<'a, 'a, Slice<'d>>;

/// What is known of each of the places, and the types it names, which go on where those of `base` end. `None`
/// where the program has no debug information.
pub(super) fn variables(
    path: &Path,
    asked: &[Place<'_>],
    base: &Btf,
) -> Option<(Vec<Option<FunctionVariables>>, Vec<u8>)> {
    with_dwarf(path, |dwarf, elf| {
        let mut types = Types::new(base);
        let code = place::Code { frames: CallFrames::Program(elf), moved: None };
        let mut found: Vec<Option<FunctionVariables>> = vec![None; asked.len()];
        each_unit(dwarf, |unit, ranges| {
            let here: Vec<usize> = (0..asked.len())
                .filter(|&at| ranges.iter().any(|r| r.contains(&asked[at].address)))
                .collect();
            if !here.is_empty() {
                let mut reader = Reader { dwarf, unit, code: &code, types: &mut types };
                let _ = reader.functions(asked, &here, &mut found);
            }
        });
        (found, types.finish())
    })
}

/// Whether a path of the debug information is the file a script names: the same, or one of them the end of the
/// other.
pub(super) fn is_path(path: &str, file: &str) -> bool {
    if glob::is_pattern(file) {
        return glob::matches(file, path) || glob::matches(&format!("*/{file}"), path);
    }
    let ends = |long: &str, short: &str| {
        long == short || long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'))
    };
    ends(path, file) || ends(file, path)
}

/// Opens the debug information of a program: its own, or that of the same build which is installed apart.
fn with_dwarf<T>(path: &Path, use_it: impl FnOnce(&Dwarf<Slice<'_>>, &Elf<'_>) -> T) -> Option<T> {
    let bytes = map(path).ok()?;
    let elf = parse(path, &bytes).ok()?;
    if elf.section_by_name(".debug_info").is_some() {
        return with_sections(&elf, &elf, use_it);
    }
    let apart = debug_file::of(path, &elf)?;
    let bytes = map(&apart).ok()?;
    let debug = parse(&apart, &bytes).ok()?;
    debug.section_by_name(".debug_info")?;
    with_sections(&debug, &elf, use_it)
}

fn with_sections<T>(
    debug: &Elf<'_>,
    elf: &Elf<'_>,
    use_it: impl FnOnce(&Dwarf<Slice<'_>>, &Elf<'_>) -> T,
) -> Option<T> {
    let load = |id: gimli::SectionId| -> gimli::Result<Cow<'_, [u8]>> {
        Ok(debug.section_by_name(id.name()).map(contents).unwrap_or_default())
    };
    let sections = gimli::DwarfSections::load(load).ok()?;
    let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian));
    Some(use_it(&dwarf, elf))
}

/// The contents of a section, unpacked; empty when they cannot be.
pub(super) fn contents<'d>(section: ElfSection64<'d, '_, Endianness>) -> Cow<'d, [u8]> {
    let Ok(data) = section.compressed_data() else { return Cow::default() };
    match data.format {
        object::CompressionFormat::None => Cow::Borrowed(data.data),
        object::CompressionFormat::Zlib => {
            let most = usize::try_from(data.uncompressed_size).unwrap_or(usize::MAX);
            let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(data.data, most);
            Cow::Owned(unpacked.unwrap_or_default())
        }
        _ => Cow::default(),
    }
}

/// Calls `visit` with every unit and the addresses of its code.
fn each_unit<'d>(
    dwarf: &Dwarf<Slice<'d>>,
    mut visit: impl FnMut(&Unit<Slice<'d>>, &[std::ops::Range<u64>]),
) {
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        let Ok(unit) = dwarf.unit(header) else { continue };
        let mut ranges = vec![];
        if let Ok(mut iterator) = dwarf.unit_ranges(&unit) {
            while let Ok(Some(range)) = iterator.next() {
                ranges.push(range.begin..range.end);
            }
        }
        visit(&unit, &ranges);
    }
}

/// A unit being read.
struct Reader<'r, 'd, 'b> {
    dwarf: &'r Dwarf<Slice<'d>>,
    unit: &'r Unit<Slice<'d>>,
    code: &'r place::Code<'r>,
    types: &'r mut Types<'b>,
}

/// A function on the way through the tree of entries.
struct Function {
    depth: isize,
    /// The places asked about that are in it.
    places: Vec<usize>,
    /// The registers the calling convention has left for parameters at the entry.
    convention: Option<place::Convention>,
    /// `DW_AT_frame_base`.
    frame: place::Frame,
    /// The first instruction of one with code of its own.
    begin: Option<u64>,
}

impl<'d> Reader<'_, 'd, '_> {
    /// Fills in what is asked about the functions of the unit.
    fn functions(
        &mut self,
        asked: &[Place<'_>],
        here: &[usize],
        found: &mut [Option<FunctionVariables>],
    ) -> gimli::Result<()> {
        let unit = self.unit;
        let mut entries = unit.entries();
        let mut depth = 0;
        // The function, what was inlined into it, and so on: a place is in the innermost.
        let mut functions: Vec<Function> = vec![];
        // Blocks that none of the places is in.
        let mut skipped: Option<isize> = None;
        while let Some((step, entry)) = entries.next_dfs()? {
            depth += step;
            while functions.last().is_some_and(|f| depth <= f.depth) {
                functions.pop();
            }
            if skipped.is_some_and(|block| depth > block) {
                continue;
            }
            skipped = None;
            match entry.tag() {
                gimli::DW_TAG_subprogram => {
                    functions.push(self.function(entry, depth, asked, here, found)?);
                }
                gimli::DW_TAG_inlined_subroutine => {
                    let Some(outer) = functions.last_mut().filter(|f| !f.places.is_empty()) else {
                        continue;
                    };
                    let inner = self.inlined(entry, depth, asked, outer, found)?;
                    if inner.places.is_empty() {
                        skipped = Some(depth);
                    } else {
                        functions.push(inner);
                    }
                }
                gimli::DW_TAG_lexical_block => {
                    let Some(f) = functions.last() else { continue };
                    let ranges = self.ranges(entry)?;
                    let is_inside = |&at: &usize| {
                        let Place { address, within } = asked[at];
                        within != Within::Entry && ranges.iter().any(|r| r.contains(&address))
                    };
                    if !f.places.iter().any(is_inside) {
                        skipped = Some(depth);
                    }
                }
                tag @ (gimli::DW_TAG_formal_parameter | gimli::DW_TAG_variable) => {
                    let Some(f) = functions.last_mut().filter(|f| !f.places.is_empty()) else {
                        continue;
                    };
                    let is_parameter = tag == gimli::DW_TAG_formal_parameter;
                    // Parameters of functions that are pointed to are none of this one.
                    if is_parameter && depth != f.depth + 1 {
                        continue;
                    }
                    self.variable(entry, is_parameter, f, asked, found)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn function(
        &mut self,
        entry: &Entry<'_, 'd>,
        depth: isize,
        asked: &[Place<'_>],
        here: &[usize],
        found: &mut [Option<FunctionVariables>],
    ) -> gimli::Result<Function> {
        let ranges = self.ranges(entry)?;
        let is_in = |&&at: &&usize| {
            let Place { address, within } = asked[at];
            match within {
                Within::Entry => ranges.iter().any(|range| range.start == address),
                Within::Any | Within::Function(_) => {
                    ranges.iter().any(|range| range.contains(&address))
                }
            }
        };
        let places: Vec<usize> = here.iter().filter(is_in).copied().collect();
        if places.is_empty() {
            let (convention, frame, begin) = (None, place::Frame::Unknown, None);
            return Ok(Function { depth, places, convention, frame, begin });
        }
        let result = match self.attribute(entry, gimli::DW_AT_type)? {
            Some(target) => Some(self.types.of(self.dwarf, self.unit, target)),
            None => None,
        };
        let value = result.and_then(|ty| self.types.scalar(ty));
        let known = FunctionVariables {
            result: result.zip(value).map(|(ty, value)| (ty.0, value)),
            ..self.declared(entry)?
        };
        for &at in &places {
            found[at] = Some(known.clone());
        }
        let by_memory =
            result.is_some_and(|ty| self.types.is_returned_in_memory(ty, is_rust(self.unit)));
        let frame = match entry.attr_value(gimli::DW_AT_frame_base)? {
            Some(AttributeValue::Exprloc(expression)) => {
                place::frame(expression, self.unit.encoding())
            }
            _ => place::Frame::Unknown,
        };
        let convention = Some(place::Convention::new(by_memory));
        let begin = ranges.first().map(|range| range.start);
        Ok(Function { depth, places, convention, frame, begin })
    }

    /// A function that was inlined into another: it takes over the places that are in it.
    fn inlined(
        &mut self,
        entry: &Entry<'_, 'd>,
        depth: isize,
        asked: &[Place<'_>],
        outer: &mut Function,
        found: &mut [Option<FunctionVariables>],
    ) -> gimli::Result<Function> {
        let ranges = self.ranges(entry)?;
        // Optimizing compilers may enter it where none of its code is.
        let (begin, name) = (copies::begin(self.dwarf, self.unit, entry)?, self.name(entry)?);
        let is_entry = |address, within| {
            begin == Some(address)
                && matches!(within, Within::Function(of) if Some(of) == name.as_deref())
        };
        let mut places = vec![];
        outer.places.retain(|&at| {
            let Place { address, within } = asked[at];
            let is_found = match within {
                Within::Entry => true,
                Within::Any => false,
                Within::Function(name) => {
                    found[at].as_ref().is_some_and(|known| known.function == name)
                }
            };
            let moves = !is_found
                && (ranges.iter().any(|range| range.contains(&address))
                    || is_entry(address, within));
            if moves {
                places.push(at);
            }
            !moves
        });
        if !places.is_empty() {
            let known = self.declared(entry)?;
            places.iter().for_each(|&at| found[at] = Some(known.clone()));
        }
        Ok(Function { depth, places, convention: None, frame: outer.frame, begin: None })
    }

    /// What a function is called, and where it is declared.
    fn declared(&self, entry: &Entry<'_, 'd>) -> gimli::Result<FunctionVariables> {
        let file = self
            .attribute(entry, gimli::DW_AT_decl_file)?
            .and_then(|file| self.file_name(file))
            .or_else(|| self.unit.name.map(|name| name.to_string_lossy().into_owned()));
        let line = self.attribute(entry, gimli::DW_AT_decl_line)?;
        Ok(FunctionVariables {
            function: self.name(entry)?.unwrap_or_default(),
            file: file.unwrap_or_default(),
            line: line.and_then(|line| line.udata_value()).unwrap_or(0),
            begin: copies::begin(self.dwarf, self.unit, entry)?.unwrap_or(0),
            result: None,
            parameters: vec![],
            locals: vec![],
        })
    }

    fn variable(
        &mut self,
        entry: &Entry<'_, 'd>,
        is_parameter: bool,
        function: &mut Function,
        asked: &[Place<'_>],
        found: &mut [Option<FunctionVariables>],
    ) -> gimli::Result<()> {
        let Some(target) = self.attribute(entry, gimli::DW_AT_type)? else { return Ok(()) };
        let ty = self.types.of(self.dwarf, self.unit, target);
        let location = entry.attr_value(gimli::DW_AT_location)?;
        let encoding = self.unit.encoding();
        let class = match (location, self.types.class(ty, is_rust(self.unit))) {
            // What has a constructor of its own for copies.
            (
                Some(AttributeValue::Exprloc(of)),
                place::Class::Integers(_) | place::Class::Memory,
            ) if self.types.is_in_memory(ty) && place::is_by_reference(of, encoding) => {
                place::Class::ByReference
            }
            (_, class) => class,
        };
        // Every parameter takes its registers, also one without a name.
        let by_convention = match (is_parameter, &mut function.convention) {
            (true, Some(convention)) => convention.next(class),
            _ => None,
        };
        let Some(name) = self.name(entry)? else { return Ok(()) };
        // Of what is in memory as a whole the value is its address.
        let in_memory = self.types.is_in_memory(ty);
        let scalar = self.types.scalar(ty);
        let value = scalar.unwrap_or(Scalar { bytes: 8, signed: false });
        let constant = match (location, entry.attr_value(gimli::DW_AT_const_value)?) {
            (None, Some(value)) => value.sdata_value().or(value.udata_value().map(|v| v as i64)),
            _ => None,
        };
        for &at in &function.places {
            let address = asked[at].address;
            let inside = asked[at].within != Within::Entry && function.begin != Some(address);
            let found_place = match constant {
                Some(value) => place::Found::At(MarkArgument::Constant(value)),
                None => self.place(location, address, inside, &function.frame)?,
            };
            let place = match found_place {
                _ if class == place::Class::ByReference && !inside => by_convention,
                place::Found::At(place) => Some(place),
                place::Found::AddressAt(place) if in_memory => {
                    let (name, place) = (name.clone(), Some(place));
                    let variable = ProgramVariable { name, ty: ty.0, value, place };
                    add(found, at, is_parameter, variable);
                    continue;
                }
                place::Found::InMemoryLater(_) | place::Found::Unsaid
                    if is_parameter && !inside =>
                {
                    by_convention
                }
                place::Found::InMemoryLater(later) if !inside => later,
                _ => None,
            };
            let place = match (place, scalar.is_some()) {
                (Some(place), true) => Some(place),
                (
                    Some(MarkArgument::Memory {
                        base: Some(register), index: None, offset, ..
                    }),
                    _,
                ) if in_memory => Some(MarkArgument::Sum { register, offset }),
                _ => None,
            };
            add(
                found,
                at,
                is_parameter,
                ProgramVariable { name: name.clone(), ty: ty.0, value, place },
            );
        }
        Ok(())
    }

    /// Where a variable is at an address.
    fn place(
        &self,
        location: Option<AttributeValue<Slice<'d>>>,
        address: u64,
        inside: bool,
        frame: &place::Frame,
    ) -> gimli::Result<place::Found> {
        let Some(location) = location else { return Ok(place::Found::Unsaid) };
        let (expression, everywhere) = match location {
            AttributeValue::Exprloc(expression) => (Some(expression), true),
            other => match self.dwarf.attr_locations(self.unit, other)? {
                Some(mut list) => {
                    let mut here = None;
                    while let Some(entry) = list.next()? {
                        if (entry.range.begin..entry.range.end).contains(&address) {
                            here = Some(entry.data);
                        }
                    }
                    (here, false)
                }
                None => (None, true),
            },
        };
        let Some(expression) = expression else { return Ok(place::Found::Nowhere) };
        let listed = |index| self.dwarf.address(self.unit, index).ok();
        let at = place::At { code: self.code, address, inside, everywhere, frame, listed: &listed };
        place::find(expression, self.unit.encoding(), &at)
    }

    /// The addresses of a function or block.
    fn ranges(&self, entry: &Entry<'_, 'd>) -> gimli::Result<Vec<std::ops::Range<u64>>> {
        let mut found = vec![];
        let mut ranges = self.dwarf.die_ranges(self.unit, entry)?;
        while let Some(range) = ranges.next()? {
            found.push(range.begin..range.end);
        }
        Ok(found)
    }

    fn name(&self, entry: &Entry<'_, 'd>) -> gimli::Result<Option<String>> {
        let Some(name) = self.attribute(entry, gimli::DW_AT_name)? else { return Ok(None) };
        let text = self.dwarf.attr_string(self.unit, name)?;
        Ok(Some(text.to_string_lossy().into_owned()))
    }

    fn file_name(&self, attribute: AttributeValue<Slice<'d>>) -> Option<String> {
        let AttributeValue::FileIndex(index) = attribute else { return None };
        file_name(self.dwarf, self.unit, index)
    }

    fn attribute(
        &self,
        entry: &Entry<'_, 'd>,
        name: gimli::DwAt,
    ) -> gimli::Result<Option<AttributeValue<Slice<'d>>>> {
        attribute(self.dwarf, self.unit, entry, name)
    }
}

/// Adds a variable to what is known of a place.
fn add(
    found: &mut [Option<FunctionVariables>],
    at: usize,
    is_parameter: bool,
    variable: ProgramVariable,
) {
    let Some(known) = &mut found[at] else { return };
    let list = match is_parameter {
        true => &mut known.parameters,
        false => &mut known.locals,
    };
    // A block's own variable hides one of the same name around it.
    list.retain(|other| other.name != variable.name);
    list.push(variable);
}

/// Whether a unit is of Rust, whose functions take what is no number or pointer in ways of their own.
fn is_rust(unit: &Unit<Slice<'_>>) -> bool {
    let entry = unit.entry(gimli::UnitOffset(unit.header.header_size()));
    let language = entry.and_then(|entry| entry.attr_value(gimli::DW_AT_language));
    matches!(language, Ok(Some(AttributeValue::Language(gimli::DW_LANG_Rust))))
}

/// An attribute of an entry, or of the one it is a further part of: a declaration, or what was inlined.
fn attribute<'d>(
    dwarf: &Dwarf<Slice<'d>>,
    unit: &Unit<Slice<'d>>,
    entry: &Entry<'_, 'd>,
    name: gimli::DwAt,
) -> gimli::Result<Option<AttributeValue<Slice<'d>>>> {
    if let Some(value) = entry.attr_value(name)? {
        return Ok(Some(value));
    }
    for link in [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification] {
        match entry.attr_value(link)? {
            Some(AttributeValue::UnitRef(offset)) => {
                return attribute(dwarf, unit, &unit.entry(offset)?, name);
            }
            Some(AttributeValue::DebugInfoRef(offset)) => {
                let Some(other) = unit_of(dwarf, offset) else { continue };
                let Some(offset) = offset.to_unit_offset(&other.header) else { continue };
                let value = attribute(dwarf, &other, &other.entry(offset)?, name)?;
                return Ok(value.and_then(|value| from_other(dwarf, &other, value)));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The unit with an entry of the file.
fn unit_of<'d>(dwarf: &Dwarf<Slice<'d>>, offset: DebugInfoOffset) -> Option<Unit<Slice<'d>>> {
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        if offset.to_unit_offset(&header).is_some() {
            return dwarf.unit(header).ok();
        }
    }
    None
}

/// The value of an attribute of another unit, as one that says the same in any.
fn from_other<'d>(
    dwarf: &Dwarf<Slice<'d>>,
    other: &Unit<Slice<'d>>,
    value: AttributeValue<Slice<'d>>,
) -> Option<AttributeValue<Slice<'d>>> {
    Some(match value {
        AttributeValue::UnitRef(offset) => {
            AttributeValue::DebugInfoRef(offset.to_debug_info_offset(&other.header)?)
        }
        AttributeValue::DebugStrOffsetsIndex(_) => {
            AttributeValue::String(dwarf.attr_string(other, value).ok()?)
        }
        // Files are counted in each unit.
        AttributeValue::FileIndex(_) => return None,
        value => value,
    })
}

/// What the linker calls the function that an entry is of: where it has no such name, that in the source.
fn name_in_program<'d>(
    dwarf: &Dwarf<Slice<'d>>,
    unit: &Unit<Slice<'d>>,
    entry: &Entry<'_, 'd>,
) -> gimli::Result<Option<String>> {
    for name in [gimli::DW_AT_linkage_name, gimli::DW_AT_MIPS_linkage_name, gimli::DW_AT_name] {
        if let Some(value) = attribute(dwarf, unit, entry, name)? {
            return Ok(Some(dwarf.attr_string(unit, value)?.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// The path of a source file of a unit, with its folder.
fn file_name(dwarf: &Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>, index: u64) -> Option<String> {
    let header = unit.line_program.as_ref()?.header();
    let file = header.file(index)?;
    let text = |value| Some(dwarf.attr_string(unit, value).ok()?.to_string_lossy());
    let name = text(file.path_name())?;
    let folder = file.directory(header).and_then(text).unwrap_or_default();
    let of_unit = unit.comp_dir.map(|folder| folder.to_string_lossy()).unwrap_or_default();
    // What is absolute takes the place of what it is joined to.
    let path = Path::new(&*of_unit).join(&*folder).join(&*name);
    Some(path.display().to_string())
}
