//! A BTF writer: types and strings in the kernel's format.
//!
//! Ids count from 1 in order of addition; 0 is `void`. Strings and anonymous helper types are
//! shared. See `Documentation/bpf/btf.rst` of the kernel for the layout.

use std::collections::HashMap;

/// A type's id.
pub(super) type TypeId = u32;

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_BYTES: u32 = 24;

const KIND_INT: u32 = 1;
const KIND_POINTER: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_FUNCTION: u32 = 12;
const KIND_PROTOTYPE: u32 = 13;
const KIND_VARIABLE: u32 = 14;
const KIND_SECTION: u32 = 15;

const INT_SIGNED: u32 = 1 << 24;
const VARIABLE_GLOBAL: u32 = 1;

/// Whether a function may be called from outside its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linkage {
    Static = 0,
    Global = 1,
}

/// A variable's place in a section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) variable: TypeId,
    pub(super) offset: u32,
    pub(super) size: u32,
}

/// Types and strings under construction.
#[derive(Debug)]
pub(super) struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
    string_offsets: HashMap<String, u32>,
    /// Types that are the same wherever they occur, by their words.
    shared: HashMap<Vec<u32>, TypeId>,
}

impl Btf {
    pub(super) fn new() -> Self {
        Btf {
            types: Vec::new(),
            strings: vec![0],
            count: 0,
            string_offsets: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    /// Number of types, without `void`.
    pub(super) fn type_count(&self) -> u32 {
        self.count
    }

    /// The offset of a string, which must not contain NUL (it is cut there).
    pub(super) fn string(&mut self, text: &str) -> u32 {
        let text = text.split('\0').next().unwrap_or_default();
        if text.is_empty() {
            return 0;
        }
        if let Some(&offset) = self.string_offsets.get(text) {
            return offset;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        self.string_offsets.insert(text.to_string(), offset);
        offset
    }

    pub(super) fn int(&mut self, name: &str, bytes: u32, signed: bool) -> TypeId {
        let encoding = if signed { INT_SIGNED } else { 0 };
        let words = self.words(name, KIND_INT, 0, bytes, &[encoding | (bytes * 8)]);
        self.add_shared(words)
    }

    pub(super) fn u8(&mut self) -> TypeId {
        self.int("unsigned char", 1, false)
    }

    pub(super) fn u16(&mut self) -> TypeId {
        self.int("unsigned short", 2, false)
    }

    pub(super) fn u32(&mut self) -> TypeId {
        self.int("unsigned int", 4, false)
    }

    pub(super) fn i32(&mut self) -> TypeId {
        self.int("int", 4, true)
    }

    pub(super) fn u64(&mut self) -> TypeId {
        self.int("unsigned long long", 8, false)
    }

    /// An integer of the size, or an array of bytes where there is none.
    pub(super) fn opaque(&mut self, bytes: u32) -> TypeId {
        match bytes {
            1 => self.u8(),
            2 => self.u16(),
            4 => self.u32(),
            8 => self.u64(),
            bytes => {
                let byte = self.u8();
                self.array(byte, bytes)
            }
        }
    }

    pub(super) fn pointer(&mut self, target: TypeId) -> TypeId {
        let words = self.words("", KIND_POINTER, 0, target, &[]);
        self.add_shared(words)
    }

    pub(super) fn array(&mut self, element: TypeId, length: u32) -> TypeId {
        let index = self.u32();
        let words = self.words("", KIND_ARRAY, 0, 0, &[element, index, length]);
        self.add_shared(words)
    }

    /// A structure of `(name, type, offset in bytes)`.
    pub(super) fn structure(
        &mut self,
        name: &str,
        bytes: u32,
        members: &[(&str, TypeId, u32)],
    ) -> TypeId {
        let words = self.structure_words(name, bytes, members);
        self.add(words)
    }

    /// A structure that is the same wherever it occurs.
    pub(super) fn shared_structure(
        &mut self,
        name: &str,
        bytes: u32,
        members: &[(&str, TypeId, u32)],
    ) -> TypeId {
        let words = self.structure_words(name, bytes, members);
        self.add_shared(words)
    }

    pub(super) fn prototype(&mut self, result: TypeId, parameters: &[(&str, TypeId)]) -> TypeId {
        let mut rest = Vec::with_capacity(parameters.len() * 2);
        for (name, parameter) in parameters {
            rest.extend([self.string(name), *parameter]);
        }
        let words = self.words("", KIND_PROTOTYPE, parameters.len() as u32, result, &rest);
        self.add_shared(words)
    }

    pub(super) fn function(&mut self, name: &str, prototype: TypeId, linkage: Linkage) -> TypeId {
        let words = self.words(name, KIND_FUNCTION, linkage as u32, prototype, &[]);
        self.add(words)
    }

    pub(super) fn variable(&mut self, name: &str, variable_type: TypeId) -> TypeId {
        let words = self.words(name, KIND_VARIABLE, 0, variable_type, &[VARIABLE_GLOBAL]);
        self.add(words)
    }

    pub(super) fn section(&mut self, name: &str, bytes: u32, variables: &[Placed]) -> TypeId {
        let rest: Vec<u32> = variables
            .iter()
            .flat_map(|placed| [placed.variable, placed.offset, placed.size])
            .collect();
        let words = self.words(name, KIND_SECTION, variables.len() as u32, bytes, &rest);
        self.add(words)
    }

    /// The contents of the `.BTF` section.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let types = self.types.len() as u32;
        let strings = self.strings.len() as u32;
        let mut bytes = header(HEADER_BYTES);
        for word in [0, types, types, strings] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }

    fn structure_words(
        &mut self,
        name: &str,
        bytes: u32,
        members: &[(&str, TypeId, u32)],
    ) -> Vec<u32> {
        let mut rest = Vec::with_capacity(members.len() * 3);
        for (name, member_type, offset) in members {
            rest.extend([self.string(name), *member_type, offset * 8]);
        }
        self.words(name, KIND_STRUCT, members.len() as u32, bytes, &rest)
    }

    fn words(
        &mut self,
        name: &str,
        kind: u32,
        count: u32,
        size_or_type: u32,
        rest: &[u32],
    ) -> Vec<u32> {
        let mut words = vec![self.string(name), kind << 24 | count, size_or_type];
        words.extend(rest);
        words
    }

    fn add(&mut self, words: Vec<u32>) -> TypeId {
        self.types.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        self.count += 1;
        self.count
    }

    fn add_shared(&mut self, words: Vec<u32>) -> TypeId {
        if let Some(&id) = self.shared.get(&words) {
            return id;
        }
        let id = self.add(words.clone());
        self.shared.insert(words, id);
        id
    }
}

/// The start of a `.BTF` or `.BTF.ext` section, up to and with the header's length.
pub(super) fn header(header_bytes: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend([VERSION, 0]);
    bytes.extend(header_bytes.to_le_bytes());
    bytes
}
