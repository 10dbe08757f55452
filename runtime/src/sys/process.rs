//! Processes and waiting: pidfd_open, poll, membarrier; and uname.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::{Result, SysError};

/// A descriptor that becomes readable when the process ends (5.3).
pub fn open_pidfd(pid: u32) -> Result<OwnedFd> {
    // SAFETY: no address is passed.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    if descriptor < 0 {
        return Err(SysError::last("watch process", pid.to_string()));
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// The descriptor can be read (or is at its end).
    Readable,
    /// The time is over.
    TimedOut,
    /// A signal arrived.
    Interrupted,
}

/// Waits until a descriptor is readable; `None` waits for ever.
pub fn poll_readable(descriptor: BorrowedFd<'_>, timeout_ms: Option<u32>) -> Result<PollResult> {
    let mut entry = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout = timeout_ms.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX));
    // SAFETY: one entry, as the count says.
    match unsafe { libc::poll(&raw mut entry, 1, timeout) } {
        0 => Ok(PollResult::TimedOut),
        count if count > 0 => Ok(PollResult::Readable),
        _ => {
            let error = SysError::last("wait", "");
            if error.errno() == libc::EINTR { Ok(PollResult::Interrupted) } else { Err(error) }
        }
    }
}

/// Returns after every CPU has left the code it ran when this was called: every eBPF handler that was
/// running then, and saw memory as it was before, has ended (4.3).
pub fn membarrier_global() -> Result<()> {
    const MEMBARRIER_CMD_GLOBAL: i32 = 1;
    // SAFETY: no address is passed.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result < 0 { Err(SysError::last("wait for all CPUs", "membarrier")) } else { Ok(()) }
}

/// The kernel release, as `uname -r` prints it; empty when the kernel does not say.
pub fn kernel_release() -> String {
    // SAFETY: all fields are byte arrays, for which zeros are valid.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours to be written to.
    if unsafe { libc::uname(&raw mut names) } != 0 {
        return String::new();
    }
    let bytes = names.release.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0);
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// Runs a shell command to its end; gives what it printed. Signals reach it as if it had been started by hand.
pub fn run_shell(command: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(OsStr::from_bytes(command)).stdin(Stdio::null()).stderr(Stdio::inherit());
    // SAFETY: between fork and exec only functions that are safe there are called.
    unsafe {
        shell.pre_exec(|| {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            Ok(())
        });
    }
    shell.output().map(|output| output.stdout)
}

/// Does something while standard output is where standard error is, as for a process that is started.
pub fn with_output_as_errors<T>(run: impl FnOnce() -> T) -> io::Result<T> {
    // SAFETY: duplicates a descriptor of this process; an error is a negative number.
    let kept = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3) };
    if kept < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else has it.
    let kept = unsafe { OwnedFd::from_raw_fd(kept) };
    redirect_output(libc::STDERR_FILENO)?;
    let result = run();
    redirect_output(kept.as_raw_fd())?;
    Ok(result)
}

fn redirect_output(to: i32) -> io::Result<()> {
    // SAFETY: closes and duplicates descriptors of this process that are open.
    match unsafe { libc::dup2(to, libc::STDOUT_FILENO) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
