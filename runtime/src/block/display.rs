//! What is shown at the end of the globals that a script fills and never reads.
//!
//! ```text
//! hits=12
//! last="bash"
//! task=0xffff888003a4c200
//! opens["bash",3]=7
//! sizes["bash"] @count=2 @min=1 @max=3 @sum=4 @avg=2
//! ```

use std::fmt::Write;

use ntap_compiler::hir::{Sort, SortBy, SortDirection};
use ntap_compiler::layout::{ArrayId, Displayed, StatsLayout, Storage};
use ntap_compiler::runtime_functions::NO_LIMIT;

use super::BlockContext;
use super::foreach::Loop;
use super::text::escape;
use super::values::{Key, Value, Word};
use crate::sys::SysError;

/// Arrays begin with their greatest values.
const GREATEST_FIRST: Sort = Sort { by: SortBy::Value, direction: SortDirection::Descending };

/// A global that is shown at the end.
pub struct ShownGlobal {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub shown: Shown,
    /// Whether its numbers are addresses.
    pub pointer: bool,
}

/// What such a global holds.
pub enum Shown {
    /// The value of a global without keys.
    Single(Value, StatsLayout),
    /// The elements of an array, in the order they are shown in.
    Elements(Vec<(Key, Value)>, StatsLayout),
}

impl BlockContext {
    /// The globals that nothing reads, with their values.
    pub fn shown_globals(&mut self) -> Result<Vec<ShownGlobal>, SysError> {
        let layout = self.state.layout.clone();
        let mut globals = vec![];
        for Displayed { name, storage, pointer } in &layout.displayed {
            let shown = match *storage {
                Storage::Cell(_) | Storage::Shared(_) => {
                    let number = Value::Word(Word::Long(self.cell(*storage)));
                    Shown::Single(number, StatsLayout::default())
                }
                Storage::Array(array) => {
                    let stats = self.state.arrays.stats_layout(array);
                    let mut elements = vec![];
                    self.each_displayed(array, |key, value| {
                        elements.push((key.clone(), value.clone()));
                    })?;
                    match elements.pop() {
                        Some((key, value)) if key.is_empty() => Shown::Single(value, stats),
                        last => {
                            elements.extend(last);
                            Shown::Elements(elements, stats)
                        }
                    }
                }
            };
            globals.push(ShownGlobal { name: name.clone(), shown, pointer: *pointer });
        }
        Ok(globals)
    }

    /// Lines that show a global: its value, or those of its greatest elements, at most so many. The order of the array
    /// stays as it is.
    pub fn greatest(
        &mut self,
        name: &str,
        storage: Storage,
        pointer: bool,
        most: usize,
    ) -> Result<Vec<String>, SysError> {
        let line = |key: &Key, value: &Value| {
            let mut line = vec![];
            write_element(name, key, value, pointer, &mut line);
            String::from_utf8_lossy(&line).trim_end().to_string()
        };
        let array = match storage {
            Storage::Cell(_) | Storage::Shared(_) => {
                let value = Value::Word(Word::Long(self.cell(storage)));
                return Ok(vec![line(&Key::from([]), &value)]);
            }
            Storage::Array(array) => array,
        };
        let weight = |value: &Value| match value {
            Value::Stats(stats) => stats.count,
            value => value.long(),
        };
        let mut all: Vec<(&Key, &Value)> =
            self.state.arrays.elements(array)?.iter().map(|(key, e)| (key, &e.value)).collect();
        all.sort_by(|(a_key, a), (b_key, b)| {
            weight(b).cmp(&weight(a)).then_with(|| a_key.cmp(b_key))
        });
        Ok(all.into_iter().take(most).map(|(key, value)| line(key, value)).collect())
    }

    /// Adds the globals that nothing reads to the output, but for those with one of the names in `but`.
    pub fn display_globals(&mut self, but: &[String]) -> Result<(), SysError> {
        let layout = self.state.layout.clone();
        let displayed = layout.displayed.iter().filter(|global| !but.contains(&global.name));
        for Displayed { name, storage, pointer } in displayed {
            match *storage {
                Storage::Array(array) => self.display_array(name, array, *pointer)?,
                Storage::Cell(_) | Storage::Shared(_) => {
                    let value = Value::Word(Word::Long(self.cell(*storage)));
                    let mut line = name.as_bytes().to_vec();
                    write_value(&value, *pointer, &mut line);
                    line.push(b'\n');
                    self.state.output.extend_from_slice(&line);
                }
            }
        }
        Ok(())
    }

    fn display_array(&mut self, name: &str, array: ArrayId, pointer: bool) -> Result<(), SysError> {
        let mut output = std::mem::take(&mut self.state.output);
        let shown = self.each_displayed(array, |key, value| {
            write_element(name, key, value, pointer, &mut output);
        });
        self.state.output = output;
        shown
    }

    /// The elements of an array in the order they are shown in.
    fn each_displayed(
        &mut self,
        array: ArrayId,
        mut show: impl FnMut(&Key, &Value),
    ) -> Result<(), SysError> {
        let arrays = &mut self.state.arrays;
        let mut elements = Loop::new(arrays, array, Some(GREATEST_FIRST), NO_LIMIT, &[])?;
        while elements.advance() {
            let Some(key) = elements.key() else { break };
            let Some(value) = arrays.get(array, key)? else { continue };
            show(key, value);
        }
        Ok(())
    }
}

/// A line for an element of an array, or for a global without keys.
pub(super) fn write_element(
    name: &str,
    key: &Key,
    value: &Value,
    pointer: bool,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(name.as_bytes());
    write_key(key, out);
    write_value(value, pointer, out);
    out.push(b'\n');
}

/// `["bash",3]`; nothing for a global without keys.
fn write_key(key: &Key, out: &mut Vec<u8>) {
    for (at, word) in key.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        write_word(word, out);
    }
    if !key.is_empty() {
        out.push(b']');
    }
}

fn write_word(word: &Word, out: &mut Vec<u8>) {
    match word {
        Word::Long(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Word::Text(text) => {
            out.push(b'"');
            out.extend_from_slice(&escape(text.to_bytes(), usize::MAX, false));
            out.push(b'"');
        }
    }
}

/// A number that is an address is shown in hexadecimal.
fn write_value(value: &Value, pointer: bool, out: &mut Vec<u8>) {
    let mut text = String::new();
    match value {
        Value::Word(Word::Long(address)) if pointer => {
            let _ = write!(text, "={address:#x}");
        }
        Value::Word(word) => {
            out.push(b'=');
            return write_word(word, out);
        }
        Value::Stats(stats) if stats.count == 0 => text.push_str(" @count=0x0"),
        Value::Stats(stats) => {
            let average = stats.sum.wrapping_div(stats.count);
            let _ = write!(
                text,
                " @count={} @min={} @max={} @sum={} @avg={average}",
                stats.count, stats.min, stats.max, stats.sum
            );
        }
    }
    out.extend_from_slice(text.as_bytes());
}
