//! What processes map, start and run, as the kernel tells perf (`PERF_RECORD_MMAP2` and its like): a ring
//! buffer for each CPU.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::{CountsOf, Mapping, PerfEvent, Result, open_perf_event};

/// Pages of records on each CPU, a power of two.
const PAGES: usize = 64;

/// Where things are in `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// A record about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessRecord {
    /// It has mapped a file as code.
    Mapped {
        /// The process.
        process: u32,
        /// The first address.
        start: u64,
        /// Bytes.
        len: u64,
        /// Where in the file.
        offset: u64,
        /// The file, or a name in brackets.
        path: String,
    },
    /// It runs another program: nothing of what it had mapped is left.
    Exec {
        /// The process.
        process: u32,
    },
    /// It was made by another one.
    Fork {
        /// The new process.
        process: u32,
        /// Its maker.
        parent: u32,
    },
    /// It has ended.
    Exit {
        /// The process.
        process: u32,
    },
}

/// The records of one CPU.
#[derive(Debug)]
pub struct ProcessRecords {
    ring: Mapping,
    page_bytes: usize,
    event: OwnedFd,
}

impl ProcessRecords {
    /// Begins to record on a CPU.
    pub fn open(cpu: u32) -> Result<ProcessRecords> {
        let event = open_perf_event(PerfEvent::Processes { of: CountsOf::Cpu(cpu) })?;
        // SAFETY: takes a number only.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let ring = Mapping::shared(event.as_fd(), (1 + PAGES) * page_bytes)?;
        Ok(ProcessRecords { ring, page_bytes, event })
    }

    /// Becomes readable when half of the room is taken.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Reads what has come, each record with its time: nanoseconds of the monotonic clock.
    pub fn read(&mut self, into: &mut Vec<(u64, ProcessRecord)>) {
        let size = (PAGES * self.page_bytes) as u64;
        // SAFETY: both words are in the first page of the mapping, which lives as long as `self`, and are
        // aligned; the kernel changes the first, we the second.
        let (head, tail) = unsafe {
            let base = self.ring.as_ptr();
            (
                AtomicU64::from_ptr(base.add(DATA_HEAD).cast()),
                AtomicU64::from_ptr(base.add(DATA_TAIL).cast()),
            )
        };
        let end = head.load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        while at < end {
            let header = self.bytes(at, 8, size);
            let bytes = u64::from(u16::from_ne_bytes([header[6], header[7]]));
            if bytes < 8 {
                break;
            }
            into.extend(parse(&self.bytes(at, bytes, size)));
            at += bytes;
        }
        fence(Ordering::SeqCst);
        tail.store(end, Ordering::Release);
    }

    /// A copy of bytes of the ring, which may go on at its start.
    fn bytes(&self, at: u64, count: u64, size: u64) -> Vec<u8> {
        let mut bytes = vec![0; count as usize];
        for (i, byte) in bytes.iter_mut().enumerate() {
            let index = self.page_bytes + ((at + i as u64) % size) as usize;
            // SAFETY: behind the first page are `size` bytes of records; the kernel does not write to those
            // between tail and head.
            *byte = unsafe { self.ring.as_ptr().add(index).read_volatile() };
        }
        bytes
    }
}

/// A record with its time, which is its last word.
fn parse(bytes: &[u8]) -> Option<(u64, ProcessRecord)> {
    const COMM: u32 = 3;
    const EXIT: u32 = 4;
    const FORK: u32 = 7;
    const MMAP2: u32 = 10;
    const COMM_EXEC: u16 = 1 << 13;
    let half = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let word = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let misc = u16::from_ne_bytes([bytes[4], bytes[5]]);
    let time = word(bytes.len().checked_sub(8)?)?;
    let process = half(8)?;
    let record = match half(0)? {
        MMAP2 => {
            let name = bytes.get(72..bytes.len() - 8)?;
            let name = name.split(|&b| b == 0).next()?;
            let path = String::from_utf8_lossy(name).into_owned();
            let (start, len, offset) = (word(16)?, word(24)?, word(32)?);
            ProcessRecord::Mapped { process, start, len, offset, path }
        }
        COMM if misc & COMM_EXEC != 0 => ProcessRecord::Exec { process },
        // Of a process: its first thread.
        FORK if half(8)? == half(16)? => ProcessRecord::Fork { process, parent: half(12)? },
        EXIT if half(8)? == half(16)? => ProcessRecord::Exit { process },
        _ => return None,
    };
    Some((time, record))
}
