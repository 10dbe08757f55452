//! Named pipes, seen from the process that made them.
//!
//! A pipe is open here for reading and writing, so that others can open it without waiting. Bytes of several
//! writes are not kept apart by the kernel, but a signal is queued for each write: with their number, writes
//! of single lines can be told from a write of several lines.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::sys::{Result, SysError};

/// What a pipe holds at most, if the kernel allows it: answers are written in one go up to this size.
const CAPACITY: libc::c_int = 1 << 20;

/// Makes a named pipe with these permissions, and opens it.
pub(super) fn make(path: &Path, mode: u32) -> Result<OwnedFd> {
    let name = c_path(path);
    let failed = |error| SysError::new("make the file", path.display().to_string(), error);
    // SAFETY: the name outlives the calls.
    let descriptor = unsafe {
        if libc::mkfifo(name.as_ptr(), 0o600) != 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        libc::open(name.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC)
    };
    if descriptor < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    // SAFETY: the call has just given us this descriptor; a pipe that stays small is no harm.
    let pipe = unsafe {
        libc::fcntl(descriptor, libc::F_SETPIPE_SZ, CAPACITY);
        OwnedFd::from_raw_fd(descriptor)
    };
    permit(pipe.as_fd(), mode).map_err(failed)?;
    Ok(pipe)
}

/// Sets who may open a pipe, whatever the mask of the process is.
pub(super) fn permit(pipe: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    match unsafe { libc::fchmod(pipe.as_raw_fd(), mode) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A path for system calls.
pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// Another descriptor of the same pipe, for one direction.
pub(super) fn open_again(pipe: BorrowedFd<'_>, direction: libc::c_int) -> io::Result<OwnedFd> {
    let name = CString::new(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap_or_default();
    // SAFETY: the name outlives the call.
    let descriptor =
        unsafe { libc::open(name.as_ptr(), direction | libc::O_NONBLOCK | libc::O_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether another process has this pipe open to write, as far as `/proc` tells.
pub(super) fn is_open_elsewhere_to_write(pipe: BorrowedFd<'_>) -> bool {
    // Who is in the middle of open(2) has no descriptor yet.
    for _ in 0..5 {
        if let Some(mode) = mode_elsewhere(pipe) {
            return mode != libc::O_RDONLY;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// How the youngest other process that has this pipe open opened it: `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
fn mode_elsewhere(pipe: BorrowedFd<'_>) -> Option<libc::c_int> {
    let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let wanted = fs::metadata(format!("/proc/self/fd/{}", pipe.as_raw_fd())).ok().map(id)?;
    let number = |entry: io::Result<DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let mut processes: Vec<u32> = fs::read_dir("/proc").ok()?.filter_map(number).collect();
    processes.sort_unstable_by(|a, b| b.cmp(a));
    processes.retain(|&process| process != std::process::id());
    processes.into_iter().find_map(|process| {
        // One that ends meanwhile, or is not ours to look at, has nothing.
        let folder = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
        let mut descriptors = folder.filter_map(number);
        let found = descriptors.find(|descriptor: &u32| {
            let opened = fs::metadata(format!("/proc/{process}/fd/{descriptor}"));
            opened.is_ok_and(|opened| id(opened) == wanted)
        })?;
        // The flags of open(2), in octal digits.
        let information = fs::read_to_string(format!("/proc/{process}/fdinfo/{found}")).ok()?;
        let flags = information.lines().find_map(|line| line.strip_prefix("flags:"))?;
        Some(libc::c_int::from_str_radix(flags.trim(), 8).ok()? & libc::O_ACCMODE)
    })
}

/// What poll(2) says about a descriptor now.
pub(super) fn state(descriptor: BorrowedFd<'_>, asked: libc::c_short) -> libc::c_short {
    let mut entry = libc::pollfd { fd: descriptor.as_raw_fd(), events: asked, revents: 0 };
    // SAFETY: one entry, as the count says.
    unsafe { libc::poll(&raw mut entry, 1, 0) };
    entry.revents
}

/// Takes all that is in a pipe.
pub(super) fn take_all(pipe: BorrowedFd<'_>) -> Vec<u8> {
    let mut all = vec![];
    let mut buffer = [0u8; 16384];
    loop {
        // SAFETY: the buffer is valid for the call and as long as it is said to be.
        let got = unsafe { libc::read(pipe.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(got) {
            Ok(bytes @ 1..) => all.extend_from_slice(&buffer[..bytes]),
            _ => return all,
        }
    }
}

/// Counts writes to pipes.
pub(super) struct Writes {
    signals: OwnedFd,
    counts: HashMap<RawFd, usize>,
}

/// fcntl(2): which signal is sent, instead of SIGIO of which only one can wait. The same number everywhere but on
/// sparc and mips, for which the crate `libc` has no name either.
const F_SETSIG: libc::c_int = 10;

/// The signal that is queued for each write.
fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 5
}

impl Writes {
    pub(super) fn new() -> Result<Writes> {
        // SAFETY: a signal set is plain data that the calls fill; it is valid for them. SIGIO comes when no
        // more signals can be queued.
        let descriptor = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, signal());
            libc::sigaddset(&mut set, libc::SIGIO);
            libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if descriptor < 0 {
            return Err(SysError::new("signalfd", "writes", io::Error::last_os_error()));
        }
        // SAFETY: the call has just given us this descriptor.
        let signals = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Writes { signals, counts: HashMap::new() })
    }

    /// Counts the writes to a pipe from now on. Without it they are taken for one.
    pub(super) fn follow(&mut self, pipe: BorrowedFd<'_>) {
        self.update();
        let descriptor = pipe.as_raw_fd();
        self.counts.insert(descriptor, 0);
        // SAFETY: takes numbers only.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETOWN, libc::getpid());
            libc::fcntl(descriptor, F_SETSIG, signal());
            let flags = libc::fcntl(descriptor, libc::F_GETFL);
            libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_ASYNC);
        }
    }

    /// What was written to a pipe, in pieces: write by write as far as that can be told.
    pub(super) fn take(&mut self, pipe: BorrowedFd<'_>) -> Vec<Vec<u8>> {
        let all = take_all(pipe);
        self.update();
        let count = self.counts.get_mut(&pipe.as_raw_fd()).map_or(1, std::mem::take);
        if all.is_empty() {
            return vec![];
        }
        let lines: Vec<Vec<u8>> =
            all.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.len() <= count { lines } else { vec![all] }
    }

    fn update(&mut self) {
        /// `si_code` of a descriptor that can be read.
        const POLL_IN: i32 = 1;
        loop {
            // SAFETY: a signal's description is plain data, written by the call as long as it is.
            let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
            let size = size_of::<libc::signalfd_siginfo>();
            // SAFETY: as above.
            let got = unsafe { libc::read(self.signals.as_raw_fd(), (&raw mut info).cast(), size) };
            if got != size as isize {
                return;
            }
            if info.ssi_code == POLL_IN
                && let Some(count) = self.counts.get_mut(&info.ssi_fd)
            {
                *count += 1;
            }
        }
    }
}
