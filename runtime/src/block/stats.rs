//! Aggregates.

use ntap_compiler::hir::Aggregate;
use ntap_compiler::hir::Quantile;
use ntap_compiler::histogram::Histogram;
use ntap_compiler::layout::{
    HistogramLayout, StatsLayout, VarianceLayout, encode_greatest, encode_least, stream,
};

/// An aggregate: what a script can ask of the values recorded in it. Parts of one can be merged. What the
/// script does not ask for is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Stats {
    /// How many values.
    pub count: i64,
    /// Their sum; wraps.
    pub sum: i64,
    /// The least; means nothing when there are none.
    pub min: i64,
    /// The greatest; means nothing when there are none.
    pub max: i64,
    /// What the variance is computed from.
    spread: Spread,
    /// The counts of the buckets; empty when nothing was recorded.
    buckets: Vec<i64>,
    /// The counts of the finer buckets that percentiles are read from.
    quantiles: Vec<i64>,
}

impl Stats {
    /// Adds a value.
    pub fn record(&mut self, value: i64, layout: &StatsLayout) {
        if let Some(variance) = &layout.variance {
            self.spread.record(value.wrapping_shl(u32::from(variance.shift)));
        }
        for (histogram, buckets) in
            [(&layout.histogram, &mut self.buckets), (&layout.quantiles, &mut self.quantiles)]
        {
            let Some(HistogramLayout { shape, .. }) = histogram else { continue };
            buckets.resize(shape.buckets() as usize, 0);
            if let Some(bucket) = buckets.get_mut(shape.bucket_of(value) as usize) {
                *bucket += 1;
            }
        }
        let first = self.count == 0;
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
    }

    /// Adds the values of another.
    pub fn merge(&mut self, other: &Stats) {
        if other.count == 0 {
            return;
        }
        let first = self.count == 0;
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.min = if first { other.min } else { self.min.min(other.min) };
        self.max = if first { other.max } else { self.max.max(other.max) };
        self.spread.merge(&other.spread);
        add_counts(&mut self.buckets, &other.buckets);
        add_counts(&mut self.quantiles, &other.quantiles);
    }

    /// A property; `None` when the aggregate is empty and the property has no value then.
    pub fn extract(&self, aggregate: Aggregate, layout: &StatsLayout) -> Option<i64> {
        match aggregate {
            Aggregate::Count => Some(self.count),
            Aggregate::Sum => Some(if self.count == 0 { 0 } else { self.sum }),
            _ if self.count == 0 => None,
            Aggregate::Avg => Some(self.sum.wrapping_div(self.count)),
            Aggregate::Min => Some(self.min),
            Aggregate::Max => Some(self.max),
            Aggregate::Variance => {
                let shift = layout.variance.map_or(0, |v| v.shift);
                Some(self.spread.variance(self.count, self.sum, shift))
            }
            Aggregate::Percentile(quantile) => self.percentile(quantile),
            Aggregate::HistLog | Aggregate::HistLinear => None,
        }
    }

    /// The middle of the bucket that holds the value of a rank: as far from it as 1/32 of it at most. The least and
    /// the greatest value are exact.
    fn percentile(&self, quantile: Quantile) -> Option<i64> {
        let rank = i128::from(self.count) * i128::from(quantile.rank);
        let wanted = (rank + i128::from(quantile.of) - 1) / i128::from(quantile.of.max(1));
        let mut seen = 0;
        let bucket = self.quantiles.iter().position(|&count| {
            seen += i128::from(count);
            seen >= wanted.max(1)
        })?;
        if wanted <= 1 {
            return Some(self.min);
        }
        if wanted == i128::from(self.count) {
            return Some(self.max);
        }
        let (least, most) = Histogram::LogLinear.bounds(bucket as u32);
        Some(i64::midpoint(least, most).clamp(self.min, self.max))
    }

    /// The counts of the buckets; `None` when the aggregate is empty.
    pub fn buckets(&self) -> Option<&[i64]> {
        (self.count != 0).then_some(self.buckets.as_slice())
    }

    /// The aggregate in a map's value; parts the script does not use are 0.
    pub fn decode(bytes: &[u8], layout: &StatsLayout) -> Stats {
        let part = |offset: Option<u32>| offset.map_or(0, |o| read_word(bytes, o as usize));
        let count = part(Some(layout.count));
        if count == 0 {
            return Stats::default();
        }
        let spread = match layout.variance {
            None => Spread::default(),
            Some(VarianceLayout { mean, squares, streams: None, .. }) => {
                Spread::of_stream(count, part(Some(mean)), part(Some(squares)))
            }
            Some(VarianceLayout { streams: Some(first), .. }) => {
                let streams = (0..VarianceLayout::STREAMS).map(|at| {
                    let part = |offset| part(Some(first + at * stream::SIZE + offset));
                    let parts = [stream::COUNT, stream::MEAN, stream::SQUARES].map(part);
                    Spread::of_stream(parts[0], parts[1], parts[2])
                });
                streams.fold(Spread::default(), |mut all, stream| {
                    all.merge(&stream);
                    all
                })
            }
        };
        let counts = |histogram: Option<HistogramLayout>| {
            histogram.map_or(vec![], |h| {
                (0..h.shape.buckets()).map(|at| part(Some(h.buckets + 8 * at))).collect()
            })
        };
        Stats {
            count,
            sum: part(layout.sum),
            min: layout.min.map_or(0, |at| encode_least(part(Some(at)))),
            max: layout.max.map_or(0, |at| encode_greatest(part(Some(at)))),
            spread,
            buckets: counts(layout.histogram),
            quantiles: counts(layout.quantiles),
        }
    }
}

/// Adds the counts of buckets.
fn add_counts(into: &mut Vec<i64>, counts: &[i64]) {
    if into.len() < counts.len() {
        into.resize(counts.len(), 0);
    }
    for (into, count) in into.iter_mut().zip(counts) {
        *into += count;
    }
}

/// How far values are spread, in integers.
///
/// Each CPU keeps the mean of its values and the sum of the squares of their distances from it by
/// Welford's algorithm, all divisions truncated. The variance of all is that within the CPUs plus that of
/// their means around the mean of all values, which is only known at the end. So what is merged are the
/// sums that this needs: of n, n * mean and n * mean^2 over the CPUs, and of n - 1 times the variance
/// within each. Nothing is rounded in merging.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Spread {
    /// The stream that values are recorded in.
    stream: Stream,
    /// Sums over the streams that were merged.
    values: i128,
    means: i128,
    squared_means: i128,
    within: i128,
}

/// The values of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Stream {
    count: i64,
    mean: i64,
    squares: i64,
}

impl Spread {
    fn of_stream(count: i64, mean: i64, squares: i64) -> Spread {
        Spread { stream: Stream { count, mean, squares }, ..Spread::default() }
    }

    /// Adds a shifted value.
    fn record(&mut self, value: i64) {
        let stream = &mut self.stream;
        stream.count += 1;
        let delta = value.wrapping_sub(stream.mean);
        stream.mean = stream.mean.wrapping_add(delta / stream.count);
        let from_new_mean = value.wrapping_sub(stream.mean);
        stream.squares = stream.squares.wrapping_add(delta.wrapping_mul(from_new_mean));
    }

    /// With the own stream among the merged ones.
    fn folded(&self) -> Spread {
        let Stream { count, mean, squares } = self.stream;
        if count == 0 {
            return self.clone();
        }
        let (n, mean) = (i128::from(count), i128::from(mean));
        let within = if count > 1 { squares / (count - 1) * (count - 1) } else { 0 };
        Spread {
            stream: Stream::default(),
            values: self.values.wrapping_add(n),
            means: self.means.wrapping_add(n.wrapping_mul(mean)),
            squared_means: self.squared_means.wrapping_add(n.wrapping_mul(mean * mean)),
            within: self.within.wrapping_add(i128::from(within)),
        }
    }

    fn merge(&mut self, other: &Spread) {
        let other = other.folded();
        self.values = self.values.wrapping_add(other.values);
        self.means = self.means.wrapping_add(other.means);
        self.squared_means = self.squared_means.wrapping_add(other.squared_means);
        self.within = self.within.wrapping_add(other.within);
    }

    /// The variance of values of this count and (unshifted) sum; 0 of a single one.
    fn variance(&self, count: i64, sum: i64, shift: u8) -> i64 {
        if count < 2 {
            return 0;
        }
        let all = self.folded();
        let mean = (i128::from(sum) << shift) / i128::from(count);
        // The sum of n * (own mean - mean)^2 over the streams.
        let between = all
            .squared_means
            .wrapping_sub(all.means.wrapping_mul(2 * mean))
            .wrapping_add(all.values.wrapping_mul(mean.wrapping_mul(mean)));
        let variance = between.wrapping_add(all.within) / i128::from(count - 1);
        (variance >> (2 * shift)) as i64
    }
}

/// The 64-bit word at an offset; 0 outside.
pub fn read_word(bytes: &[u8], offset: usize) -> i64 {
    bytes.get(offset..offset + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntap_compiler::histogram::Histogram;

    fn layout(shift: Option<u8>) -> StatsLayout {
        let all = [Aggregate::Sum, Aggregate::Min, Aggregate::Max, Aggregate::Variance];
        StatsLayout::new(&all, shift, Some(Histogram::Log))
    }

    fn stats(values: impl IntoIterator<Item = i64>, layout: &StatsLayout) -> Stats {
        let mut stats = Stats::default();
        values.into_iter().for_each(|value| stats.record(value, layout));
        stats
    }

    #[test]
    fn merges_like_one_stream() {
        let layout = layout(None);
        let whole = stats([5, -3, 12, 7, 0], &layout);
        let mut a = stats([5, 12, 0], &layout);
        a.merge(&stats([-3, 7], &layout));
        a.merge(&Stats::default());
        assert_eq!(a, whole);
        assert_eq!(whole.extract(Aggregate::Avg, &layout), Some(4));
        assert_eq!(Stats::default().extract(Aggregate::Min, &layout), None);
        assert_eq!(Stats::default().extract(Aggregate::Sum, &layout), Some(0));
        assert_eq!(Stats::default().buckets(), None);
    }

    #[test]
    fn computes_variance_in_integers() {
        for (shift, expected) in [(0, 12), (1, 2), (8, 2)] {
            let layout = layout(Some(shift));
            let whole = stats(1..=5, &layout);
            assert_eq!(whole.extract(Aggregate::Variance, &layout), Some(expected), "{shift}");
        }
        let layout = layout(Some(0));
        assert_eq!(stats([7], &layout).extract(Aggregate::Variance, &layout), Some(0));
        assert_eq!(Stats::default().extract(Aggregate::Variance, &layout), None);
    }

    #[test]
    fn variance_of_merged_parts_is_near_that_of_the_whole() {
        let layout = layout(Some(10));
        let values: Vec<i64> = (0..1000).map(|n| n * n % 997).collect();
        let mean = values.iter().sum::<i64>() as f64 / 1000.0;
        let exact = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / 999.0;
        let mut merged = Stats::default();
        for part in values.chunks(137) {
            merged.merge(&stats(part.iter().copied(), &layout));
        }
        let variance = merged.extract(Aggregate::Variance, &layout).unwrap();
        assert!((variance as f64 - exact).abs() / exact < 0.001, "{variance} {exact}");
    }

    #[test]
    fn extreme_values_do_not_panic() {
        let layout = layout(Some(4));
        let mut wild = stats([i64::MIN, i64::MAX, -1, 0, i64::MIN], &layout);
        wild.merge(&wild.clone());
        assert!(wild.extract(Aggregate::Variance, &layout).is_some());
        assert_eq!(wild.buckets().unwrap().iter().sum::<i64>(), 10);
    }

    #[test]
    fn percentiles_are_within_a_32nd() {
        let layout = StatsLayout::new(
            &[Aggregate::Min, Aggregate::Max, Aggregate::Percentile(Quantile { rank: 1, of: 2 })],
            None,
            None,
        );
        // Numbers of all sizes and both signs, by a generator with a known period.
        let mut state = 1u64;
        let mut next = |most_bits: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let bits = (state >> 58) as u32 % most_bits;
            (state as i64) >> (63 - bits)
        };
        for (bits, positive) in [(63, false), (40, true), (12, true), (4, false)] {
            let values: Vec<i64> = (0..4999)
                .map(|_| if positive { next(bits).saturating_abs() } else { next(bits) })
                .collect();
            // As from two CPUs.
            let mut whole = stats(values[..1000].iter().copied(), &layout);
            whole.merge(&stats(values[1000..].iter().copied(), &layout));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            for (rank, of) in
                [(0, 100), (1, 100), (25, 100), (50, 100), (99, 100), (999, 1000), (100, 100)]
            {
                let quantile = Quantile { rank, of };
                let at = (sorted.len() * rank as usize).div_ceil(of as usize).max(1) - 1;
                let exact = sorted[at];
                let found = whole.extract(Aggregate::Percentile(quantile), &layout).unwrap();
                let error = found.abs_diff(exact);
                assert!(
                    error <= exact.unsigned_abs() / 32,
                    "{rank}/{of} of {bits} bits: {found}, not {exact}"
                );
                if rank == 0 || rank == of {
                    assert_eq!(found, exact);
                }
            }
        }
        let percentile = Aggregate::Percentile(Quantile { rank: 50, of: 100 });
        assert_eq!(Stats::default().extract(percentile, &layout), None);
    }
}
