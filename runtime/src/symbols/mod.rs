//! Addresses of processes: the file mapped there, and the symbol in it.
//!
//! What a process has mapped is read when one of its addresses is first asked about, and again when an
//! address is in none of its mappings. Of a process that has ended what was known before is used.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ntap_compiler::program_file::ProgramFile;

use crate::program_file;

/// What is known of processes and the files they run.
#[derive(Debug, Default)]
pub struct UserSymbols {
    processes: HashMap<u32, Vec<Mapped>>,
    files: HashMap<PathBuf, Option<Rc<File>>>,
}

/// A symbol of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSymbol {
    /// The function's name; without it the address is in the file, but in no function known.
    pub name: Option<String>,
    /// Bytes from the function's first address, or the place in the file.
    pub offset: u64,
    /// Bytes of the function.
    pub size: u64,
    /// The program or library.
    pub path: String,
}

/// A part of a file that a process has mapped as code.
#[derive(Clone, Debug)]
struct Mapped {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

/// The functions of a file, by their places in it.
#[derive(Debug)]
struct File {
    program: ProgramFile,
}

impl UserSymbols {
    /// The symbol at an address of a process; `None` where it has no file mapped as code, or has ended before it
    /// was known.
    pub fn lookup(&mut self, process: u32, address: u64) -> Option<UserSymbol> {
        let known =
            self.processes.get(&process).and_then(|maps| containing(maps, address)).cloned();
        let mapped = match known {
            Some(mapped) => mapped,
            None => {
                self.learn(process);
                containing(self.processes.get(&process)?, address)?.clone()
            }
        };
        let offset = address - mapped.start + mapped.offset;
        let path = mapped.path.display().to_string();
        let file = self.file(&mapped.path, process);
        let function = file.as_ref().and_then(|file| file.function(offset));
        Some(match function {
            Some((name, start, size)) => {
                UserSymbol { name: Some(name), offset: offset - start, size, path }
            }
            None => UserSymbol { name: None, offset, size: 0, path },
        })
    }

    /// Reads what a process has mapped, if it is there.
    pub fn learn(&mut self, process: u32) {
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/maps")) else { return };
        let maps: Vec<Mapped> = text.lines().filter_map(mapped).collect();
        if !maps.is_empty() {
            self.processes.insert(process, maps);
        }
    }

    fn file(&mut self, path: &Path, process: u32) -> Option<Rc<File>> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        // As the process sees it: it may live in a container.
        let seen = PathBuf::from(format!("/proc/{process}/root{}", path.display()));
        let read = program_file::read(&seen).or_else(|_| program_file::read(path)).ok();
        let file = read.map(|program| Rc::new(File { program }));
        self.files.insert(path.to_path_buf(), file.clone());
        file
    }
}

impl File {
    /// The function at a place in the file: its name, where it begins, and its size.
    fn function(&self, offset: u64) -> Option<(String, u64, u64)> {
        let functions = &self.program.functions;
        let after = functions.partition_point(|f| f.offset <= offset);
        // Of those that begin at one place the first; a symbol without a size goes up to the next one.
        let last = functions.get(after.checked_sub(1)?)?;
        let first = functions[..after].partition_point(|f| f.offset < last.offset);
        let function = &functions[first];
        let size = match function.size {
            0 => functions.get(after).map_or(0, |next| next.offset - function.offset),
            size => size,
        };
        (offset - function.offset < size.max(1))
            .then(|| (demangled(&function.name), function.offset, size))
    }
}

/// The name as the source has it.
fn demangled(name: &str) -> String {
    if (name.starts_with("_R") || name.starts_with("_ZN"))
        && let Ok(name) = rustc_demangle::try_demangle(name)
    {
        return format!("{name:#}");
    }
    if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && let Ok(text) = symbol.demangle()
    {
        return text;
    }
    name.to_string()
}

fn containing(maps: &[Mapped], address: u64) -> Option<&Mapped> {
    maps.iter().find(|mapped| (mapped.start..mapped.end).contains(&address))
}

/// A line of /proc/PID/maps that is about code of a file.
fn mapped(line: &str) -> Option<Mapped> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()?.contains('x');
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let path = words.nth(2)?.trim();
    if !is_code || !path.starts_with('/') {
        return None;
    }
    Some(Mapped {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset,
        path: PathBuf::from(path.trim_end_matches(" (deleted)")),
    })
}
