//! Variance and histograms of aggregates, recorded in kernel code.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types::I64};

use super::KernelCode;
use crate::histogram::{Histogram, LOG_LINEAR_BITS, LOG_LINEAR_ZERO, ZERO_BUCKET};
use crate::layout::{HistogramLayout, VarianceLayout, counters, stream};

impl KernelCode<'_, '_> {
    /// A value for the variance, before the count of this CPU's part is raised.
    pub(super) fn record_spread(
        &mut self,
        element: Value,
        count: u32,
        layout: VarianceLayout,
        value: Value,
    ) {
        let value = match layout.shift {
            0 => value,
            shift => self.emitter.builder.ins().ishl_imm_u(value, i64::from(shift)),
        };
        match layout.streams {
            None => {
                self.step_of_spread(element, [count, layout.mean, layout.squares], value);
            }
            Some(streams) => self.record_in_stream(element, streams, value),
        }
    }

    /// A step of Welford's algorithm on a count, which it does not raise but gives, a mean, and a sum of squares. They
    /// start as zeros, which is right for the first value as well.
    fn step_of_spread(&mut self, element: Value, offsets: [u32; 3], value: Value) -> Value {
        let [count, mean_at, squares_at] = offsets;
        let old_count = self.emitter.load(element, count);
        let mean = self.emitter.load(element, mean_at);
        let squares = self.emitter.load(element, squares_at);
        let count = self.emitter.builder.ins().iadd_imm_s(old_count, 1);
        let delta = self.emitter.builder.ins().isub(value, mean);
        let share = self.emitter.builder.ins().sdiv(delta, count);
        let mean = self.emitter.builder.ins().iadd(mean, share);
        let from_new_mean = self.emitter.builder.ins().isub(value, mean);
        let square = self.emitter.builder.ins().imul(delta, from_new_mean);
        let squares = self.emitter.builder.ins().iadd(squares, square);
        self.emitter.store(mean, element, mean_at);
        self.emitter.store(squares, element, squares_at);
        count
    }

    /// A value for a stream that no handler is at that was interrupted by this one. When all are in use the value is
    /// not in the variance, and is counted.
    fn record_in_stream(&mut self, element: Value, streams: u32, value: Value) {
        let (claimed, done) = (self.emitter.block(), self.emitter.block());
        let free = self.emitter.builder.append_block_param(claimed, I64);
        for at in 0..VarianceLayout::STREAMS {
            let offset = i64::from(streams + at * stream::SIZE);
            let this = self.emitter.builder.ins().iadd_imm_s(element, offset);
            let (zero, one) = (self.emitter.constant(0), self.emitter.constant(1));
            let busy = self.emitter.compare_exchange(this, zero, one);
            let next = self.emitter.block();
            self.emitter.builder.ins().brif(busy, next, &[], claimed, &[this.into()]);
            self.emitter.switch_to(next);
        }
        self.count(counters::SKIPPED);
        self.emitter.jump(done);
        self.emitter.switch_to(claimed);
        let offsets = [stream::COUNT, stream::MEAN, stream::SQUARES];
        let count = self.step_of_spread(free, offsets, value);
        self.emitter.store(count, free, stream::COUNT);
        let zero = self.emitter.constant(0);
        self.emitter.store(zero, free, stream::CLAIM);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    /// Counts a value in its bucket.
    pub(super) fn record_bucket(
        &mut self,
        element: Value,
        layout: HistogramLayout,
        value: Value,
        atomic: bool,
    ) {
        let index = match layout.shape {
            Histogram::Log => self.log_bucket(value),
            Histogram::LogLinear => self.log_linear_bucket(value),
            Histogram::Linear { low, step, .. } => {
                self.linear_bucket(value, low, step, layout.shape.buckets())
            }
        };
        let done = self.emitter.block();
        let buckets = i64::from(layout.shape.buckets());
        let bucket = self.emitter.checked_element(element, index, buckets, 8, done);
        let one = self.emitter.constant(1);
        self.accumulate(bucket, layout.buckets, one, atomic);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    /// The leading zeros of a value say its power of two: of a negative one they are its bucket, of
    /// any other what its bucket lacks to 128.
    fn log_bucket(&mut self, value: Value) -> Value {
        let (negative, other) = (self.emitter.block(), self.emitter.block());
        let join = self.emitter.block();
        let index = self.emitter.builder.append_block_param(join, I64);
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::SignedLessThan, value, 0);
        self.emitter.builder.ins().brif(is, negative, &[], other, &[]);
        self.emitter.switch_to(negative);
        let absolute = self.emitter.builder.ins().ineg(value);
        let bucket = self.emitter.builder.ins().clz(absolute);
        self.emitter.builder.ins().jump(join, &[bucket.into()]);
        self.emitter.switch_to(other);
        let zeros = self.emitter.builder.ins().clz(value);
        let all = self.emitter.constant(2 * i64::from(ZERO_BUCKET));
        let bucket = self.emitter.builder.ins().isub(all, zeros);
        self.emitter.builder.ins().jump(join, &[bucket.into()]);
        self.emitter.switch_to(join);
        index
    }

    /// The power of two of the magnitude says how far it is shifted; what is left are the bucket's lowest bits.
    fn log_linear_bucket(&mut self, value: Value) -> Value {
        let zero = self.emitter.opaque(i64::from(LOG_LINEAR_ZERO));
        let (negative, other) = (self.emitter.block(), self.emitter.block());
        let join = self.emitter.block();
        let index = self.emitter.builder.append_block_param(join, I64);
        let is = self.emitter.builder.ins().icmp_imm_s(IntCC::SignedLessThan, value, 0);
        self.emitter.builder.ins().brif(is, negative, &[], other, &[]);
        for (block, sign) in [(negative, -1), (other, 1)] {
            self.emitter.switch_to(block);
            let magnitude = match sign {
                -1 => self.emitter.builder.ins().ineg(value),
                _ => value,
            };
            let least = self.emitter.builder.ins().bor_imm_u(magnitude, 1 << LOG_LINEAR_BITS);
            let zeros = self.emitter.builder.ins().clz(least);
            let most = self.emitter.constant(i64::from(63 - LOG_LINEAR_BITS));
            let shift = self.emitter.builder.ins().isub(most, zeros);
            let before = self.emitter.builder.ins().ishl_imm_u(shift, i64::from(LOG_LINEAR_BITS));
            let rest = self.emitter.builder.ins().ushr(magnitude, shift);
            let distance = self.emitter.builder.ins().iadd(before, rest);
            let bucket = match sign {
                -1 => self.emitter.builder.ins().isub(zero, distance),
                _ => self.emitter.builder.ins().iadd(zero, distance),
            };
            self.emitter.builder.ins().jump(join, &[bucket.into()]);
        }
        self.emitter.switch_to(join);
        index
    }

    fn linear_bucket(&mut self, value: Value, low: i64, step: i64, buckets: u32) -> Value {
        let (inside, above) = (self.emitter.block(), self.emitter.block());
        let join = self.emitter.block();
        let index = self.emitter.builder.append_block_param(join, I64);
        let low = self.emitter.opaque(low);
        let zero = self.emitter.constant(0);
        let below = self.emitter.builder.ins().icmp(IntCC::SignedLessThan, value, low);
        self.emitter.builder.ins().brif(below, join, &[zero.into()], inside, &[]);
        self.emitter.switch_to(inside);
        // At least 0, as an unsigned number it cannot overflow.
        let distance = self.emitter.builder.ins().isub(value, low);
        let step = self.emitter.opaque(step);
        let steps = self.emitter.builder.ins().udiv(distance, step);
        let regular = self.emitter.opaque(i64::from(buckets) - 2);
        let next = self.emitter.builder.ins().iadd_imm_s(steps, 1);
        let over =
            self.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, steps, regular);
        self.emitter.builder.ins().brif(over, above, &[], join, &[next.into()]);
        self.emitter.switch_to(above);
        let last = self.emitter.constant(i64::from(buckets) - 1);
        self.emitter.builder.ins().jump(join, &[last.into()]);
        self.emitter.switch_to(join);
        index
    }
}
