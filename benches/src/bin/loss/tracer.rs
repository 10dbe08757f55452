//! The traced process and the process that traces it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A benchmark that waits longer for a process has found a bug, and says so.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Processes that call getppid(2): on one CPU each, so many times, once they are told to.
pub(crate) struct Hammer {
    child: Child,
}

impl Hammer {
    /// Starts threads on these CPUs, which wait; each makes `calls` calls, or as many as it can until it is killed.
    pub(crate) fn new(cpus: std::ops::Range<usize>, calls: Option<u64>) -> Hammer {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["hammer", &cpus.start.to_string(), &cpus.end.to_string()]);
        command.arg(calls.unwrap_or(u64::MAX).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Hammer { child: command.spawn().expect("this program starts") }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets the calls begin.
    pub(crate) fn go(&mut self) {
        let mut pipe = self.child.stdin.take().expect("a pipe");
        pipe.write_all(b"\n").expect("the process reads");
    }

    /// Waits for the end of the calls, which are a fixed number; gives how long each took, in nanoseconds.
    pub(crate) fn wait(mut self) -> f64 {
        let mut pipe = self.child.stdout.take().expect("a pipe");
        wait(&mut self.child, "the calls");
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("text");
        text.trim().parse().expect("a number")
    }

    /// Ends it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

/// The other side of [`Hammer`]. The time of a call is that of the CPU, without waiting for it.
pub(crate) fn hammer(words: &[String]) {
    let numbers: Vec<u64> = words.iter().map(|word| word.parse().expect("a number")).collect();
    let [first, end, calls] = numbers[..] else { panic!("{words:?}") };
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    let threads: Vec<JoinHandle<u64>> = (first..end)
        .map(|cpu| {
            std::thread::spawn(move || {
                measure::pin_to_cpu(cpu as usize);
                let start = thread_time_ns();
                for _ in 0..calls {
                    // SAFETY: the call takes nothing and cannot fail.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                }
                thread_time_ns() - start
            })
        })
        .collect();
    let count = threads.len() as u64;
    let all: u64 = threads.into_iter().map(|t| t.join().expect("no panic")).sum();
    println!("{}", all as f64 / (count * calls) as f64);
}

fn thread_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and every thread has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A tracer whose probes are live.
pub(crate) struct Tracer {
    child: Child,
    messages: Option<JoinHandle<String>>,
}

impl Tracer {
    /// ntap on a process; `$1` is the number of getppid(2).
    pub(crate) fn ntap(program: &Path, pid: u32, options: &[&str], script: &str) -> Tracer {
        let mut command = Command::new(program);
        command.args(options).args(["-v", "-x", &pid.to_string(), "-e", script]);
        command.arg(libc::SYS_getppid.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ntap starts");
        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut first = String::new();
        while !first.contains("probes are live") {
            let read = errors.read_line(&mut first).expect("text");
            assert!(read > 0, "ntap has ended: {first}");
        }
        Tracer { child, messages: Some(read_all(errors)) }
    }

    /// bpftrace; it prints a line when its probes are live.
    pub(crate) fn bpftrace(script: &str) -> Tracer {
        let mut command = Command::new("bpftrace");
        command.args(["-e", script]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("bpftrace starts");
        let errors = child.stderr.take().expect("a pipe");
        // It says "Attaching" before, and nothing after; it takes a quarter of a second.
        std::thread::sleep(Duration::from_secs(2));
        Tracer { child, messages: Some(read_all(errors)) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it prints.
    pub(crate) fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("a pipe")
    }

    pub(crate) fn interrupt(&self) {
        // SAFETY: takes numbers; the child has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
    }

    /// Waits for its end; gives its messages.
    pub(crate) fn wait(mut self) -> (String, ExitStatus) {
        let status = wait(&mut self.child, "the tracer");
        let messages = self.messages.take().expect("once").join().expect("messages");
        (messages, status)
    }
}

/// Waits for the end of a process.
fn wait(child: &mut Child, what: &str) -> ExitStatus {
    let start = Instant::now();
    while start.elapsed() < LONGEST_WAIT {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    panic!("{what} did not end within {} s", LONGEST_WAIT.as_secs());
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = vec![];
        pipe.read_to_end(&mut bytes).expect("messages");
        let text = String::from_utf8_lossy(&bytes);
        // What took how long is told for `-v`.
        text.split_inclusive('\n').filter(|line| !line.starts_with("Pass ")).collect()
    })
}

/// The sum of the numbers before these words in the messages.
pub(crate) fn numbers_before(messages: &str, words: &str) -> u64 {
    let number = |line: &str| {
        let at = line.find(words)?;
        line[..at].trim_end().rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    messages.lines().filter_map(number).sum()
}

/// Counts the lines of a reader until its end, of which those that are like this; when the last of them came.
pub(crate) fn count_lines(
    reader: impl Read + Send + 'static,
    like: &'static str,
) -> JoinHandle<(u64, Instant, String)> {
    std::thread::spawn(move || {
        let (mut count, mut last, mut rest) = (0, Instant::now(), String::new());
        let mut reader = BufReader::with_capacity(1 << 20, reader);
        let mut line = vec![];
        while reader.read_until(b'\n', &mut line).expect("text") > 0 {
            if line.starts_with(like.as_bytes()) {
                count += 1;
                if count % 1024 == 0 {
                    last = Instant::now();
                }
            } else {
                rest.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
        (count, last, rest)
    })
}
