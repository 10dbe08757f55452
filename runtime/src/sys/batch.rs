//! Many map elements with one system call (kernel 5.6).
//!
//! The kernel walks hash tables bucket by bucket and hands over a token that says where to go on. A
//! bucket that does not fit into the buffer is answered with ENOSPC: the buffer is grown and
//! the same bucket asked again. An element added during the walk may be missed and one moved by a
//! concurrent delete seen twice, as with any walk over a live table.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::bpf::{Command, address, address_mut, bpf};
use super::{Result, SysError};

/// Elements asked for at once; a multiple of any sane bucket.
const FIRST_BATCH: u32 = 256;
/// The kernel never needs more than the longest bucket; this bounds a runaway.
const LARGEST_BATCH: u32 = 1 << 24;
/// Big enough for the token of every map type: a bucket number or a key.
const LEAST_TOKEN_BYTES: usize = 64;

/// Elements read from a map, keys and values apart and densely packed.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// Bytes of one key.
    pub key_size: usize,
    /// Bytes of one value; of all CPUs' values in per-CPU maps.
    pub value_size: usize,
    /// The keys, one after the other.
    pub keys: Vec<u8>,
    /// The values, one after the other.
    pub values: Vec<u8>,
}

impl Entries {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.keys.len().checked_div(self.key_size).unwrap_or(0)
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key and value of each element.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let keys = self.keys.chunks_exact(self.key_size.max(1));
        keys.zip(self.values.chunks_exact(self.value_size.max(1)))
    }
}

#[repr(C)]
struct BatchAttributes {
    token_in: u64,
    token_out: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// Reads all elements of a map.
///
/// `value_size` is what one element takes in the buffer: for per-CPU maps
/// [`value_stride`](super::value_stride) times the number of possible CPUs.
///
/// # Safety
///
/// `key_size` must be the map's and `value_size` no less than what the kernel writes per element.
pub unsafe fn lookup_batch(
    map: BorrowedFd<'_>,
    key_size: usize,
    value_size: usize,
) -> Result<Entries> {
    // SAFETY: passed on from the caller.
    unsafe { walk(Command::MapLookupBatch, "read map", map, key_size, value_size) }
}

/// Reads all elements of a hash map and deletes what it has read, bucket by bucket: no element is counted
/// twice or lost, although events go on.
///
/// # Safety
///
/// As for [`lookup_batch`].
pub unsafe fn lookup_and_delete_batch(
    map: BorrowedFd<'_>,
    key_size: usize,
    value_size: usize,
) -> Result<Entries> {
    // SAFETY: passed on from the caller.
    unsafe { walk(Command::MapLookupAndDeleteBatch, "drain map", map, key_size, value_size) }
}

/// Deletes elements by key; keys that are no longer there are skipped.
///
/// # Safety
///
/// `key_size` must be the map's.
pub unsafe fn delete_batch(map: BorrowedFd<'_>, key_size: usize, keys: &[u8]) -> Result<()> {
    if key_size == 0 {
        return Ok(());
    }
    let mut rest = keys;
    while rest.len() >= key_size {
        let mut attributes = BatchAttributes {
            token_in: 0,
            token_out: 0,
            keys: address(rest),
            values: 0,
            count: (rest.len() / key_size) as u32,
            map: map.as_raw_fd() as u32,
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: `keys` holds `count` keys of the size the caller vouches for.
        match unsafe { bpf(Command::MapDeleteBatch, &mut attributes) } {
            Ok(_) => return Ok(()),
            // The kernel stops at a key that is gone and says how many went before it.
            Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => {
                let done = (attributes.count as usize + 1).saturating_mul(key_size);
                rest = rest.get(done..).unwrap_or_default();
            }
            Err(cause) => return Err(SysError::new("delete map elements", "", cause)),
        }
    }
    Ok(())
}

/// # Safety
///
/// As for [`lookup_batch`].
unsafe fn walk(
    command: Command,
    operation: &'static str,
    map: BorrowedFd<'_>,
    key_size: usize,
    value_size: usize,
) -> Result<Entries> {
    let mut entries = Entries { key_size, value_size, ..Entries::default() };
    let mut token = vec![0; key_size.max(LEAST_TOKEN_BYTES)];
    let mut next_token = token.clone();
    let mut first = true;
    let mut batch = FIRST_BATCH;
    loop {
        let (keys_before, values_before) = (entries.keys.len(), entries.values.len());
        entries.keys.resize(keys_before + batch as usize * key_size, 0);
        entries.values.resize(values_before + batch as usize * value_size, 0);
        let mut attributes = BatchAttributes {
            token_in: if first { 0 } else { address(&token) },
            token_out: address_mut(&mut next_token),
            keys: address_mut(&mut entries.keys[keys_before..]),
            values: address_mut(&mut entries.values[values_before..]),
            count: batch,
            map: map.as_raw_fd() as u32,
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: both buffers have room for `count` elements of the sizes the caller vouches for,
        // and the tokens for a key or a bucket number.
        let result = unsafe { bpf(command, &mut attributes) };
        let errno = result.as_ref().err().and_then(std::io::Error::raw_os_error);
        let read = match (&result, errno) {
            (Ok(_), _) | (_, Some(libc::ENOENT)) => attributes.count.min(batch) as usize,
            // Nothing of a bucket that does not fit is read, deleted or counted.
            (_, Some(libc::ENOSPC)) => 0,
            _ => 0,
        };
        entries.keys.truncate(keys_before + read * key_size);
        entries.values.truncate(values_before + read * value_size);
        match (result, errno) {
            // The end is told together with the last elements.
            (_, Some(libc::ENOENT)) => return Ok(entries),
            (_, Some(libc::ENOSPC)) if batch < LARGEST_BATCH => batch *= 2,
            (Err(cause), _) => return Err(SysError::new(operation, "", cause)),
            (Ok(_), _) => {
                std::mem::swap(&mut token, &mut next_token);
                first = false;
                // Fewer calls for large maps, no more than 4096 elements of slack.
                batch = (batch * 2).clamp(FIRST_BATCH, batch.max(4096));
            }
        }
    }
}
