//! Reading what a session in the background keeps in memory (`session::recorder`), from another process.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::recorder::PREFIX;
use crate::sys::{self, PollResult};

/// How often it is looked whether there is more.
const LOOK: Duration = Duration::from_millis(50);

/// Why nothing can be read.
#[derive(Debug)]
pub enum FollowError {
    /// There is no such session.
    NoSession,
    /// Reading or writing failed.
    System(io::Error),
}

impl From<io::Error> for FollowError {
    fn from(error: io::Error) -> FollowError {
        FollowError::System(error)
    }
}

/// Copies what a session in the background has printed to standard output and standard error, and what it prints
/// until it ends. A signal that ends this process ends the session first, whose last words are still printed. `name`
/// is that of the session (`-m`) or the number of its process.
///
/// # Errors
///
/// [`FollowError::NoSession`]: none of this name keeps its output in memory.
pub fn follow(name: &str) -> Result<(), FollowError> {
    let pid = find(name).ok_or(FollowError::NoSession)?;
    let process = sys::open_pidfd(pid).map_err(|_| FollowError::NoSession)?;
    let open = |descriptor: i32| File::open(format!("/proc/{pid}/fd/{descriptor}"));
    let mut copies = [Copy::new(open(1)?), Copy::new(open(2)?)];
    let mut signals = File::from(signals()?);
    loop {
        // Looked at before the copy: what it printed last is copied then, too.
        let has_ended = is_readable(&process);
        let [output, errors] = &mut copies;
        output.go_on(&mut io::stdout().lock())?;
        errors.go_on(&mut io::stderr().lock())?;
        if has_ended {
            return Ok(());
        }
        if signals.read(&mut [0; size_of::<libc::signalfd_siginfo>()]).is_ok() {
            // SAFETY: takes numbers and a null pointer; the descriptor is that of the process.
            unsafe {
                let none = std::ptr::null::<libc::siginfo_t>();
                let call = libc::SYS_pidfd_send_signal;
                libc::syscall(call, process.as_raw_fd(), libc::SIGINT, none, 0);
            }
        }
        let _ = sys::poll_readable(signals.as_fd(), Some(LOOK.as_millis() as u32));
    }
}

/// The signals that end this process, which are blocked from now on.
fn signals() -> io::Result<OwnedFd> {
    // SAFETY: a signal set is plain data; all pointers are valid for the calls.
    let descriptor = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn is_readable(descriptor: &OwnedFd) -> bool {
    matches!(sys::poll_readable(descriptor.as_fd(), Some(0)), Ok(PollResult::Readable))
}

/// The process of a session of this name or number whose output is in memory.
fn find(name: &str) -> Option<u32> {
    let is_called = |pid: u32, wanted: Option<&str>| {
        let link = fs::read_link(format!("/proc/{pid}/fd/1")).ok();
        let link = link.as_ref().and_then(|link| link.to_str());
        let session = link.and_then(|link| link.strip_prefix("/memfd:")?.strip_prefix(PREFIX));
        session.is_some_and(|session| {
            wanted.is_none_or(|wanted| session.trim_end_matches(" (deleted)") == wanted)
        })
    };
    if let Some(pid) = name.parse().ok().filter(|&pid| is_called(pid, None)) {
        return Some(pid);
    }
    let processes = fs::read_dir("/proc").ok()?;
    let mut numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.find(|&pid| is_called(pid, Some(name)))
}

/// How far one of the files has been copied.
struct Copy {
    file: File,
    at: u64,
    /// Whether the text goes on in the middle of a line whose beginning was cut out.
    in_line: bool,
}

impl Copy {
    fn new(file: File) -> Copy {
        Copy { file, at: 0, in_line: false }
    }

    /// Copies what is there.
    fn go_on(&mut self, to: &mut impl Write) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(start) = self.data() {
            self.in_line |= start > self.at;
            self.at = start;
            let count = self.file.read_at(&mut buffer, start)?;
            // What is cut out meanwhile is read as zeros.
            if count == 0 || self.data() != Some(start) {
                if count == 0 {
                    break;
                }
                continue;
            }
            self.at += count as u64;
            let mut text = &buffer[..count];
            if std::mem::take(&mut self.in_line) {
                match text.iter().position(|&byte| byte == b'\n') {
                    Some(end) => text = &text[end + 1..],
                    None => {
                        self.in_line = true;
                        continue;
                    }
                }
            }
            to.write_all(text)?;
            to.flush()?;
        }
        Ok(())
    }

    /// Where data begins that was not copied yet.
    fn data(&self) -> Option<u64> {
        // SAFETY: the descriptor is open; the call takes numbers.
        let at = unsafe { libc::lseek(self.file.as_raw_fd(), self.at as i64, libc::SEEK_DATA) };
        u64::try_from(at).ok()
    }
}
