//! `-o FILE`: the script's output goes to a file, or to one file after the other (`-S`).
//!
//! The file takes the place of standard output, so that whatever is printed goes there, in order. A command
//! that was started before keeps the standard output it has. Names may hold `strftime(3)` conversions
//! (`%Y-%m-%d`); they are expanded whenever a file is opened.

use std::ffi::{CStr, CString, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where the output is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFileOptions {
    /// The name of the file, with conversions of `strftime(3)`.
    pub path: PathBuf,
    /// `-S`: when and how to go on to the next file.
    pub rotation: Option<Rotation>,
}

/// When output goes on in the next file. Files are called `FILE.0`, `FILE.1` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file is left when it has reached this many bytes, at the end of a line.
    pub bytes: u64,
    /// How many files are kept; the oldest are removed. All of them without.
    pub keep: Option<u32>,
}

/// The open file.
pub(super) struct OutputFile {
    options: OutputFileOptions,
    /// The names of the files that are there, oldest first; the last one is being written.
    names: Vec<PathBuf>,
    /// How many files were opened.
    opened: u64,
}

impl OutputFile {
    /// Opens the first file, which becomes standard output.
    ///
    /// # Errors
    ///
    /// Those of opening the file, with its name.
    pub(super) fn open(options: &OutputFileOptions) -> io::Result<OutputFile> {
        let mut file = OutputFile { options: options.clone(), names: vec![], opened: 0 };
        file.next()?;
        Ok(file)
    }

    /// Goes on to the next file when this one is large enough.
    pub(super) fn rotate_if_large(&mut self) -> io::Result<()> {
        let Some(rotation) = self.options.rotation else { return Ok(()) };
        // SAFETY: `stat` is plain data that the call fills.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is valid for the call.
        if unsafe { libc::fstat(libc::STDOUT_FILENO, &mut status) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if status.st_size as u64 >= rotation.bytes { self.next() } else { Ok(()) }
    }

    /// Goes on to the next file. Without rotation the same name is opened anew, so that a file that was
    /// moved away stays as it is.
    pub(super) fn next(&mut self) -> io::Result<()> {
        let mut name = expand(&self.options.path)?;
        if self.options.rotation.is_some() {
            name.as_mut_os_string().push(format!(".{}", self.opened));
        }
        let with_name = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", name.display()));
        become_standard_output(&create(&name).map_err(with_name)?).map_err(with_name)?;
        self.opened += 1;
        self.names.push(name);
        let keep = self.options.rotation.and_then(|r| r.keep).map_or(usize::MAX, |n| n as usize);
        while self.names.len() > keep {
            // One that somebody removed before is gone just the same.
            let _ = std::fs::remove_file(self.names.remove(0));
        }
        Ok(())
    }
}

fn create(name: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(name)
}

/// Puts a file in the place of standard output.
fn become_standard_output(file: &File) -> io::Result<()> {
    // SAFETY: both descriptors are open; the first stays open until after the call.
    if unsafe { libc::dup2(file.as_raw_fd(), libc::STDOUT_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The name with the conversions of `strftime(3)` replaced, in local time.
fn expand(path: &Path) -> io::Result<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    if !bytes.contains(&b'%') {
        return Ok(path.to_path_buf());
    }
    let format = CString::new(bytes)?;
    let mut text = [0u8; libc::PATH_MAX as usize];
    // SAFETY: `tm` is plain data that `localtime_r` fills; all pointers are valid for the calls, and
    // `strftime` writes at most as many bytes as it is told, with a terminator when it returns more than 0.
    let length = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        libc::localtime_r(&now, &mut parts);
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &parts)
    };
    match CStr::from_bytes_until_nul(&text) {
        Ok(name) if length > 0 => Ok(OsString::from_vec(name.to_bytes().to_vec()).into()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name of the output file is too long",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_expanded() {
        assert_eq!(expand(Path::new("plain")).unwrap(), Path::new("plain"));
        assert_eq!(expand(Path::new("a%%b")).unwrap(), Path::new("a%b"));
        let year = expand(Path::new("log-%Y")).unwrap();
        let year = year.to_str().and_then(|n| n.strip_prefix("log-")).unwrap().parse::<u32>();
        assert!(year.is_ok_and(|y| y >= 2000), "a year");
    }
}
