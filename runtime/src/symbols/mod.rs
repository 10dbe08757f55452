//! Addresses of processes: the file mapped there, and the symbol in it. Stacks of processes: from the copies that
//! handlers send to the addresses of the callers.
//!
//! What processes map is followed while a script runs that asks; what they had mapped before is read when
//! one of their addresses is first asked about. So processes that have ended are known, too.

mod copied_stack;
mod processes;
mod unwinding;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ntap_compiler::program_file::ProgramFile;

use crate::program_file::{self, FrameRules, InlinedFunctions, SourceLines};
use copied_stack::CopiedStacks;
use processes::{Processes, VDSO};
use unwinding::Code;

/// What is known of processes and the files they run.
#[derive(Debug, Default)]
pub struct UserSymbols {
    processes: Processes,
    files: HashMap<PathBuf, Option<Rc<File>>>,
    stacks: CopiedStacks,
    /// How many stacks had callers that could not be seen.
    cut_stacks: u64,
    /// Whether inlined functions are left out.
    hides_inlined: bool,
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

/// A function that the compiler has put into another one, at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedSymbol {
    /// Its name.
    pub name: String,
    /// Where its code is: the address itself, or the call of what is inlined into it.
    pub source: Option<SourceLine>,
}

/// What is at an address of a process, with the functions that were inlined there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlinedAt {
    /// The innermost first.
    pub functions: Vec<InlinedSymbol>,
    /// Where the function with code of its own calls the outermost of them.
    pub call: Option<SourceLine>,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The file with its folder.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
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
    /// Where it can be read.
    path: PathBuf,
    program: ProgramFile,
    /// Which code is of which line, read when a line is first asked about.
    lines: OnceCell<SourceLines>,
    /// What was inlined where, read when a stack is first printed with it.
    inlined: OnceCell<InlinedFunctions>,
    /// The unwind tables, read when a stack is first walked through it.
    frames: OnceCell<Rc<FrameRules>>,
}

impl UserSymbols {
    /// The symbol at an address of a process; `None` where it has no file mapped as code, or has ended before it
    /// was known.
    pub fn lookup(&mut self, process: u32, address: u64) -> Option<UserSymbol> {
        self.processes.update();
        let mapped = self.processes.find(process, address)?;
        let offset = address - mapped.start + mapped.offset;
        let path = mapped.path.display().to_string();
        let path = path.trim_matches(['[', ']']).to_string();
        let file = self.file(&mapped.path, process);
        let function = file.as_ref().and_then(|file| file.function(offset));
        Some(match function {
            Some((name, start, size)) => {
                UserSymbol { name: Some(name), offset: offset - start, size, path }
            }
            None => UserSymbol { name: None, offset, size: 0, path },
        })
    }

    /// The source line of an address of a process, where debug information has it.
    pub fn source_line(&mut self, process: u32, address: u64) -> Option<SourceLine> {
        self.processes.update();
        let mapped = self.processes.find(process, address)?;
        let file = self.file(&mapped.path, process)?;
        let address = file.program.address_of(address - mapped.start + mapped.offset)?;
        let lines = file.lines.get_or_init(|| program_file::source_lines(&file.path));
        let (name, line) = lines.at(address)?;
        Some(SourceLine { file: name.to_string(), line })
    }

    /// The functions inlined at an address of a process, where debug information has them. `with_lines` asks for
    /// source lines, too.
    pub fn inlined(&mut self, process: u32, address: u64, with_lines: bool) -> InlinedAt {
        if self.hides_inlined {
            return InlinedAt::default();
        }
        self.processes.update();
        let Some(mapped) = self.processes.find(process, address) else {
            return InlinedAt::default();
        };
        let Some(file) = self.file(&mapped.path, process) else { return InlinedAt::default() };
        let offset = address - mapped.start + mapped.offset;
        let Some(linked) = file.program.address_of(offset) else { return InlinedAt::default() };
        // At its first instruction a function has called nothing yet, also where that is code of what was inlined.
        if file.function_address(offset) == Some(linked) {
            return InlinedAt::default();
        }
        let inlined = file.inlined.get_or_init(|| InlinedFunctions::open(&file.path)).at(linked);
        // Each is where it calls the one before it.
        let mut here = match with_lines && !inlined.is_empty() {
            true => self.source_line(process, address),
            false => None,
        };
        let mut found = InlinedAt::default();
        for function in inlined.iter() {
            let name = demangled(&function.name);
            found.functions.push(InlinedSymbol { name, source: here.take() });
            let call = function.call.as_ref().filter(|_| with_lines);
            here = call.map(|(file, line)| SourceLine { file: file.clone(), line: *line });
        }
        found.call = here;
        found
    }

    /// The process that most of these addresses are of: one of the candidates, or any that is known.
    pub fn process_of(&mut self, addresses: &[u64], candidates: &[u32]) -> Option<u32> {
        self.processes.update();
        self.processes.with_most(addresses, candidates)
    }

    /// The process that a block without one means with these addresses: the one the script is about, or one that is
    /// known, unless several have different code there.
    pub fn owner_of(&mut self, addresses: &[u64], target: Option<u32>) -> Option<u32> {
        self.processes.update();
        self.processes.owner(addresses, target)
    }

    /// Takes in the record with which the copy of a stack begins.
    pub fn add_registers(&mut self, payload: &[u8]) {
        self.stacks.add(payload);
    }

    /// Takes in a record with a piece of the copy of a stack.
    pub fn add_stack(&mut self, payload: &[u8]) {
        self.stacks.add_piece(payload);
    }

    /// The addresses of a copied stack, at most so many, the innermost first; none where no such copy came.
    pub fn stack(&mut self, number: u64, most: usize) -> Rc<[u64]> {
        self.processes.update();
        let Some(mut copy) = self.stacks.take(number) else { return Rc::new([]) };
        let frames = copy.frames.clone().unwrap_or_else(|| {
            let (process, time_ns) = (copy.process, copy.time_ns);
            let walked = unwinding::walk(&copy, most, |address| {
                let mapped = self.processes.find_at(process, address, time_ns)?;
                let file = self.file(&mapped.path, process)?;
                let offset = address - mapped.start + mapped.offset;
                Some(Code {
                    rules: file.frames.get_or_init(|| file.rules()).clone(),
                    address: file.program.address_of(offset)?,
                    function: file.function_address(offset),
                })
            });
            self.cut_stacks += u64::from(walked.is_cut);
            walked.frames.into()
        });
        copy.frames = Some(frames.clone());
        self.stacks.put_back(number, copy);
        frames
    }

    /// How many stacks had callers that could not be seen, since this was asked last.
    pub fn take_cut_stacks(&mut self) -> u64 {
        std::mem::take(&mut self.cut_stacks)
    }

    /// Leaves out inlined functions.
    pub fn hide_inlined(&mut self) {
        self.hides_inlined = true;
    }

    /// Begins to follow what processes map. The target, or 0, is known from now on.
    pub fn follow(&mut self, target: u32) {
        self.processes.follow(target);
    }

    /// What becomes readable when there is much to be taken in, by [`UserSymbols::update`].
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.processes.descriptors()
    }

    /// Takes in what processes have mapped, before there is too much of it.
    pub fn update(&mut self) {
        self.processes.update();
    }

    fn file(&mut self, path: &Path, process: u32) -> Option<Rc<File>> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        if path == Path::new(VDSO) {
            let file = File::of_kernel().map(Rc::new);
            self.files.insert(path.to_path_buf(), file.clone());
            return file;
        }
        // As the process sees it: it may live in a container. Where it does not, the path stays when the process ends.
        let seen = PathBuf::from(format!("/proc/{process}/root{}", path.display()));
        let seen = if is_same_file(&seen, path) { path.to_path_buf() } else { seen };
        let read = program_file::read(&seen).map(|program| (seen, program));
        let read = read.or_else(|_| program_file::read(path).map(|p| (path.to_path_buf(), p)));
        let file = read.ok().map(|(path, program)| Rc::new(File::new(path, program)));
        self.files.insert(path.to_path_buf(), file.clone());
        file
    }
}

/// Whether two paths are of one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| {
        let status = path.metadata().ok()?;
        Some((status.dev(), status.ino()))
    };
    number(one).is_some_and(|found| number(other) == Some(found))
}

impl File {
    fn new(path: PathBuf, program: ProgramFile) -> File {
        File {
            path,
            program,
            lines: OnceCell::new(),
            inlined: OnceCell::new(),
            frames: OnceCell::new(),
        }
    }

    /// The code that the kernel maps into all processes: ntap has it mapped, too.
    fn of_kernel() -> Option<File> {
        let bytes = processes::own_vdso()?;
        let path = PathBuf::from(VDSO);
        let elf = program_file::parse(&path, &bytes).ok()?;
        let file = File::new(path.clone(), program_file::of_elf(&path, &elf));
        let _ = file.frames.set(Rc::new(FrameRules::of(&elf)));
        Some(file)
    }

    fn rules(&self) -> Rc<FrameRules> {
        Rc::new(FrameRules::read(&self.path))
    }

    /// Where the function at a place in the file begins, as it was linked.
    fn function_address(&self, offset: u64) -> Option<u64> {
        let functions = &self.program.functions;
        let after = functions.partition_point(|f| f.offset <= offset);
        Some(functions.get(after.checked_sub(1)?)?.address)
    }

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
        // A function that ends with a call which does not return is returned to behind its end.
        (offset - function.offset <= size)
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

#[cfg(test)]
mod tests {
    use ntap_compiler::program_file::FunctionSymbol;

    use super::*;

    #[test]
    fn the_end_of_a_function_is_of_it_unless_the_next_begins_there() {
        let function = |name: &str, offset, size| {
            let (name, address, exported) = (name.to_string(), offset, false);
            FunctionSymbol { name, address, offset, size, exported }
        };
        let functions = vec![
            function("first", 0x10, 0x10),
            function("second", 0x20, 0x8),
            function("third", 0x40, 0),
        ];
        let program = ProgramFile { functions, ..ProgramFile::default() };
        let file = File::new(PathBuf::new(), program);
        for (offset, expected) in [
            (0x8, None),
            (0x1f, Some(("first", 0xf))),
            (0x20, Some(("second", 0))),
            (0x28, Some(("second", 8))),
            (0x29, None),
            (0x40, Some(("third", 0))),
            (0x41, None),
        ] {
            let found = file.function(offset);
            let found = found.as_ref().map(|(name, start, _)| (name.as_str(), offset - start));
            assert_eq!(found, expected, "{offset:#x}");
        }
    }
}
