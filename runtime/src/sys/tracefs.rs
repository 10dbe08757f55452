//! Files of the tracing file system, mounted or not.
//!
//! Containers and small systems do not mount it. The mount made here has no place in the directory
//! tree: only this process sees it, through one descriptor, and it is gone when that is closed
//! (fsopen(2), kernel 5.2).

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use super::{Result, SysError};

const MOUNT_POINTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Reads a file by its path below the root of tracefs: `events/sched/sched_switch/id`.
pub fn read_tracefs(path: &str) -> Result<String> {
    let error = |cause| SysError::new("read tracing file", path, cause);
    for mount_point in MOUNT_POINTS {
        match std::fs::read_to_string(format!("{mount_point}/{path}")) {
            Ok(text) => return Ok(text),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(error(cause)),
        }
    }
    // Not found in a mounted file system is an answer.
    if MOUNT_POINTS.iter().any(|at| std::fs::exists(format!("{at}/events")).unwrap_or(false)) {
        return Err(error(io::ErrorKind::NotFound.into()));
    }
    static PRIVATE_MOUNT: OnceLock<Result<OwnedFd, i32>> = OnceLock::new();
    let root = PRIVATE_MOUNT
        .get_or_init(|| mount_privately().map_err(|e| e.raw_os_error().unwrap_or(libc::EIO)));
    let root = match root {
        Ok(root) => root,
        Err(errno) => {
            let cause = io::Error::from_raw_os_error(*errno);
            return Err(SysError::new("mount", "tracefs", cause));
        }
    };
    read_below(root, path).map_err(error)
}

fn read_below(root: &OwnedFd, path: &str) -> io::Result<String> {
    let path = CString::new(path)?;
    // SAFETY: the path ends with a zero byte and outlives the call.
    let descriptor =
        unsafe { libc::openat(root.as_raw_fd(), path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn mount_privately() -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    const FSCONFIG_CMD_CREATE: u32 = 6;
    const FSMOUNT_CLOEXEC: u32 = 1;
    let descriptor = |result: libc::c_long| {
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: this is only called with what fsopen and fsmount have just returned.
        Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
    };
    // SAFETY: the name is a literal that ends with a zero byte.
    let context = descriptor(unsafe {
        libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), FSOPEN_CLOEXEC)
    })?;
    let none = std::ptr::null::<u8>();
    // SAFETY: this command takes neither key nor value; both are null as it demands.
    let created = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, none, none, 0)
    };
    if created < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no address is passed.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}
