//! Histograms as text.
//!
//! ```text
//! value |-------------------------------------------------- count
//!     8 |                                                   0
//!    16 |@@@                                                3
//! ```
//!
//! Shown are the buckets from the first to the last that is not empty and two more on either side. Runs
//! of empty buckets further than two from others become one line with a `~`.

use ntap_compiler::histogram::{Histogram, ZERO_BUCKET};
use ntap_compiler::limits::Limits;

/// So many empty buckets before the first and behind the last are shown.
const MARGIN: usize = 2;
/// The title of the first column.
const VALUE: &str = "value";

/// Writes a histogram with the blank line that ends it; nothing when all buckets are empty.
pub fn write(shape: Histogram, buckets: &[i64], limits: &Limits, out: &mut Vec<u8>) {
    let Some((first, last)) = shown(shape, buckets) else { return };
    let width = i64::from(limits.histogram_width);
    let elision = limits.histogram_elision as usize;
    let most = buckets.iter().copied().max().unwrap_or(0);
    let scale = if most <= width { 1 } else { (most - 1) / width + 1 };
    let labels: Vec<String> = (first..=last).map(|at| label(shape, at, buckets.len())).collect();
    let label_width = labels.iter().map(String::len).max().unwrap_or(0).max(VALUE.len());
    let count_width = most.to_string().len();
    let mut line = |text: String| {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    };
    line(format!("{VALUE:>label_width$} |{} count", "-".repeat(width as usize)));
    let mut left_out = false;
    for at in first..=last {
        let near = at.saturating_sub(elision).max(first)..=(at + elision).min(last);
        if buckets[near].iter().all(|&count| count == 0) {
            left_out = true;
            continue;
        }
        if std::mem::take(&mut left_out) {
            line(format!("{:label_width$} ~", ""));
        }
        let bar = (buckets[at] / scale).clamp(0, width) as usize;
        let column = width as usize - bar + 1 + count_width;
        let label = &labels[at - first];
        line(format!("{label:>label_width$} |{}{:>column$}", "@".repeat(bar), buckets[at]));
    }
    line(String::new());
}

/// The first and the last bucket that is shown.
fn shown(shape: Histogram, buckets: &[i64]) -> Option<(usize, usize)> {
    let mut first = buckets.iter().position(|&count| count != 0)?;
    let mut last = buckets.iter().rposition(|&count| count != 0)?;
    // Rows added for looks stop at 0 when nothing is negative, and never show what is out of bounds.
    let (lowest, highest) = match shape {
        Histogram::Log if first >= ZERO_BUCKET as usize => {
            (ZERO_BUCKET as usize, buckets.len() - 1)
        }
        Histogram::Log | Histogram::LogLinear => (0, buckets.len() - 1),
        Histogram::Linear { .. } => (1, buckets.len().saturating_sub(2)),
    };
    for _ in 0..MARGIN {
        first -= usize::from(first > lowest);
        last += usize::from(last < highest);
    }
    Some((first, last))
}

/// The least value of a bucket, or of negative ones the greatest; `<` and `>` for what is out of bounds.
fn label(shape: Histogram, bucket: usize, buckets: usize) -> String {
    match shape {
        Histogram::Log => {
            let power = |n: usize| 1i128 << (n - 1);
            match bucket.checked_sub(ZERO_BUCKET as usize) {
                Some(0) => "0".to_string(),
                Some(above) => power(above).to_string(),
                None => (-power(ZERO_BUCKET as usize - bucket)).to_string(),
            }
        }
        Histogram::LogLinear => shape.bounds(bucket as u32).0.to_string(),
        Histogram::Linear { low, step, .. } => {
            let start = |n: usize| i128::from(low) + (n as i128 - 1) * i128::from(step);
            match bucket {
                0 => format!("<{low}"),
                last if last + 1 == buckets => format!(">{}", start(last - 1)),
                regular => start(regular).to_string(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_as(shape: Histogram, values: &[(i64, i64)]) -> String {
        let mut buckets = vec![0; shape.buckets() as usize];
        for &(value, count) in values {
            buckets[shape.bucket_of(value) as usize] += count;
        }
        let mut out = vec![];
        write(shape, &buckets, &Limits::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    // Each starts with a line break, so that its lines stand below each other.
    const LOG: &str = "
 value |-------------------------------------------------- count
     0 |@                                                  1
     1 |@                                                  1
     2 |@@                                                 2
     4 |                                                   0
     8 |                                                   0
       ~
 16384 |                                                   0
 32768 |                                                   0
 65536 |@                                                  1
131072 |                                                   0
262144 |                                                   0

";

    const LINEAR: &str = "
value |-------------------------------------------------- count
   <0 |@                                                  1
    0 |@@                                                 2
   10 |                                                   0
   20 |                                                   0
   30 |                                                   0
   40 |                                                   0
   50 |@                                                  1
   60 |                                                   0
   70 |                                                   0
   80 |                                                   0
   90 |@                                                  1
  100 |@@                                                 2
 >100 |@@                                                 2

";

    const SCALED: &str = "
value |-------------------------------------------------- count
    8 |                                                       0
   16 |                                                       0
   32 |                                                     254
   64 |                                                       3
  128 |                                                       2
  256 |                                                       2
  512 |                                                       2
 1024 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@  16689
 2048 |                                                       0
 4096 |                                                       0

";

    const NEGATIVE: &str = "
value |-------------------------------------------------- count
  -16 |                                                   0
   -8 |                                                   0
   -4 |@                                                  1
   -2 |                                                   0
   -1 |@                                                  1
    0 |                                                   0
    1 |                                                   0

";

    #[test]
    fn writes_log_histograms() {
        let values = [(0, 1), (1, 1), (2, 1), (3, 1), (100_000, 1)];
        assert_eq!(shown_as(Histogram::Log, &values), &LOG[1..]);
        assert_eq!(shown_as(Histogram::Log, &[(-1, 1), (-5, 1)]), &NEGATIVE[1..]);
        assert_eq!(shown_as(Histogram::Log, &[]), "");
    }

    #[test]
    fn writes_linear_histograms() {
        let linear = Histogram::linear(0, 100, 10).unwrap();
        let values = [-5, 5, 5, 55, 99, 100, 101, 111, 250].map(|value| (value, 1));
        assert_eq!(shown_as(linear, &values), &LINEAR[1..]);
    }

    #[test]
    fn scales_bars() {
        let values = [(32, 254), (64, 3), (128, 2), (256, 2), (512, 2), (1024, 16689)];
        assert_eq!(shown_as(Histogram::Log, &values), &SCALED[1..]);
    }

    #[test]
    fn the_outermost_buckets_have_labels() {
        let text = shown_as(Histogram::Log, &[(i64::MIN, 1), (i64::MAX, 1)]);
        assert!(text.contains("\n-9223372036854775808 |@"), "{text}");
        assert!(text.contains("\n 4611686018427387904 |@"), "{text}");
    }
}
