//! Messages of a workload to itself by protocols that are modules: their functions and tracepoints are hit.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The port of the side that accepts.
const PORT: u16 = 7779;

/// Sends so many messages over one connection of the family AF_VSOCK; each is received before the next.
pub(crate) fn vsock(count: u64, bytes: usize) -> io::Result<()> {
    // SAFETY: plain data, for which zeros are valid.
    let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
    address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
    address.svm_port = u32::from(PORT);
    address.svm_cid = libc::VMADDR_CID_LOCAL;
    messages(libc::AF_VSOCK, 0, &address, count, bytes)
}

/// Sends so many messages over one association of SCTP; each is received before the next.
pub(crate) fn sctp(count: u64) -> io::Result<()> {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: PORT.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(std::net::Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    };
    messages(libc::AF_INET, libc::IPPROTO_SCTP, &address, count, 8)
}

/// Sends messages to a listening socket with this address, a `struct sockaddr` of the family's.
fn messages<A>(family: i32, protocol: i32, to: &A, count: u64, bytes: usize) -> io::Result<()> {
    let (address, length) = ((&raw const *to).cast(), size_of::<A>() as libc::socklen_t);
    let (listener, client) = (socket(family, protocol)?, socket(family, protocol)?);
    // SAFETY: the address is that of a structure with its length, which outlives the calls.
    unsafe {
        checked(libc::bind(listener.as_raw_fd(), address, length) as isize)?;
        checked(libc::listen(listener.as_raw_fd(), 1) as isize)?;
        checked(libc::connect(client.as_raw_fd(), address, length) as isize)?;
    }
    // SAFETY: no address is asked for; the descriptor is new and nobody else's.
    let server = unsafe {
        let accepted =
            libc::accept(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut());
        checked(accepted as isize)?;
        OwnedFd::from_raw_fd(accepted)
    };
    let mut message = vec![b'x'; bytes];
    for _ in 0..count {
        // SAFETY: the buffer has so many bytes.
        unsafe {
            checked(libc::send(client.as_raw_fd(), message.as_ptr().cast(), bytes, 0))?;
            let buffer = message.as_mut_ptr().cast();
            checked(libc::recv(server.as_raw_fd(), buffer, bytes, libc::MSG_WAITALL))?;
        }
    }
    Ok(())
}

fn socket(family: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call has no addresses; the descriptor is new and nobody else's.
    unsafe {
        let socket = libc::socket(family, libc::SOCK_STREAM, protocol);
        checked(socket as isize)?;
        Ok(OwnedFd::from_raw_fd(socket))
    }
}

fn checked(result: isize) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
