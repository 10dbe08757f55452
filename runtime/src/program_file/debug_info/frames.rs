//! Call frame information: where the frame of a function is, at each of its instructions.

use std::cell::OnceCell;

use gimli::{CieOrFde, DebugFrame, DebugFrameOffset, EhFrame, UnwindContext, UnwindSection};
use ntap_compiler::registers::Register;
use object::{Object, ObjectSection};

use super::super::Elf;
use super::Slice;
use super::place::of_number;

/// The call frame information of some code.
pub(super) enum CallFrames<'a> {
    /// Of a program: what it is loaded with.
    Program(&'a Elf<'a>),
    /// Of the kernel: its debug information has it.
    Kernel(&'a DebugFrames),
}

impl CallFrames<'_> {
    /// The register, and what is added to it, that give the value the stack pointer had before the call of the
    /// function with the instruction at an address.
    pub(super) fn before_call(&self, address: u64) -> Option<(Register, i64)> {
        let rule = match self {
            CallFrames::Program(elf) => of_program(elf, address)?,
            CallFrames::Kernel(frames) => frames.rule(address)?,
        };
        let gimli::CfaRule::RegisterAndOffset { register, offset } = rule else { return None };
        Some((of_number(register)?, offset))
    }
}

fn of_program(elf: &Elf<'_>, address: u64) -> Option<gimli::CfaRule<usize>> {
    let start = |name: &str| elf.section_by_name(name).map_or(0, |section| section.address());
    let bases = gimli::BaseAddresses::default()
        .set_eh_frame(start(".eh_frame"))
        .set_text(start(".text"))
        .set_got(start(".got"));
    let section = elf.section_by_name(".eh_frame")?;
    let frames = EhFrame::new(section.data().ok()?, gimli::LittleEndian);
    let mut context = UnwindContext::new();
    let row = frames
        .unwind_info_for_address(&bases, &mut context, address, EhFrame::cie_from_offset)
        .ok()?;
    Some(row.cfa().clone())
}

/// `.debug_frame` of a file with many functions, which are found by their addresses.
pub(super) struct DebugFrames {
    section: DebugFrame<Slice<'static>>,
    /// Begin and end of the code of each function, ascending, and where its entry is. Made when it is asked for.
    functions: OnceCell<Vec<(u64, u64, usize)>>,
}

impl DebugFrames {
    pub(super) fn new(bytes: &'static [u8]) -> DebugFrames {
        let mut section = DebugFrame::new(bytes, gimli::LittleEndian);
        section.set_address_size(8);
        DebugFrames { section, functions: OnceCell::new() }
    }

    fn rule(&self, address: u64) -> Option<gimli::CfaRule<usize>> {
        let functions = self.functions.get_or_init(|| self.read());
        let after = functions.partition_point(|(begin, ..)| *begin <= address);
        let &(_, end, offset) = functions.get(after.checked_sub(1)?)?;
        if address >= end {
            return None;
        }
        let bases = gimli::BaseAddresses::default();
        let cie = DebugFrame::cie_from_offset;
        let entry = self.section.fde_from_offset(&bases, DebugFrameOffset(offset), cie).ok()?;
        let mut context = UnwindContext::new();
        let row =
            entry.unwind_info_for_address(&self.section, &bases, &mut context, address).ok()?;
        Some(row.cfa().clone())
    }

    fn read(&self) -> Vec<(u64, u64, usize)> {
        let bases = gimli::BaseAddresses::default();
        let mut entries = self.section.entries(&bases);
        let mut functions = vec![];
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else { continue };
            if let Ok(entry) = partial.parse(DebugFrame::cie_from_offset) {
                let begin = entry.initial_address();
                functions.push((begin, begin.wrapping_add(entry.len()), entry.offset()));
            }
        }
        functions.sort_unstable();
        functions
    }
}
