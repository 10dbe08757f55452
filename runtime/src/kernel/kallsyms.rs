//! The kernel's symbol table, /proc/kallsyms.
//!
//! A line is `ffffffff81000000 T name` or `ffffffffc0201000 t name\t[module]`. All lines are kept in
//! 16 bytes each plus the names, sorted by address; the text is read in pieces and never held whole.
//!
//! The table gives no sizes: a symbol ends where the next one of the same module begins. Addresses
//! are all zero for readers without privilege (`kernel.kptr_restrict`); the table is empty then and
//! [`Kallsyms::hidden`] says so.

use std::fs::File;
use std::io::{self, Read};

const PATH: &str = "/proc/kallsyms";
const PIECE_BYTES: usize = 256 << 10;
/// Where the last symbol of a module (or a program) is taken to end: what follows it is not known.
const PAGE_BYTES: u64 = 4096;
const KERNEL: u16 = 0;

/// The symbols of the kernel and its modules.
#[derive(Debug, Default)]
pub struct Kallsyms {
    /// Sorted by address, aliases in the kernel's order.
    entries: Vec<Entry>,
    /// For each entry its type letter and its name.
    names: Vec<u8>,
    /// Module names; the first stands for the kernel proper.
    modules: Vec<String>,
    unavailable: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    /// Where its letter is in `names`; the name follows.
    name: u32,
    name_bytes: u16,
    module: u16,
}

/// A symbol and what can be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its first address.
    pub start: u64,
    /// Bytes up to the next symbol; 0 for a marker at the end of everything.
    pub size: u64,
    /// The module it is in; `None` for the kernel proper.
    pub module: Option<&'a str>,
}

impl Kallsyms {
    /// Reads the running kernel's table.
    pub fn read() -> Kallsyms {
        match File::open(PATH) {
            Ok(file) => Kallsyms::parse(file),
            Err(error) => Kallsyms::unavailable(format!("{PATH}: {error}")),
        }
    }

    /// Reads a table in the format of /proc/kallsyms. Lines that are not of that format are skipped.
    pub fn parse(mut source: impl Read) -> Kallsyms {
        let mut table = Kallsyms { modules: vec![String::new()], ..Kallsyms::default() };
        let mut piece = vec![0; PIECE_BYTES];
        let mut filled = 0;
        loop {
            match source.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Kallsyms::unavailable(format!("{PATH}: {error}")),
            }
            // What follows the last line end waits for its rest.
            let whole =
                piece[..filled].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            table.add_lines(&piece[..whole]);
            piece.copy_within(whole..filled, 0);
            filled -= whole;
            if filled == piece.len() {
                return Kallsyms::unavailable(format!("{PATH}: a line is too long"));
            }
        }
        table.add_lines(&piece[..filled]);
        table.finish()
    }

    /// The table's lines that can be used; 0 when addresses are hidden.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no symbols.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Why there are no symbols, a clause; `None` when there are.
    pub fn hidden(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }

    /// The symbol an address is in; `None` outside of all.
    pub fn lookup(&self, address: u64) -> Option<Symbol<'_>> {
        let after = self.entries.partition_point(|entry| entry.address <= address);
        let start = self.entries.get(after.checked_sub(1)?)?.address;
        // The first of several aliases, as the kernel itself prints it.
        let first = self.entries[..after].partition_point(|entry| entry.address < start);
        // An absolute symbol is no place in memory: per-CPU variables are offsets from 0 before 6.15.
        if self.letter(&self.entries[first]).eq_ignore_ascii_case(&b'a') {
            return None;
        }
        let symbol = self.symbol(first);
        (address - start < symbol.size).then_some(symbol)
    }

    /// The name of the symbol an address is in, as `symname` gives it.
    pub fn name(&self, address: u64) -> Option<&str> {
        self.lookup(address).map(|symbol| symbol.name)
    }

    /// All names of what begins at an address.
    pub fn names(&self, address: u64) -> impl Iterator<Item = &str> {
        let first = self.entries.partition_point(|entry| entry.address < address);
        let there = self.entries[first..].iter().take_while(move |entry| entry.address == address);
        there.map(|entry| str::from_utf8(self.name_of(entry)).unwrap_or_default())
    }

    /// The address of a symbol. Of several local ones the lowest; a global one comes first.
    pub fn address(&self, name: &str) -> Option<u64> {
        let mut local = None;
        for entry in self.named(name) {
            if self.letter(entry).is_ascii_uppercase() {
                return Some(entry.address);
            }
            local = local.or(Some(entry.address));
        }
        local
    }

    /// The addresses of all symbols of this name, ascending: static functions may share one.
    pub fn addresses(&self, name: &str) -> Vec<u64> {
        self.named(name).map(|entry| entry.address).collect()
    }

    /// All symbols by ascending address.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'_>> {
        (0..self.entries.len()).map(|position| self.symbol(position))
    }

    /// The symbols that are code, by ascending address.
    pub fn functions(&self) -> impl Iterator<Item = Symbol<'_>> {
        let is_code = |entry: &Entry| matches!(self.letter(entry), b'T' | b't' | b'W' | b'w');
        (0..self.entries.len())
            .filter(move |&position| is_code(&self.entries[position]))
            .map(|position| self.symbol(position))
    }

    fn unavailable(reason: String) -> Kallsyms {
        Kallsyms { unavailable: Some(reason), ..Kallsyms::default() }
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| {
            usize::from(entry.name_bytes) == name.len() && self.name_of(entry) == name.as_bytes()
        })
    }

    fn symbol(&self, position: usize) -> Symbol<'_> {
        let entry = &self.entries[position];
        let next = self.entries[position..].iter().find(|next| next.address > entry.address);
        let end = match next {
            Some(next) if next.module == entry.module => next.address,
            _ if entry.module == KERNEL => entry.address,
            next => {
                let page_end = (entry.address | (PAGE_BYTES - 1)).saturating_add(1);
                next.map_or(page_end, |next| next.address.min(page_end))
            }
        };
        Symbol {
            name: str::from_utf8(self.name_of(entry)).unwrap_or_default(),
            start: entry.address,
            size: end - entry.address,
            module: (entry.module != KERNEL)
                .then(|| self.modules[usize::from(entry.module)].as_str()),
        }
    }

    fn letter(&self, entry: &Entry) -> u8 {
        self.names[entry.name as usize]
    }

    fn name_of(&self, entry: &Entry) -> &[u8] {
        let start = entry.name as usize + 1;
        &self.names[start..start + usize::from(entry.name_bytes)]
    }

    fn add_lines(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            self.add_line(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }

    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let address = hexadecimal(&line[..space])?;
        let [letter, b' ', rest @ ..] = &line[space + 1..] else { return None };
        let name_end = rest.iter().position(|&byte| byte == b'\t').unwrap_or(rest.len());
        let name = &rest[..name_end];
        let module = match rest.get(name_end + 1..) {
            Some([b'[', inner @ .., b']']) => self.module(inner)?,
            _ => KERNEL,
        };
        let entry = Entry {
            address,
            name: u32::try_from(self.names.len()).ok()?,
            name_bytes: u16::try_from(name.len()).ok()?,
            module,
        };
        self.names.push(*letter);
        self.names.extend_from_slice(name);
        self.entries.push(entry);
        Some(())
    }

    /// The number of a module; lines of one module stand together.
    fn module(&mut self, name: &[u8]) -> Option<u16> {
        let name = str::from_utf8(name).ok()?;
        let known = match self.modules.last() {
            Some(last) if last == name => Some(self.modules.len() - 1),
            _ => self.modules.iter().position(|module| module == name),
        };
        let position = known.unwrap_or_else(|| {
            self.modules.push(name.to_owned());
            self.modules.len() - 1
        });
        u16::try_from(position).ok()
    }

    fn finish(mut self) -> Kallsyms {
        if self.entries.iter().all(|entry| entry.address == 0) {
            let reason = match self.entries.is_empty() {
                true => format!("{PATH} is empty (the kernel is built without CONFIG_KALLSYMS)"),
                false => "kernel addresses are hidden from this user \
                          (sysctl kernel.kptr_restrict; run as root)"
                    .to_owned(),
            };
            return Kallsyms::unavailable(reason);
        }
        // Stable, so that aliases keep the kernel's order; nearly sorted already.
        self.entries.sort_by_key(|entry| entry.address);
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
        self
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0, |value: u64, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}
