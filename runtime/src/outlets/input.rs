//! The standard input, line by line or character by character.
//!
//! The script has it for itself: commands that are started get an empty one. A terminal is set so that
//! characters come when they are typed, and are not shown. Both are undone when this is dropped.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::{Result, SysError};

/// The standard input of a session.
pub struct Input {
    source: OwnedFd,
    /// How the terminal was set.
    terminal: Option<libc::termios>,
    /// The beginning of a line.
    line: Vec<u8>,
    is_over: bool,
}

impl Input {
    /// Takes the standard input; to be called before commands are started. With `characters` a terminal
    /// gives each character at once.
    pub fn take(characters: bool) -> Result<Input> {
        let failed = |error| SysError::new("take the standard input", "", error);
        // SAFETY: takes numbers only.
        let descriptor = unsafe { libc::fcntl(libc::STDIN_FILENO, libc::F_DUPFD_CLOEXEC, 3) };
        if descriptor < 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        // SAFETY: the call has just given us this descriptor.
        let source = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let nothing = File::open("/dev/null").map_err(failed)?;
        // SAFETY: both descriptors are open.
        if unsafe { libc::dup2(nothing.as_raw_fd(), libc::STDIN_FILENO) } < 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        let terminal = if characters { give_each_character(source.as_fd()) } else { None };
        Ok(Input { source, terminal, line: vec![], is_over: false })
    }

    /// What is waited for; nothing is readable for ever once the end has come.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }

    /// Whether the end has come.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What has come; empty at the end. Waits for it, so that the descriptor should be readable.
    pub fn read(&mut self) -> Vec<u8> {
        let mut buffer = vec![0u8; 4096];
        // SAFETY: the buffer is valid for the call and as long as it is said to be.
        let got = unsafe {
            libc::read(self.source.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len())
        };
        match usize::try_from(got) {
            Ok(bytes) => {
                buffer.truncate(bytes);
                self.is_over = bytes == 0;
                buffer
            }
            Err(_) => {
                let kind = io::Error::last_os_error().kind();
                self.is_over =
                    !matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                vec![]
            }
        }
    }

    /// Adds a character to the line; gives the line when it is complete.
    pub fn line_with(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.line.push(byte);
        (byte == b'\n').then(|| std::mem::take(&mut self.line))
    }

    /// What is left of a line that the end of the input has cut short.
    pub fn last_line(&mut self) -> Option<Vec<u8>> {
        (!self.line.is_empty()).then(|| std::mem::take(&mut self.line))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if let Some(terminal) = &self.terminal {
            // SAFETY: the settings were read from this terminal.
            unsafe { libc::tcsetattr(self.source.as_raw_fd(), libc::TCSANOW, terminal) };
        }
        // SAFETY: both descriptors are open.
        unsafe { libc::dup2(self.source.as_raw_fd(), libc::STDIN_FILENO) };
    }
}

/// Sets a terminal so that it gives each character; tells how it was set.
fn give_each_character(source: BorrowedFd<'_>) -> Option<libc::termios> {
    // SAFETY: the settings are plain data, which the first call fills; both calls fail on what is no terminal.
    unsafe {
        let mut before: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(source.as_raw_fd(), &mut before) != 0 {
            return None;
        }
        let mut settings = before;
        settings.c_lflag &= !(libc::ICANON | libc::ECHO);
        settings.c_cc[libc::VMIN] = 1;
        settings.c_cc[libc::VTIME] = 0;
        (libc::tcsetattr(source.as_raw_fd(), libc::TCSANOW, &settings) == 0).then_some(before)
    }
}
