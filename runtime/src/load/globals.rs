//! The variables programs and user space share: the object's `.bss`, mapped.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::sys::{Mapping, Result};

/// The mapped `.bss` of an object. Programs on all CPUs write to it at any time, so words are
/// reached as atomics and bytes are copied.
#[derive(Debug)]
pub struct GlobalsMapping {
    mapping: Mapping,
    /// Bytes of the section; the mapping is whole pages.
    len: usize,
}

impl GlobalsMapping {
    pub(super) fn new(map: std::os::fd::BorrowedFd<'_>, len: usize) -> Result<GlobalsMapping> {
        Ok(GlobalsMapping { mapping: Mapping::shared(map, len)?, len })
    }

    /// Bytes of the section.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the section is empty; such objects have no globals.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The 64-bit variable at an offset.
    ///
    /// # Panics
    ///
    /// When the variable is not inside the section or not aligned: the layout is the compiler's.
    pub fn u64_at(&self, offset: usize) -> &AtomicU64 {
        let address = self.checked(offset, 8);
        // SAFETY: aligned and inside the mapping, which lives as long as `self`; programs access the
        // same memory atomically (aligned words), as an atomic of another process would.
        unsafe { AtomicU64::from_ptr(address.cast()) }
    }

    /// The 32-bit variable at an offset.
    ///
    /// # Panics
    ///
    /// As [`GlobalsMapping::u64_at`].
    pub fn u32_at(&self, offset: usize) -> &AtomicU32 {
        let address = self.checked(offset, 4);
        // SAFETY: as in `u64_at`.
        unsafe { AtomicU32::from_ptr(address.cast()) }
    }

    /// A copy of the bytes from an offset on; a string being written is seen half old, half new.
    ///
    /// # Panics
    ///
    /// When the range is not inside the section.
    pub fn bytes(&self, offset: usize, len: usize) -> Vec<u8> {
        (offset..offset + len).map(|at| self.byte(at).load(Ordering::Relaxed)).collect()
    }

    /// Writes bytes from an offset on.
    ///
    /// # Panics
    ///
    /// When the range is not inside the section.
    pub fn set_bytes(&self, offset: usize, bytes: &[u8]) {
        assert!(bytes.len() <= self.len.saturating_sub(offset), "bytes outside the globals");
        for (at, &byte) in bytes.iter().enumerate() {
            self.byte(offset + at).store(byte, Ordering::Relaxed);
        }
    }

    /// The first byte of the section, for code compiled to work on it directly. Valid as long as
    /// `self`; every access must be atomic or of bytes nobody else writes.
    pub fn as_ptr(&self) -> *mut u8 {
        self.mapping.as_ptr()
    }

    fn byte(&self, offset: usize) -> &AtomicU8 {
        let address = self.checked(offset, 1);
        // SAFETY: as in `u64_at`.
        unsafe { AtomicU8::from_ptr(address) }
    }

    fn checked(&self, offset: usize, bytes: usize) -> *mut u8 {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.len);
        assert!(inside && offset.is_multiple_of(bytes), "no variable at {offset} of the globals");
        // SAFETY: the offset is inside the mapping.
        unsafe { self.mapping.as_ptr().add(offset) }
    }
}
