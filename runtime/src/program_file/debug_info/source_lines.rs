//! The source lines of all code of a program.

use std::collections::HashMap;
use std::path::Path;

use gimli::{Dwarf, Unit};

use super::{Slice, each_unit, file_name, with_dwarf};

/// More pieces of code than this are not kept.
const MOST_ROWS: usize = 8_000_000;

/// Which code is of which line.
#[derive(Debug, Default)]
pub(crate) struct SourceLines {
    files: Vec<String>,
    /// By ascending address; a row without a line ends a piece of code.
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    address: u64,
    file: u32,
    line: u32,
}

impl SourceLines {
    fn sort(&mut self) {
        // Where one piece ends the next may begin: the end comes first.
        self.rows.sort_by_key(|row| (row.address, row.line > 0));
    }

    /// The file and the line of the code at an address.
    pub(crate) fn at(&self, address: u64) -> Option<(&str, u64)> {
        let after = self.rows.partition_point(|row| row.address <= address);
        let row = self.rows.get(after.checked_sub(1)?)?;
        (row.line > 0).then(|| (self.files[row.file as usize].as_str(), u64::from(row.line)))
    }
}

/// Reads the lines of a program; none without debug information.
pub(in crate::program_file) fn read(path: &Path) -> SourceLines {
    let read = with_dwarf(path, |dwarf, _| {
        let mut lines = SourceLines::default();
        each_unit(dwarf, |unit, _| {
            let _ = add(dwarf, unit, &mut lines);
        });
        lines.sort();
        lines
    });
    read.unwrap_or_default()
}

/// The lines of a unit.
pub(super) fn of_unit(dwarf: &Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>) -> SourceLines {
    let mut lines = SourceLines::default();
    let _ = add(dwarf, unit, &mut lines);
    lines.sort();
    lines
}

fn add(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    lines: &mut SourceLines,
) -> gimli::Result<()> {
    let Some(program) = unit.line_program.clone() else { return Ok(()) };
    let mut rows = program.rows();
    let mut known: HashMap<u64, u32> = HashMap::new();
    while let Some((_, row)) = rows.next_row()? {
        if lines.rows.len() >= MOST_ROWS {
            return Ok(());
        }
        let index = row.file_index();
        let file = *known.entry(index).or_insert_with(|| {
            lines.files.push(file_name(dwarf, unit, index).unwrap_or_default());
            lines.files.len() as u32 - 1
        });
        let line = match row.end_sequence() {
            true => 0,
            false => row.line().map_or(0, |line| line.get() as u32),
        };
        // Of several lines at one address the last counts, and an end that is none between them does not.
        match lines.rows.last_mut() {
            Some(last) if last.address == row.address() && last.line > 0 && line > 0 => {
                *last = Row { file, line, ..*last };
            }
            _ => lines.rows.push(Row { address: row.address(), file, line }),
        }
    }
    Ok(())
}
