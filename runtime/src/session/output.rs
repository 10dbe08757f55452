//! Where the script's output goes: standard output, written at the end of each block.

use std::io::{self, Write};

/// More buffered output than this is written even while records are being handled.
const LARGE: usize = 64 * 1024;

/// Standard output, as long as somebody reads it.
pub(super) struct Output {
    closed: bool,
}

impl Output {
    pub(super) fn new() -> Output {
        Output { closed: false }
    }

    /// Whether the reader has gone away.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Writes what has been printed.
    pub(super) fn flush(&mut self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if !self.closed {
            let mut out = io::stdout().lock();
            if out.write_all(text).and_then(|()| out.flush()).is_err() {
                self.closed = true;
            }
        }
        text.clear();
    }

    /// Writes what has been printed if it is much.
    pub(super) fn flush_if_large(&mut self, text: &mut Vec<u8>) {
        if text.len() >= LARGE {
            self.flush(text);
        }
    }
}

/// Writes a message to standard error, behind the output printed before it.
pub fn write_message(output: &mut Vec<u8>, message: &str) {
    if !output.is_empty() {
        let mut out = io::stdout().lock();
        // A closed output is noticed by the next flush of the session.
        let _ = out.write_all(output).and_then(|()| out.flush());
        output.clear();
    }
    let _ = io::stderr().lock().write_all(message.as_bytes());
}
