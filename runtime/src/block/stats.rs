//! Aggregates.

use ntap_compiler::hir::Aggregate;
use ntap_compiler::layout::StatsLayout;

/// An aggregate: what a script can ask of the values recorded in it. Parts of one can be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stats {
    /// How many values.
    pub count: i64,
    /// Their sum; wraps.
    pub sum: i64,
    /// The least; means nothing when there are none.
    pub min: i64,
    /// The greatest; means nothing when there are none.
    pub max: i64,
}

impl Stats {
    /// Adds a value.
    pub fn record(&mut self, value: i64) {
        self.merge(&Stats { count: 1, sum: value, min: value, max: value });
    }

    /// Adds the values of another.
    pub fn merge(&mut self, other: &Stats) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// A property; `None` when the aggregate is empty and the property has no value then.
    pub fn extract(&self, aggregate: Aggregate) -> Option<i64> {
        match aggregate {
            Aggregate::Count => Some(self.count),
            Aggregate::Sum => Some(if self.count == 0 { 0 } else { self.sum }),
            _ if self.count == 0 => None,
            Aggregate::Avg => Some(self.sum / self.count),
            Aggregate::Min => Some(self.min),
            Aggregate::Max => Some(self.max),
            Aggregate::Variance | Aggregate::HistLog | Aggregate::HistLinear => None,
        }
    }

    /// The aggregate in a map's value; parts the script does not use are 0.
    pub fn decode(bytes: &[u8], layout: &StatsLayout) -> Stats {
        let part = |offset: Option<u32>| offset.map_or(0, |o| read_word(bytes, o as usize));
        Stats {
            count: part(Some(layout.count)),
            sum: part(layout.sum),
            min: part(layout.min),
            max: part(layout.max),
        }
    }
}

/// The 64-bit word at an offset; 0 outside.
pub fn read_word(bytes: &[u8], offset: usize) -> i64 {
    bytes.get(offset..offset + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_like_one_stream() {
        let mut whole = Stats::default();
        let (mut a, mut b) = (Stats::default(), Stats::default());
        for (at, value) in [5, -3, 12, 7, 0].into_iter().enumerate() {
            whole.record(value);
            if at % 2 == 0 { &mut a } else { &mut b }.record(value);
        }
        a.merge(&b);
        a.merge(&Stats::default());
        assert_eq!(a, whole);
        assert_eq!(whole.extract(Aggregate::Avg), Some(4));
        assert_eq!(Stats::default().extract(Aggregate::Min), None);
        assert_eq!(Stats::default().extract(Aggregate::Sum), Some(0));
    }
}
