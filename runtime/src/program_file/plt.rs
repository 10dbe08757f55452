//! The procedure linkage table of a program: small pieces of code, each of which jumps to where the dynamic linker
//! has put a function of a library.
//!
//! Compilers and linkers lay it out in several ways (`.plt`, `.plt.sec` with marks for indirect jumps, `.plt.got` for
//! functions bound at start). On x86-64 all have in common that a piece begins with a jump through a word, for
//! which there is a relocation with the function's name.

use std::collections::HashMap;

use ntap_compiler::program_file::FunctionSymbol;
use object::{Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, RelocationTarget};

use super::{Elf, file_offset};

/// The sections with such pieces.
const SECTIONS: [&str; 3] = [".plt", ".plt.sec", ".plt.got"];

/// Reads the table, by ascending address.
pub(super) fn read(elf: &Elf<'_>) -> Vec<FunctionSymbol> {
    let names = relocated(elf);
    let mut found = vec![];
    for section in SECTIONS.iter().filter_map(|name| elf.section_by_name(name)) {
        let Ok(bytes) = section.data() else { continue };
        let begin = section.address();
        for at in (0..bytes.len()).step_by(STEP) {
            let address = begin + at as u64;
            let Some(word) = word_of_jump(&bytes[at..], address) else { continue };
            let (Some(name), Some(offset)) = (names.get(&word), file_offset(elf, address)) else {
                continue;
            };
            let (name, size) = (name.clone(), STEP as u64);
            found.push(FunctionSymbol { name, address, offset, size, exported: false });
        }
    }
    found.sort_by_key(|entry| entry.address);
    found
}

/// The words that the dynamic linker fills in, with the names of the functions.
fn relocated(elf: &Elf<'_>) -> HashMap<u64, String> {
    let mut names = HashMap::new();
    let (Some(symbols), Some(relocations)) =
        (elf.dynamic_symbol_table(), elf.dynamic_relocations())
    else {
        return names;
    };
    for (place, relocation) in relocations {
        let RelocationTarget::Symbol(index) = relocation.target() else { continue };
        let Ok(symbol) = symbols.symbol_by_index(index) else { continue };
        let Ok(name) = symbol.name() else { continue };
        let name = name.split('@').next().unwrap_or(name);
        if !name.is_empty() {
            names.insert(place, name.to_string());
        }
    }
    names
}

/// The distance at which pieces can begin.
#[cfg(not(target_arch = "aarch64"))]
const STEP: usize = 8;
/// The distance at which pieces can begin.
#[cfg(target_arch = "aarch64")]
const STEP: usize = 16;

/// The address of the word that the code at `address` jumps through, if it begins with such a jump.
#[cfg(not(target_arch = "aarch64"))]
fn word_of_jump(code: &[u8], address: u64) -> Option<u64> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    const BND: u8 = 0xf2;
    // jmp *displacement(%rip)
    const JUMP: [u8; 2] = [0xff, 0x25];
    let mut at = if code.starts_with(&ENDBR64) { ENDBR64.len() } else { 0 };
    if code.get(at) == Some(&BND) {
        at += 1;
    }
    let rest = code.get(at..)?.strip_prefix(&JUMP)?;
    let displacement = i32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
    let next = address + at as u64 + 6;
    Some(next.wrapping_add_signed(i64::from(displacement)))
}

/// The address of the word that the code at `address` jumps through, if it begins with such a jump.
#[cfg(target_arch = "aarch64")]
fn word_of_jump(code: &[u8], address: u64) -> Option<u64> {
    let word = |at: usize| Some(u32::from_le_bytes(code.get(at..at + 4)?.try_into().ok()?));
    // bti c
    let at = if word(0)? == 0xd503_245f { 4 } else { 0 };
    let (page, load) = (word(at)?, word(at + 4)?);
    // adrp x16, PAGE; ldr x17, [x16, OFFSET]
    if page & 0x9f00_001f != 0x9000_0010 || load & 0xffc0_03ff != 0xf940_0211 {
        return None;
    }
    let pages = (page >> 29 & 3 | (page >> 5 & 0x7_ffff) << 2) as i64;
    let pages = pages << 43 >> 43;
    let base = (address & !0xfff).wrapping_add_signed(pages << 12);
    Some(base + u64::from(load >> 10 & 0xfff) * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn jumps_of_all_layouts() {
        let plain = [0xff, 0x25, 0x10, 0, 0, 0, 0x68, 1, 0, 0, 0];
        assert_eq!(word_of_jump(&plain, 0x1000), Some(0x1016));
        let marked = [0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xf0, 0xff, 0xff, 0xff];
        assert_eq!(word_of_jump(&marked, 0x1000), Some(0xffb));
        let lazy = [0xf3, 0x0f, 0x1e, 0xfa, 0x68, 0, 0, 0, 0, 0xe9, 0, 0];
        assert_eq!(word_of_jump(&lazy, 0x1000), None);
        assert_eq!(word_of_jump(&plain[..4], 0x1000), None);
    }
}
