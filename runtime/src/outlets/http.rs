//! The files of a session over HTTP: what Prometheus asks for.
//!
//! `GET /metrics` is the file `__prometheus`, `GET /PATH` the file PATH. One request to a connection, HTTP/1.0
//! as far as clients see; nothing waits, for blocks run on the same thread.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys::{Result, SysError};

/// The longest head of a request.
const MOST_HEAD: usize = 8192;
/// How many clients are served at a time.
const MOST_CLIENTS: usize = 64;

/// A server of the files of a session.
pub struct Http {
    listener: TcpListener,
    epoll: OwnedFd,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
}

/// A connection.
struct Client {
    stream: TcpStream,
    /// What has come of the request.
    head: Vec<u8>,
    /// What is left of the answer, once there is one.
    answer: Option<Vec<u8>>,
}

/// A request to be answered.
pub struct HttpRequest {
    /// Which file is asked for.
    pub path: String,
    client: u64,
}

impl Http {
    /// Listens at an address.
    pub fn listen(address: SocketAddr) -> Result<Http> {
        let failed = |error| SysError::new("listen at", address.to_string(), error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        // SAFETY: takes a flag only.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor < 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        // SAFETY: the call has just given us this descriptor.
        let epoll = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let http = Http { listener, epoll, clients: BTreeMap::new(), next_client: 0 };
        http.wait_for(http.listener.as_raw_fd(), libc::EPOLL_CTL_ADD, libc::EPOLLIN)
            .map_err(failed)?;
        Ok(http)
    }

    /// Where it listens; the port may have been chosen by the kernel.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Readable when somebody asks something.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    fn wait_for(&self, descriptor: i32, operation: i32, what: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: what as u32, u64: 0 };
        // SAFETY: both descriptors are open, and the event is valid for the call.
        let result =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, descriptor, &mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The requests that have come; does not wait.
    pub fn requests(&mut self) -> Vec<HttpRequest> {
        while let Ok((stream, _)) = self.listener.accept() {
            let is_ready = self.clients.len() < MOST_CLIENTS
                && stream.set_nonblocking(true).is_ok()
                && self.wait_for(stream.as_raw_fd(), libc::EPOLL_CTL_ADD, libc::EPOLLIN).is_ok();
            if is_ready {
                self.next_client += 1;
                let client = Client { stream, head: vec![], answer: None };
                self.clients.insert(self.next_client, client);
            }
        }
        let mut requests = vec![];
        let mut gone = vec![];
        for (&id, client) in &mut self.clients {
            match client.go_on() {
                Progress::Waits => {}
                Progress::Asks(path) => requests.push(HttpRequest { path, client: id }),
                Progress::Gone => gone.push(id),
            }
        }
        for id in gone {
            self.clients.remove(&id);
        }
        requests
    }

    /// Answers a request with a file's text; without one it says which files there are.
    pub fn answer(&mut self, to: HttpRequest, text: Option<Vec<u8>>, paths: &[&str]) {
        let (status, body) = match text {
            Some(text) => ("200 OK", text),
            None => {
                let list: String = paths.iter().map(|path| format!("/{path}\n")).collect();
                ("404 Not Found", format!("there is no file {}; there are\n{list}", to.path).into())
            }
        };
        let mut answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend(body);
        let Some(client) = self.clients.get_mut(&to.client) else { return };
        client.answer = Some(answer);
        let descriptor = client.stream.as_raw_fd();
        match client.go_on() {
            Progress::Waits => {
                let _ = self.wait_for(descriptor, libc::EPOLL_CTL_MOD, libc::EPOLLOUT);
            }
            Progress::Asks(_) | Progress::Gone => drop(self.clients.remove(&to.client)),
        }
    }
}

/// How far a client is.
enum Progress {
    Waits,
    Asks(String),
    Gone,
}

impl Client {
    fn go_on(&mut self) -> Progress {
        if let Some(answer) = &mut self.answer {
            while !answer.is_empty() {
                match self.stream.write(answer) {
                    Ok(0) => return Progress::Gone,
                    Ok(bytes) => drop(answer.drain(..bytes)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                    Err(_) => return Progress::Gone,
                }
            }
            return Progress::Gone;
        }
        let mut buffer = [0u8; 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Progress::Gone,
                Ok(bytes) => self.head.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(_) => return Progress::Gone,
            }
            if self.head.windows(4).any(|end| end == b"\r\n\r\n") {
                return path_of(&self.head).map_or(Progress::Gone, Progress::Asks);
            }
            if self.head.len() > MOST_HEAD {
                return Progress::Gone;
            }
        }
    }
}

/// The file that a request asks for; none when it is no GET.
fn path_of(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let target = head.strip_prefix("GET ")?.split([' ', '\r']).next()?;
    let path = target.split('?').next()?.trim_start_matches('/');
    Some(if path == "metrics" { "__prometheus".to_string() } else { path.to_string() })
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn paths() {
        let of = |head: &str| path_of(head.as_bytes());
        assert_eq!(of("GET /metrics HTTP/1.1\r\n\r\n").as_deref(), Some("__prometheus"));
        assert_eq!(of("GET /a/b?x=1 HTTP/1.1\r\n\r\n").as_deref(), Some("a/b"));
        assert_eq!(of("POST /a HTTP/1.1\r\n\r\n"), None);
    }
}
