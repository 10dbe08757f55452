//! Type information, read and reduced to what is reached from some types.
//!
//! A module's goes on where the kernel's ends: its ids and places of names begin behind the kernel's.

use std::collections::{BTreeSet, HashMap, VecDeque};

use ntap_compiler::btf::Kind;

/// `$skb->sk->...` follows two.
pub const POINTERS_FOLLOWED: u32 = 2;

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

/// The types of a kernel, or of a module on top of them.
pub struct Types<'a> {
    records: Vec<Record>,
    strings: &'a [u8],
    kernel: Option<&'a Types<'a>>,
}

impl<'a> Types<'a> {
    /// Reads type information; that of a module with the kernel's. `None` if it is malformed.
    pub fn read(data: &'a [u8], kernel: Option<&'a Types<'a>>) -> Option<Types<'a>> {
        let word = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
        let start = word(4)? as usize;
        let (mut at, length) = (start + word(8)? as usize, word(12)? as usize);
        let strings = data.get(start + word(16)? as usize..)?.get(..word(20)? as usize)?;
        let end = at + length;
        let mut records = vec![];
        if kernel.is_none() {
            // Type 0 is void.
            records.push(Record { name: 0, info: 0, word: 0, tail: vec![] });
        }
        while at < end {
            let info = word(at + 4)?;
            let count = tail_words(info >> 24 & 0x1f, info & 0xffff) as usize;
            let tail = (0..count).map(|i| word(at + 12 + i * 4)).collect::<Option<Vec<u32>>>()?;
            records.push(Record { name: word(at)?, info, word: word(at + 8)?, tail });
            at += 12 + count * 4;
        }
        Some(Types { records, strings, kernel })
    }

    /// The number of the first type of its own.
    fn first(&self) -> u32 {
        self.kernel.map_or(0, |kernel| kernel.records.len() as u32)
    }

    /// Whether a type is none of the kernel that a module builds on.
    pub fn is_own(&self, id: u32) -> bool {
        id >= self.first()
    }

    fn record(&self, id: u32) -> &Record {
        match self.kernel {
            Some(kernel) if !self.is_own(id) => kernel.record(id),
            _ => &self.records[(id - self.first()) as usize],
        }
    }

    fn name(&self, place: u32) -> &'a str {
        let of_kernel = self.kernel.map_or(0, |kernel| kernel.strings.len());
        let Some(at) = (place as usize).checked_sub(of_kernel) else {
            return self.kernel.map_or("", |kernel| kernel.name(place));
        };
        let tail = self.strings.get(at..).unwrap_or_default();
        let end = tail.iter().position(|&b| b == 0).unwrap_or(0);
        str::from_utf8(&tail[..end]).unwrap_or_default()
    }

    /// The first of its own types that has a name.
    pub fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        self.find_each(kind, |other| other == name).into_iter().next()
    }

    /// Its own types whose names are wanted.
    pub fn find_each(&self, kind: Kind, is_wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let is_it = |(_, r): &(u32, &Record)| r.is(kind) && is_wanted(self.name(r.name));
        (self.first()..).zip(&self.records).filter(is_it).map(|(id, _)| id).collect()
    }

    /// The types to keep, with how many pointers lead to each.
    pub fn depths(&self, roots: &[u32]) -> HashMap<u32, u32> {
        let mut depths: HashMap<u32, u32> = roots.iter().map(|&r| (r, 0)).collect();
        let mut queue: VecDeque<u32> = roots.iter().copied().collect();
        while let Some(id) = queue.pop_front() {
            let (record, depth) = (self.record(id), depths[&id]);
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
        from.is(Kind::Pointer) && depth > 1 && self.record(target).is(Kind::FunctionPrototype)
    }

    /// The new numbers of the types to keep, which keep their order: those of the kernel's that a module builds on
    /// are `kernel`.
    pub fn numbers(
        &self,
        depths: &HashMap<u32, u32>,
        kernel: &HashMap<u32, u32>,
    ) -> HashMap<u32, u32> {
        let kept: BTreeSet<u32> = depths.keys().copied().filter(|&id| self.is_own(id)).collect();
        let own = kept.into_iter().zip(kernel.len() as u32 + 1..);
        kernel.iter().map(|(&old, &new)| (old, new)).chain(own).collect()
    }

    /// The types of its own that are kept, as type information.
    pub fn write(
        &self,
        depths: &HashMap<u32, u32>,
        ids: &HashMap<u32, u32>,
        strings: &mut Strings,
    ) -> Vec<u8> {
        let kept: BTreeSet<u32> = depths.keys().copied().filter(|&id| self.is_own(id)).collect();
        let mut types: Vec<u8> = vec![];
        let mut put = |word: u32| types.extend_from_slice(&word.to_le_bytes());
        for &old in &kept {
            let record = self.record(old);
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
        out.extend(&strings.bytes);
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
#[derive(Clone)]
pub struct Strings {
    bytes: Vec<u8>,
    known: HashMap<String, u32>,
    /// The length of the table that this one goes on behind.
    before: u32,
}

impl Strings {
    /// A table with the empty string.
    pub fn new() -> Strings {
        Strings { bytes: vec![0], known: HashMap::new(), before: 0 }
    }

    /// One for a module, behind this one.
    pub fn behind(&self) -> Strings {
        Strings { bytes: vec![], known: self.known.clone(), before: self.bytes.len() as u32 }
    }

    fn add(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        *self.known.entry(text.to_string()).or_insert_with(|| {
            let at = self.before + self.bytes.len() as u32;
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(0);
            at
        })
    }
}
