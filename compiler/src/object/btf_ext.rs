//! The `.BTF.ext` section: what is known about instructions.
//!
//! ```text
//! header | function info | line info | CO-RE relocations
//!          each: record size, then per section: name, count, records
//! ```

use std::collections::BTreeMap;

use super::btf::{self, Btf, TypeId};

const HEADER_BYTES: u32 = 32;
/// Columns take the low ten bits of a line record.
const COLUMN_BITS: u32 = 10;

/// Records by section name.
type Records<const WORDS: usize> = BTreeMap<String, Vec<[u32; WORDS]>>;

/// Function, line and CO-RE records under construction. Offsets are bytes from the section's start;
/// records of a section are added in ascending order.
#[derive(Debug, Default)]
pub(super) struct BtfExt {
    functions: Records<2>,
    lines: Records<4>,
    core_relocations: Records<4>,
}

impl BtfExt {
    pub(super) fn function(&mut self, section: &str, offset: u32, function: TypeId) {
        self.functions.entry(section.to_string()).or_default().push([offset, function]);
    }

    /// `file` and `text` are string offsets.
    pub(super) fn line(
        &mut self,
        section: &str,
        offset: u32,
        [file, text]: [u32; 2],
        line: u32,
        column: u32,
    ) {
        let column = column.min((1 << COLUMN_BITS) - 1);
        let line = line.min(u32::MAX >> COLUMN_BITS);
        let record = [offset, file, text, line << COLUMN_BITS | column];
        self.lines.entry(section.to_string()).or_default().push(record);
    }

    /// `access` is a string offset.
    pub(super) fn core_relocation(
        &mut self,
        section: &str,
        offset: u32,
        structure: TypeId,
        access: u32,
        kind: u32,
    ) {
        let record = [offset, structure, access, kind];
        self.core_relocations.entry(section.to_string()).or_default().push(record);
    }

    /// The contents of the section. Adds the section names to the strings of `btf`, so `btf` is
    /// written afterwards.
    pub(super) fn bytes(&self, btf: &mut Btf) -> Vec<u8> {
        let functions = part(&self.functions, btf);
        let lines = part(&self.lines, btf);
        let core = part(&self.core_relocations, btf);
        let sizes = [functions.len() as u32, lines.len() as u32, core.len() as u32];
        let mut bytes = btf::header(HEADER_BYTES);
        let header = [0, sizes[0], sizes[0], sizes[1], sizes[0] + sizes[1], sizes[2]];
        for word in header {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(functions);
        bytes.extend(lines);
        bytes.extend(core);
        bytes
    }
}

fn part<const WORDS: usize>(records: &Records<WORDS>, btf: &mut Btf) -> Vec<u8> {
    let mut words: Vec<u32> = Vec::new();
    if !records.is_empty() {
        words.push(WORDS as u32 * 4);
    }
    for (section, records) in records {
        words.extend([btf.string(section), records.len() as u32]);
        words.extend(records.iter().flatten());
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}
