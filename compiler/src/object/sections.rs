//! Lays out the sections and symbols of an object.

use std::collections::BTreeMap;

use object::write::{
    Object, Relocation, SectionId, StandardSection, Symbol, SymbolId, SymbolSection,
};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

use super::btf::{Btf, Linkage, Placed, TypeId};
use super::btf_ext::BtfExt;
use super::{Location, MapDefinition, ObjectError, ObjectInput, Subprogram, SubprogramParameter};
use crate::backend::bpf::instruction::PSEUDO_FUNC;
use crate::backend::bpf::{BpfCode, Relocation as CodeRelocation, RelocationKind};

const TEXT: &str = ".text";
const INSTRUCTION_BYTES: u64 = 8;
/// A 64-bit address split over two immediates.
const R_BPF_64_64: u32 = 1;
/// A call.
const R_BPF_64_32: u32 = 10;
/// Programs are only loadable with this licence's helpers.
const LICENSE: &[u8] = b"GPL\0";

/// An object and what its description tells about it.
pub(super) struct Built {
    pub(super) bytes: Vec<u8>,
    pub(super) btf_types: u32,
    pub(super) btf_bytes: usize,
}

pub(super) fn build(input: &ObjectInput) -> Result<Built, ObjectError> {
    let mut writer = Writer::new(input);
    writer.license();
    writer.maps();
    writer.variables();
    let functions = writer.functions();
    for function in &functions {
        writer.relocate(function)?;
    }
    writer.finish()
}

struct Writer<'a> {
    input: &'a ObjectInput,
    object: Object<'static>,
    btf: Btf,
    btf_ext: BtfExt,
    maps: Vec<SymbolId>,
    variables: Vec<SymbolId>,
    /// Symbol and offset in `.text` of each subprogram.
    subprograms: Vec<(SymbolId, u64)>,
    core_structures: Vec<TypeId>,
}

/// A function with its place.
struct PlacedFunction<'a> {
    name: &'a str,
    code: &'a BpfCode,
    section: SectionId,
    offset: u64,
}

impl<'a> Writer<'a> {
    fn new(input: &'a ObjectInput) -> Self {
        Writer {
            input,
            object: Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little),
            btf: Btf::new(),
            btf_ext: BtfExt::default(),
            maps: Vec::new(),
            variables: Vec::new(),
            subprograms: Vec::new(),
            core_structures: Vec::new(),
        }
    }

    fn license(&mut self) {
        let section = self.section("license", SectionKind::Data);
        self.object.append_section_data(section, LICENSE, 1);
    }

    /// Each map is a global variable whose type, an anonymous structure, spells out its definition.
    fn maps(&mut self) {
        if self.input.maps.is_empty() {
            return;
        }
        let section = self.section(".maps", SectionKind::Data);
        let mut placed = Vec::new();
        for map in &self.input.maps {
            let (definition, size) = map_type(&mut self.btf, map);
            let variable = self.btf.variable(&map.name, definition);
            let room = vec![0; size as usize];
            let offset = self.object.append_section_data(section, &room, INSTRUCTION_BYTES);
            placed.push(Placed { variable, offset: offset as u32, size });
            let symbol = self.symbol(&map.name, SymbolKind::Data, section, offset, u64::from(size));
            self.maps.push(symbol);
        }
        let bytes = placed.iter().map(|placed| placed.size).sum();
        self.btf.section(".maps", bytes, &placed);
    }

    fn variables(&mut self) {
        let mut placed = [Vec::new(), Vec::new()];
        for variable in &self.input.variables {
            let size = u64::from(variable.size);
            let (section, offset) = match &variable.constant {
                None => {
                    let section = self.object.section_id(StandardSection::UninitializedData);
                    (section, self.object.append_section_bss(section, size, 8))
                }
                Some(bytes) => {
                    let section = self.object.section_id(StandardSection::ReadOnlyData);
                    (section, self.object.append_section_data(section, bytes, 8))
                }
            };
            let symbol = self.symbol(&variable.name, SymbolKind::Data, section, offset, size);
            self.variables.push(symbol);
            let variable_type = self.btf.opaque(variable.size);
            placed[usize::from(variable.constant.is_some())].push(Placed {
                variable: self.btf.variable(&variable.name, variable_type),
                offset: offset as u32,
                size: variable.size,
            });
        }
        for (name, placed) in [".bss", ".rodata"].into_iter().zip(&placed) {
            if let Some(last) = placed.last() {
                self.btf.section(name, last.offset + last.size, placed);
            }
        }
    }

    /// Writes all code: subprograms into `.text`, programs into their sections.
    fn functions(&mut self) -> Vec<PlacedFunction<'a>> {
        let input = self.input;
        for field in &input.core_fields {
            let members: Vec<(&str, TypeId, u32)> = field
                .members
                .iter()
                .map(|(name, bytes, offset)| (name.as_str(), self.btf.opaque(*bytes), *offset))
                .collect();
            let structure = self.btf.structure(&field.structure, field.size, &members);
            self.core_structures.push(structure);
        }
        // Addresses of subprograms are written into the code that takes them, so their places come
        // first.
        let mut text_offsets = Vec::new();
        let mut end = 0;
        for subprogram in &input.subprograms {
            text_offsets.push(end);
            end += subprogram.code.instructions.len() as u64 * INSTRUCTION_BYTES;
        }
        let mut placed = Vec::new();
        if !input.subprograms.is_empty() {
            let section = self.object.section_id(StandardSection::Text);
            for subprogram in &input.subprograms {
                let code = &subprogram.code;
                let offset = self.code(section, code, &text_offsets);
                let size = code.instructions.len() as u64 * INSTRUCTION_BYTES;
                let symbol =
                    self.local_symbol(&subprogram.name, SymbolKind::Text, section, offset, size);
                self.subprograms.push((symbol, offset));
                let function = self.subprogram_type(subprogram);
                self.info(TEXT, offset, function, code);
                placed.push(PlacedFunction { name: &subprogram.name, code, section, offset });
            }
        }
        let mut sections: BTreeMap<&str, SectionId> = BTreeMap::new();
        for program in &input.programs {
            let section = match sections.get(program.section.as_str()) {
                Some(&section) => section,
                None => self.section(&program.section, SectionKind::Text),
            };
            sections.insert(&program.section, section);
            let code = &program.code;
            let offset = self.code(section, code, &text_offsets);
            let size = code.instructions.len() as u64 * INSTRUCTION_BYTES;
            self.symbol(&program.name, SymbolKind::Text, section, offset, size);
            let function = self.program_type(&program.name);
            self.info(&program.section, offset, function, code);
            placed.push(PlacedFunction { name: &program.name, code, section, offset });
        }
        placed
    }

    fn code(&mut self, section: SectionId, code: &BpfCode, text_offsets: &[u64]) -> u64 {
        let mut instructions = code.instructions.clone();
        for relocation in &code.relocations {
            // libbpf wants the address of a static function as an offset from the section symbol.
            if let RelocationKind::SubprogramAddress(index) = relocation.kind
                && let Some(offset) = text_offsets.get(index as usize)
            {
                instructions[relocation.at].source = PSEUDO_FUNC;
                instructions[relocation.at].immediate = *offset as i32;
            }
        }
        let bytes: Vec<u8> =
            instructions.into_iter().flat_map(|instruction| instruction.bytes()).collect();
        self.object.append_section_data(section, &bytes, INSTRUCTION_BYTES)
    }

    /// A program takes its context; the kernel complains in the log about anything but a pointer to
    /// a structure there.
    fn program_type(&mut self, name: &str) -> TypeId {
        let word = self.btf.u64();
        let context = self.btf.shared_structure("ntap_context", 8, &[("word", word, 0)]);
        let context = self.btf.pointer(context);
        let result = self.btf.i32();
        let prototype = self.btf.prototype(result, &[("ctx", context)]);
        self.btf.function(name, prototype, Linkage::Global)
    }

    fn subprogram_type(&mut self, subprogram: &Subprogram) -> TypeId {
        let word = self.btf.u64();
        let (types, linkage) = match &subprogram.global {
            None => (vec![word; subprogram.code.parameters], Linkage::Static),
            Some(parameters) => {
                let types = parameters.iter().map(|p| match p {
                    SubprogramParameter::Number => word,
                    SubprogramParameter::Memory(bytes) => self.memory_pointer(*bytes),
                });
                (types.collect(), Linkage::Global)
            }
        };
        let names = ["a", "b", "c", "d", "e"];
        let parameters: Vec<(&str, TypeId)> = names.into_iter().zip(types).collect();
        let prototype = self.btf.prototype(word, &parameters);
        self.btf.function(&subprogram.name, prototype, linkage)
    }

    /// A pointer to a structure of so many bytes.
    fn memory_pointer(&mut self, bytes: u32) -> TypeId {
        let content = self.btf.opaque(bytes);
        let name = format!("ntap_memory_{bytes}");
        let memory = self.btf.shared_structure(&name, bytes, &[("bytes", content, 0)]);
        self.btf.pointer(memory)
    }

    /// Function, line and CO-RE records. The kernel wants a line record at the first instruction of
    /// each function, so the first location is drawn there and a function without any gets an empty
    /// one.
    fn info(&mut self, section: &str, offset: u64, function: TypeId, code: &BpfCode) {
        let input = self.input;
        let place = |slot: usize| (offset + slot as u64 * INSTRUCTION_BYTES) as u32;
        self.btf_ext.function(section, place(0), function);
        let known = |&(slot, location): &(usize, u32)| {
            input.locations.get(location as usize).map(|location| (slot, location))
        };
        let nowhere = Location::default();
        let mut lines: Vec<(usize, &Location)> = code.lines.iter().filter_map(known).collect();
        match lines.first_mut() {
            Some(first) => first.0 = 0,
            None => lines.push((0, &nowhere)),
        }
        for (slot, location) in lines {
            let text = location.text.trim();
            let strings = [self.btf.string(&location.file), self.btf.string(text)];
            self.btf_ext.line(section, place(slot), strings, location.line, location.column);
        }
        for CodeRelocation { at, kind } in &code.relocations {
            if let RelocationKind::CoreField(index) = kind
                && let Some(field) = input.core_fields.get(*index as usize)
            {
                let access = self.btf.string(&field.access);
                let structure = self.core_structures[*index as usize];
                let offset = place(*at);
                self.btf_ext.core_relocation(section, offset, structure, access, field.kind);
            }
        }
    }

    fn relocate(&mut self, function: &PlacedFunction<'_>) -> Result<(), ObjectError> {
        for CodeRelocation { at, kind } in &function.code.relocations {
            let target = match *kind {
                RelocationKind::Map(index) => {
                    self.maps.get(index as usize).map(|&symbol| (symbol, R_BPF_64_64))
                }
                RelocationKind::Data(index) => {
                    self.variables.get(index as usize).map(|&symbol| (symbol, R_BPF_64_64))
                }
                RelocationKind::SubprogramCall(index) => {
                    self.subprograms.get(index as usize).map(|(symbol, _)| (*symbol, R_BPF_64_32))
                }
                RelocationKind::SubprogramAddress(index) => {
                    self.subprograms.get(index as usize).copied().map(|_| {
                        let text = self.object.section_id(StandardSection::Text);
                        (self.object.section_symbol(text), R_BPF_64_64)
                    })
                }
                RelocationKind::CoreField(index)
                    if (index as usize) < self.core_structures.len() =>
                {
                    continue;
                }
                RelocationKind::CoreField(_) => None,
            };
            let Some((symbol, r_type)) = target else {
                return Err(ObjectError::DanglingReference {
                    function: function.name.to_string(),
                    reference: format!("{kind:?}"),
                });
            };
            let relocation = Relocation {
                offset: function.offset + *at as u64 * INSTRUCTION_BYTES,
                symbol,
                // The offset is in the instruction: a non-zero addend would overwrite it.
                addend: 0,
                flags: RelocationFlags::Elf { r_type },
            };
            self.object
                .add_relocation(function.section, relocation)
                .map_err(|error| ObjectError::Elf(error.to_string()))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Built, ObjectError> {
        let extension = self.btf_ext.bytes(&mut self.btf);
        let types = self.btf.bytes();
        for (name, bytes) in [(".BTF", &types), (".BTF.ext", &extension)] {
            let section = self.section(name, SectionKind::Other);
            self.object.append_section_data(section, bytes, 8);
        }
        let bytes = self.object.write().map_err(|error| ObjectError::Elf(error.to_string()))?;
        Ok(Built { bytes, btf_types: self.btf.type_count(), btf_bytes: types.len() })
    }

    fn section(&mut self, name: &str, kind: SectionKind) -> SectionId {
        self.object.add_section(Vec::new(), name.as_bytes().to_vec(), kind)
    }

    fn symbol(
        &mut self,
        name: &str,
        kind: SymbolKind,
        section: SectionId,
        value: u64,
        size: u64,
    ) -> SymbolId {
        self.add_symbol(name, kind, SymbolScope::Linkage, section, value, size)
    }

    fn local_symbol(
        &mut self,
        name: &str,
        kind: SymbolKind,
        section: SectionId,
        value: u64,
        size: u64,
    ) -> SymbolId {
        self.add_symbol(name, kind, SymbolScope::Compilation, section, value, size)
    }

    fn add_symbol(
        &mut self,
        name: &str,
        kind: SymbolKind,
        scope: SymbolScope,
        section: SectionId,
        value: u64,
        size: u64,
    ) -> SymbolId {
        self.object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size,
            kind,
            scope,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }
}

/// The structure that defines a map, and its size. Numbers are encoded as the length of an array
/// behind a pointer.
fn map_type(btf: &mut Btf, map: &MapDefinition) -> (TypeId, u32) {
    let number = |btf: &mut Btf, value| {
        let element = btf.i32();
        let array = btf.array(element, value);
        btf.pointer(array)
    };
    let pointed = |btf: &mut Btf, bytes| {
        let target = btf.opaque(bytes);
        btf.pointer(target)
    };
    let mut members = vec![("type", number(btf, map.kind))];
    if map.key_size != 0 {
        members.push(("key", pointed(btf, map.key_size)));
    }
    if map.value_size != 0 {
        members.push(("value", pointed(btf, map.value_size)));
    }
    members.push(("max_entries", number(btf, map.max_entries)));
    if map.flags != 0 {
        members.push(("map_flags", number(btf, map.flags)));
    }
    let size = 8 * members.len() as u32;
    let placed: Vec<(&str, TypeId, u32)> = members
        .into_iter()
        .enumerate()
        .map(|(index, (name, member))| (name, member, 8 * index as u32))
        .collect();
    (btf.structure("", size, &placed), size)
}
