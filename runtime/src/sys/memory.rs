//! Memory mappings.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use super::{Result, SysError};

/// A mapping of a file or map; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory that belongs to this value; nothing in it depends on the thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; shared access only hands out addresses.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a file for reading. The file must not change while mapped (sysfs
    /// attributes do not).
    pub fn read_only(file: BorrowedFd<'_>, len: usize) -> Result<Mapping> {
        Mapping::new(file, len, libc::PROT_READ, libc::MAP_PRIVATE)
    }

    /// Maps `len` bytes of an array map created with BPF_F_MMAPABLE, shared with the kernel's programs.
    pub fn shared(map: BorrowedFd<'_>, len: usize) -> Result<Mapping> {
        Mapping::new(map, len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)
    }

    /// Memory of zeros that processes made from now on share.
    pub fn inherited(len: usize) -> Result<Mapping> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        Mapping::of_descriptor(-1, len, libc::PROT_READ | libc::PROT_WRITE, flags)
    }

    fn new(file: BorrowedFd<'_>, len: usize, protection: i32, flags: i32) -> Result<Mapping> {
        Mapping::of_descriptor(file.as_raw_fd(), len, protection, flags)
    }

    fn of_descriptor(file: i32, len: usize, protection: i32, flags: i32) -> Result<Mapping> {
        // SAFETY: the kernel chooses the address, so no existing memory is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, file, 0) };
        if start == libc::MAP_FAILED {
            return Err(SysError::last("map memory", ""));
        }
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Mapping { start, len }),
            None => Err(SysError::new("map memory", "", std::io::ErrorKind::OutOfMemory.into())),
        }
    }

    /// The first byte. The memory is valid for [`Mapping::len`] bytes while `self` lives; for shared
    /// mappings others write to it at any time.
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it; the kernel makes no such mappings.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are those of a mapping this value owns.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Raises this process's limit of locked memory as far as it may; `false` when nothing could be won.
pub(crate) fn lift_locked_memory_limit() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours to be written to.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } != 0 {
        return false;
    }
    let endless = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    let as_allowed = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
    [endless, as_allowed].into_iter().any(|wanted| {
        wanted.rlim_cur > limit.rlim_cur
            // SAFETY: the structure is only read.
            && unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const wanted) } == 0
    })
}

/// Raises this process's limit of open files as far as it may.
pub(crate) fn lift_open_files_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours to be written to.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the structure is only read. A refusal leaves the limit that was.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// Calls a function with room for 96 MiB of stack, if this is the first thread, whose stack grows as it is used, and
/// the machine allows so much. The kernel leaves at least 128 MiB of addresses free below that stack. Processes that
/// are started afterwards have the limit that was there before.
pub fn with_large_stack<T>(call: impl FnOnce() -> T) -> T {
    const BYTES: libc::rlim_t = 96 << 20;
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours to be written to.
    let is_known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut before) } == 0;
    if !is_known || before.rlim_cur >= BYTES {
        return call();
    }
    let more = libc::rlimit { rlim_cur: BYTES.min(before.rlim_max), rlim_max: before.rlim_max };
    // SAFETY: the structure is only read. A refusal leaves the limit that was.
    unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const more) };
    let result = call();
    // SAFETY: the structure is only read.
    unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const before) };
    result
}
