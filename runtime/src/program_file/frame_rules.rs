//! Unwind tables: where, at each instruction of a program, the caller's registers are.
//!
//! Compilers write them for exceptions (`.eh_frame`), assembled code of libraries has them as well, and what has none
//! loaded may have them for debuggers (`.debug_frame`, also in the files of debug information that are installed
//! apart). In: a program, an address it was linked for. Out: the rules of that instruction, kept when asked about
//! once.
//!
//! The formats are those of the Linux Standard Base (`.eh_frame`, `.eh_frame_hdr`) and of DWARF 5, section 6.4.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EhFrameHdr, EhFrameOffset, EndianSlice,
    FrameDescriptionEntry, LittleEndian, RegisterRule, UnwindContext, UnwindOffset, UnwindSection,
};
use object::read::elf::ProgramHeader;
use object::{Object, ObjectSection};

use super::{Elf, debug_file, map, parse};

type Slice<'d> = EndianSlice<'d, LittleEndian>;

/// So many instructions are kept.
const MOST_KEPT: usize = 1 << 16;

/// The unwind tables of a program.
#[derive(Debug, Default)]
pub(crate) struct FrameRules {
    /// `.eh_frame`, as far as the file goes on behind its beginning.
    frames: Option<Section>,
    /// `.eh_frame_hdr`: its table finds entries of `.eh_frame`.
    header: Option<Section>,
    debug: Option<Section>,
    bases: BaseAddresses,
    /// What there is instead of the table of `.eh_frame_hdr`, made when first asked.
    index: RefCell<Option<Vec<Entry>>>,
    known: RefCell<HashMap<u64, Option<Rc<Rules>>>>,
}

#[derive(Debug)]
struct Section {
    address: u64,
    bytes: Vec<u8>,
}

/// An entry of `.debug_frame` or `.eh_frame`: the addresses it is about, and where it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    end: u64,
    offset: usize,
    is_debug: bool,
}

/// How the registers of the caller are had from those at an instruction. Registers have DWARF's numbers.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The canonical frame address: what the stack pointer was before the call.
    pub(crate) frame: FrameAddress,
    /// The registers that have other values in the caller.
    pub(crate) registers: Vec<(u16, Rule)>,
    /// The register that stands for the address of the caller's instruction.
    pub(crate) return_address: u16,
    /// Whether the caller did not call, but was interrupted by a signal.
    pub(crate) is_signal: bool,
}

/// What gives the canonical frame address.
#[derive(Debug)]
pub(crate) enum FrameAddress {
    Register(u16, i64),
    Expression(Vec<u8>),
}

/// What gives the value of a register in the caller.
#[derive(Debug)]
pub(crate) enum Rule {
    Same,
    /// It is in memory, so far from the frame address.
    AtFrame(i64),
    /// It is the frame address and this.
    Frame(i64),
    Register(u16),
    /// It is in memory, at the address that this computes.
    AtExpression(Vec<u8>),
    Expression(Vec<u8>),
    Constant(u64),
}

impl Rules {
    /// Whether it is said where the return address is; where it is not, there is no caller. (The code of arm64 need
    /// not say that it still is in its register.)
    pub(crate) fn has_caller(&self) -> bool {
        let said = self.registers.iter().any(|(register, _)| *register == self.return_address);
        said || cfg!(target_arch = "aarch64")
    }
}

impl FrameRules {
    /// Reads those of a program file; none where it cannot be read.
    pub(crate) fn read(path: &Path) -> FrameRules {
        let Ok(bytes) = map(path) else { return FrameRules::default() };
        let Ok(elf) = parse(path, &bytes) else { return FrameRules::default() };
        let mut rules = FrameRules::of(&elf);
        if rules.frames.is_none() && rules.debug.is_none() {
            rules.debug = debug_file::of(path, &elf).and_then(|path| {
                let bytes = map(&path).ok()?;
                section(&parse(&path, &bytes).ok()?, ".debug_frame")
            });
        }
        rules
    }

    /// Takes those of a program.
    pub(crate) fn of(elf: &Elf<'_>) -> FrameRules {
        let header = header(elf);
        let frames = section(elf, ".eh_frame").or_else(|| frames_of_header(elf, header.as_ref()?));
        let start = |name: &str| elf.section_by_name(name).map_or(0, |section| section.address());
        let bases = BaseAddresses::default()
            .set_eh_frame_hdr(header.as_ref().map_or(0, |s| s.address))
            .set_eh_frame(frames.as_ref().map_or(0, |s| s.address))
            .set_text(start(".text"))
            .set_got(start(".got"));
        let debug = section(elf, ".debug_frame");
        FrameRules { frames, header, debug, bases, ..FrameRules::default() }
    }

    /// The rules at an instruction; `None` where nothing is said of it.
    pub(crate) fn at(&self, address: u64) -> Option<Rc<Rules>> {
        if let Some(known) = self.known.borrow().get(&address) {
            return known.clone();
        }
        let found = self.by_table(address).or_else(|| self.by_index(address)).map(Rc::new);
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.insert(address, found.clone());
        found
    }

    fn by_table(&self, address: u64) -> Option<Rules> {
        let (header, frames) = (self.header.as_ref()?, self.eh_frame()?);
        let header = EhFrameHdr::new(&header.bytes, LittleEndian).parse(&self.bases, 8).ok()?;
        let table = header.table()?;
        let entry =
            table.fde_for_address(&frames, &self.bases, address, EhFrame::cie_from_offset).ok()?;
        rules(&frames, &self.bases, &entry, address)
    }

    /// Where there is no table, and where it does not know the address.
    fn by_index(&self, address: u64) -> Option<Rules> {
        let mut index = self.index.borrow_mut();
        let index = index.get_or_insert_with(|| self.all_entries());
        let after = index.partition_point(|entry| entry.start <= address);
        let entry = index[..after].last().filter(|entry| address < entry.end)?;
        if entry.is_debug {
            let frames = self.debug_frame()?;
            let offset = entry.offset.into();
            let entry =
                frames.fde_from_offset(&self.bases, offset, DebugFrame::cie_from_offset).ok()?;
            return rules(&frames, &self.bases, &entry, address);
        }
        let frames = self.eh_frame()?;
        let offset = EhFrameOffset(entry.offset);
        let entry = frames.fde_from_offset(&self.bases, offset, EhFrame::cie_from_offset).ok()?;
        rules(&frames, &self.bases, &entry, address)
    }

    fn all_entries(&self) -> Vec<Entry> {
        let mut all = vec![];
        let has_table = self.header.as_ref().is_some_and(|header| {
            let header = EhFrameHdr::new(&header.bytes, LittleEndian).parse(&self.bases, 8);
            header.is_ok_and(|header| header.table().is_some())
        });
        if let Some(frames) = self.eh_frame().filter(|_| !has_table) {
            add_entries(&frames, &self.bases, false, &mut all);
        }
        if let Some(frames) = self.debug_frame() {
            add_entries(&frames, &self.bases, true, &mut all);
        }
        all.sort_by_key(|entry| entry.start);
        all
    }

    fn eh_frame(&self) -> Option<EhFrame<Slice<'_>>> {
        let mut frames = EhFrame::new(&self.frames.as_ref()?.bytes, LittleEndian);
        frames.set_address_size(8);
        Some(frames)
    }

    fn debug_frame(&self) -> Option<DebugFrame<Slice<'_>>> {
        let mut frames = DebugFrame::new(&self.debug.as_ref()?.bytes, LittleEndian);
        frames.set_address_size(8);
        Some(frames)
    }
}

fn section(elf: &Elf<'_>, name: &str) -> Option<Section> {
    let section = elf.section_by_name(name)?;
    let bytes = super::debug_info::contents(section).into_owned();
    let section = elf.section_by_name(name)?;
    (!bytes.is_empty()).then(|| Section { address: section.address(), bytes })
}

/// `.eh_frame_hdr`, which a segment is, too: it is known where sections are not.
fn header(elf: &Elf<'_>) -> Option<Section> {
    let endian = elf.endian();
    let is_header = |segment: &&object::elf::ProgramHeader64<_>| {
        segment.p_type(endian) == object::elf::PT_GNU_EH_FRAME
    };
    let segment = elf.elf_program_headers().iter().find(is_header)?;
    let bytes = segment.data(endian, elf.data()).ok()?.to_vec();
    Some(Section { address: segment.p_vaddr(endian), bytes })
}

/// `.eh_frame` by the address that `.eh_frame_hdr` gives, up to the end of the segment.
fn frames_of_header(elf: &Elf<'_>, header: &Section) -> Option<Section> {
    let bases = BaseAddresses::default().set_eh_frame_hdr(header.address);
    let parsed = EhFrameHdr::new(&header.bytes, LittleEndian).parse(&bases, 8).ok()?;
    let address = parsed.eh_frame_ptr().direct().ok()?;
    let endian = elf.endian();
    elf.elf_program_headers().iter().find_map(|segment| {
        let inside = address.checked_sub(segment.p_vaddr(endian))?;
        let is_loaded = segment.p_type(endian) == object::elf::PT_LOAD;
        let bytes = segment.data(endian, elf.data()).ok().filter(|_| is_loaded)?;
        let bytes = bytes.get(usize::try_from(inside).ok()?..)?.to_vec();
        Some(Section { address, bytes })
    })
}

fn add_entries<'d, S>(frames: &S, bases: &BaseAddresses, is_debug: bool, to: &mut Vec<Entry>)
where
    S: UnwindSection<Slice<'d>>,
{
    let mut entries = frames.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(entry) = partial.parse(S::cie_from_offset) else { continue };
        to.push(Entry {
            start: entry.initial_address(),
            end: entry.end_address(),
            offset: entry.offset(),
            is_debug,
        });
    }
}

fn rules<'d, S>(
    frames: &S,
    bases: &BaseAddresses,
    entry: &FrameDescriptionEntry<Slice<'d>>,
    address: u64,
) -> Option<Rules>
where
    S: UnwindSection<Slice<'d>>,
    S::Offset: UnwindOffset,
{
    let mut context = UnwindContext::new();
    let row = entry.unwind_info_for_address(frames, bases, &mut context, address).ok()?;
    let expression =
        |e: &gimli::UnwindExpression<usize>| e.get(frames).map(|e| e.0.slice().to_vec()).ok();
    let frame = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            FrameAddress::Register(register.0, *offset)
        }
        CfaRule::Expression(e) => FrameAddress::Expression(expression(e)?),
    };
    let mut registers = vec![];
    for (register, rule) in row.registers() {
        let rule = match rule {
            RegisterRule::SameValue => Rule::Same,
            RegisterRule::Offset(offset) => Rule::AtFrame(*offset),
            RegisterRule::ValOffset(offset) => Rule::Frame(*offset),
            RegisterRule::Register(other) => Rule::Register(other.0),
            RegisterRule::Expression(e) => Rule::AtExpression(expression(e)?),
            RegisterRule::ValExpression(e) => Rule::Expression(expression(e)?),
            RegisterRule::Constant(value) => Rule::Constant(*value),
            _ => continue,
        };
        registers.push((register.0, rule));
    }
    let return_address = entry.cie().return_address_register().0;
    Some(Rules { frame, registers, return_address, is_signal: entry.is_signal_trampoline() })
}
