//! The notes of `.note.stapsdt`: statically defined probe points.
//!
//! The owner is `stapsdt`, the type 3; the description is three words of the machine (address of the
//! instruction, address `.stapsdt.base` had when the file was linked, address of the semaphore or 0) and
//! three strings (provider, name, arguments).

use ntap_compiler::program_file::Mark;
use object::{Object, ObjectSection};

use super::{Elf, file_offset};

const TYPE: u32 = 3;

/// The marks of a program; notes that make no sense are left out.
pub(super) fn read(elf: &Elf<'_>) -> Vec<Mark> {
    let Some(section) = elf.section_by_name(".note.stapsdt") else { return vec![] };
    let Ok(mut rest) = section.data() else { return vec![] };
    // Prelinking moves a file but not what its notes say; the base tells by how much.
    let base = elf.section_by_name(".stapsdt.base").map(|s| s.address());
    let mut marks = vec![];
    while let Some((note, after)) = next(rest) {
        marks.extend(note.and_then(|description| mark(elf, description, base)));
        rest = after;
    }
    marks
}

/// The next note: its description if it is one of ours, and what follows.
fn next(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (name_bytes, description_bytes) = (word(0)? as usize, word(4)? as usize);
    let kind = word(8)?;
    let name = bytes.get(12..12usize.checked_add(name_bytes)?)?;
    let start = 12usize.checked_add(name_bytes.checked_next_multiple_of(4)?)?;
    let description = bytes.get(start..start.checked_add(description_bytes)?)?;
    let end = start + description_bytes.checked_next_multiple_of(4)?;
    let is_ours = kind == TYPE && name == b"stapsdt\0";
    Some((is_ours.then_some(description), bytes.get(end..).unwrap_or_default()))
}

fn mark(elf: &Elf<'_>, description: &[u8], base: Option<u64>) -> Option<Mark> {
    let word =
        |at: usize| Some(u64::from_ne_bytes(description.get(8 * at..8 * at + 8)?.try_into().ok()?));
    let moved = base.map_or(0, |base| base.wrapping_sub(word(1).unwrap_or(base)));
    let address = word(0)?.wrapping_add(moved);
    let semaphore = match word(2)? {
        0 => 0,
        address => file_offset(elf, address.wrapping_add(moved))?,
    };
    let mut strings = description.get(24..)?.split(|&b| b == 0);
    let mut string = || Some(String::from_utf8_lossy(strings.next()?).into_owned());
    let (provider, name, arguments) = (string()?, string()?, string()?);
    let offset = file_offset(elf, address)?;
    Some(Mark { provider, name, address, offset, semaphore, arguments })
}
