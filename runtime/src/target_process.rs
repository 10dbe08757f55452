//! The process a script is about: a command started for it (`-c`), or one that runs already (`-x`).
//!
//! A command is started in three steps, so that its first instruction can be traced, and nothing of ours:
//! [`TargetProcess::spawn`] makes the process, which waits before it becomes the command; probes are attached
//! to its pid; [`TargetProcess::wake`] has it wait without a system call, whose end probes would see;
//! [`TargetProcess::release`] lets it go. A parent that ends without releasing it (or drops it)
//! takes it along.
//!
//! ```text
//! parent                 child
//! fork ----------------> signals to their defaults
//! ... attach ...         read(gate): waits
//! wake: write(gate) ---> step = AWAKE, then looks at it again and again
//! ... go live ...
//! release: step = GO --> execve
//! read(report) <-------- closed by the exec: started; else the error number
//! ```

mod command;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::{self, SysError};
use command::Command;

/// Why there is no target process.
#[derive(Debug)]
pub enum TargetError {
    /// The command has no words in it.
    EmptyCommand,
    /// There is no such program.
    NotFound {
        /// The program as it was written.
        program: String,
    },
    /// The program is there but cannot be run.
    Execute {
        /// The program as it was written.
        program: String,
        /// What the kernel says.
        cause: io::Error,
    },
    /// There is no process of this number.
    NoSuchProcess {
        /// The number.
        pid: u32,
    },
    /// A system call failed.
    System(SysError),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::EmptyCommand => f.write_str("the target command is empty"),
            TargetError::NotFound { program } => {
                write!(f, "start target command `{program}`: command not found")
            }
            TargetError::Execute { program, cause } => {
                write!(f, "start target command `{program}`: {}", sys::error_text(cause))
            }
            TargetError::NoSuchProcess { pid } => write!(f, "there is no process {pid}"),
            TargetError::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TargetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TargetError::Execute { cause, .. } => Some(cause),
            TargetError::System(error) => Some(error),
            TargetError::EmptyCommand
            | TargetError::NotFound { .. }
            | TargetError::NoSuchProcess { .. } => None,
        }
    }
}

impl From<SysError> for TargetError {
    fn from(error: SysError) -> TargetError {
        TargetError::System(error)
    }
}

/// The file of a program: as written when it has a slash, else the first in the search path that can be run.
pub(crate) use command::find_program;

/// The file of the program a command line starts.
pub(crate) fn program_of(line: &str) -> Result<std::path::PathBuf, TargetError> {
    Command::parse(line).map(|command| command.path())
}

/// A descriptor that becomes readable when the process ends.
pub fn watch(pid: u32) -> Result<OwnedFd, TargetError> {
    let no_such_process = TargetError::NoSuchProcess { pid };
    // Numbers beyond the kernel's are negative to it.
    if pid == 0 || i32::try_from(pid).is_err() {
        return Err(no_such_process);
    }
    sys::open_pidfd(pid).map_err(|error| match error.errno() {
        // EINVAL is told for the number of a thread that does not lead its process (ENOENT since 6.15).
        libc::ESRCH | libc::EINVAL | libc::ENOENT => no_such_process,
        _ => TargetError::System(error),
    })
}

/// Both ends of the pipe the child waits at. The reading end is kept so that writing to a child that was
/// killed is no error (and no SIGPIPE).
#[derive(Debug)]
struct Gate {
    _read: OwnedFd,
    write: OwnedFd,
}

/// A word that parent and child share: how far the child has come.
#[derive(Debug)]
struct Step(sys::Mapping);

/// The child is out of its system call.
const AWAKE: u32 = 1;
/// The child may become the command.
const GO: u32 = 2;
/// How long the child waits without a system call before it takes its parent to be gone.
const LONGEST_WAKE_S: libc::time_t = 20;

impl Step {
    fn new() -> Result<Step, SysError> {
        Ok(Step(sys::Mapping::inherited(size_of::<u32>())?))
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: the mapping is at least a word long, begins at a page, and lives as long as `self`; both
        // processes access it only as an atomic word.
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().cast()) }
    }
}

/// A command started for a script.
#[derive(Debug)]
pub struct TargetProcess {
    program: String,
    pid: u32,
    pidfd: OwnedFd,
    gate: Option<Gate>,
    step: Option<Step>,
    report: OwnedFd,
    status: Option<ExitStatus>,
}

impl TargetProcess {
    /// Makes the process of a command; it waits for [`TargetProcess::release`]. The command line is split
    /// like a shell does, or handed to one when it needs one.
    pub fn spawn(command_line: &str) -> Result<TargetProcess, TargetError> {
        let command = Command::parse(command_line)?;
        let (gate_read, gate_write) = pipe()?;
        let (report_read, report_write) = pipe()?;
        let step = Step::new()?;
        let arguments = command.pointers();
        // SAFETY: the child calls only functions that are safe after a fork of a process with
        // threads, and never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: this is the child; both descriptors are open in it, and the pointers are those
            // of `command`, which lives in its copy of the memory.
            unsafe {
                child(
                    gate_read.as_raw_fd(),
                    gate_write.as_raw_fd(),
                    report_write.as_raw_fd(),
                    step.word(),
                    &arguments,
                )
            }
        }
        if pid < 0 {
            return Err(SysError::last("start target command", command.name()).into());
        }
        let pid = pid as u32;
        match sys::open_pidfd(pid) {
            Ok(pidfd) => Ok(TargetProcess {
                program: command.name().to_owned(),
                pid,
                pidfd,
                gate: Some(Gate { _read: gate_read, write: gate_write }),
                step: Some(step),
                report: report_read,
                status: None,
            }),
            Err(error) => {
                drop(gate_write);
                let _ = wait_for(pid, 0);
                Err(error.into())
            }
        }
    }

    /// Its number, before and after it is released.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Becomes readable when the process ends.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Has the process wait without a system call, and returns when it does: to be called before probes go
    /// live, and not long before the release.
    pub fn wake(&mut self) {
        let (Some(gate), Some(step)) = (self.gate.take(), &self.step) else { return };
        // A child that was killed meanwhile is told by its exit status.
        let _ = write_all(&gate.write, &[1]);
        drop(gate);
        while step.word().load(Ordering::Acquire) < AWAKE && !self.has_ended() {
            std::thread::yield_now();
        }
    }

    fn has_ended(&self) -> bool {
        let mut poll =
            libc::pollfd { fd: self.pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor to look at, which lives as long as `self`.
        unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
    }

    /// Lets the process become the command, and returns when it has. Once is enough.
    pub fn release(&mut self) -> Result<(), TargetError> {
        self.wake();
        let Some(step) = self.step.take() else { return Ok(()) };
        step.word().store(GO, Ordering::Release);
        let mut errno = [0; 4];
        if read_full(&self.report, &mut errno) < errno.len() {
            return Ok(());
        }
        let cause = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
        let program = self.program.clone();
        Err(match cause.kind() {
            io::ErrorKind::NotFound => TargetError::NotFound { program },
            _ => TargetError::Execute { program, cause },
        })
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus, TargetError> {
        match self.wait_with(0)? {
            Some(status) => Ok(status),
            None => Err(TargetError::NoSuchProcess { pid: self.pid }),
        }
    }

    /// Its exit status if it has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, TargetError> {
        self.wait_with(libc::WNOHANG)
    }

    fn wait_with(&mut self, flags: i32) -> Result<Option<ExitStatus>, TargetError> {
        if self.status.is_none() {
            self.status = wait_for(self.pid, flags)?;
        }
        Ok(self.status)
    }
}

impl Drop for TargetProcess {
    fn drop(&mut self) {
        // A released child goes on alone.
        if self.step.is_some() && self.status.is_none() {
            self.gate = None;
            // The closed gate ends it, but not while it is stopped or another child has the gate open.
            // SAFETY: takes no address; the child has not been waited for, so its number is still its own.
            unsafe { libc::kill(self.pid as libc::pid_t, libc::SIGKILL) };
            let _ = wait_for(self.pid, 0);
        }
    }
}

/// What the new process does: waits at the gate, then becomes the command.
///
/// # Safety
///
/// Only after fork, in the child. The arguments must be the null-terminated lists of a [`Command`].
unsafe fn child(
    gate_read: i32,
    gate_write: i32,
    report: i32,
    step: &AtomicU32,
    arguments: &command::Pointers,
) -> ! {
    // SAFETY: everything called here is async-signal-safe and works on the child's own memory.
    unsafe {
        // Else the gate would never be seen closed.
        libc::close(gate_write);
        restore_signals();
        let mut byte = 0u8;
        let released = loop {
            let count = libc::read(gate_read, (&raw mut byte).cast(), 1);
            if count >= 0 || *libc::__errno_location() != libc::EINTR {
                break count == 1;
            }
        };
        if !released || !wait_awake(step) {
            libc::_exit(0);
        }
        libc::execve(arguments.path, arguments.argv.as_ptr(), arguments.envp);
        let mut errno = *libc::__errno_location();
        if errno == libc::ENOEXEC {
            // A script without `#!` line: a shell would run it itself, so one does.
            libc::execve(arguments.shell, arguments.shell_argv.as_ptr(), arguments.envp);
            errno = *libc::__errno_location();
        }
        libc::write(report, (&raw const errno).cast(), size_of::<i32>());
        libc::_exit(127)
    }
}

/// Waits for the parent without a system call; tells whether it said to go on.
///
/// # Safety
///
/// Only in the child.
unsafe fn wait_awake(step: &AtomicU32) -> bool {
    let now = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the time is ours to be written to. The C library asks the kernel's page of clocks.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        time.tv_sec
    };
    // Rarely: where the C library has no such page it is a system call.
    const LOOKS_AT_THE_CLOCK: u64 = 1 << 22;
    let start = now();
    step.store(AWAKE, Ordering::Release);
    for look in 1u64.. {
        if step.load(Ordering::Acquire) == GO {
            return true;
        }
        if look % LOOKS_AT_THE_CLOCK == 0 && now() - start > LONGEST_WAKE_S {
            break;
        }
        std::hint::spin_loop();
    }
    false
}

/// Undoes what a tracer does to its signals: blocked ones, and Rust's ignored SIGPIPE.
///
/// # Safety
///
/// Changes the whole process: only in a child that is about to become another program.
unsafe fn restore_signals() {
    const CHANGED: [i32; 7] = [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGQUIT,
        libc::SIGHUP,
        libc::SIGPIPE,
        libc::SIGCHLD,
        libc::SIGALRM,
    ];
    // SAFETY: plain system calls on memory of this function.
    unsafe {
        for signal in CHANGED {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// A pipe that programs we start do not inherit: its reading and its writing end.
fn pipe() -> Result<(OwnedFd, OwnedFd), SysError> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(SysError::last("make pipe", ""));
    }
    // SAFETY: the kernel has just made these descriptors for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

fn wait_for(pid: u32, flags: i32) -> Result<Option<ExitStatus>, SysError> {
    let mut status = 0;
    loop {
        // SAFETY: the status is ours to be written to.
        match unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, flags) } {
            0 => return Ok(None),
            ended if ended > 0 => return Ok(Some(ExitStatus::from_raw(status))),
            _ => {
                let error = SysError::last("wait for target process", pid.to_string());
                if error.errno() != libc::EINTR {
                    return Err(error);
                }
            }
        }
    }
}

fn write_all(to: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    std::fs::File::from(to.try_clone()?).write_all(bytes)
}

/// How many bytes could be read before the end.
fn read_full(from: &OwnedFd, buffer: &mut [u8]) -> usize {
    use io::Read;
    let Ok(from) = from.try_clone() else { return 0 };
    let mut file = std::fs::File::from(from);
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    filled
}
