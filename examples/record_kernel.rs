//! Records what the compiler asks about the running kernel, for the tests of `tests/kernels/`.
//!
//! ```text
//! cargo run --example record_kernel -- tests/kernels/6.18 kfree_skb sys_enter ... function:vfs_read ... type:mount ...
//! ```
//!
//! Writes `types.btf`, the kernel's BTF reduced to what scripts on these tracepoints and functions can
//! reach and to these structures, `functions.txt`, the functions with their addresses and modules, and
//! `facts.txt`. Structures behind more than [`POINTERS_FOLLOWED`] pointers are declared, not defined; the
//! functions that pointers in structures lead to are left out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::path::Path;

use ntap_compiler::btf::Kind;
use ntap_compiler::facts::{CpuVersion, Facts};
use ntap_runtime::kernel::LiveKernel;

/// `$skb->sk->...` follows two.
const POINTERS_FOLLOWED: u32 = 2;
/// What stands before the name of a function.
const FUNCTION: &str = "function:";
/// What stands before the name of a structure that `@cast` names.
const TYPE: &str = "type:";
/// Configuration options tests ask for.
const OPTIONS: &[&str] = &["CONFIG_NET", "CONFIG_HZ", "CONFIG_BPF", "CONFIG_SMP", "CONFIG_MODULES"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: record_kernel FOLDER TRACEPOINT... function:FUNCTION... type:STRUCTURE...";
    let folder = words.next().ok_or(usage)?;
    let (structures, words): (Vec<String>, Vec<String>) =
        words.partition(|word| word.starts_with(TYPE));
    let structures: Vec<&str> = structures.iter().map(|word| &word[TYPE.len()..]).collect();
    let (functions, tracepoints): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| word.starts_with(FUNCTION));
    // One list serves several kernels: what this one has not got is what tests are to see missing.
    let kernel = LiveKernel::new();
    let (tracepoints, missing): (Vec<String>, Vec<String>) =
        tracepoints.into_iter().partition(|name| kernel.tracepoint_systems().contains_key(name));
    eprintln!("not in this kernel: {}", missing.join(" "));
    let functions: Vec<&str> = functions.iter().map(|word| &word[FUNCTION.len()..]).collect();
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let whole = fs::read("/sys/kernel/btf/vmlinux")?;
    let types = Types::read(&whole).ok_or("the kernel's BTF is malformed")?;
    let reduced = types.reduce(&tracepoints, &functions, &structures)?;
    fs::write(folder.join("types.btf"), &reduced)?;
    let mut listed = String::new();
    let listing = kernel.each_function(&mut |function| {
        if functions.contains(&function.name) {
            let module = function.module.map_or(String::new(), |module| format!(" {module}"));
            listed.push_str(&format!("{:x} {}{module}\n", function.address, function.name));
        }
    });
    listing.map_err(|missing| missing.reason)?;
    fs::write(folder.join("functions.txt"), listed)?;
    let release = kernel.kernel_release();
    let version = release.split('-').next().unwrap_or_default();
    let mut facts = format!("release {version}\n");
    facts.push_str(&format!("architecture {}\n", kernel.architecture().name()));
    facts.push_str(match kernel.cpu_version() {
        CpuVersion::V3 => "cpu 3\n",
        CpuVersion::V4 => "cpu 4\n",
    });
    // Where the verifier bounds loops by itself, the helper is not asked for.
    if kernel.has_loop_helper() && !kernel.has_may_goto() {
        facts.push_str("helper loop\n");
    }
    for option in OPTIONS {
        if let Some(value) = kernel.kernel_config(option) {
            facts.push_str(&format!("config {option} {value}\n"));
        }
    }
    for name in &tracepoints {
        if let Some(system) = kernel.tracepoint_systems().get(name) {
            facts.push_str(&format!("tracepoint {system} {name}\n"));
        }
    }
    fs::write(folder.join("facts.txt"), facts)?;
    println!("{}: {} bytes of types", folder.display(), reduced.len());
    Ok(())
}

/// A type record: its fixed words and those that follow it.
struct Record {
    name: u32,
    info: u32,
    word: u32,
    tail: Vec<u32>,
}

impl Record {
    fn kind(&self) -> u32 {
        self.info >> 24 & 0x1f
    }

    fn is(&self, kind: Kind) -> bool {
        self.kind() == kind as u32
    }

    /// The words that hold type ids, `word` being number 0 and the tail following.
    fn references(&self) -> Vec<usize> {
        let tail =
            |each: usize, at: usize| (0..self.tail.len() / each).map(move |i| 1 + i * each + at);
        match self.kind() {
            kind if kind == Kind::Array as u32 => vec![1, 2],
            kind if kind == Kind::Struct as u32 || kind == Kind::Union as u32 => {
                tail(3, 1).collect()
            }
            kind if kind == Kind::FunctionPrototype as u32 => {
                std::iter::once(0).chain(tail(2, 1)).collect()
            }
            kind if has_target(kind) => vec![0],
            _ => vec![],
        }
    }

    fn get(&self, at: usize) -> u32 {
        if at == 0 { self.word } else { self.tail[at - 1] }
    }
}

/// Kinds whose third word is a type.
fn has_target(kind: u32) -> bool {
    use Kind::{Const, Function, Pointer, Restrict, TypeTag, Typedef, Volatile};
    [Pointer, Typedef, Volatile, Const, Restrict, Function, TypeTag]
        .iter()
        .any(|&k| k as u32 == kind)
}

/// How many words follow a record.
fn tail_words(kind: u32, length: u32) -> u32 {
    use Kind::*;
    let is = |k: Kind| k as u32 == kind;
    match () {
        () if is(Integer) || is(Variable) || is(DeclarationTag) => 1,
        () if is(Array) => 3,
        () if is(Struct) || is(Union) || is(DataSection) || is(Enum64) => 3 * length,
        () if is(Enum) || is(FunctionPrototype) => 2 * length,
        () => 0,
    }
}

/// All types of a kernel.
struct Types<'a> {
    records: Vec<Record>,
    strings: &'a [u8],
}

impl<'a> Types<'a> {
    fn read(data: &'a [u8]) -> Option<Types<'a>> {
        let word = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
        let start = word(4)? as usize;
        let (mut at, length) = (start + word(8)? as usize, word(12)? as usize);
        let strings = data.get(start + word(16)? as usize..)?.get(..word(20)? as usize)?;
        let end = at + length;
        // Type 0 is void.
        let mut records = vec![Record { name: 0, info: 0, word: 0, tail: vec![] }];
        while at < end {
            let info = word(at + 4)?;
            let count = tail_words(info >> 24 & 0x1f, info & 0xffff) as usize;
            let tail = (0..count).map(|i| word(at + 12 + i * 4)).collect::<Option<Vec<u32>>>()?;
            records.push(Record { name: word(at)?, info, word: word(at + 8)?, tail });
            at += 12 + count * 4;
        }
        Some(Types { records, strings })
    }

    fn name(&self, offset: u32) -> &'a str {
        let tail = self.strings.get(offset as usize..).unwrap_or_default();
        let end = tail.iter().position(|&b| b == 0).unwrap_or(0);
        str::from_utf8(&tail[..end]).unwrap_or_default()
    }

    fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        let at = self.records.iter().position(|r| r.is(kind) && self.name(r.name) == name)?;
        Some(at as u32)
    }

    fn reduce(
        &self,
        tracepoints: &[String],
        functions: &[&str],
        structures: &[&str],
    ) -> Result<Vec<u8>, String> {
        let mut roots = vec![];
        for name in structures {
            let missing = || format!("no structure `{name}`");
            roots.push(self.find(name, Kind::Struct).ok_or_else(missing)?);
        }
        // Functions of modules are not among the kernel's own types.
        roots.extend(functions.iter().filter_map(|name| self.find(name, Kind::Function)));
        for name in tracepoints {
            let missing = || format!("no tracepoint `{name}`");
            roots.push(self.find(&format!("btf_trace_{name}"), Kind::Typedef).ok_or_else(missing)?);
            roots.extend(self.find(&format!("__traceiter_{name}"), Kind::Function));
        }
        let depths = self.depths(&roots);
        Ok(self.write(&depths))
    }

    /// The types to keep, with how many pointers lead to each.
    fn depths(&self, roots: &[u32]) -> HashMap<u32, u32> {
        let mut depths: HashMap<u32, u32> = roots.iter().map(|&r| (r, 0)).collect();
        let mut queue: VecDeque<u32> = roots.iter().copied().collect();
        while let Some(id) = queue.pop_front() {
            let (record, depth) = (&self.records[id as usize], depths[&id]);
            if self.is_cut(record, depth) {
                continue;
            }
            let step = u32::from(record.is(Kind::Pointer));
            for at in record.references() {
                let target = record.get(at);
                let depth = depth + step;
                let is_nearer = depths.get(&target).is_none_or(|&known| depth < known);
                if target != 0 && is_nearer && !self.is_dropped(record, target, depth) {
                    depths.insert(target, depth);
                    // Nearest first, so that each is settled once.
                    if step == 0 { queue.push_front(target) } else { queue.push_back(target) }
                }
            }
        }
        depths
    }

    /// Whether an aggregate is only declared.
    fn is_cut(&self, record: &Record, depth: u32) -> bool {
        (record.is(Kind::Struct) || record.is(Kind::Union))
            && record.name != 0
            && depth > POINTERS_FOLLOWED
    }

    /// Whether a pointer becomes `void *`: one to a function that is not a tracepoint's.
    fn is_dropped(&self, from: &Record, target: u32, depth: u32) -> bool {
        from.is(Kind::Pointer)
            && depth > 1
            && self.records[target as usize].is(Kind::FunctionPrototype)
    }

    fn write(&self, depths: &HashMap<u32, u32>) -> Vec<u8> {
        // Types keep their order.
        let kept: BTreeSet<u32> = depths.keys().copied().collect();
        let ids: HashMap<u32, u32> = kept.iter().zip(1..).map(|(&old, new)| (old, new)).collect();
        let mut types: Vec<u8> = vec![];
        let mut strings = Strings { bytes: vec![0], known: HashMap::new() };
        let mut put = |word: u32| types.extend_from_slice(&word.to_le_bytes());
        for &old in &kept {
            let record = &self.records[old as usize];
            let name = strings.add(self.name(record.name));
            if self.is_cut(record, depths[&old]) {
                let is_union = u32::from(record.is(Kind::Union));
                let info = is_union << 31 | (Kind::Forward as u32) << 24;
                [name, info, 0].into_iter().for_each(&mut put);
                continue;
            }
            let references = record.references();
            let value = |at: usize| match references.contains(&at) {
                true => ids.get(&record.get(at)).copied().unwrap_or(0),
                false => record.get(at),
            };
            [name, record.info, value(0)].into_iter().for_each(&mut put);
            let named = match record.tail.len() {
                0 => None,
                _ => self.name_stride(record),
            };
            for at in 1..=record.tail.len() {
                let is_name = named.is_some_and(|stride| (at - 1).is_multiple_of(stride));
                put(if is_name { strings.add(self.name(record.get(at))) } else { value(at) });
            }
        }
        let mut out = vec![0x9f, 0xeb, 1, 0];
        let (types_bytes, strings_bytes) = (types.len() as u32, strings.bytes.len() as u32);
        for word in [24, 0, types_bytes, types_bytes, strings_bytes] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend(types);
        out.extend(strings.bytes);
        out
    }

    /// Every how many words of the tail a name stands.
    fn name_stride(&self, record: &Record) -> Option<usize> {
        let is = |kind| record.is(kind);
        if is(Kind::Struct) || is(Kind::Union) || is(Kind::Enum64) {
            Some(3)
        } else if is(Kind::Enum) || is(Kind::FunctionPrototype) {
            Some(2)
        } else {
            None
        }
    }
}

/// A string table under construction.
struct Strings {
    bytes: Vec<u8>,
    known: HashMap<String, u32>,
}

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        *self.known.entry(text.to_string()).or_insert_with(|| {
            let at = self.bytes.len() as u32;
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(0);
            at
        })
    }
}
