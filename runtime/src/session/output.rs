//! Where the script's output goes: standard output or a file in its place, written at the end of each block.

use std::io::{self, Write};

use super::output_file::OutputFile;
use super::recorder::Recorder;

/// More buffered output than this is written even while records are being handled.
const LARGE: usize = 64 * 1024;

/// Standard output, as long as it can be written.
pub(super) struct Output {
    file: Option<OutputFile>,
    recorder: Option<Recorder>,
    closed: bool,
    failure: Option<io::Error>,
    open_line: bool,
}

impl Output {
    /// Writes to standard output, which may be this file.
    pub(super) fn new(file: Option<OutputFile>) -> Output {
        Output { file, recorder: None, closed: false, failure: None, open_line: false }
    }

    /// Whether nothing more can be written: the reader has gone away, or an error came.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Whether the last line written has no end.
    pub(super) fn open_line(&self) -> bool {
        self.open_line
    }

    /// Why output could not be written, once. A reader that went away is no failure.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Writes what has been printed.
    pub(super) fn flush(&mut self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.open_line = !text.ends_with(b"\n");
        if !self.closed {
            let result = self.write(text);
            self.note(result);
        }
        text.clear();
    }

    /// Writes from now on to a file in memory.
    pub(super) fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// Goes on to the next file, if the output goes to files.
    pub(super) fn next_file(&mut self) {
        if let Some(file) = &mut self.file {
            let result = file.next();
            self.note(result);
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        out.flush()?;
        if let Some(recorder) = &mut self.recorder {
            return recorder.cut();
        }
        match &mut self.file {
            Some(file) if text.ends_with(b"\n") => file.rotate_if_large(),
            _ => Ok(()),
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failure = Some(error);
            }
        }
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
    write_bytes(output, &ntap_compiler::bytes::of(message));
}

/// The same with bytes.
pub(super) fn write_bytes(output: &mut Vec<u8>, message: &[u8]) {
    if !output.is_empty() {
        let mut out = io::stdout().lock();
        // A closed output is noticed by the next flush of the session.
        let _ = out.write_all(output).and_then(|()| out.flush());
        output.clear();
    }
    let _ = io::stderr().lock().write_all(message);
}
