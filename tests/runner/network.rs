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
