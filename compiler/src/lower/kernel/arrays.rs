//! Arrays and aggregates in kernel maps.
//!
//! A hit on an existing element costs one lookup. Only a new element takes the other way: insert it
//! with zeros (unless another CPU was faster), look it up again, and fail when it is still not there.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types::I64};

use super::{KernelCode, variables};
use crate::backend::names;
use crate::layout::{
    ArrayId, ArrayValue, KernelMap, Removal, StatsLayout, VarianceLayout, control, counters,
    encode_greatest, encode_least,
};
use crate::lower::{Half, Helper, Operand, Text};
use crate::source::Span;

/// `BPF_NOEXIST`.
const NO_EXIST: i64 = 1;
/// Larger values of new elements are not made on the stack.
const LARGEST_ON_STACK: u32 = 128;

/// A map as one access of kernel code uses it.
#[derive(Clone, Copy)]
struct MapInUse {
    map: KernelMap,
    /// The second map, and whether it is the one in use.
    bank: Option<(u32, Value)>,
}

impl KernelCode<'_, '_> {
    /// The map of an array; of one with two, which is in use is read once for each access, so that the
    /// whole access is to the same one.
    fn kernel_map(&mut self, array: ArrayId) -> MapInUse {
        let Some(map) = self.layout.arrays[array].map else {
            unreachable!("arrays that kernel code uses have maps")
        };
        let bank = map.bank.map(|bank| {
            let cell = i64::from(bank.cell) * 8;
            let cell = self.emitter.symbol(names::DATA, variables::CELLS, cell);
            (bank.index, self.emitter.load(cell, 0))
        });
        MapInUse { map, bank }
    }

    /// Looks an element up and branches on whether it is there; gives its address.
    fn lookup(&mut self, map: MapInUse, key: Value, found: Block, missing: Block) -> Value {
        let Some((bank, which)) = map.bank else {
            let map = self.emitter.map(map.map.index);
            let element = self.emitter.helper(Helper::MapLookupElem, &[map, key]);
            self.emitter.builder.ins().brif(element, found, &[], missing, &[]);
            return element;
        };
        // Each map has a call of its own: the kernel puts a look-up in place only when it knows the map.
        let (first, second, hit) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let address = self.emitter.builder.append_block_param(hit, I64);
        self.emitter.builder.ins().brif(which, second, &[], first, &[]);
        for (block, index) in [(first, map.map.index), (second, bank)] {
            self.emitter.switch_to(block);
            let map = self.emitter.map(index);
            let element = self.emitter.helper(Helper::MapLookupElem, &[map, key]);
            self.emitter.builder.ins().brif(element, hit, &[element.into()], missing, &[]);
        }
        self.emitter.switch_to(hit);
        self.emitter.jump(found);
        address
    }

    /// Calls a helper whose first argument is the map; gives its result.
    fn call_on_map(&mut self, map: MapInUse, helper: Helper, arguments: &[Value]) -> Value {
        let call = |k: &mut Self, index: u32| {
            let mut all = vec![k.emitter.map(index)];
            all.extend_from_slice(arguments);
            k.emitter.helper(helper, &all)
        };
        let Some((bank, which)) = map.bank else { return call(self, map.map.index) };
        let (first, second, join) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let result = self.emitter.builder.append_block_param(join, I64);
        self.emitter.builder.ins().brif(which, second, &[], first, &[]);
        for (block, index) in [(first, map.map.index), (second, bank)] {
            self.emitter.switch_to(block);
            let value = call(self, index);
            self.emitter.builder.ins().jump(join, &[value.into()]);
        }
        self.emitter.switch_to(join);
        result
    }

    /// The address of an element, made when missing; a full array is an error.
    fn element(&mut self, array: ArrayId, keys: &[Operand], span: Span) -> (KernelMap, Value) {
        let map = self.kernel_map(array);
        let layout = self.layout;
        let definition = &layout.arrays[array];
        let key = self.key_memory(keys, &definition.keys);
        let (found, missing) = (self.emitter.block(), self.emitter.block());
        let join = self.emitter.block();
        let address = self.emitter.builder.append_block_param(join, I64);
        let first = self.lookup(map, key, found, missing);
        self.emitter.switch_to(found);
        self.emitter.builder.ins().jump(join, &[first.into()]);

        self.emitter.switch_to(missing);
        self.emitter.builder.set_cold_block(missing);
        self.insert(map, key);
        let (there, full) = (self.emitter.block(), self.emitter.block());
        let second = self.lookup(map, key, there, full);
        self.emitter.switch_to(full);
        self.emitter.builder.set_cold_block(full);
        self.count(counters::ARRAY_FULL);
        let limit = definition.sized.then_some(definition.capacity);
        let site = self.overflow_site(&definition.name, limit, span);
        self.fail(site);
        self.emitter.switch_to(there);
        self.emitter.builder.ins().jump(join, &[second.into()]);
        self.emitter.switch_to(join);
        (map.map, address)
    }

    /// Inserts an element of zeros unless it exists, with its stamp in ordered arrays.
    fn insert(&mut self, map: MapInUse, key: Value) {
        let layout = map.map;
        if layout.value_bytes > LARGEST_ON_STACK {
            self.insert_zeros(map, key);
            return;
        }
        let room = self.room(layout.value_bytes.max(8));
        let base = self.room_address(room, 0);
        for offset in (0..layout.stamp.unwrap_or(layout.value_bytes)).step_by(8) {
            let zero = self.emitter.constant(0);
            self.emitter.store(zero, base, offset);
        }
        if let Some(stamp_offset) = layout.stamp {
            let counter =
                self.emitter.symbol(names::DATA, variables::CONTROL, i64::from(control::STAMP));
            let one = self.emitter.constant(1);
            let stamp = self.emitter.fetch_add(counter, one);
            self.emitter.store(stamp, base, stamp_offset);
        }
        let flags = self.emitter.constant(NO_EXIST);
        self.call_on_map(map, Helper::MapUpdateElem, &[key, base, flags]);
    }

    /// Inserts an element with a large value: a copy of the zeros in `.bss`. When this was the program that
    /// inserted it, the element gets its stamp afterwards.
    fn insert_zeros(&mut self, map: MapInUse, key: Value) {
        let zeros = self.emitter.symbol(names::DATA, variables::ZEROS, 0);
        let flags = self.emitter.constant(NO_EXIST);
        let status = self.call_on_map(map, Helper::MapUpdateElem, &[key, zeros, flags]);
        let Some(stamp_offset) = map.map.stamp else { return };
        let (inserted, found, done) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        self.emitter.builder.ins().brif(status, done, &[], inserted, &[]);
        self.emitter.switch_to(inserted);
        let element = self.lookup(map, key, found, done);
        self.emitter.switch_to(found);
        let counter =
            self.emitter.symbol(names::DATA, variables::CONTROL, i64::from(control::STAMP));
        let one = self.emitter.constant(1);
        let stamp = self.emitter.fetch_add(counter, one);
        self.emitter.store(stamp, element, stamp_offset);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    pub(super) fn get(&mut self, array: ArrayId, keys: &[Operand]) -> Operand {
        let map = self.kernel_map(array);
        let layout = self.layout;
        let definition = &layout.arrays[array];
        let key = self.key_memory(keys, &definition.keys);
        let copy = match definition.value {
            ArrayValue::Text(width) => Some(self.text_room(width)),
            ArrayValue::Long | ArrayValue::Stats(_) => None,
        };
        let (found, missing) = (self.emitter.block(), self.emitter.block());
        let join = self.emitter.block();
        let element = self.lookup(map, key, found, missing);
        match copy {
            None => {
                let result = self.emitter.builder.append_block_param(join, I64);
                self.emitter.switch_to(found);
                let value = self.emitter.load(element, 0);
                self.emitter.builder.ins().jump(join, &[value.into()]);
                self.emitter.switch_to(missing);
                let zero = self.emitter.constant(0);
                self.emitter.builder.ins().jump(join, &[zero.into()]);
                self.emitter.switch_to(join);
                Operand::Long(result)
            }
            Some((to, text)) => {
                let width = map.map.stamp.unwrap_or(map.map.value_bytes);
                self.emitter.switch_to(found);
                self.copy_text(&Text::Memory { address: element, width }, to, 0, width);
                self.emitter.jump(join);
                self.emitter.switch_to(missing);
                self.copy_text(&Text::Literal(String::new()), to, 0, width);
                self.emitter.jump(join);
                self.emitter.switch_to(join);
                text
            }
        }
    }

    pub(super) fn set(&mut self, array: ArrayId, keys: &[Operand], value: &Operand, span: Span) {
        let kind = self.layout.arrays[array].value;
        let (map, element) = self.element(array, keys, span);
        match kind {
            ArrayValue::Text(width) => self.copy_text(value.text(), element, 0, width),
            ArrayValue::Long | ArrayValue::Stats(_) => {
                self.emitter.store(value.long(), element, 0);
                if let Some(removal) = map.removal {
                    self.bring_back(map, removal, element);
                    // A block may have noted that it is gone between the number and the look.
                    let zero = self.emitter.constant(0);
                    self.emitter.store(zero, element, removal.gone);
                }
            }
        }
    }

    /// An element that has been changed is there, and the last in the order of insertion if it was gone.
    fn bring_back(&mut self, map: KernelMap, removal: Removal, element: Value) {
        let (gone, done) = (self.emitter.block(), self.emitter.block());
        let is_gone = self.emitter.load(element, removal.gone);
        self.emitter.builder.ins().brif(is_gone, gone, &[], done, &[]);
        self.emitter.switch_to(gone);
        self.emitter.builder.set_cold_block(gone);
        self.emitter.bring_back(map, removal, element);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    pub(super) fn add(
        &mut self,
        array: ArrayId,
        keys: &[Operand],
        delta: Value,
        span: Span,
    ) -> Value {
        let (map, element) = self.element(array, keys, span);
        let old = self.emitter.fetch_add(element, delta);
        if let Some(removal) = map.removal {
            self.bring_back(map, removal, element);
        }
        old
    }

    pub(super) fn contains(&mut self, array: ArrayId, keys: &[Operand]) -> Value {
        let map = self.kernel_map(array);
        let layout = self.layout;
        let key = self.key_memory(keys, &layout.arrays[array].keys);
        let (found, missing) = (self.emitter.block(), self.emitter.block());
        let join = self.emitter.block();
        let result = self.emitter.builder.append_block_param(join, I64);
        let element = self.lookup(map, key, found, missing);
        let there = match map.map.removal {
            None => found,
            Some(removal) => {
                let (gone, there) = (self.emitter.block(), self.emitter.block());
                self.emitter.switch_to(found);
                let is_gone = self.emitter.load(element, removal.gone);
                self.emitter.builder.ins().brif(is_gone, gone, &[], there, &[]);
                self.emitter.switch_to(gone);
                let number = self.emitter.load(element, 0);
                self.emitter.builder.ins().brif(number, there, &[], missing, &[]);
                there
            }
        };
        for (block, value) in [(there, 1), (missing, 0)] {
            self.emitter.switch_to(block);
            let value = self.emitter.constant(value);
            self.emitter.builder.ins().jump(join, &[value.into()]);
        }
        self.emitter.switch_to(join);
        result
    }

    pub(super) fn delete(&mut self, array: ArrayId, keys: &[Operand]) {
        let map = self.kernel_map(array);
        let layout = self.layout;
        let key = self.key_memory(keys, &layout.arrays[array].keys);
        self.call_on_map(map, Helper::MapDeleteElem, &[key]);
    }

    /// Clears a global without keys: its only element cannot be deleted, it is set to zeros.
    pub(super) fn clear(&mut self, array: ArrayId) {
        let map = self.kernel_map(array);
        let layout = self.layout;
        let key = self.key_memory(&[], &layout.arrays[array].keys);
        let (found, missing) = (self.emitter.block(), self.emitter.block());
        let element = self.lookup(map, key, found, missing);
        self.emitter.switch_to(found);
        for offset in (0..map.map.value_bytes).step_by(8) {
            let zero = self.emitter.constant(0);
            self.emitter.store(zero, element, offset);
        }
        self.emitter.jump(missing);
        self.emitter.switch_to(missing);
    }

    /// `<<<` on this CPU's part of an aggregate. A program is not entered again while it runs on a CPU;
    /// when several write the aggregate, one may interrupt another, and the additions are atomic.
    pub(super) fn record_stats(
        &mut self,
        array: ArrayId,
        keys: &[Operand],
        value: Value,
        span: Span,
    ) {
        let ArrayValue::Stats(stats) = self.layout.arrays[array].value else {
            unreachable!("`<<<` makes its target an aggregate")
        };
        let (map, element) = self.element(array, keys, span);
        let atomic = map.writers > 1;
        self.record_extremes(element, stats, value, atomic);
        if let Some(variance) = stats.variance {
            self.record_spread(element, stats.count, variance, value);
        }
        if let Some(histogram) = stats.histogram {
            self.record_bucket(element, histogram, value, atomic);
        }
        if let Some(quantiles) = stats.quantiles {
            self.record_bucket(element, quantiles, value, atomic);
        }
        let one = self.emitter.constant(1);
        self.accumulate(element, stats.count, one, atomic);
        if let Some(sum) = stats.sum {
            self.accumulate(element, sum, value, atomic);
        }
    }

    pub(super) fn accumulate(&mut self, element: Value, offset: u32, delta: Value, atomic: bool) {
        if atomic {
            let address = if offset == 0 {
                element
            } else {
                self.emitter.builder.ins().iadd_imm_s(element, i64::from(offset))
            };
            self.emitter.fetch_add(address, delta);
            return;
        }
        let old = self.emitter.load(element, offset);
        let new = self.emitter.builder.ins().iadd(old, delta);
        self.emitter.store(new, element, offset);
    }

    /// Minimum and maximum, which are kept so that the greater of two unsigned numbers is the better one.
    fn record_extremes(&mut self, element: Value, stats: StatsLayout, value: Value, atomic: bool) {
        let parts = [(stats.min, encode_least(0)), (stats.max, encode_greatest(0))];
        for (offset, flipped) in parts {
            let Some(offset) = offset else { continue };
            let new = self.emitter.builder.ins().bxor_imm_s(value, flipped);
            self.store_greater(element, offset, new, atomic);
        }
    }

    /// Puts a number in the place of one that is less, as unsigned numbers. When another handler, that interrupts this
    /// one, does so too between the look and the change, it is looked again: as often as one can interrupt another.
    fn store_greater(&mut self, element: Value, offset: u32, new: Value, atomic: bool) {
        let done = self.emitter.block();
        let attempts = if atomic { VarianceLayout::STREAMS } else { 1 };
        for _ in 0..attempts {
            let (store, next) = (self.emitter.block(), self.emitter.block());
            let old = self.emitter.load(element, offset);
            let greater = self.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThan, new, old);
            self.emitter.builder.ins().brif(greater, store, &[], done, &[]);
            self.emitter.switch_to(store);
            if atomic {
                let address = self.emitter.builder.ins().iadd_imm_s(element, i64::from(offset));
                let found = self.emitter.compare_exchange(address, old, new);
                let is_done = self.emitter.builder.ins().icmp(IntCC::Equal, found, old);
                self.emitter.builder.ins().brif(is_done, done, &[], next, &[]);
            } else {
                self.emitter.store(new, element, offset);
                self.emitter.jump(next);
            }
            self.emitter.switch_to(next);
        }
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }
}
