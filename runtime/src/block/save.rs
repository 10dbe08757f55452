//! The values of globals at the end of a session, for the next session to begin with.

use ntap_compiler::layout::{ArrayId, HistogramLayout, StatsLayout, Storage};
use ntap_compiler::runtime_functions::NO_LIMIT;

use super::BlockContext;
use super::display::write_element;
use super::foreach::Loop;
use super::stats::Stats;
use super::values::{Key, Value, Word};
use crate::sys::SysError;

/// What a global held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedGlobal {
    /// The elements in the order they were made, each with its keys and its value as literals of the
    /// language; one without keys for a scalar. Aggregates are not among them: no statement makes one.
    pub elements: Vec<(Vec<String>, String)>,
    aggregates: Vec<(Key, Stats)>,
    /// What was kept of the aggregates.
    layout: StatsLayout,
}

impl SavedGlobal {
    /// A global without keys that held a number or string, as a literal.
    pub fn scalar(value: &str) -> SavedGlobal {
        SavedGlobal { elements: vec![(vec![], value.to_string())], ..SavedGlobal::default() }
    }

    /// The keys of an aggregate, as literals.
    pub fn keys_of_aggregate(&self) -> Option<Vec<String>> {
        self.aggregates.first().map(|(key, _)| key.iter().map(literal).collect())
    }

    /// Its aggregates, as they are shown at the end of a session.
    pub fn shown_aggregates(&self, name: &str) -> String {
        let mut text = vec![];
        for (key, stats) in &self.aggregates {
            write_element(name, key, &Value::Stats(stats.clone()), false, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Whether all its aggregates are empty.
    pub fn has_no_values(&self) -> bool {
        self.elements.is_empty() && self.aggregates.iter().all(|(_, stats)| stats.count == 0)
    }

    /// Whether what was kept has all that a layout has a place for.
    fn covers(&self, layout: &StatsLayout) -> bool {
        let shape = |histogram: Option<HistogramLayout>| histogram.map(|h| h.shape);
        let shift = |layout: &StatsLayout| layout.variance.map(|variance| variance.shift);
        let has = &self.layout;
        let all = |wanted: bool, there: bool| !wanted || there;
        all(layout.sum.is_some(), has.sum.is_some())
            && all(layout.min.is_some(), has.min.is_some())
            && all(layout.max.is_some(), has.max.is_some())
            && all(shift(layout).is_some(), shift(layout) == shift(has))
            && all(layout.histogram.is_some(), shape(layout.histogram) == shape(has.histogram))
            && all(layout.quantiles.is_some(), shape(layout.quantiles) == shape(has.quantiles))
    }
}

impl BlockContext {
    /// What a global holds.
    pub fn saved(&mut self, storage: Storage) -> Result<SavedGlobal, SysError> {
        match storage {
            Storage::Array(array) => self.saved_array(array),
            Storage::Cell(_) | Storage::Shared(_) => {
                Ok(SavedGlobal::scalar(&number(self.cell(storage))))
            }
        }
    }

    fn saved_array(&mut self, array: ArrayId) -> Result<SavedGlobal, SysError> {
        let arrays = &mut self.state.arrays;
        let layout = arrays.stats_layout(array);
        let mut elements = Loop::new(arrays, array, None, NO_LIMIT, &[])?;
        let mut saved = SavedGlobal { layout, ..SavedGlobal::default() };
        while elements.advance() {
            let Some(key) = elements.key() else { break };
            match arrays.get(array, key)? {
                Some(Value::Word(value)) => {
                    saved.elements.push((key.iter().map(literal).collect(), literal(value)));
                }
                Some(Value::Stats(stats)) => saved.aggregates.push((key.clone(), stats.clone())),
                None => {}
            }
        }
        Ok(saved)
    }

    /// Gives the aggregates of an array what is saved of them; whether it was kept with all that is asked for now.
    pub fn restore(&mut self, array: ArrayId, saved: &SavedGlobal) -> Result<bool, SysError> {
        let arrays = &mut self.state.arrays;
        if saved.has_no_values() || saved.aggregates.is_empty() {
            return Ok(true);
        }
        if !saved.covers(&arrays.stats_layout(array)) {
            return Ok(false);
        }
        for (key, stats) in &saved.aggregates {
            arrays.merge(array, key.clone(), stats)?;
        }
        Ok(true)
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
