//! What the benchmarks share: the programs they need, child processes with their time and memory,
//! medians, and rows of Markdown.
//!
//! A benchmark prints a table to standard output and nothing else there; what it does in the meantime
//! goes to standard error.

mod load;
mod tracer;

pub use load::{Load, getppid};
pub use tracer::{Statistics, Tracer};

use std::env;
use std::ffi::CStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Between two runs: detaching the last program of a tracepoint and attaching the next one wait for
/// RCU grace periods, which the run before must not leave to the one that is measured.
pub const PAUSE: Duration = Duration::from_millis(150);

/// The binary that is measured: what `NTAP` says, or what `cargo dist` builds now.
pub fn ntap() -> PathBuf {
    if let Some(path) = env::var_os("NTAP") {
        return path.into();
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run_aloud(Command::new(cargo).arg("dist").current_dir(root()));
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("x86_64-unknown-linux-gnu/release/ntap")
}

/// The directory of the workspace.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Makes sure that a program is installed, by apt when it is not.
pub fn need(program: &str, package: &str) {
    let found = env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|p| p.join(program).is_file()));
    if !found {
        run_aloud(Command::new("apt-get").args(["update", "-q"]));
        let install = ["install", "-q", "-y", "--no-install-recommends", package];
        run_aloud(Command::new("apt-get").args(install));
    }
}

/// The first line a program says of its version.
pub fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output().expect("a version is printed");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// Runs a command whose output is no part of the table.
pub fn run_aloud(command: &mut Command) {
    eprintln!("benchmark: {command:?}");
    let status = command.stdout(io::stderr()).status();
    match status {
        Ok(status) if status.success() => {}
        other => panic!("{command:?}: {other:?}"),
    }
}

/// One run of a command from start to end.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From before fork to after wait.
    pub wall: Duration,
    /// Processor time, user and system, of the command.
    pub processor: Duration,
    /// From before fork to the first byte of output.
    pub first_output: Option<Duration>,
    /// The peak of the resident set as the kernel counts it.
    pub peak_kib: u64,
}

/// Runs a command and waits for it. `stream` says which output is watched.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it")]
pub fn run(command: &mut Command, stream: Stream) -> Run {
    let (read, write) = io::pipe().expect("a pipe");
    let (watched, other) = (Stdio::from(write), Stdio::null());
    match stream {
        Stream::Output => command.stdout(watched).stderr(other),
        Stream::Errors => command.stderr(watched).stdout(other),
    };
    command.stdin(Stdio::null());
    let start = Instant::now();
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // The command keeps the writing end of the pipe: without it the pipe has an end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let first_output = read_to_end(read, stream, start);
    let usage = wait(&child).unwrap_or_else(|status| panic!("{command:?}: status {status:#x}"));
    let wall = start.elapsed();
    Run { wall, first_output, ..usage }
}

/// Which output of a command [`run`] watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, its first byte.
    Output,
    /// Standard error, the word "live" that `ntap -v` says when all probes are.
    Errors,
}

fn read_to_end(mut pipe: impl Read, stream: Stream, start: Instant) -> Option<Duration> {
    let mut seen = vec![];
    let mut buffer = [0; 4096];
    let mut first = None;
    loop {
        let count = pipe.read(&mut buffer).expect("output is read");
        if count == 0 {
            return first;
        }
        let now = start.elapsed();
        seen.extend_from_slice(&buffer[..count]);
        let is_there = match stream {
            Stream::Output => true,
            Stream::Errors => seen.windows(4).any(|w| w == b"live"),
        };
        if first.is_none() && is_there {
            first = Some(now);
        }
    }
}

/// Waits for a child with wait4(2), which tells what it used.
fn wait(child: &Child) -> Result<Run, i32> {
    let mut status = 0;
    // SAFETY: the structure is plain data that the call fills.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call, and the child is ours and not waited for yet.
    let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    assert!(waited > 0, "wait4: {}", io::Error::last_os_error());
    if status != 0 {
        return Err(status);
    }
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    Ok(Run {
        wall: Duration::ZERO,
        processor: time(usage.ru_utime) + time(usage.ru_stime),
        first_output: None,
        peak_kib: usage.ru_maxrss as u64,
    })
}

/// The middle of some values, and how far half of them are spread around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median {
    /// The value in the middle.
    pub value: f64,
    /// A quarter of the values is below.
    pub lower: f64,
    /// A quarter of the values is above.
    pub upper: f64,
}

/// The median and the quartiles.
pub fn median(values: impl IntoIterator<Item = f64>) -> Median {
    let mut values: Vec<f64> = values.into_iter().collect();
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = part * (values.len() - 1) as f64;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    Median { value: at(0.5), lower: at(0.25), upper: at(0.75) }
}

impl std::fmt::Display for Median {
    /// `4.3 (4.1–4.6)`, with the precision asked for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.value, self.lower, self.upper)
    }
}

/// Milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints the head of a Markdown table.
pub fn table(columns: &[&str]) {
    row(columns);
    let rule: Vec<&str> =
        columns.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }).collect();
    row(&rule);
}

/// Prints a row of a Markdown table.
pub fn row<T: AsRef<str>>(cells: &[T]) {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    println!("| {} |", cells.join(" | "));
}

/// The machine in general terms.
pub fn print_machine() {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model)
        .to_owned();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    println!("Machine: {cpus} × {model}, Linux {}.\n", kernel.trim());
}

/// How often each command is run: `RUNS`, or this many.
pub fn runs(usual: usize) -> usize {
    env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(usual).max(1)
}

/// Keeps the calling thread on one CPU.
pub fn pin_to_cpu(cpu: usize) {
    // SAFETY: a CPU set is plain data.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid and as long as it is said to be.
    let result = unsafe {
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    assert_eq!(result, 0, "sched_setaffinity: {}", io::Error::last_os_error());
}

/// Mounts what bpftrace reads, where it is not mounted, for this process and its children only.
pub fn mount_tracefs() {
    if Path::new("/sys/kernel/debug/tracing/events").exists() {
        return;
    }
    // SAFETY: takes a flag only.
    let own = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    assert_eq!(own, 0, "unshare: {}", io::Error::last_os_error());
    mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE);
    mount(c"debugfs", c"/sys/kernel/debug", Some(c"debugfs"), 0);
    mount(c"tracefs", c"/sys/kernel/tracing", Some(c"tracefs"), 0);
}

fn mount(source: &CStr, target: &CStr, kind: Option<&CStr>, flags: libc::c_ulong) {
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the texts are terminated and outlive the call; no data is passed.
    let result =
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, std::ptr::null()) };
    assert_eq!(result, 0, "mount {target:?}: {}", io::Error::last_os_error());
}

/// Nanoseconds of the monotonic clock, which is the same in all processes.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Goes before other work of the machine, children included: what is measured is the command, not the
/// wait for a CPU. Without the privilege it is measured as it comes.
pub fn go_first() {
    // A nice value would only count inside the own session; the lowest real-time priority always does.
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameters are valid for the call.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &parameters) } != 0 {
        eprintln!("benchmark: no priority over other work: {}", io::Error::last_os_error());
    }
}
