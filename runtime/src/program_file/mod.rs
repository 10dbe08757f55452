//! Programs and libraries: finding the file that is meant, and reading what the compiler asks about it.
//!
//! In: a name, a process, or the target of the session. Out: a [`ProgramFile`] with symbols and marks. Symbols come
//! from the file itself (`.symtab`, `.dynsym`), from the compressed table that stripped programs of some
//! distributions carry (`.gnu_debugdata`), and from separate debug files found by build id.

mod debug_file;
mod debug_info;
mod find;
mod frame_rules;
mod libraries;
mod marks;
mod plt;
mod source_names;
mod symbols;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ntap_compiler::btf::{Btf, Kind, TypeId};
use ntap_compiler::program_file::{
    FunctionVariables, Label, NoProgram, Place, ProgramFile, ProgramName, ProgramVariable, Segment,
};
use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};

use crate::sys::{self, Mapping};
pub(crate) use debug_info::{
    InlinedFunctions, KernelDebugInfo, SourceLines, TEXT_SYMBOL, register_of_number,
};
pub(crate) use frame_rules::{FrameAddress, FrameRules, Rule, Rules};

/// An ELF file of 64 bits.
pub(crate) type Elf<'d> = ElfFile<'d, FileHeader64<Endianness>>;

/// The programs asked about so far, and which one is the target.
#[derive(Debug, Default)]
pub struct Programs {
    target: RefCell<Option<Target>>,
    read: RefCell<HashMap<PathBuf, Result<Rc<ProgramFile>, NoProgram>>>,
    inlined: RefCell<HashMap<PathBuf, Rc<debug_info::Inlined>>>,
}

/// The process of `-c` or `-x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A command line.
    Command(String),
    /// A process that runs.
    Process(u32),
}

impl Programs {
    /// Says what `process.function` is about.
    pub fn set_target(&self, target: Target) {
        *self.target.borrow_mut() = Some(target);
    }

    /// The process of `-x`.
    pub fn target_process(&self) -> Option<u32> {
        match *self.target.borrow() {
            Some(Target::Process(pid)) => Some(pid),
            Some(Target::Command(_)) | None => None,
        }
    }

    /// Finds and reads a program.
    pub fn program(&self, name: ProgramName<'_>) -> Result<Rc<ProgramFile>, NoProgram> {
        self.read(&self.path(name)?)
    }

    /// The libraries of a program that a name stands for.
    pub fn libraries(
        &self,
        program: ProgramName<'_>,
        name: &str,
    ) -> Result<Vec<Rc<ProgramFile>>, NoProgram> {
        let path = self.path(program)?;
        let found = match program {
            ProgramName::Process(pid) => libraries::mapped(pid)?,
            ProgramName::File(_) | ProgramName::Target => libraries::needed(&path)?,
        };
        libraries::named(&path, name, &found)?.iter().map(|path| self.read(path)).collect()
    }

    /// The programs whose files match a pattern.
    pub fn matching(&self, pattern: &str) -> Vec<Rc<ProgramFile>> {
        let mut found: Vec<Rc<ProgramFile>> = vec![];
        for path in find::matching(pattern) {
            if let Ok(program) = self.read(&path)
                && !found.iter().any(|other| other.path == program.path)
            {
                found.push(program);
            }
        }
        found
    }

    /// The file that a process has mapped as code at an address, and the place in it.
    pub fn code_of_process(&self, pid: u32, address: u64) -> Option<(Rc<ProgramFile>, u64)> {
        let (path, offset) = libraries::mapped_at(pid, address)?;
        Some((self.read(&path).ok()?, offset))
    }

    /// Where a program's functions of these names were inlined: name and address, ascending by address.
    pub(crate) fn inlined(&self, path: &Path, pattern: &str) -> Vec<(String, u64)> {
        let known = self.inlined.borrow().get(path).cloned();
        let inlined = known.unwrap_or_else(|| {
            let read = Rc::new(debug_info::Inlined::read(path));
            self.inlined.borrow_mut().insert(path.to_path_buf(), read.clone());
            read
        });
        inlined.matching(pattern)
    }

    fn path(&self, name: ProgramName<'_>) -> Result<PathBuf, NoProgram> {
        match name {
            ProgramName::File(name) => find::program(name),
            ProgramName::Process(pid) => find::of_process(pid),
            ProgramName::Target => match &*self.target.borrow() {
                Some(Target::Process(pid)) => find::of_process(*pid),
                Some(Target::Command(line)) => find::of_command(line),
                None => Err(NoProgram {
                    reason: "no process is named".to_string(),
                    help: Some(
                        "name the program: process(\"/path/of/program\"), or give the command with \
                         `-c` or the process with `-x`"
                            .to_string(),
                    ),
                }),
            },
        }
    }

    fn read(&self, path: &Path) -> Result<Rc<ProgramFile>, NoProgram> {
        if let Some(known) = self.read.borrow().get(path) {
            return known.clone();
        }
        let read = read(path).map(Rc::new);
        self.read.borrow_mut().insert(path.to_path_buf(), read.clone());
        read
    }
}

/// What a program's debug information says of places in it, with the types it names: they go on where those of
/// `base` end.
pub(crate) fn function_variables(
    path: &Path,
    places: &[Place<'_>],
    base: &Btf,
) -> Option<(Vec<Option<FunctionVariables>>, Vec<u8>)> {
    debug_info::variables(path, places, base)
}

/// A variable that belongs to no function, as seen from an address.
pub(crate) fn variable(
    path: &Path,
    address: u64,
    name: &str,
    file: Option<&str>,
    base: &Btf,
) -> Option<(ProgramVariable, Vec<u8>)> {
    debug_info::variable(path, address, name, file, base)
}

/// A type of a program by its name.
pub(crate) fn named_type(
    path: &Path,
    kinds: &[Kind],
    name: &str,
    base: &Btf,
) -> Option<(TypeId, Vec<u8>)> {
    debug_info::named_type(path, kinds, name, base)
}

/// The addresses of the code of lines, each with its line.
pub(crate) fn lines(path: &Path, file: &str, lines: &RangeInclusive<u64>) -> Vec<(u64, u64)> {
    debug_info::lines(path, file, lines)
}

/// Which code is of which source line; empty without debug information.
pub(crate) fn source_lines(path: &Path) -> SourceLines {
    debug_info::source_lines(path)
}

/// The functions of a program that a name of its source is of, by their positions.
pub(crate) fn functions_of_source(program: &ProgramFile, pattern: &str) -> Vec<usize> {
    source_names::functions(program, pattern)
}

/// The functions that a function calls.
pub(crate) fn calls(path: &Path, function: u64) -> Vec<String> {
    debug_info::calls(path, function)
}

/// The labels in functions.
pub(crate) fn labels(path: &Path, function: &str) -> Vec<Label> {
    debug_info::labels(path, function)
}

/// Reads a program file.
pub(crate) fn read(path: &Path) -> Result<ProgramFile, NoProgram> {
    let bytes = map(path)?;
    let elf = parse(path, &bytes)?;
    Ok(ProgramFile { inode: fs::metadata(path).map_or(0, |m| m.ino()), ..of_elf(path, &elf) })
}

/// What a program is, of which the file may not be known.
pub(crate) fn of_elf(path: &Path, elf: &Elf<'_>) -> ProgramFile {
    let symbols = symbols::read(path, elf);
    ProgramFile {
        path: path.display().to_string(),
        inode: 0,
        functions: symbols.functions,
        plt: plt::read(elf),
        code: code(elf),
        variables: symbols.variables,
        stripped: symbols.stripped,
        marks: marks::read(elf),
    }
}

/// What of a file is loaded as code.
fn code(elf: &Elf<'_>) -> Vec<Segment> {
    let endian = elf.endian();
    let is_code = |segment: &&object::elf::ProgramHeader64<Endianness>| {
        segment.p_type(endian) == object::elf::PT_LOAD
            && segment.p_flags(endian) & object::elf::PF_X != 0
    };
    let code = elf.elf_program_headers().iter().filter(is_code).map(|segment| Segment {
        address: segment.p_vaddr(endian),
        offset: segment.p_offset(endian),
        size: segment.p_filesz(endian),
    });
    code.collect()
}

/// The bytes of a file.
pub(crate) struct Bytes(Mapping);

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is readable for its length as long as `self` lives. Should the file be
        // written to meanwhile, what is read is checked like any other input.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.0.len()) }
    }
}

/// Maps a program file.
pub(crate) fn map(path: &Path) -> Result<Bytes, NoProgram> {
    let fail = |error: std::io::Error| NoProgram {
        reason: format!("{}: {}", path.display(), sys::error_text(&error)),
        help: None,
    };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        let reason = format!("{} is a folder", path.display());
        return Err(NoProgram { reason, help: None });
    }
    if metadata.len() < 64 {
        return Err(not_elf(path, &fs::read(path).unwrap_or_default()));
    }
    let mapping = Mapping::read_only(file.as_fd(), metadata.len() as usize)
        .map_err(|error| fail(error.cause))?;
    Ok(Bytes(mapping))
}

/// Reads the headers of a program of this machine's architecture.
pub(crate) fn parse<'d>(path: &Path, bytes: &'d [u8]) -> Result<Elf<'d>, NoProgram> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(not_elf(path, bytes));
    }
    let wrong = |what: &str| NoProgram {
        reason: format!("{} is {what}", path.display()),
        help: Some("programs of this machine's own architecture can be probed".to_string()),
    };
    const CLASS_64: u8 = 2;
    if bytes.get(4) != Some(&CLASS_64) {
        return Err(wrong("a 32-bit program"));
    }
    let elf = Elf::parse(bytes).map_err(|error| NoProgram {
        reason: format!("{} is a damaged ELF file: {error}", path.display()),
        help: None,
    })?;
    let expected = if cfg!(target_arch = "aarch64") { EM_AARCH64 } else { EM_X86_64 };
    if elf.elf_header().e_machine(elf.endian()) != expected {
        return Err(wrong("a program of another architecture"));
    }
    Ok(elf)
}

fn not_elf(path: &Path, bytes: &[u8]) -> NoProgram {
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let interpreter = first.strip_prefix(b"#!").map(String::from_utf8_lossy);
    match interpreter.as_deref().and_then(|line| line.split_whitespace().next()) {
        Some(interpreter) => NoProgram {
            reason: format!("{} is a script", path.display()),
            help: Some(format!("the program that runs is `{interpreter}`")),
        },
        None => NoProgram { reason: format!("{} is no ELF program", path.display()), help: None },
    }
}

/// The place in the file of an address.
pub(crate) fn file_offset(elf: &Elf<'_>, address: u64) -> Option<u64> {
    let endian = elf.endian();
    elf.elf_program_headers().iter().find_map(|segment| {
        let start = segment.p_vaddr(endian);
        let is_loaded = segment.p_type(endian) == object::elf::PT_LOAD;
        let inside = address.checked_sub(start)?;
        (is_loaded && inside < segment.p_filesz(endian)).then(|| segment.p_offset(endian) + inside)
    })
}
