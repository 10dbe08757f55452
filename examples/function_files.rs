//! Makes the table of which kernel function is in which source file, from kernels with debug information.
//!
//! ```text
//! cargo run --example function_files -- runtime/src/kernel/function_files.bin VMLINUX...
//! ```
//!
//! Debian has such kernels in its packages `linux-image-...-dbg`, in usr/lib/debug/boot. What is read of
//! them are facts: the names of the source files with the addresses of their code, and the names of the
//! functions at these addresses. The table is text, deflated: a line for each file, its path and its functions
//! by ascending address with spaces between; files and functions of several kernels are put together.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;

use gimli::{EndianSlice, LittleEndian};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// Of best compression; the table is made once.
const COMPRESSION: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let into = words.next().ok_or("usage: function_files TABLE VMLINUX...")?;
    let mut files: BTreeMap<String, Functions> = BTreeMap::new();
    for kernel in words {
        let data = fs::read(&kernel)?;
        let found = functions(&data)?;
        println!("{kernel}: {} functions", found.len());
        for (file, name) in found {
            files.entry(file).or_default().add(name);
        }
    }
    let mut text = String::new();
    for (file, functions) in &files {
        text.push_str(&format!("{file} {}\n", functions.in_order.join(" ")));
    }
    let packed = miniz_oxide::deflate::compress_to_vec(text.as_bytes(), COMPRESSION);
    fs::write(&into, &packed)?;
    println!("{into}: {} files, {} bytes of {}", files.len(), packed.len(), text.len());
    Ok(())
}

/// The functions of a file, each once.
#[derive(Default)]
struct Functions {
    in_order: Vec<String>,
    known: BTreeSet<String>,
}

impl Functions {
    fn add(&mut self, name: String) {
        if self.known.insert(name.clone()) {
            self.in_order.push(name);
        }
    }
}

/// File and name of all functions of a kernel, by ascending address.
fn functions(data: &[u8]) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let file = object::File::parse(data)?;
    let units = units(&file)?;
    let mut symbols: Vec<(u64, &str)> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.address() != 0)
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)))
        // Padding, and parts of functions that are elsewhere.
        .filter(|(_, name)| !name.starts_with("__pfx_") && !name.contains('.'))
        .collect();
    symbols.sort();
    let located = symbols.into_iter().filter_map(|(address, name)| {
        let (_, (end, path)) = units.range(..=address).next_back()?;
        (address < *end).then(|| (path.clone(), name.to_string()))
    });
    Ok(located.collect())
}

/// Where the code of each source file is: start, end, path.
fn units(file: &object::File<'_>) -> Result<BTreeMap<u64, (u64, String)>, Box<dyn Error>> {
    let section = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let data = file.section_by_name(id.name()).and_then(|section| section.data().ok());
        Ok(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(section)?;
    let mut units = BTreeMap::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let Some(name) = unit.name else { continue };
        let Some(path) = relative(&name.to_string_lossy()) else { continue };
        let mut ranges = dwarf.unit_ranges(&unit)?;
        while let Some(range) = ranges.next()? {
            if range.begin < range.end {
                units.insert(range.begin, (range.end, path.clone()));
            }
        }
    }
    Ok(units)
}

/// The path within the kernel's sources.
fn relative(name: &str) -> Option<String> {
    // Assembler files are named from where the kernel was built.
    let name = match name.strip_prefix('/') {
        Some(absolute) => absolute.split_once("/linux-")?.1.split_once('/')?.1,
        None => name.trim_start_matches("./"),
    };
    Some(name.to_string())
}
