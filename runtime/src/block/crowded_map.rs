//! Room in maps whose deleted elements stay.
//!
//! A user block that deletes an element which handlers may be changing leaves it in the map, where it takes room
//! ([`Removal`](ntap_compiler::layout::Removal)). When many elements are gone, those that are there are copied to the
//! other map of the array, which kernel code uses from then on; when no handler is left that uses the first, what has
//! changed there since it was copied is brought after. No event is lost or counted twice; for these milliseconds a
//! handler may see a number without what was added to it in the first map.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

use super::kernel_array::KernelArray;
use super::stats::read_word;
use crate::sys::{self, SysError};

/// `BPF_ANY`: make or replace an element.
const ANY: u64 = 0;
/// `BPF_NOEXIST`: make an element unless it is there.
const NO_EXIST: u64 = 1;

/// The elements of a map by their keys, as the kernel has them.
type RawElements = HashMap<Vec<u8>, Vec<u8>>;

impl KernelArray {
    /// Whether elements that are deleted stay in the map.
    pub fn keeps_deleted(&self) -> bool {
        self.layout.removal.is_some()
    }

    /// Whether half of the array's room is taken by elements that are gone.
    pub fn is_crowded(&self) -> bool {
        self.keeps_deleted() && self.gone.get() >= self.capacity.div_ceil(2)
    }

    /// Has kernel code use the other map, with the elements that are there. An error can mean that it is not known
    /// whether the handlers that used the first one have ended.
    pub fn move_to_other_map(&mut self) -> Result<(), SysError> {
        let Some((second, cell)) = &self.bank else { return Ok(()) };
        let cell = self.globals.u64_at(*cell);
        let which = cell.load(Ordering::SeqCst);
        let (first, second) = (self.map.fd().as_fd(), second.fd().as_fd());
        let (old, new) = if which == 0 { (first, second) } else { (second, first) };
        let copied = self.elements_of(old)?;
        for (key, value) in &copied {
            // SAFETY: key and value come from a map of the same sizes.
            unsafe { sys::update_element(new, key, value, ANY)? };
        }
        cell.store(1 - which, Ordering::SeqCst);
        let settled = sys::membarrier_global();
        let left = self.elements_of(old)?;
        for (key, value) in &left {
            let before = copied.get(key).map(Vec::as_slice);
            self.bring_after(new, key, before, value)?;
        }
        for (key, before) in copied.iter().filter(|(key, _)| !left.contains_key(*key)) {
            // A handler has deleted it.
            if self.raw_number(new, key)? == Some(read_word(before, 0)) {
                // SAFETY: the key comes from a map of the same sizes.
                unsafe { sys::delete_element(new, key)? };
            }
        }
        let key_bytes = self.layout.key_bytes as usize;
        let value_bytes = self.layout.value_bytes as usize;
        // SAFETY: the sizes are those the map was made with.
        let all = unsafe { sys::lookup_batch(old, key_bytes, value_bytes)? };
        // SAFETY: as above.
        unsafe { sys::delete_batch(old, key_bytes, &all.keys)? };
        self.gone.set(0);
        settled
    }

    /// The elements of a map that are not gone.
    fn elements_of(&self, map: BorrowedFd<'_>) -> Result<RawElements, SysError> {
        let (key_bytes, bytes) = (self.layout.key_bytes as usize, self.layout.value_bytes as usize);
        // SAFETY: the sizes are those the map was made with.
        let entries = unsafe { sys::lookup_batch(map, key_bytes, bytes)? };
        let there = entries.iter().filter(|(_, value)| !self.is_gone(value));
        Ok(there.map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }

    /// Brings what handlers have done to an element after it was copied to the map they use now.
    fn bring_after(
        &self,
        new: BorrowedFd<'_>,
        key: &[u8],
        before: Option<&[u8]>,
        value: &[u8],
    ) -> Result<(), SysError> {
        let (now, copied) = (read_word(value, 0), before.map(|before| read_word(before, 0)));
        if copied == Some(now) {
            return Ok(());
        }
        let there = self.raw_number(new, key)?;
        if self.layout.removal.is_some_and(|removal| removal.kernel_adds) {
            // What was deleted meanwhile stays deleted.
            if copied.is_none() || there.is_some() || self.counted() {
                self.change(key, now.wrapping_sub(copied.unwrap_or(0)), false).transpose()?;
            }
            return Ok(());
        }
        let flags = if copied.is_none() { NO_EXIST } else { ANY };
        if there == copied {
            // SAFETY: key and value come from a map of the same sizes.
            unsafe { sys::update_element(new, key, value, flags)? };
        }
        Ok(())
    }

    fn raw_number(&self, map: BorrowedFd<'_>, key: &[u8]) -> Result<Option<i64>, SysError> {
        let mut value = vec![0; self.layout.value_bytes as usize];
        // SAFETY: key and value have the sizes the map was made with.
        let exists = unsafe { sys::lookup_element(map, key, &mut value)? };
        Ok((exists && !self.is_gone(&value)).then(|| read_word(&value, 0)))
    }
}
