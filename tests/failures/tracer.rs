//! A process that makes system calls, and ntap that traces it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::NTAP;

/// A process that makes system calls when told to.
pub(crate) struct Hammer(pub(crate) Child);

impl Hammer {
    pub(crate) fn new(first_cpu: usize, threads: usize, calls: u64) -> Hammer {
        Hammer::start([first_cpu, threads], calls, Call::Plain)
    }

    /// Threads that are all on one CPU and call [`hammer_marked_call`], so many times each.
    pub(crate) fn on_one_cpu(cpu: usize, threads: usize, calls: u64) -> Hammer {
        Hammer::start([cpu, threads], calls, Call::Marked)
    }

    /// The same; during a call the frame pointer holds the address 16, where there is no memory.
    pub(crate) fn with_broken_frames(first_cpu: usize, threads: usize, calls: u64) -> Hammer {
        Hammer::start([first_cpu, threads], calls, Call::WithoutFrame)
    }

    fn start([first_cpu, threads]: [usize; 2], calls: u64, call: Call) -> Hammer {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "hammer", "--ignored", "--nocapture"]);
        command.env("NTAP_HAMMER", format!("{first_cpu} {threads} {calls} {}", call as u64));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Hammer(command.spawn().expect("this program starts"))
    }

    pub(crate) fn go(&mut self) {
        let mut line = self.0.stdin.take().expect("a pipe");
        line.write_all(b"\n").expect("the process reads");
    }

    /// Waits until it has had so much time of the CPUs, however long that takes on a busy machine.
    pub(crate) fn wait_until_busy_for(&self, time: Duration) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while cpu_time(self.0.id()) < time {
            assert!(Instant::now() < deadline, "the process does nothing");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the threads of a [`Hammer`] call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// getppid(2).
    Plain,
    /// The same while the frame pointer holds the address 16.
    WithoutFrame,
    /// [`hammer_marked_call`], all threads on the first CPU.
    Marked,
}

/// A function that can be probed.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hammer_marked_call() {
    std::hint::black_box(1);
}

/// Calls getppid(2).
pub(crate) fn getppid() {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// Calls getppid(2) while the frame pointer holds the address 16.
pub(crate) fn getppid_without_frame() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the call takes nothing and cannot fail; it changes rax, rcx and r11. The frame pointer is what it was
    // afterwards, and nothing is pushed below the stack pointer that the compiler may use.
    unsafe {
        std::arch::asm!(
            "mov {kept}, rbp",
            "mov ebp, 16",
            "syscall",
            "mov rbp, {kept}",
            kept = out(reg) _,
            inlateout("rax") libc::SYS_getppid => _,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    getppid();
}

impl Drop for Hammer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The time that all threads of a process have had a CPU: words 14 and 15 of /proc/PID/stat, of which the second may
/// hold spaces and ends with `)`.
fn cpu_time(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    // SAFETY: asks for a number.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
    Duration::from_millis(ticks * 1000 / per_second.max(1))
}

pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A running ntap whose probes are live.
pub(crate) struct Session {
    pub(crate) child: Child,
    messages: JoinHandle<String>,
}

impl Session {
    /// Starts ntap on a process; `$1` is the number of getppid(2).
    pub(crate) fn start(target: &Hammer, options: &[&str], script: &str) -> Session {
        let mut command = Command::new(NTAP);
        command.args(options).args(["-v", "-x", &target.0.id().to_string(), "-e", script]);
        command.arg(libc::SYS_getppid.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ntap starts");
        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut first = String::new();
        while !first.contains("probes are live") {
            let read = errors.read_line(&mut first).expect("text");
            assert!(read > 0, "ntap has ended: {first}");
        }
        let messages = std::thread::spawn(move || {
            let mut rest = vec![];
            errors.read_to_end(&mut rest).expect("messages");
            let rest = String::from_utf8_lossy(&rest);
            // What took how long is told for `-v`.
            rest.split_inclusive('\n').filter(|line| !line.starts_with("Pass ")).collect()
        });
        Session { child, messages }
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: takes numbers; the child has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// What it printed to both, and its status.
    pub(crate) fn end(self) -> (String, String, Option<i32>) {
        let output = self.child.wait_with_output().expect("ntap ends");
        let messages = self.messages.join().expect("messages");
        (String::from_utf8_lossy(&output.stdout).into_owned(), messages, output.status.code())
    }
}

/// The number before these words in a message.
pub(crate) fn number_before(messages: &str, words: &str) -> u64 {
    let Some(at) = messages.find(words) else { return 0 };
    let digits = messages[..at].trim_end().rsplit(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{messages}"))
}
