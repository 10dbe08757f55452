//! The bpf(2) system call itself.
//!
//! Each command has its own attribute structure that ends where the command's fields end: the
//! kernel takes the size we pass and treats the rest as zero, so a newer layout costs nothing and
//! an older kernel refuses (E2BIG) only fields it does not know that are not zero.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Commands of `enum bpf_cmd`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(super) enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgramLoad = 5,
    ProgramTestRun = 10,
    ObjectInfo = 15,
    RawTracepointOpen = 17,
    BtfLoad = 18,
    BtfById = 19,
    MapFreeze = 22,
    BtfNextId = 23,
    MapLookupBatch = 24,
    MapLookupAndDeleteBatch = 25,
    MapDeleteBatch = 27,
    LinkCreate = 28,
    EnableStatistics = 32,
}

/// Calls bpf(2) and returns its non-negative result.
///
/// # Safety
///
/// `attributes` must be the `repr(C)` structure of the command without padding, and every address
/// in it must point to memory that stays valid for what the kernel reads or writes there.
pub(super) unsafe fn bpf<T>(command: Command, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the caller vouches for the structure and the addresses in it; its size is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as i32,
            std::ptr::from_mut(attributes),
            size_of::<T>() as u32,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

/// Calls bpf(2) for a command that answers with a new descriptor.
///
/// # Safety
///
/// As for [`bpf`]; the command must be one that returns a descriptor.
pub(super) unsafe fn bpf_descriptor<T>(
    command: Command,
    attributes: &mut T,
) -> io::Result<OwnedFd> {
    // SAFETY: passed on from the caller.
    let descriptor = unsafe { bpf(command, attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// An object name as the kernel takes it: 15 bytes, letters, digits, `_` and `.` only.
pub(super) fn object_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes().take(15)) {
        *to =
            if from.is_ascii_alphanumeric() || from == b'_' || from == b'.' { from } else { b'_' };
    }
    bytes
}

/// The address of a buffer, as attributes hold it.
pub(super) fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_ptr() as u64 }
}

/// The address of a buffer the kernel writes to.
pub(super) fn address_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_mut_ptr() as u64 }
}
