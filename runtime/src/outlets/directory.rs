//! The folder of a session, `/run/ntap/NAME`: made when a script has files, removed with all in it at the end.
//!
//! A lock on the folder says that its session lives. What a session that was killed has left is used again
//! when another one takes the name.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::{Result, SysError};

/// The folder of a session.
pub struct Directory {
    path: PathBuf,
    /// Holds the lock.
    _locked: File,
}

impl Directory {
    /// Makes the folder of a session of this name.
    pub fn make(name: &str) -> Result<Directory> {
        let parent = parent();
        let path = parent.join(name);
        let failed = |error| SysError::new("make the folder", path.display().to_string(), error);
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&parent).map_err(failed)?;
        match fs::DirBuilder::new().mode(0o755).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(failed)?,
        }
        // The mask of the process may have made it narrower.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let locked = File::open(&path).map_err(failed)?;
        // SAFETY: takes numbers only.
        if unsafe { libc::flock(locked.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let error = io::Error::last_os_error();
            return Err(match error.kind() {
                io::ErrorKind::WouldBlock => failed(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    format!("a session with the name `{name}` is running (-m)"),
                )),
                _ => failed(error),
            });
        }
        remove_left(&parent);
        let directory = Directory { path, _locked: locked };
        directory.empty();
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn empty(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            // What cannot be removed is reported when it is in the way.
            let _ = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.empty();
        let _ = fs::remove_dir(&self.path);
    }
}

/// Removes the folders of sessions that were killed: those named after processes that are no more, and that nobody has
/// locked. Whoever opens a pipe there would wait for ever.
fn remove_left(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // SAFETY: takes numbers only; without a signal it only says whether the process is there.
        let is_gone = pid > 0
            && unsafe { libc::kill(pid, 0) } != 0
            && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
        let Some(folder) = is_gone.then(|| File::open(entry.path()).ok()).flatten() else {
            continue;
        };
        // SAFETY: takes numbers only.
        if unsafe { libc::flock(folder.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            drop(Directory { path: entry.path(), _locked: folder });
        }
    }
}

/// `/run/ntap` of the superuser; of others the folder for such things that belongs to them.
fn parent() -> PathBuf {
    // SAFETY: takes and gives numbers only.
    let user = unsafe { libc::geteuid() };
    if user == 0 {
        return "/run/ntap".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join("ntap"),
        None => format!("/tmp/ntap-{user}").into(),
    }
}
