//! The symbols of a program: functions and variables.

use std::io::Read;
use std::path::Path;

use ntap_compiler::program_file::FunctionSymbol;
use object::elf::{FileHeader64, STT_FUNC, STT_OBJECT};
use object::read::elf::ElfSymbol;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolFlags};

use super::{Elf, debug_file, file_offset, map, parse};

/// A compressed table unpacks to no more than this.
const MOST_UNPACKED: u64 = 256 << 20;

/// What the symbol tables of a program say.
#[derive(Default)]
pub(super) struct Symbols {
    pub(super) functions: Vec<FunctionSymbol>,
    pub(super) variables: Vec<(String, u64)>,
    /// Whether there is only the table of what other files may use.
    pub(super) stripped: bool,
}

/// Reads all symbol tables a program has, also those kept apart from it.
pub(super) fn read(path: &Path, elf: &Elf<'_>) -> Symbols {
    let mut found = Symbols::default();
    add(&mut found, elf, elf.dynamic_symbols(), true);
    let mut is_stripped = elf.section_by_name(".symtab").is_none();
    if !is_stripped {
        add(&mut found, elf, elf.symbols(), false);
    } else {
        if let Some(bytes) = unpacked(elf)
            && let Ok(inner) = Elf::parse(&*bytes)
        {
            add(&mut found, elf, inner.symbols(), false);
        }
        is_stripped = !add_debug_file(&mut found, path, elf);
    }
    found.stripped = is_stripped;
    // A name once for each address, the exported one if there are two; local aliases last.
    found
        .functions
        .sort_by(|a, b| (a.address, !a.exported, &a.name).cmp(&(b.address, !b.exported, &b.name)));
    found.functions.dedup_by(|b, a| a.address == b.address && a.name == b.name);
    found
}

/// The symbols of the file that packages with debug symbols install.
fn add_debug_file(found: &mut Symbols, path: &Path, elf: &Elf<'_>) -> bool {
    let Some(path) = debug_file::of(path, elf) else { return false };
    let Ok(bytes) = map(&path) else { return false };
    let Ok(debug) = parse(&path, &bytes) else { return false };
    add(found, elf, debug.symbols(), false);
    debug.section_by_name(".symtab").is_some()
}

/// The ELF file in `.gnu_debugdata`: xz-compressed, with the symbols of the functions that are not
/// exported.
fn unpacked(elf: &Elf<'_>) -> Option<Vec<u8>> {
    let section = elf.section_by_name(".gnu_debugdata")?;
    let packed = section.data().ok()?;
    let mut bytes = vec![];
    let mut reader = lzma_rust2::XzReader::new(packed, true).take(MOST_UNPACKED);
    reader.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Adds the symbols of a table; addresses are those of `elf`, whose segments hold the code.
fn add<'d, 'e>(
    found: &mut Symbols,
    elf: &Elf<'_>,
    table: impl Iterator<Item = ElfSymbol<'d, 'e, FileHeader64<Endianness>>>,
    exported: bool,
) where
    'd: 'e,
{
    for symbol in table {
        if symbol.is_undefined() || symbol.address() == 0 {
            continue;
        }
        let Ok(name) = symbol.name() else { continue };
        // `name@VERSION` of some tables; the compiler's own labels and mapping symbols are of no use.
        let name = name.split('@').next().unwrap_or(name);
        if name.is_empty() || name.starts_with('$') || name.starts_with(".L") {
            continue;
        }
        let kind = match symbol.flags() {
            SymbolFlags::Elf { st_info, .. } => st_info & 0xf,
            _ => continue,
        };
        let address = symbol.address();
        if kind == STT_FUNC {
            let Some(offset) = file_offset(elf, address) else { continue };
            let size = symbol.size();
            let (name, exported) = (name.to_string(), exported);
            found.functions.push(FunctionSymbol { name, address, offset, size, exported });
        } else if kind == STT_OBJECT {
            found.variables.push((name.to_string(), address));
        }
    }
}
