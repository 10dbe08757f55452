//! What the kernel tells of its modules while they come and go: messages of NETLINK_KOBJECT_UEVENT.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Result, SysError};

/// The group of messages that come from the kernel itself.
const FROM_KERNEL: u32 = 1;
/// What a message about a module that has gone begins with, behind it the module's name and a zero.
const REMOVED: &[u8] = b"remove@/module/";
/// Messages are shorter (`UEVENT_BUFFER_SIZE`, and the path before it).
const MESSAGE_BYTES: usize = 8192;

/// A socket on which the kernel tells of changes of devices and modules.
#[derive(Debug)]
pub struct ModuleEvents {
    socket: OwnedFd,
}

impl ModuleEvents {
    /// From now on.
    pub fn open() -> Result<ModuleEvents> {
        let failed = || SysError::new("listen to", "modules", io::Error::last_os_error());
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: takes numbers only.
        let socket = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_KOBJECT_UEVENT) };
        if socket < 0 {
            return Err(failed());
        }
        // SAFETY: the call has just given us this descriptor.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: plain data, for which zeros are valid.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = FROM_KERNEL;
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the address is valid for the call and of the length given.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound < 0 { Err(failed()) } else { Ok(ModuleEvents { socket }) }
    }

    /// The modules that have gone since this was last asked.
    pub fn removed(&self) -> Vec<String> {
        let mut message = [0u8; MESSAGE_BYTES];
        let mut removed = vec![];
        loop {
            // SAFETY: the buffer is valid for the call and as long as it is said to be.
            let length = unsafe {
                let buffer = message.as_mut_ptr().cast();
                libc::recv(self.socket.as_raw_fd(), buffer, MESSAGE_BYTES, 0)
            };
            let Ok(length) = usize::try_from(length) else { return removed };
            let path = message[..length].split(|&byte| byte == 0).next().unwrap_or_default();
            if let Some(name) = path.strip_prefix(REMOVED) {
                removed.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
}

impl AsFd for ModuleEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
