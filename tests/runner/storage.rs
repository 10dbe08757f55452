//! Files and disks of a workload whose drivers are modules: an NFS server that this machine mounts from itself, and a
//! SCSI disk that the module `scsi_debug` makes up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What is exported, and where it is mounted.
const EXPORT: &str = "/tmp/ntap-export";
const MOUNT: &str = "/tmp/ntap-nfs";
/// What of the export holds: anybody may use it (insecure ports, no check of folders above), it is the root of all.
const EXPORT_FLAGS: u32 = 0x2 | 0x400 | 0x2000;
/// When what the server is told of clients and folders ends.
const NEVER: u32 = i32::MAX as u32;

/// Starts the server of NFS version 4 with a folder in memory, and mounts it.
pub(crate) fn mount_nfs() -> io::Result<()> {
    fs::create_dir_all(EXPORT)?;
    fs::create_dir_all(MOUNT)?;
    mount("none", EXPORT, "tmpfs", "")?;
    let server = Path::new("/proc/fs/nfsd");
    if !server.join("threads").exists() {
        mount("nfsd", "/proc/fs/nfsd", "nfsd", "")?;
    }
    // What a daemon would answer when the server asks it: who clients are, and what there is for them.
    let caches = Path::new("/proc/net/rpc");
    let say = |cache: &str, line: String| fs::write(caches.join(cache).join("channel"), line);
    say("auth.unix.ip", format!("nfsd 127.0.0.1 {NEVER} local\n"))?;
    say("nfsd.export", format!("local {EXPORT} {NEVER} {EXPORT_FLAGS} 65534 65534 0\n"))?;
    say("nfsd.fh", format!("local 1 \\x00000000 {NEVER} {EXPORT}\n"))?;
    for (file, text) in [
        ("nfsv4gracetime", "10"),
        ("versions", "-3 +4"),
        ("portlist", "tcp 2049"),
        ("threads", "1"),
    ] {
        fs::write(server.join(file), format!("{text}\n"))?;
    }
    // Nobody can have had locks.
    let _ = fs::write(server.join("v4_end_grace"), "Y\n");
    mount("127.0.0.1:/", MOUNT, "nfs4", "vers=4.2,addr=127.0.0.1,clientaddr=127.0.0.1")
}

/// Makes so many files there, one after another, each with `bytes`, renames and removes them.
pub(crate) fn nfs_files(count: u64, bytes: usize) -> io::Result<()> {
    let (one, two) = (Path::new(MOUNT).join("one"), Path::new(MOUNT).join("two"));
    for _ in 0..count {
        File::create(&one)?.write_all(&vec![b'x'; bytes])?;
        fs::rename(&one, &two)?;
        fs::remove_file(&two)?;
    }
    Ok(())
}

/// Takes it down again.
pub(crate) fn unmount_nfs() -> io::Result<()> {
    // The client tells the server that it goes.
    unmount(MOUNT, 0)?;
    fs::write("/proc/fs/nfsd/threads", "0\n")?;
    // The server may still hold the folder: then it goes when it does not.
    unmount(EXPORT, libc::MNT_DETACH)
}

/// Reads so many times `bytes` from the beginning of the disk, without the page cache.
pub(crate) fn read_disk(count: u64, bytes: usize) -> io::Result<()> {
    let is_it = |name: &String| {
        let model = fs::read_to_string(format!("/sys/block/{name}/device/model"));
        model.is_ok_and(|model| model.trim() == "scsi_debug")
    };
    let entries = fs::read_dir("/sys/block")?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let name = names.find(is_it).ok_or(io::Error::other("no disk of scsi_debug"))?;
    let disk =
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(format!("/dev/{name}"))?;
    // Such reads want addresses that are multiples of a sector.
    let memory = vec![0_u8; bytes + 4096];
    let start = memory.as_ptr().align_offset(4096);
    for _ in 0..count {
        // SAFETY: the bytes behind `start` are of the vector, which nobody else uses.
        let read = unsafe {
            libc::pread(disk.as_raw_fd(), memory[start..].as_ptr().cast_mut().cast(), bytes, 0)
        };
        if read != bytes as isize {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn mount(source: &str, target: &str, kind: &str, options: &str) -> io::Result<()> {
    let text = |text: &str| std::ffi::CString::new(text).map_err(io::Error::other);
    let (source, target) = (text(source)?, text(target)?);
    let (kind, options) = (text(kind)?, text(options)?);
    // SAFETY: all texts end with a zero and outlive the call.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn unmount(target: &str, flags: i32) -> io::Result<()> {
    let target = std::ffi::CString::new(target).map_err(io::Error::other)?;
    // SAFETY: the text ends with a zero and outlives the call.
    let result = unsafe { libc::umount2(target.as_ptr(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
