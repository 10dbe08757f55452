//! A terminal: a pseudo-terminal with ntap at one end, and a screen that its output is drawn on at the other.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a screen may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process at a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts a command at a terminal of so many rows and columns.
    pub(crate) fn start(command: &mut Command, rows: u16, columns: u16) -> Terminal {
        let (ours, theirs) = pair(rows, columns);
        let copy = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        command.stdin(copy()).stdout(copy()).stderr(copy());
        // SAFETY: between fork and exec only these system calls are made.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            })
        };
        let child = command.spawn().expect("the command starts");
        drop(theirs);
        let keyboard = File::from(ours.try_clone().expect("a descriptor"));
        let screen = Arc::new(Mutex::new(vt100::Parser::new(length(rows), length(columns), 0)));
        let drawn = screen.clone();
        std::thread::spawn(move || {
            let mut output = File::from(ours);
            let mut bytes = [0; 4096];
            // The end of the process is an error here.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                drawn.lock().expect("no panic").process(&bytes[..length]);
            }
        });
        Terminal { child, keyboard, screen }
    }

    /// Types keys.
    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal reads");
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.screen.lock().expect("no panic").screen_mut().set_size(length(rows), length(columns));
        set_size(&self.keyboard, rows, columns);
    }

    /// What the screen shows, without blanks at the ends of lines and of the screen.
    pub(crate) fn text(&self) -> String {
        let screen = self.screen.lock().expect("no panic");
        let (_, columns) = screen.screen().size();
        let lines: Vec<String> = screen
            .screen()
            .rows(0, columns.get())
            .map(|line| line.trim_end().to_string())
            .collect();
        format!("{}\n", lines.join("\n").trim_end())
    }

    /// What the screen shows, with the escapes for colours.
    pub(crate) fn formatted(&self) -> String {
        self.screen.lock().expect("no panic").screen().contents_formatted()
    }

    /// Waits until the screen has a text, a line that is it when it begins with `^`.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| match text.strip_prefix('^') {
            Some(line) => screen.lines().any(|l| l == line),
            None => screen.contains(text),
        });
    }

    /// Waits until the last line of the screen is the prompt.
    pub(crate) fn wait_for_prompt(&self) {
        self.wait_until("a prompt", |screen| screen.lines().last() == Some("ntap>"));
    }

    /// Waits until the screen is as it has to be.
    pub(crate) fn wait_until(&self, what: &str, is_there: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !is_there(&self.text()) {
            assert!(start.elapsed() < PATIENCE, "no {what} on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types a line until the process ends: a line that is typed before the last key was read may be dropped with what
    /// stood there.
    pub(crate) fn end_with(mut self, line: &str) -> ExitStatus {
        let start = Instant::now();
        loop {
            // A process that has ended reads nothing.
            let _ = self.keyboard.write_all(line.as_bytes());
            for _ in 0..400 {
                if let Some(status) = self.child.try_wait().expect("a child") {
                    return status;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
        }
    }

    /// Waits for the end of the process.
    pub(crate) fn end(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn length(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("not empty")
}

/// The two ends of a pseudo-terminal.
fn pair(rows: u16, columns: u16) -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = window(rows, columns);
    let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the descriptors and the size are valid for the call, the rest is not asked for.
    let result = unsafe { libc::openpty(&mut ours, &mut theirs, name, modes, &size) };
    assert_eq!(result, 0, "a pseudo-terminal: {}", std::io::Error::last_os_error());
    // SAFETY: the call has opened both.
    unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

fn window(rows: u16, columns: u16) -> libc::winsize {
    libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = window(rows, columns);
    // SAFETY: the size is valid for the call.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) };
}
