//! Histograms: which bucket counts a value.
//!
//! | kind | bucket | holds |
//! |---|---|---|
//! | log | 64 | 0 |
//! | log | 64 + n | 2^(n-1) to 2^n - 1 |
//! | log | 64 - n | the same, negative |
//! | linear | 0 | what is below `low` |
//! | linear | 1 + n | `low + n * step` and what follows, up to the next |
//! | linear | the last | what is above |
//! | log-linear | 960 | 0 |
//! | log-linear | 960 + 16 s + m | `m << s` and what follows, up to the next; m below 16 when s is 0, else from 16 to 31 |
//! | log-linear | 960 - 16 s - m | the same, negative |
//!
//! The log-linear one cuts each power of two into 16 equal parts. Numbers up to 31 have a bucket each; a larger
//! bucket is at most 1/16 of its least number wide, so its middle is no more than 1/32 from any number in it.

/// The most buckets of a histogram, and the number of those of a logarithmic one.
const MAX_BUCKETS: u32 = 128;
/// The bucket of 0 in a logarithmic histogram.
pub const ZERO_BUCKET: u32 = 64;

/// A power of two is cut into 2 to the power of so many buckets in a log-linear histogram.
pub const LOG_LINEAR_BITS: u32 = 4;
/// The bucket of 0 in a log-linear histogram.
pub const LOG_LINEAR_ZERO: u32 = 960;

/// The shape of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Histogram {
    /// `@hist_log`.
    Log,
    /// What `@percentile` reads.
    LogLinear,
    /// `@hist_linear`; see [`Histogram::linear`].
    Linear {
        /// Where the second bucket starts.
        low: i64,
        /// What the last bucket but one ends behind.
        high: i64,
        /// The width of a bucket, more than 0.
        step: i64,
    },
}

impl Histogram {
    /// A linear histogram; the error says what is wrong with the numbers.
    pub fn linear(low: i64, high: i64, step: i64) -> Result<Histogram, String> {
        if step <= 0 {
            return Err(format!("the step must be more than 0, not {step}"));
        }
        if low >= high {
            return Err(format!("the lower bound {low} must be less than the upper bound {high}"));
        }
        let regular = (i128::from(high) - i128::from(low)) / i128::from(step);
        if regular + 3 > i128::from(MAX_BUCKETS) {
            let least = (i128::from(high) - i128::from(low)) / i128::from(MAX_BUCKETS - 2) + 1;
            return Err(format!(
                "it would have {} buckets; at most {MAX_BUCKETS} are possible, with a step of {least} \
                 or more",
                regular + 3
            ));
        }
        Ok(Histogram::Linear { low, high, step })
    }

    /// How many buckets it has.
    pub fn buckets(self) -> u32 {
        match self {
            Histogram::Log => MAX_BUCKETS,
            // The greatest number has the bucket 2 * 960 - 1; the least, a power of two more than it, the bucket 0.
            Histogram::LogLinear => 2 * LOG_LINEAR_ZERO,
            Histogram::Linear { low, high, step } => {
                let width = high.wrapping_sub(low) as u64;
                (width / step as u64 + 3) as u32
            }
        }
    }

    /// The least and the greatest value that a bucket counts.
    pub fn bounds(self, bucket: u32) -> (i64, i64) {
        let clamp = |n: i128| n.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        match self {
            Histogram::Log if bucket == ZERO_BUCKET => (0, 0),
            Histogram::Log => {
                let power = bucket.abs_diff(ZERO_BUCKET) - 1;
                let (least, most) = (1i128 << power, (1i128 << (power + 1)) - 1);
                let signed = if bucket < ZERO_BUCKET { (-most, -least) } else { (least, most) };
                (clamp(signed.0), clamp(signed.1))
            }
            Histogram::LogLinear => {
                let (least, most) = log_linear_magnitudes(bucket.abs_diff(LOG_LINEAR_ZERO));
                let signed = if bucket < LOG_LINEAR_ZERO { (-most, -least) } else { (least, most) };
                (clamp(signed.0), clamp(signed.1))
            }
            Histogram::Linear { low, step, .. } => {
                let start = |n: u32| i128::from(low) + (i128::from(n) - 1) * i128::from(step);
                let least = if bucket == 0 { i64::MIN } else { clamp(start(bucket)) };
                let last = bucket + 1 == self.buckets();
                (least, if last { i64::MAX } else { clamp(start(bucket + 1) - 1) })
            }
        }
    }

    /// The bucket that counts a value.
    pub fn bucket_of(self, value: i64) -> u32 {
        match self {
            Histogram::Log if value < 0 => value.unsigned_abs().leading_zeros(),
            Histogram::Log => 2 * ZERO_BUCKET - value.leading_zeros(),
            Histogram::LogLinear => {
                let magnitude = value.unsigned_abs();
                let zeros = (magnitude | 1 << LOG_LINEAR_BITS).leading_zeros();
                let shift = 63 - LOG_LINEAR_BITS - zeros;
                let distance = (shift << LOG_LINEAR_BITS) + (magnitude >> shift) as u32;
                if value < 0 { LOG_LINEAR_ZERO - distance } else { LOG_LINEAR_ZERO + distance }
            }
            Histogram::Linear { low, .. } if value < low => 0,
            Histogram::Linear { low, step, .. } => {
                let above = value.wrapping_sub(low) as u64 / step as u64;
                above.saturating_add(1).min(u64::from(self.buckets() - 1)) as u32
            }
        }
    }
}

/// The magnitudes that a bucket counts which is so far from that of 0.
fn log_linear_magnitudes(distance: u32) -> (i128, i128) {
    let parts = 1 << LOG_LINEAR_BITS;
    let shift = (distance / parts).saturating_sub(1);
    let least = i128::from(distance - shift * parts) << shift;
    (least, least + (1 << shift) - 1)
}

impl std::fmt::Display for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Histogram::Log => f.write_str("@hist_log"),
            Histogram::LogLinear => f.write_str("@percentile"),
            Histogram::Linear { low, high, step } => {
                write!(f, "@hist_linear({low}, {high}, {step})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_in_their_bucket() {
        let linear = Histogram::linear(-7, 100, 9).unwrap();
        for shape in [Histogram::Log, Histogram::LogLinear, linear] {
            let mut next = i128::from(i64::MIN);
            for bucket in 0..shape.buckets() {
                let (least, most) = shape.bounds(bucket);
                // The lowest bucket of the logarithmic one holds a single number.
                assert_eq!(i128::from(least), next, "{shape} {bucket}");
                assert_eq!((shape.bucket_of(least), shape.bucket_of(most)), (bucket, bucket));
                next = i128::from(most) + 1;
            }
            assert_eq!(next, i128::from(i64::MAX) + 1, "nothing is left out");
        }
    }

    #[test]
    fn buckets_of_percentiles_are_narrow() {
        for bucket in 0..Histogram::LogLinear.buckets() {
            let (least, most) = Histogram::LogLinear.bounds(bucket);
            let nearest = least.unsigned_abs().min(most.unsigned_abs());
            let width = most.abs_diff(least);
            assert!(width <= nearest / 16, "{bucket}: {least} to {most}");
        }
    }

    #[test]
    fn finds_buckets() {
        for (value, bucket) in [
            (0, 64),
            (1, 65),
            (2, 66),
            (3, 66),
            (4, 67),
            (i64::MAX, 127),
            (-1, 63),
            (-2, 62),
            (-3, 62),
            (-4, 61),
            (i64::MIN + 1, 1),
            (i64::MIN, 0),
        ] {
            assert_eq!(Histogram::Log.bucket_of(value), bucket, "{value}");
        }
        let linear = Histogram::linear(0, 100, 10).unwrap();
        assert_eq!(linear.buckets(), 13);
        for (value, bucket) in [
            (i64::MIN, 0),
            (-1, 0),
            (0, 1),
            (9, 1),
            (10, 2),
            (99, 10),
            (100, 11),
            (109, 11),
            (110, 12),
            (i64::MAX, 12),
        ] {
            assert_eq!(linear.bucket_of(value), bucket, "{value}");
        }
        let wide = Histogram::linear(i64::MIN, i64::MAX, i64::MAX / 16).unwrap();
        assert_eq!(wide.bucket_of(i64::MAX), wide.buckets() - 2);
        assert_eq!(wide.bucket_of(i64::MIN), 1);
    }

    #[test]
    fn refuses_bad_numbers() {
        for (low, high, step) in [(0, 10, 0), (0, 10, -1), (10, 10, 1), (11, 10, 1), (0, 126, 1)] {
            assert!(Histogram::linear(low, high, step).is_err(), "{low} {high} {step}");
        }
        assert_eq!(Histogram::linear(0, 125, 1).unwrap().buckets(), 128);
        assert!(Histogram::linear(i64::MIN, i64::MAX, 1).is_err());
    }
}
