//! Which code is of a line.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;

use gimli::{Dwarf, Unit};
use ntap_compiler::glob;

use super::{Slice, each_unit, file_name, is_path, with_dwarf};

/// More of them than this are not read.
const MOST_LINES: usize = 16_384;

/// The code of lines of the source files whose path ends in `file`: for each run of instructions of a line the line
/// and the first address, ascending.
pub(in crate::program_file) fn lines(
    path: &Path,
    file: &str,
    wanted: &RangeInclusive<u64>,
) -> Vec<(u64, u64)> {
    let found = with_dwarf(path, |dwarf, _| {
        let mut found = vec![];
        each_unit(dwarf, |unit, _| {
            let _ = unit_lines(dwarf, unit, file, wanted, &mut found);
        });
        found
    });
    let mut found = found.unwrap_or_default();
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST_LINES);
    found
}

fn unit_lines(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    file: &str,
    wanted: &RangeInclusive<u64>,
    found: &mut Vec<(u64, u64)>,
) -> gimli::Result<()> {
    let Some(program) = unit.line_program.clone() else { return Ok(()) };
    let mut rows = program.rows();
    let mut known: HashMap<u64, bool> = HashMap::new();
    let mut before = None;
    while let Some((header, row)) = rows.next_row()? {
        if row.end_sequence() {
            before = None;
            continue;
        }
        let index = row.file_index();
        let is_file = *known.entry(index).or_insert_with(|| {
            let name = header.file(index).and_then(|entry| {
                dwarf.attr_string(unit, entry.path_name()).ok().map(|n| n.to_string_lossy())
            });
            let whole = || file_name(dwarf, unit, index).is_some_and(|path| is_path(&path, file));
            name.is_some_and(|name| is_path(&name, file)) || (glob::is_pattern(file) && whole())
        });
        let at = row.line().map(std::num::NonZero::get);
        if let Some(line) = at
            && is_file
            && row.is_stmt()
            && wanted.contains(&line)
            && before != at
        {
            found.push((line, row.address()));
        }
        before = at.filter(|_| is_file);
    }
    Ok(())
}
