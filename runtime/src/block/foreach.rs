//! `foreach`: which elements, in which order.

use std::cmp::Ordering;

use ntap_compiler::hir::Aggregate;
use ntap_compiler::hir::{Sort, SortBy, SortDirection};
use ntap_compiler::layout::{ArrayId, StatsLayout};
use ntap_compiler::runtime_functions::NO_LIMIT;

use super::arrays::{Arrays, Element};
use super::order;
use super::values::{self, Key, Value, Word};
use crate::sys::SysError;

/// A loop over an array: the keys it will visit, in order.
pub struct Loop {
    /// The array.
    pub array: ArrayId,
    keys: Vec<Key>,
    /// One past the current element.
    at: usize,
}

impl Loop {
    /// Decides what a loop visits: of the elements up to the limit, those of the slice. The order it sorts
    /// them in stays.
    pub fn new(
        arrays: &mut Arrays,
        array: ArrayId,
        sort: Option<Sort>,
        limit: i64,
        slice: &[(usize, Word)],
    ) -> Result<Loop, SysError> {
        let layout = arrays.stats_layout(array);
        let keeps_order = sort.is_some() && arrays.keeps_order(array);
        let mut elements: Vec<(&Key, &Element)> = arrays.elements(array)?.iter().collect();
        let in_order = |a: &(&Key, &Element), b: &(&Key, &Element)| {
            let Some(sort) = sort else { return Ordering::Equal };
            let order = compare(sort.by, a, b, &layout);
            match sort.direction {
                SortDirection::Ascending => order,
                SortDirection::Descending => order.reverse(),
            }
        };
        let wanted = usize::try_from(limit).unwrap_or(0);
        if wanted < elements.len() && !keeps_order {
            // Nobody will see the order of the others.
            order::first(&mut elements, wanted, |a, b| {
                in_order(a, b).then(a.1.stamp.cmp(&b.1.stamp))
            });
            let visited = elements.iter().filter(|(key, _)| values::matches(key, slice));
            return Ok(Loop { array, keys: visited.map(|&(key, _)| key.clone()).collect(), at: 0 });
        }
        elements.sort_unstable_by_key(|(_, e)| e.stamp);
        if sort.is_some() {
            let selected = (limit != NO_LIMIT).then_some(limit);
            order::sort(&mut elements, selected, in_order);
        }
        let visited = elements.iter().take(wanted);
        let visited = visited.filter(|(key, _)| values::matches(key, slice));
        let keys = visited.map(|&(key, _)| key.clone()).collect();
        if sort.is_some() {
            let order: Vec<Key> = elements.into_iter().map(|(key, _)| key.clone()).collect();
            arrays.keep_order(array, &order);
        }
        Ok(Loop { array, keys, at: 0 })
    }

    /// Goes to the next element; false at the end.
    pub fn advance(&mut self) -> bool {
        self.at += 1;
        self.at <= self.keys.len()
    }

    /// The keys of the current element.
    pub fn key(&self) -> Option<&Key> {
        self.keys.get(self.at.checked_sub(1)?)
    }
}

fn compare(
    by: SortBy,
    a: &(&Key, &Element),
    b: &(&Key, &Element),
    layout: &StatsLayout,
) -> Ordering {
    match by {
        SortBy::Key(index) => a.0.get(index).cmp(&b.0.get(index)),
        SortBy::Value => value_order(&a.1.value, &b.1.value, Aggregate::Count, layout),
        SortBy::Aggregate(aggregate) => value_order(&a.1.value, &b.1.value, aggregate, layout),
    }
}

fn value_order(a: &Value, b: &Value, aggregate: Aggregate, layout: &StatsLayout) -> Ordering {
    match (a, b) {
        (Value::Stats(a), Value::Stats(b)) => {
            // By anything but these, aggregates sort by their count.
            let by = match aggregate {
                Aggregate::Sum | Aggregate::Min | Aggregate::Max | Aggregate::Avg => aggregate,
                Aggregate::Count
                | Aggregate::Variance
                | Aggregate::Percentile(_)
                | Aggregate::HistLog
                | Aggregate::HistLinear => Aggregate::Count,
            };
            a.extract(by, layout).cmp(&b.extract(by, layout))
        }
        (Value::Word(a), Value::Word(b)) => word_order(a, b),
        (Value::Stats(_), Value::Word(_)) | (Value::Word(_), Value::Stats(_)) => Ordering::Equal,
    }
}

fn word_order(a: &Word, b: &Word) -> Ordering {
    a.cmp(b)
}
