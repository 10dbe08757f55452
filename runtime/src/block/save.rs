//! The values of globals at the end of a session, in the language, for the next session to begin with.

use ntap_compiler::layout::{ArrayId, Storage};
use ntap_compiler::runtime_functions::NO_LIMIT;

use super::BlockContext;
use super::foreach::Loop;
use super::values::{Value, Word};
use crate::sys::SysError;

/// What a global held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedGlobal {
    /// The elements in the order they were made, each with its keys and its value as literals of the
    /// language; one without keys for a scalar. Aggregates are left out: no statement makes one.
    pub elements: Vec<(Vec<String>, String)>,
    /// How many aggregates were left out.
    pub aggregates: usize,
}

impl BlockContext {
    /// What a global holds.
    pub fn saved(&mut self, storage: Storage) -> Result<SavedGlobal, SysError> {
        match storage {
            Storage::Array(array) => self.saved_array(array),
            Storage::Cell(_) | Storage::Shared(_) => {
                let elements = vec![(vec![], number(self.cell(storage)))];
                Ok(SavedGlobal { elements, aggregates: 0 })
            }
        }
    }

    fn saved_array(&mut self, array: ArrayId) -> Result<SavedGlobal, SysError> {
        let arrays = &mut self.state.arrays;
        let mut elements = Loop::new(arrays, array, None, NO_LIMIT, &[])?;
        let mut saved = SavedGlobal::default();
        while elements.advance() {
            let Some(key) = elements.key() else { break };
            match arrays.get(array, key)? {
                Some(Value::Word(value)) => {
                    saved.elements.push((key.iter().map(literal).collect(), literal(value)));
                }
                Some(_) => saved.aggregates += 1,
                None => {}
            }
        }
        Ok(saved)
    }
}

/// A word as a literal.
fn literal(word: &Word) -> String {
    match word {
        Word::Long(value) => number(*value),
        Word::Text(text) => {
            let mut out = String::from("\"");
            for &byte in text.to_bytes() {
                match byte {
                    b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
                    b' '..=b'~' => out.push(char::from(byte)),
                    _ => out.push_str(&format!("\\{byte:03o}")),
                }
            }
            out.push('"');
            out
        }
    }
}

/// A number as an expression; the smallest one has no literal.
fn number(value: i64) -> String {
    match value {
        i64::MIN => "(-9223372036854775807 - 1)".to_string(),
        value => value.to_string(),
    }
}
