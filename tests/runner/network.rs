//! Connections of a workload with itself, over the loopback of its network namespace.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

/// Makes so many connections to port 7777, one after the other. Over each goes a message of `bytes` to
/// the side that accepted; then the connecting side closes, and after it the other.
pub(crate) fn connections(ipv6: bool, count: u64, bytes: usize) -> io::Result<()> {
    let address = match ipv6 {
        true => SocketAddr::from((Ipv6Addr::LOCALHOST, 7777)),
        false => SocketAddr::from((Ipv4Addr::LOCALHOST, 7777)),
    };
    let listener = TcpListener::bind(address)?;
    for _ in 0..count {
        let mut client = TcpStream::connect(address)?;
        let (mut server, _) = listener.accept()?;
        client.write_all(&vec![b'x'; bytes])?;
        server.read_exact(&mut vec![0; bytes])?;
        drop(client);
        // Returns when the end of the other side has come.
        server.read_to_end(&mut vec![])?;
    }
    Ok(())
}

/// Tries so many times to connect to a port nobody listens on.
pub(crate) fn refused(count: u64) {
    for _ in 0..count {
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, 9));
    }
}

/// Connects to a socket whose queue is full, and waits so long: packets are dropped and sent again.
pub(crate) fn unanswered(milliseconds: u64) -> io::Result<()> {
    // SAFETY: makes sockets and gives them an address that outlives the call; all are closed with the process.
    unsafe {
        let listener = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        let address = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 7778_u16.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
            sin_zero: [0; 8],
        };
        let (at, bytes) = ((&raw const address).cast(), size_of_val(&address) as libc::socklen_t);
        if libc::bind(listener, at, bytes) != 0 || libc::listen(listener, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        for _ in 0..4 {
            let client = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0);
            // Goes on by itself; some of these never end.
            libc::connect(client, at, bytes);
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
    Ok(())
}
