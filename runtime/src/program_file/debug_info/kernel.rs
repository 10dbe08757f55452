//! The debug information of the kernel, where its package is installed: which file a function is in, which code is of
//! a line, which line an address is of.
//!
//! In: the file of the running kernel with its debug information, of the same build. It is linked for other addresses
//! than the kernel runs at; all addresses here are those of the running one. Which unit has which code is read when
//! the file is opened; functions and lines only of the units that are asked about.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::rc::Rc;

use gimli::{
    AttributeValue, Dwarf, DwarfSections, EndianSlice, LittleEndian, Unit, UnitHeader,
    UnitSectionOffset,
};
use object::{Object, ObjectSymbol};

mod places;

use super::frames::DebugFrames;
use super::source_lines::{self, SourceLines};
use super::types::Derived;
use super::{Slice, attribute, contents, file_name};
use crate::program_file::debug_file::build_id;
use crate::program_file::{map, parse};

/// The symbol at the begin of the kernel's code.
pub(crate) const TEXT_SYMBOL: &str = "_text";

/// The debug information of the running kernel.
pub(crate) struct KernelDebugInfo {
    dwarf: Dwarf<Slice<'static>>,
    frames: DebugFrames,
    units: Vec<KernelUnit>,
    /// The code of the units, ascending, each with the unit's place in the list.
    code: Vec<(Range<u64>, usize)>,
    /// How far the running kernel is from where it was linked for.
    moved: u64,
    /// The pointers and the like that are among the types known so far.
    derived: RefCell<Derived>,
    /// The lines of the units that were asked about.
    lines: RefCell<HashMap<usize, Rc<SourceLines>>>,
}

struct KernelUnit {
    header: UnitHeader<Slice<'static>>,
    /// The source file, from the top of the sources. Read when it is asked for.
    path: OnceCell<String>,
}

impl fmt::Debug for KernelDebugInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelDebugInfo").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

impl KernelDebugInfo {
    /// Opens a file, unless it is of another build than the kernel with this build id, as far as both are known;
    /// `text` is where the kernel's code begins. What is read stays in memory for as long as the process lives.
    pub(crate) fn open(path: &Path, build: Option<&str>, text: u64) -> Option<KernelDebugInfo> {
        let bytes: &'static _ = Box::leak(Box::new(map(path).ok()?));
        let elf = parse(path, bytes).ok()?;
        let id = build_id(&elf);
        if let (Some(build), Some(id)) = (build, &id)
            && build != id
        {
            return None;
        }
        elf.section_by_name(".debug_info")?;
        let linked = elf.symbols().find(|symbol| symbol.name() == Ok(TEXT_SYMBOL))?.address();
        let load = |id: gimli::SectionId| -> gimli::Result<_> {
            Ok(elf.section_by_name(id.name()).map(contents).unwrap_or_default())
        };
        let sections: &'static _ = Box::leak(Box::new(DwarfSections::load(load).ok()?));
        let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian));
        let frames = elf.section_by_name(".debug_frame").map(contents).unwrap_or_default();
        let mut info = KernelDebugInfo {
            dwarf,
            frames: DebugFrames::new(Vec::leak(frames.into_owned())),
            units: vec![],
            code: vec![],
            moved: text.wrapping_sub(linked),
            derived: RefCell::default(),
            lines: RefCell::default(),
        };
        info.read_units();
        Some(info)
    }

    /// Finds the units and the code of each: there is a table of it, in which few are missing.
    fn read_units(&mut self) {
        let mut places = HashMap::new();
        let mut headers = self.dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            if let UnitSectionOffset::DebugInfoOffset(offset) = header.offset() {
                places.insert(offset, self.units.len());
            }
            self.units.push(KernelUnit { header, path: OnceCell::new() });
        }
        let mut listed = vec![false; self.units.len()];
        let mut tables = self.dwarf.debug_aranges.headers();
        while let Ok(Some(table)) = tables.next() {
            let Some(&at) = places.get(&table.debug_info_offset()) else { continue };
            let mut entries = table.entries();
            while let Ok(Some(entry)) = entries.next() {
                let range = entry.address()..entry.address().wrapping_add(entry.length());
                if range.start < range.end {
                    listed[at] = true;
                    self.code.push((range, at));
                }
            }
        }
        for (at, _) in listed.iter().enumerate().filter(|(_, listed)| !**listed) {
            let Ok(unit) = self.dwarf.unit(self.units[at].header) else { continue };
            let Ok(mut ranges) = self.dwarf.unit_ranges(&unit) else { continue };
            while let Ok(Some(range)) = ranges.next() {
                if range.begin < range.end {
                    self.code.push((range.begin..range.end, at));
                }
            }
        }
        self.code.sort_unstable_by_key(|(range, _)| range.start);
    }

    /// The path of a unit's source file.
    fn path(&self, at: usize) -> &str {
        self.units[at].path.get_or_init(|| {
            let Ok(unit) = self.dwarf.unit(self.units[at].header) else { return String::new() };
            let name = unit.name.map(|name| name.to_string_lossy().into_owned());
            from_top(&unit, &name.unwrap_or_default()).to_string()
        })
    }

    /// The unit with the code at an address of the file.
    fn unit_at(&self, linked: u64) -> Option<usize> {
        let after = self.code.partition_point(|(range, _)| range.start <= linked);
        let (range, at) = self.code.get(after.checked_sub(1)?)?;
        range.contains(&linked).then_some(*at)
    }

    /// The path of the source file that the code at an address was compiled from.
    pub(crate) fn file_of(&self, address: u64) -> Option<&str> {
        let at = self.unit_at(address.wrapping_sub(self.moved))?;
        Some(self.path(at))
    }

    /// The addresses of the functions that are defined in files whose path is meant, ascending; `None` when no file
    /// that was compiled is.
    pub(crate) fn functions_of(&self, is_meant: impl Fn(&str) -> bool) -> Option<Vec<u64>> {
        let meant: Vec<usize> =
            (0..self.units.len()).filter(|&at| is_meant(self.path(at))).collect();
        if meant.is_empty() {
            return None;
        }
        let mut found = vec![];
        for at in meant {
            if let Ok(unit) = self.dwarf.unit(self.units[at].header) {
                let _ = self.functions_in(&unit, &is_meant, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    fn functions_in(
        &self,
        unit: &Unit<Slice<'static>>,
        is_meant: &impl Fn(&str) -> bool,
        found: &mut Vec<u64>,
    ) -> gimli::Result<()> {
        let mut known: HashMap<u64, bool> = HashMap::new();
        let mut tree = unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_subprogram {
                continue;
            }
            let Some(begin) = self.dwarf.die_ranges(unit, entry)?.next()?.map(|r| r.begin) else {
                continue;
            };
            // What a header defines is not of the file that includes it.
            let file = attribute(&self.dwarf, unit, entry, gimli::DW_AT_decl_file)?;
            let index = match file {
                Some(AttributeValue::FileIndex(index)) => index,
                _ => continue,
            };
            let is_there = *known.entry(index).or_insert_with(|| {
                let name = file_name(&self.dwarf, unit, index);
                name.is_some_and(|name| is_meant(from_top(unit, &name)))
            });
            if is_there {
                found.push(begin.wrapping_add(self.moved));
            }
        }
        Ok(())
    }

    /// The code of lines of the source files whose path, or end of the path, is `file`: line and address of each run
    /// of instructions of a line, ascending.
    pub(crate) fn lines(&self, file: &str, wanted: &RangeInclusive<u64>) -> Vec<(u64, u64)> {
        let mut found = vec![];
        for unit in &self.units {
            if let Ok(unit) = self.dwarf.unit(unit.header) {
                let _ = self.lines_in(&unit, file, wanted, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn lines_in(
        &self,
        unit: &Unit<Slice<'static>>,
        file: &str,
        wanted: &RangeInclusive<u64>,
        found: &mut Vec<(u64, u64)>,
    ) -> gimli::Result<()> {
        let Some(program) = unit.line_program.clone() else { return Ok(()) };
        let base = file.rsplit('/').next().unwrap_or(file);
        let header = program.header();
        let mut meant: HashMap<u64, bool> = HashMap::new();
        for index in 0..=header.file_names().len() as u64 {
            let Some(entry) = header.file(index) else { continue };
            let name = self.dwarf.attr_string(unit, entry.path_name())?;
            let is_meant = name.slice().ends_with(base.as_bytes())
                && file_name(&self.dwarf, unit, index)
                    .is_some_and(|path| super::is_path(from_top(unit, &path), file));
            if is_meant {
                meant.insert(index, true);
            }
        }
        if meant.is_empty() {
            return Ok(());
        }
        let mut rows = program.rows();
        let mut before = None;
        while let Some((_, row)) = rows.next_row()? {
            let line = row.line().map(std::num::NonZero::get);
            let here =
                line.filter(|_| !row.end_sequence() && meant.contains_key(&row.file_index()));
            if let Some(line) = here
                && row.is_stmt()
                && wanted.contains(&line)
                && before != here
            {
                found.push((line, row.address().wrapping_add(self.moved)));
            }
            before = here;
        }
        Ok(())
    }

    /// The source file and line of the code at an address.
    pub(crate) fn line_at(&self, address: u64) -> Option<(String, u64)> {
        let linked = address.wrapping_sub(self.moved);
        let at = self.unit_at(linked)?;
        let known = self.lines.borrow().get(&at).cloned();
        let unit = self.dwarf.unit(self.units[at].header).ok()?;
        let lines = known.unwrap_or_else(|| {
            let read = Rc::new(source_lines::of_unit(&self.dwarf, &unit));
            self.lines.borrow_mut().insert(at, read.clone());
            read
        });
        let (file, line) = lines.at(linked)?;
        Some((from_top(&unit, file).to_string(), line))
    }
}

/// A path without the folder the kernel was built in.
fn from_top<'p>(unit: &Unit<Slice<'static>>, path: &'p str) -> &'p str {
    let top = unit.comp_dir.map(|folder| folder.to_string_lossy()).unwrap_or_default();
    let rest = path.strip_prefix(&*top).map(|rest| rest.trim_start_matches('/'));
    rest.unwrap_or(path).trim_start_matches("./")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// A file as the kernel's is: two units that include a header, linked to a high address. `None`, with the reason
    /// said, where there is no compiler.
    fn built(name: &str) -> Option<PathBuf> {
        let folder = std::env::temp_dir().join(format!("ntap-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("net")).expect("a folder");
        let files = [
            (
                "net/shared.h",
                "static __attribute__((noinline)) int of_header(int n)\n{\n  return n * 3;\n}\n",
            ),
            (
                "net/socket.c",
                "#include \"shared.h\"\nstatic __attribute__((noinline)) int hidden(int n)\n{\n  return n + 7;\n}\n\
                 int sock_poll(int n)\n{\n  return hidden(n) + of_header(n);\n}\n",
            ),
            ("net/core.c", "int core(int n)\n{\n  return n - 1;\n}\n"),
        ];
        for (path, text) in files {
            std::fs::write(folder.join(path), text).expect("a file");
        }
        let linked = "-Wl,-Ttext=0x1000000,--defsym=_text=0x1000000,-e,sock_poll";
        let arguments = ["-g", "-O0", "-nostdlib", "-static", "-no-pie", "-fno-pie", linked];
        let mut command = Command::new("cc");
        command.current_dir(&folder).args(arguments).args(["-o", "vmlinux"]);
        match command.args(["net/socket.c", "net/core.c"]).output() {
            Ok(output) if output.status.success() => Some(folder.join("vmlinux")),
            Ok(output) => panic!("cc: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                println!("skipped: cc: {error}");
                None
            }
        }
    }

    #[test]
    fn files_functions_and_lines() {
        let Some(path) = built("files-functions-and-lines") else { return };
        let bytes = std::fs::read(&path).expect("the file that was built");
        let elf = parse(&path, &bytes).expect("an ELF file");
        // The running kernel is elsewhere.
        let moved = 0xffff_ffff_8000_0000;
        let address = |name: &str| {
            let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(name));
            symbol.expect("a symbol").address() + moved
        };
        let open = |build| KernelDebugInfo::open(&path, build, 0x1000000 + moved);
        assert!(open(Some("0123")).is_none(), "a file of another build");
        let info = open(None).expect("debug information");
        let functions = |file: &str| info.functions_of(|path| path == file);
        let mut of_socket = vec![address("hidden"), address("sock_poll")];
        of_socket.sort_unstable();
        // What the header defines is in the unit, and not of its file.
        assert_eq!(functions("net/socket.c"), Some(of_socket));
        assert_eq!(functions("net/core.c"), Some(vec![address("core")]));
        assert_eq!(functions("net/none.c"), None);
        assert_eq!(info.file_of(address("core")), Some("net/core.c"));
        assert_eq!(info.file_of(address("core") - 0x100_0000), None);
        let place = |file: &str, line| Some((file.to_string(), line));
        assert_eq!(info.line_at(address("core")), place("net/core.c", 2));
        assert_eq!(info.line_at(address("sock_poll")), place("net/socket.c", 7));
        assert_eq!(info.line_at(address("of_header")), place("net/shared.h", 2));
        assert_eq!(info.lines("net/core.c", &(1..=2)), [(2, address("core"))]);
        assert_eq!(info.lines("core.c", &(2..=2)), [(2, address("core"))]);
        let all: Vec<u64> =
            info.lines("net/core.c", &(1..=u64::MAX)).iter().map(|(line, _)| *line).collect();
        assert_eq!(all, [2, 3, 4]);
        assert_eq!(info.lines("other.c", &(1..=u64::MAX)), []);
        let _ = std::fs::remove_dir_all(path.parent().expect("a folder"));
    }
}
