//! Arrays in ntap's memory, and the copies of those that kernel code shares.
//!
//! An array that kernel code uses lives in a map. When a block first touches it, the map is read as
//! a whole, and the block works on that copy, so that a loop sees one state; what the block changes is
//! written to the map as well. Aggregates, and numbers that kernel code only adds to, are kept apart: what
//! user blocks record, add or set stays here and is added to what the map holds, so that nobody
//! overwrites what another has just added.
//!
//! A timer that deletes or sets elements of such an array takes what the map holds before it runs: kernel code
//! goes on with a second map, and all that was counted until then is here. The block then does with it what
//! it likes.

use std::collections::HashMap;

use cranelift_codegen::entity::PrimaryMap;
use ntap_compiler::bytes;
use ntap_compiler::hir::Aggregate;
use ntap_compiler::histogram::Histogram;
use ntap_compiler::layout::{Array, ArrayId, ArrayValue, Layout, StatsLayout};

use super::kernel_array::KernelArray;
use super::stats::Stats;
use super::values::{self, Key, Value, Word, c_string};
use crate::sys::{self, SysError};

/// An element.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its place in the order of insertion.
    pub stamp: u64,
    /// What it holds.
    pub value: Value,
}

/// The elements of an array.
pub type Elements = HashMap<Key, Element>;

/// The arrays of a script.
pub struct Arrays {
    arrays: PrimaryMap<ArrayId, ArrayState>,
    /// The stamp of the next new element of arrays that only user blocks use.
    next_stamp: u64,
}

struct ArrayState {
    layout: Array,
    /// All elements of an array of our own; the copy of a kernel array while a block runs.
    elements: Elements,
    /// The part of a kernel array that is here: what user blocks recorded or added, and what was taken.
    own: Elements,
    /// Whether `elements` is that part while a block runs, and the map is left to kernel code.
    held: bool,
    kernel: Option<KernelArray>,
    /// For elements of a kernel array that a loop has sorted: the stamp the kernel gave them, and the one
    /// for the place they were sorted to.
    sorted: HashMap<Key, (u64, u64)>,
    /// Whether `elements` is the copy for the running block.
    current: bool,
}

/// Why an element could not be added.
pub enum StoreError {
    /// The array is full.
    Full,
    /// The kernel refused.
    Kernel(SysError),
}

impl Arrays {
    /// The arrays of a layout, each empty or with its initial value.
    pub fn new(layout: &Layout) -> Arrays {
        let mut arrays = Arrays { arrays: PrimaryMap::new(), next_stamp: 0 };
        for array in layout.arrays.values() {
            let mut elements = Elements::new();
            if array.keys.is_empty() && array.map.is_none() {
                elements.insert(Key::from([]), Element { stamp: 0, value: initial(array) });
            }
            arrays.arrays.push(ArrayState {
                layout: array.clone(),
                elements,
                own: Elements::new(),
                held: false,
                kernel: None,
                sorted: HashMap::new(),
                current: false,
            });
        }
        arrays
    }

    /// Connects an array with its map, and writes its initial value there.
    pub fn connect(&mut self, id: ArrayId, kernel: KernelArray) -> Result<(), SysError> {
        let state = &mut self.arrays[id];
        if let Some(text) = &state.layout.initial {
            let value = Value::Word(Word::Text(c_string(&bytes::of(text)).into()));
            kernel.store(&Key::from([]), &value)?;
        }
        state.kernel = Some(kernel);
        Ok(())
    }

    /// Takes what kernel code has put into these arrays so far, all at one moment: the block that runs next
    /// reads it, and deletes it, while kernel code goes on with empty ones. Gives the arrays that have more
    /// elements then than they may have, with how many had to be dropped.
    ///
    /// # Errors
    ///
    /// When the kernel cannot be waited for: a handler that is still running may then add to what was taken
    /// after it is read.
    pub fn take(&mut self, ids: &[ArrayId]) -> Result<Vec<(ArrayId, u64)>, SysError> {
        for &id in ids {
            if let Some(kernel) = &mut self.arrays[id].kernel {
                kernel.take();
            }
        }
        // Waits for a grace period: no handler is left that uses what was taken.
        let settled = sys::membarrier_global();
        let mut dropped = vec![];
        for &id in ids {
            let state = &mut self.arrays[id];
            if state.kernel.as_ref().is_some_and(|k| k.added_only() && k.is_taken()) {
                let count = state.hold()?;
                if count > 0 {
                    dropped.push((id, count));
                }
            }
        }
        settled.map(|()| dropped)
    }

    /// Makes room in the maps in which half of the elements, or more, are gone.
    pub fn make_room(&mut self) -> Result<(), SysError> {
        let kernels = self.arrays.values_mut().filter_map(|state| state.kernel.as_mut());
        kernels.filter(|kernel| kernel.is_crowded()).try_for_each(KernelArray::move_to_other_map)
    }

    /// Drops the copies of kernel arrays: the next block reads them anew.
    pub fn forget_snapshots(&mut self) {
        for state in self.arrays.values_mut() {
            if let Some(kernel) = &mut state.kernel {
                kernel.release();
                state.current = false;
            }
            if std::mem::take(&mut state.held) {
                state.own = std::mem::take(&mut state.elements);
            }
        }
    }

    /// The elements of an array, as they are for the running block.
    pub fn elements(&mut self, id: ArrayId) -> Result<&Elements, SysError> {
        self.arrays[id].refresh()?;
        Ok(&self.arrays[id].elements)
    }

    /// The keys of the elements that have those of a pattern.
    pub fn matching(
        &mut self,
        id: ArrayId,
        pattern: &[(usize, Word)],
    ) -> Result<Vec<Key>, SysError> {
        let keys = self.elements(id)?.keys();
        Ok(keys.filter(|key| values::matches(key, pattern)).cloned().collect())
    }

    /// Whether an array stays in the order a loop has sorted it in. Aggregates, which SystemTap merges from the CPUs
    /// for each loop anew, have no order that lasts.
    pub fn keeps_order(&self, id: ArrayId) -> bool {
        !matches!(self.arrays[id].layout.value, ArrayValue::Stats(_))
    }

    /// Puts the elements into the order a loop has sorted them in, if that lasts: they exchange their stamps.
    pub fn keep_order(&mut self, id: ArrayId, order: &[Key]) {
        if !self.keeps_order(id) {
            return;
        }
        let state = &mut self.arrays[id];
        let mut stamps: Vec<u64> = state.elements.values().map(|e| e.stamp).collect();
        stamps.sort_unstable();
        let mut sorted = HashMap::new();
        for (key, stamp) in order.iter().zip(stamps) {
            let Some(element) = state.elements.get_mut(key) else { continue };
            if state.kernel.is_some() && !state.held {
                let of_kernel = state.sorted.get(key).map_or(element.stamp, |&(stamp, _)| stamp);
                sorted.insert(key.clone(), (of_kernel, stamp));
            }
            element.stamp = stamp;
        }
        state.sorted = sorted;
    }

    /// The value of an element.
    pub fn get(&mut self, id: ArrayId, key: &Key) -> Result<Option<&Value>, SysError> {
        Ok(self.elements(id)?.get(key).map(|e| &e.value))
    }

    /// Sets an element.
    pub fn set(&mut self, id: ArrayId, key: Key, value: Value) -> Result<(), StoreError> {
        self.room(id, &key)?;
        let old = self.arrays[id].elements.get(&key).map_or(0, |e| e.value.long());
        match &self.arrays[id].kernel {
            Some(kernel) if kernel.added_only() => {
                let delta = value.long().wrapping_sub(old);
                self.add_here(id, key, delta);
                return Ok(());
            }
            // What handlers have added since the block began is not overwritten.
            Some(kernel) if kernel.counted() => {
                let delta = value.long().wrapping_sub(old);
                if self.add_there(id, &key, delta)?.is_some() {
                    self.arrays[id].note(key, value);
                    return Ok(());
                }
            }
            Some(kernel) if kernel.raised() => {
                let set = kernel.set(&key, old, value.long()).transpose().map_err(store_error)?;
                if set.is_some() {
                    self.arrays[id].note(key, value);
                    return Ok(());
                }
            }
            Some(_) | None => {}
        }
        let state = &mut self.arrays[id];
        let new = match &state.kernel {
            Some(kernel) => kernel.store(&key, &value).map_err(store_error)?,
            None => {
                self.next_stamp += 1;
                self.next_stamp
            }
        };
        let stamp = state.elements.get(&key).map_or(new, |e| e.stamp);
        state.elements.insert(key, Element { stamp, value });
        Ok(())
    }

    /// Adds to an element that holds a number; gives the number before.
    pub fn add(&mut self, id: ArrayId, key: Key, delta: i64) -> Result<i64, StoreError> {
        self.room(id, &key)?;
        if let Some(old) = self.add_there(id, &key, delta)? {
            self.arrays[id].note(key, Value::Word(Word::Long(old.wrapping_add(delta))));
            return Ok(old);
        }
        let state = &mut self.arrays[id];
        let old = match &state.kernel {
            // Kernel code sets it, too: what it has put there since the block began is not overwritten.
            Some(kernel) if !kernel.added_only() => {
                kernel.number(&key).map_err(StoreError::Kernel)?
            }
            Some(_) | None => state.elements.get(&key).map_or(0, |e| e.value.long()),
        };
        if state.kernel.as_ref().is_some_and(KernelArray::added_only) {
            self.add_here(id, key, delta);
        } else {
            self.set(id, key, Value::Word(Word::Long(old.wrapping_add(delta))))?;
        }
        Ok(old)
    }

    /// Adds to a number in the kernel, where that is done in one step; gives the number before.
    fn add_there(&mut self, id: ArrayId, key: &Key, delta: i64) -> Result<Option<i64>, StoreError> {
        let added = self.arrays[id].kernel.as_ref().and_then(|kernel| kernel.add(key, delta));
        added.transpose().map_err(store_error)
    }

    /// Adds to the part of a number that is here.
    fn add_here(&mut self, id: ArrayId, key: Key, delta: i64) {
        let stamp = self.stamp(id, &key);
        let state = &mut self.arrays[id];
        let parts = [(!state.held).then_some(&mut state.own), Some(&mut state.elements)];
        for part in parts.into_iter().flatten() {
            let new = || Element { stamp, value: Value::Word(Word::Long(0)) };
            let element = part.entry(key.clone()).or_insert_with(new);
            element.value = Value::Word(Word::Long(element.value.long().wrapping_add(delta)));
        }
    }

    /// Adds a value to an aggregate.
    pub fn record(&mut self, id: ArrayId, key: Key, value: i64) -> Result<(), StoreError> {
        self.room(id, &key)?;
        let stamp = self.stamp(id, &key);
        let state = &mut self.arrays[id];
        let ArrayValue::Stats(layout) = state.layout.value else { return Ok(()) };
        if state.kernel.is_some() && !state.held {
            stats_of(&mut state.own, key.clone(), stamp, |stats| stats.record(value, &layout));
        }
        stats_of(&mut state.elements, key, stamp, |stats| stats.record(value, &layout));
        Ok(())
    }

    /// Adds the values of an aggregate of an earlier session.
    pub fn merge(&mut self, id: ArrayId, key: Key, other: &Stats) -> Result<(), SysError> {
        let stamp = self.stamp(id, &key);
        let state = &mut self.arrays[id];
        if state.kernel.is_some() && !state.held {
            stats_of(&mut state.own, key.clone(), stamp, |stats| stats.merge(other));
        }
        stats_of(&mut state.elements, key, stamp, |stats| stats.merge(other));
        Ok(())
    }

    /// A property of an aggregate; `None` when it is empty and the property has no value then.
    pub fn extract(
        &mut self,
        id: ArrayId,
        key: &Key,
        aggregate: Aggregate,
    ) -> Result<Option<i64>, SysError> {
        let layout = self.stats_layout(id);
        Ok(match self.get(id, key)? {
            Some(Value::Stats(stats)) => stats.extract(aggregate, &layout),
            Some(Value::Word(_)) | None => Stats::default().extract(aggregate, &layout),
        })
    }

    /// The histogram of an aggregate with the counts of its buckets; `None` when the aggregate is empty.
    pub fn histogram(
        &mut self,
        id: ArrayId,
        key: &Key,
    ) -> Result<Option<(Histogram, &[i64])>, SysError> {
        let shape = self.stats_layout(id).histogram.map(|h| h.shape);
        Ok(match (self.get(id, key)?, shape) {
            (Some(Value::Stats(stats)), Some(shape)) => stats.buckets().map(|b| (shape, b)),
            _ => None,
        })
    }

    /// The layout of the aggregates of an array.
    pub fn stats_layout(&self, id: ArrayId) -> StatsLayout {
        match self.arrays[id].layout.value {
            ArrayValue::Stats(layout) => layout,
            ArrayValue::Long | ArrayValue::Text(_) => StatsLayout::default(),
        }
    }

    /// Deletes an element; an absent one is no error.
    pub fn delete(&mut self, id: ArrayId, key: &Key) -> Result<(), SysError> {
        let state = &mut self.arrays[id];
        if let Some(kernel) = state.kernel.as_ref().filter(|_| !state.held) {
            match state.elements.get(key) {
                Some(element) if state.current => kernel.delete(key, Some(element.value.long()))?,
                // What has come since the block looked is not what it deletes.
                None if state.current && kernel.keeps_deleted() => {}
                Some(_) | None => kernel.delete(key, None)?,
            }
        }
        state.own.remove(key);
        state.sorted.remove(key);
        state.elements.remove(key);
        Ok(())
    }

    /// Deletes all elements; a global without keys gets 0 or the empty string.
    pub fn clear(&mut self, id: ArrayId) -> Result<(), SysError> {
        let state = &mut self.arrays[id];
        state.refresh()?;
        if let Some(kernel) = state.kernel.as_mut().filter(|_| !state.held) {
            kernel.clear(&state.elements)?;
            kernel.release();
        }
        state.own.clear();
        state.sorted.clear();
        state.elements.clear();
        if state.layout.keys.is_empty() {
            let value = empty(&state.layout);
            state.elements.insert(Key::from([]), Element { stamp: 0, value });
        }
        Ok(())
    }

    /// Makes sure there is room for an element.
    fn room(&mut self, id: ArrayId, key: &Key) -> Result<(), StoreError> {
        self.arrays[id].refresh().map_err(StoreError::Kernel)?;
        let state = &mut self.arrays[id];
        let full = state.elements.len() >= state.layout.capacity as usize;
        if !full || state.elements.contains_key(key) {
            return Ok(());
        }
        if !state.layout.wrap {
            return Err(StoreError::Full);
        }
        let oldest = state.elements.iter().min_by_key(|(_, e)| e.stamp).map(|(k, _)| k.clone());
        match oldest {
            Some(oldest) => self.delete(id, &oldest).map_err(StoreError::Kernel),
            None => Err(StoreError::Full),
        }
    }

    fn stamp(&mut self, id: ArrayId, key: &Key) -> u64 {
        let state = &self.arrays[id];
        if let Some(element) = state.elements.get(key) {
            return element.stamp;
        }
        match &state.kernel {
            Some(kernel) => kernel.next_stamp(),
            None => {
                self.next_stamp += 1;
                self.next_stamp
            }
        }
    }
}

impl ArrayState {
    /// Reads the kernel's elements unless the running block has done so.
    fn refresh(&mut self) -> Result<(), SysError> {
        let Some(kernel) = &self.kernel else { return Ok(()) };
        if self.current {
            return Ok(());
        }
        self.elements = kernel.read()?;
        for (key, own) in &self.own {
            match self.elements.get_mut(key) {
                Some(element) => merge(element, own),
                None => {
                    self.elements.insert(key.clone(), own.clone());
                }
            }
        }
        self.put_in_order();
        self.current = true;
        Ok(())
    }

    /// Puts what was stored in the kernel into the copy of the running block. A new element is the last.
    fn note(&mut self, key: Key, value: Value) {
        let last = || self.elements.values().map(|element| element.stamp + 1).max();
        let stamp = self.elements.get(&key).map(|element| element.stamp).or_else(last);
        self.elements.insert(key, Element { stamp: stamp.unwrap_or(0), value });
    }

    /// Gives elements the places that a loop has sorted them to.
    fn put_in_order(&mut self) {
        let elements = &mut self.elements;
        // An element that was deleted and made again has another stamp, and is at the end.
        self.sorted.retain(|key, &mut (of_kernel, stamp)| match elements.get_mut(key) {
            Some(element) if element.stamp == of_kernel => {
                element.stamp = stamp;
                true
            }
            Some(_) | None => false,
        });
    }

    /// Moves what was taken from kernel code here, where it stays. Gives how many elements found no room.
    fn hold(&mut self) -> Result<u64, SysError> {
        let Some(kernel) = &mut self.kernel else { return Ok(0) };
        let taken = kernel.read()?;
        kernel.clear(&taken)?;
        kernel.release();
        let (mut dropped, capacity) = (0, self.layout.capacity as usize);
        let mut taken: Vec<_> = taken.into_iter().collect();
        taken.sort_unstable_by_key(|(_, element)| element.stamp);
        for (key, element) in taken {
            if let Some(own) = self.own.get_mut(&key) {
                merge(own, &element);
            } else if self.own.len() < capacity {
                self.own.insert(key, element);
            } else {
                dropped += 1;
            }
        }
        self.elements = std::mem::take(&mut self.own);
        self.put_in_order();
        self.sorted.clear();
        self.held = true;
        self.current = true;
        Ok(dropped)
    }
}

/// Adds an element to another part of it, which is as old as the older of them.
fn merge(into: &mut Element, part: &Element) {
    into.stamp = into.stamp.min(part.stamp);
    match (&mut into.value, &part.value) {
        (Value::Stats(stats), Value::Stats(part)) => stats.merge(part),
        (Value::Word(Word::Long(number)), Value::Word(Word::Long(part))) => {
            *number = number.wrapping_add(*part);
        }
        _ => {}
    }
}

/// Changes the aggregate of an element, which is made when missing.
fn stats_of(elements: &mut Elements, key: Key, stamp: u64, change: impl FnOnce(&mut Stats)) {
    let new = || Element { stamp, value: Value::Stats(Stats::default()) };
    let element = elements.entry(key).or_insert_with(new);
    if let Value::Stats(stats) = &mut element.value {
        change(stats);
    }
}

fn store_error(error: SysError) -> StoreError {
    if error.errno() == libc::E2BIG { StoreError::Full } else { StoreError::Kernel(error) }
}

/// 0, the empty string or the empty aggregate.
fn empty(array: &Array) -> Value {
    match array.value {
        ArrayValue::Long => Value::Word(Word::Long(0)),
        ArrayValue::Text(_) => Value::Word(Word::Text(c"".into())),
        ArrayValue::Stats(_) => Value::Stats(Stats::default()),
    }
}

fn initial(array: &Array) -> Value {
    match &array.initial {
        Some(text) => Value::Word(Word::Text(c_string(&bytes::of(text)).into())),
        None => empty(array),
    }
}
