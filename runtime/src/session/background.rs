//! `-F`: a session goes on in the background, with its output in a file or in memory.
//!
//! The process divides once all probes are live, so that whoever started it learns of every error before.
//! The first one says which process goes on and ends. Programs, links and maps are held by descriptors, which
//! both have; nothing is detached in between.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use super::SessionOptions;

/// Goes on in a process of its own, without a terminal. Returns in that process only, with the name of the session.
///
/// # Errors
///
/// Those of `fork` and `setsid`; the session may go on in the foreground then.
pub(super) fn enter(options: &SessionOptions) -> io::Result<String> {
    let name = |pid: u32| options.name.clone().unwrap_or_else(|| pid.to_string());
    // SAFETY: a session has one thread, so that the new process has all there is.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid > 0 {
        let mut message = format!("ntap: goes on in the background as process {pid}");
        if options.output.is_none() {
            let name = name(pid as u32);
            message += &format!("; `ntap attach {name}` shows what it prints, and ends it");
        }
        let _ = writeln!(io::stderr(), "{message}");
        // SAFETY: ends the process without running destructors, which would undo what the other one uses.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: takes nothing; a process that was just made leads no group.
    if unsafe { libc::setsid() } < 0 {
        return Err(io::Error::last_os_error());
    }
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    for descriptor in [libc::STDIN_FILENO, libc::STDERR_FILENO] {
        // SAFETY: both descriptors are open; the file stays open until after the call.
        if unsafe { libc::dup2(nothing.as_raw_fd(), descriptor) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(name(std::process::id()))
}
