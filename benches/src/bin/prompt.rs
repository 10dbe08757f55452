//! How long a person waits for the prompt: from the start of `ntap` at a terminal to `ntap>` on it.
//!
//! `cargo measure prompt` builds ntap as it is given away and prints Markdown.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{PAUSE, median, milliseconds};

fn main() {
    let ntap = &measure::ntap();
    measure::go_first();
    let mut waits = vec![];
    for round in 0..=measure::runs(30) {
        std::thread::sleep(PAUSE);
        let wait = prompt(ntap);
        // The first round brings the files into memory.
        if round > 0 {
            waits.push(wait);
        }
    }
    measure::print_machine();
    measure::table(&["from the command to", "ms"]);
    let waits = median(waits.into_iter().map(milliseconds));
    measure::row(&["the prompt".to_owned(), format!("{waits:.1}")]);
}

/// Starts ntap at a terminal, waits for the prompt and leaves.
fn prompt(ntap: &Path) -> Duration {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the descriptors and the size are valid for the call, the rest is not asked for.
    let result = unsafe { libc::openpty(&mut ours, &mut theirs, name, modes, &size) };
    assert_eq!(result, 0, "a pseudo-terminal");
    // SAFETY: the call has opened both, and nothing else owns them.
    let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) };
    let copy = || Stdio::from(theirs.try_clone().expect("a descriptor"));
    let mut command = Command::new(ntap);
    command.stdin(copy()).stdout(copy()).stderr(copy()).env("TERM", "xterm");
    // SAFETY: between fork and exec only this system call is made.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        })
    };
    let start = Instant::now();
    let mut child = command.spawn().expect("ntap starts");
    drop(theirs);
    let mut shown = vec![];
    let mut bytes = [0; 1024];
    while !shown.windows(5).any(|window| window == b"ntap>") {
        let length = ours.read(&mut bytes).expect("ntap shows a prompt");
        shown.extend_from_slice(&bytes[..length]);
    }
    let wait = start.elapsed();
    ours.write_all(b"\x04").expect("ntap reads");
    let _ = child.wait();
    wait
}
