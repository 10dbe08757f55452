//! `-F` without `-o`: a session in the background keeps the last of its output in memory, like a flight recorder.
//!
//! Standard output and standard error become files that exist in memory only, called `ntap:NAME`. They grow as files
//! do, but what is older than the last so many bytes is cut out: its memory is free again, and reading finds a hole.
//! Nothing has to be asked of the session to read them (`session::follow`); they are gone when it ends and the last
//! reader has closed them.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;

/// What the files are called before the name of the session.
pub(super) const PREFIX: &str = "ntap:";

/// The files of a session.
pub(super) struct Recorder {
    files: [Recording; 2],
    /// How many bytes of each are kept.
    bytes: u64,
}

/// A file of which the beginning is cut out.
struct Recording {
    file: File,
    /// How much was cut out.
    cut: u64,
}

impl Recorder {
    /// Has standard output and standard error go to files in memory, of which the last `bytes` are kept.
    ///
    /// # Errors
    ///
    /// Those of `memfd_create(2)`.
    pub(super) fn start(session: &str, bytes: u64) -> io::Result<Recorder> {
        let name = CString::new(format!("{PREFIX}{session}"))?;
        let record = |descriptor: i32| {
            // SAFETY: the name is terminated and outlives the call.
            let made = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
            if made < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the call has just given us this descriptor.
            let file = unsafe { File::from_raw_fd(made) };
            // SAFETY: both descriptors are open; the first stays open until after the call.
            if unsafe { libc::dup2(file.as_raw_fd(), descriptor) } < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Recording { file, cut: 0 })
        };
        Ok(Recorder { files: [record(libc::STDOUT_FILENO)?, record(libc::STDERR_FILENO)?], bytes })
    }

    /// Cuts out what is older than what is kept, when it is worth a call.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        for recording in &mut self.files {
            let size = recording.file.metadata()?.size();
            let end = size.saturating_sub(self.bytes);
            if end < recording.cut + self.bytes.div_ceil(8) {
                continue;
            }
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let (from, length) = (recording.cut as i64, (end - recording.cut) as i64);
            // SAFETY: the descriptor is open; the call takes numbers.
            if unsafe { libc::fallocate(recording.file.as_raw_fd(), mode, from, length) } < 0 {
                return Err(io::Error::last_os_error());
            }
            recording.cut = end;
        }
        Ok(())
    }
}
