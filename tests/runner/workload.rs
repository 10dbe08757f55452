//! The process the kernel suite watches: does what its words say, and no more system calls of the
//! kinds that are counted.
//!
//! ```text
//! name first getppid 10 name second getppid 20
//! ```
//!
//! | words | does |
//! |---|---|
//! | `name NAME` | takes this command name (it starts as `workload`) |
//! | `getppid N`, `getuid N` | makes the system call N times |
//! | `close N` | closes the files -1, -2, ... -N: calls that fail, with arguments of known value |
//! | `call NAME ARGS` | makes a system call; see `calls.rs` |
//! | `int80 N` | makes N getppid calls of the 32-bit architecture |
//! | `fork N` | makes N processes that end at once, each after the one before |
//! | `end-at-once N T` | makes N processes, one after another, that have T threads more when they end |
//! | `threads T N` | has T threads make N getppid calls each, at once |
//! | `futex-wait N` | waits N times a millisecond for one lock that nobody gives back |
//! | `netns` | moves into a fresh network namespace whose loopback is up |
//! | `udp-to-closed-port N BYTES` | sends N datagrams of BYTES to a port nobody listens on |
//! | `dummy N BYTES` | gives the network device dummy0 an address and sends N datagrams of BYTES by it |
//! | `tcp N BYTES`, `tcp6 N BYTES` | makes N connections to itself, with a message each; see `network.rs` |
//! | `vsock N BYTES` | sends itself N messages of BYTES over a connection of the family AF_VSOCK |
//! | `sctp N` | sends itself N messages over SCTP |
//! | `tcp-refused N` | tries N times to connect to a port nobody listens on |
//! | `tcp-unanswered` | connects to a socket whose queue is full, and waits until packets have been sent again |
//! | `exec` | makes a process that executes /bin/true, and waits for it |
//! | `handle N` | sends itself SIGUSR1 N times, and handles it by calling `workload_step` |
//! | `write-through N BYTES` | writes N times BYTES to a new file, each time to the disk, then removes it |
//! | `unload MODULE` | takes this module out of the kernel |
//! | `wait` | waits for a byte on standard input |
//! | `done` | prints that word |
//! | `cat PATH` | prints what is read from a file |
//! | `sleep MS` | sleeps |
//! | `sleepers T MS` | has T threads sleep at a time, each once by rt_sigtimedwait(2), which nobody else is likely to call |
//! | `spin MS` | computes, for so much time of a CPU |
//! | `calls-for MS` | makes getppid calls, for so much time of a CPU |
//! | `write N BYTES` | writes N times BYTES to a new file, then removes it |
//! | `steps N` | calls the function `workload_step(n, n * 10, "step")` for n = 1, 2, ... N; it returns `2 * n` |
//! | `children N` | makes N processes, one after another, that make one getuid call and end |
//! | `framed-threads T N` | has T threads call them, at once |
//! | `framed N` | calls functions with frame pointers, the innermost `workload_framed_leaf` |
//! | `sort N` | has the C library sort N times, each time with one call of `workload_compare` |
//! | `clock MS` | asks what time it is, for so much time of a CPU |
//! | `nested N` | calls `workload_outer`, which calls `workload_middle`, which calls `workload_step` |
//! | `marks N` | passes the marks of the provider `workload` for n = 1, 2, ... N: see `marks.rs` |
//! | `lookups N` | asks itself for the address of a name N times, and once more without an answer, on port 53 |
//! | `write-together T BYTES MS` | has T threads write so much at a time to the same place, for so long |
//! | `in-group NAME MS` | computes, for so much time of a CPU, in a control group of this name |
//! | `reclaim` | has the kernel free memory of a control group |
//! | `nfs-mount`, `nfs-unmount` | starts an NFS server and mounts what it exports; the reverse; see `storage.rs` |
//! | `nfs-files N BYTES` | makes N files there, with so many bytes each, renames and removes them |
//! | `scsi-read N BYTES` | reads so much N times from the disk of the module `scsi_debug` |
//! | `malloc N BYTES` | allocates and frees so much N times |
//! | `touch N` | writes to N pages that were never used |

use super::{busy, calls, marks, module_sockets, network, steps, storage};
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// The first argument that makes the test binary a workload.
pub(crate) const WORD: &str = "--workload";

/// Does what the words say.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
    take_name("workload");
    let mut words = words.peekable();
    let mut calls = calls::Calls::default();
    while let Some(verb) = words.next() {
        let mut number = || {
            let word = words.next().ok_or(format!("`{verb}` needs a number"))?;
            word.parse::<u64>().map_err(|error| format!("{verb} {word}: {error}"))
        };
        match verb.as_str() {
            "getppid" => repeat(libc::SYS_getppid, number()?),
            "getuid" => repeat(libc::SYS_getuid, number()?),
            "close" => close_nothing(number()?),
            "int80" => calls::compat(number()?),
            "fork" => calls::fork(number()?),
            "end-at-once" => calls::end_at_once(number()?, number()?),
            "futex-wait" => futex_wait(number()?),
            "call" => calls.call(&mut words)?,
            "threads" => threads(number()?, number()?),
            "udp-to-closed-port" => {
                let (count, bytes) = (number()?, number()?);
                send(count, bytes as usize).map_err(|error| format!("udp: {error}"))?;
            }
            "dummy" => {
                let (count, bytes) = (number()?, number()?);
                send_by_dummy(count, bytes as usize).map_err(|error| format!("dummy: {error}"))?;
            }
            "tcp" | "tcp6" => {
                let (count, bytes) = (number()?, number()?);
                network::connections(verb == "tcp6", count, bytes as usize)
                    .map_err(|error| format!("{verb}: {error}"))?;
            }
            "vsock" => {
                let (count, bytes) = (number()?, number()?);
                module_sockets::vsock(count, bytes as usize)
                    .map_err(|error| format!("{verb}: {error}"))?;
            }
            "sctp" => {
                module_sockets::sctp(number()?).map_err(|error| format!("{verb}: {error}"))?;
            }
            "lookups" => {
                network::lookups(number()?).map_err(|error| format!("lookups: {error}"))?;
            }
            "write-together" => {
                let (threads, bytes) = (number()?, number()? as usize);
                busy::write_together(threads, bytes, Duration::from_millis(number()?))
                    .map_err(|error| format!("write-together: {error}"))?;
            }
            "in-group" => {
                let name = words.next().ok_or("`in-group` needs a name")?;
                let time = words.next().and_then(|word| word.parse().ok());
                let time = Duration::from_millis(time.ok_or("`in-group` needs a time")?);
                busy::in_group(&name, time).map_err(|error| format!("in-group: {error}"))?;
            }
            "reclaim" => busy::reclaim().map_err(|error| format!("reclaim: {error}"))?,
            "nfs-mount" => {
                storage::mount_nfs().map_err(|error| format!("nfs-mount: {error}"))?;
            }
            "nfs-files" => {
                let (count, bytes) = (number()?, number()? as usize);
                storage::nfs_files(count, bytes).map_err(|error| format!("nfs-files: {error}"))?;
            }
            "nfs-unmount" => {
                storage::unmount_nfs().map_err(|error| format!("nfs-unmount: {error}"))?;
            }
            "scsi-read" => {
                let (count, bytes) = (number()?, number()? as usize);
                storage::read_disk(count, bytes).map_err(|error| format!("scsi-read: {error}"))?;
            }
            "tcp-refused" => network::refused(number()?),
            "tcp-unanswered" => {
                network::unanswered().map_err(|error| format!("{verb}: {error}"))?;
            }
            "exec" => execute().map_err(|error| format!("exec: {error}"))?,
            "handle" => handle(number()?),
            "write" | "write-through" => {
                let (count, bytes) = (number()?, number()?);
                let flags = if verb == "write" { 0 } else { libc::O_SYNC };
                write(count, bytes as usize, flags).map_err(|error| format!("{verb}: {error}"))?;
            }
            "netns" => fresh_network().map_err(|error| format!("netns: {error}"))?,
            "sleep" => std::thread::sleep(Duration::from_millis(number()?)),
            "sleepers" => sleepers(number()?, Duration::from_millis(number()?)),
            "spin" => spin(Duration::from_millis(number()?)),
            "calls-for" => {
                let time = Duration::from_millis(number()?);
                let start = cpu_time();
                while cpu_time() - start < time {
                    repeat(libc::SYS_getppid, 1000);
                }
            }
            "touch" => touch(number()? as usize).map_err(|error| format!("touch: {error}"))?,
            "children" => children(number()?).map_err(|error| format!("children: {error}"))?,
            "framed-threads" => {
                let (threads, count) = (number()?, number()?);
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(move || steps::framed(count));
                    }
                });
            }
            "framed" => steps::framed(number()?),
            "sort" => steps::sorted(number()?),
            "clock" => {
                let time = Duration::from_millis(number()?);
                let start = cpu_time();
                while cpu_time() - start < time {
                    (0..1000).for_each(|_| _ = std::hint::black_box(Instant::now()));
                }
            }
            "steps" => steps::steps(number()?),
            "nested" => steps::nested(number()?),
            "marks" => marks::pass(number()?),
            "malloc" => steps::allocate(number()?, number()? as usize),
            "wait" => {
                let _ = io::stdin().read(&mut [0]).map_err(|error| format!("wait: {error}"))?;
            }
            "unload" => unload(&words.next().ok_or("`unload` needs a module")?)?,
            "done" => println!("done"),
            "cat" => {
                let path = words.next().ok_or("`cat` needs a path")?;
                let text = std::fs::read_to_string(&path);
                print!("{}", text.map_err(|error| format!("{path}: {error}"))?);
                let _ = io::stdout().flush();
            }
            "name" => take_name(&words.next().ok_or("`name` needs a name")?),
            other => return Err(format!("no workload `{other}`")),
        }
    }
    Ok(())
}

fn repeat(call: libc::c_long, count: u64) {
    for _ in 0..count {
        // SAFETY: the calls made here take no arguments and cannot fail.
        unsafe { libc::syscall(call) };
    }
}

fn close_nothing(count: u64) {
    for file in 1..=count {
        // SAFETY: no file has a negative number; the call fails and touches nothing.
        unsafe { libc::syscall(libc::SYS_close, -(file as i64)) };
    }
}

fn threads(count: u64, calls: u64) {
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| repeat(libc::SYS_getppid, calls));
        }
    });
}

fn futex_wait(count: u64) {
    let lock = std::sync::atomic::AtomicU32::new(1);
    let most = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    for _ in 0..count {
        // SAFETY: the lock and the time outlive the call, which only reads them.
        unsafe { libc::syscall(libc::SYS_futex, lock.as_ptr(), libc::FUTEX_WAIT, 1, &most) };
    }
}

/// The time this thread has had a CPU: on a busy machine it has to wait for that.
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn sleepers(threads: u64, time: Duration) {
    let ready = std::sync::Barrier::new(threads as usize);
    let wanted = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                ready.wait();
                // SAFETY: a set of signals is plain data; it and the time are valid for the call.
                unsafe {
                    let nothing: libc::sigset_t = std::mem::zeroed();
                    libc::sigtimedwait(&nothing, std::ptr::null_mut(), &wanted);
                }
            });
        }
    });
}

pub(crate) fn spin(time: Duration) {
    let start = cpu_time();
    while cpu_time() - start < time {
        std::hint::black_box((0..10_000).fold(0u64, |sum, n| std::hint::black_box(sum ^ n)));
    }
}

/// Writes to memory that may be written to: from one place in the code, however it is optimized.
#[inline(never)]
unsafe fn touch_page(page: *mut u8) {
    // SAFETY: the caller's word.
    unsafe { page.write_volatile(1) }
}

fn touch(pages: usize) -> io::Result<()> {
    const PAGE: usize = 4096;
    // SAFETY: fresh memory of our own, that no huge page may back; unmapped below.
    unsafe {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let memory = libc::mmap(std::ptr::null_mut(), pages * PAGE, protection, flags, -1, 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::madvise(memory, pages * PAGE, libc::MADV_NOHUGEPAGE);
        for page in 0..pages {
            touch_page(memory.cast::<u8>().add(page * PAGE));
        }
        libc::munmap(memory, pages * PAGE);
    }
    Ok(())
}

fn execute() -> io::Result<()> {
    std::process::Command::new("/bin/true").status().map(drop)
}

fn handle(count: u64) {
    extern "C" fn handle_one(signal: libc::c_int) {
        std::hint::black_box(steps::workload_step(signal, 0, c"signal".as_ptr()));
    }
    // SAFETY: the handler computes a number; the signal is sent to this process only.
    unsafe {
        libc::signal(libc::SIGUSR1, handle_one as extern "C" fn(libc::c_int) as libc::sighandler_t);
        for _ in 0..count {
            libc::kill(libc::getpid(), libc::SIGUSR1);
        }
    }
}

fn write(count: u64, bytes: usize, flags: i32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = format!("/var/tmp/ntap-workload-{}", std::process::id());
    std::fs::create_dir_all("/var/tmp")?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).custom_flags(flags).open(&path)?;
    for _ in 0..count {
        file.write_all(&vec![b'x'; bytes])?;
    }
    std::fs::remove_file(&path)
}

fn children(count: u64) -> io::Result<()> {
    for _ in 0..count {
        // SAFETY: the child makes system calls only and ends; the parent has one thread.
        match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            // SAFETY: as above; two calls of the kernel's, and the child is gone.
            0 => unsafe {
                libc::syscall(libc::SYS_getuid);
                libc::_exit(3);
            },
            // SAFETY: a child of ours, whose status nobody wants.
            child => unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) },
        };
    }
    Ok(())
}

fn take_name(name: &str) {
    let mut bytes = [0_u8; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    // SAFETY: the kernel reads at most 16 bytes, and the last of them is 0.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
}

fn fresh_network() -> io::Result<()> {
    // SAFETY: takes no memory; only moves this thread, the only one, to a new namespace.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: makes a new file descriptor; closed with the process.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request outlives the call and has the type this command takes.
    if unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn send(count: u64, bytes: usize) -> io::Result<()> {
    send_to("127.0.0.1:9", count, bytes)
}

fn send_to(address: &str, count: u64, bytes: usize) -> io::Result<()> {
    // Not connected, so that the ICMP answers do not become errors of the next call.
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let data = vec![b'x'; bytes];
    for _ in 0..count {
        socket.send_to(&data, address)?;
    }
    Ok(())
}

/// The device takes everything and throws it away; it comes with the module `dummy`.
fn send_by_dummy(count: u64, bytes: usize) -> io::Result<()> {
    // SAFETY: makes a new file descriptor; closed with the process.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, &from) in request.ifr_name.iter_mut().zip(b"dummy0") {
        *to = from as libc::c_char;
    }
    let command = |command: libc::Ioctl, request: &libc::ifreq| {
        // SAFETY: the request outlives the call and has the type these commands take.
        match unsafe { libc::ioctl(socket, command, &raw const *request) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // Only the first network namespace has one from the beginning.
    if command(libc::SIOCGIFINDEX as libc::Ioctl, &request).is_err() {
        let words = ["link", "add", "dummy0", "type", "dummy"];
        let status = std::process::Command::new("ip").args(words).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("ip {}: {status}", words.join(" "))));
        }
    }
    // 10.9.8.7, whose network is all of 10.0.0.0/8.
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([10, 9, 8, 7]) },
        sin_zero: [0; 8],
    };
    // SAFETY: both are 16 bytes of which any are valid.
    request.ifr_ifru.ifru_addr =
        unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) };
    command(libc::SIOCSIFADDR as libc::Ioctl, &request)?;
    let flags = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_NOARP;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    command(libc::SIOCSIFFLAGS as libc::Ioctl, &request)?;
    send_to("10.9.8.1:9", count, bytes)
}

fn unload(module: &str) -> Result<(), String> {
    let name = std::ffi::CString::new(module).map_err(|error| error.to_string())?;
    // SAFETY: the name is valid for the call.
    match unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) } {
        0 => Ok(()),
        _ => Err(format!("unload {module}: {}", io::Error::last_os_error())),
    }
}
