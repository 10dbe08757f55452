//! Connections of a workload with itself, over the loopback of its network namespace.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

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

/// Asks itself on port 53 so many times for the IPv4 address of `name.example.test`, and answers; then once for the IPv6
/// address, without an answer.
pub(crate) fn lookups(count: u64) -> io::Result<()> {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    for id in 0..=count as u16 {
        let is_last = u64::from(id) == count;
        // The number, what is wanted (recursion), one question.
        let mut question = vec![0, id as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for part in ["name", "example", "test"] {
            question.push(part.len() as u8);
            question.extend(part.as_bytes());
        }
        question.extend([0, 0, if is_last { 28 } else { 1 }, 0, 1]);
        client.send_to(&question, (Ipv4Addr::LOCALHOST, 53))?;
        let mut packet = [0; 512];
        let (bytes, from) = server.recv_from(&mut packet)?;
        if !is_last {
            // An answer, that there is no such name.
            (packet[2], packet[3]) = (0x81, 0x83);
            server.send_to(&packet[..bytes], from)?;
            client.recv_from(&mut packet)?;
        }
    }
    Ok(())
}

/// Connects to a socket whose queue is full: packets are dropped and sent again after a second, which is waited for.
pub(crate) fn unanswered() -> io::Result<()> {
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
    let start = Instant::now();
    while sent_again()? == 0 {
        if start.elapsed() > Duration::from_secs(30) {
            return Err(io::Error::other("no packet was sent again"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    // It is counted before it is sent.
    thread::sleep(Duration::from_millis(200));
    Ok(())
}

/// TCP packets of this network namespace that were sent again: the column RetransSegs of /proc/net/snmp.
fn sent_again() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut columns = names.split(' ').zip(values.split(' '));
    let found = columns.find(|(name, _)| *name == "RetransSegs");
    found.and_then(|(_, value)| value.parse().ok()).ok_or(io::Error::other("no RetransSegs"))
}
