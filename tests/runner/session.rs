//! Whole sessions: the `ntap` binary with a script, its output and exit status.
//!
//! | header | meaning |
//! |---|---|
//! | `# options: -T 1` | options before the script |
//! | `# args: a "b c"` | words after it; see [`argument`] |
//! | `# status: 1` | the exit status expected, 0 without |
//! | `# workload: getppid 10` | what the process started with `-c` does, see `workload.rs` |
//! | `# stdin: a\nb` | what comes on standard input, a pipe |
//! | `# command: true` | the command started with `-c` |
//! | `# attached: getppid 10` | a process that is running already and named with `-x`; it does this once the probes are live |
//! | `# signal: INT` | a signal sent to ntap once the probes are live, and the attached process has printed `done` |
//!
//! `$SESSION` in options, a command and a workload is a name of this run of the case, for files of the session: it is
//! put back into what is printed.
//!
//! Standard output is compared with `NAME.stdout`, standard error with `NAME.stderr`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ntap_compiler::facts::Facts;
use ntap_runtime::kernel::LiveKernel;

use super::cases::Case;
use super::workload;

/// After this a session is killed and its case fails. Few take more than a second, but machines stall.
const LONGEST: Duration = Duration::from_secs(60);
/// What ntap says with `-v` when events are seen from now on.
const LIVE: &str = " probes are live, attached in ";
/// How other lines begin that are there for `-v` only.
const VERBOSE: [&str; 2] = ["Pass ", "ntap: loaded "];

/// NTAP_TIME_FACTOR: how many times slower than usual the machine is. 1 without it.
pub(crate) fn time_factor() -> u32 {
    std::env::var("NTAP_TIME_FACTOR").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Whether the running kernel is older than the release that a text begins with: `6.4: programs at netfilter hooks`.
pub(crate) fn is_before(text: &str) -> bool {
    let numbers = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    numbers(&release).zip(numbers(text)).is_some_and(|(running, needed)| running < needed)
}

/// Whether this is a guest whose CPU is emulated.
pub(crate) fn is_emulated() -> bool {
    time_factor() > 1
}

/// Has a command run at the priority that cases expect, whatever the tests themselves run at.
fn at_usual_priority(command: &mut Command) {
    // SAFETY: setpriority is safe between fork and exec. Where it is not allowed, the priority stays.
    unsafe {
        command.pre_exec(|| {
            libc::setpriority(libc::PRIO_PROCESS, 0, 0);
            Ok(())
        });
    }
}

/// The command line of a workload, for `-c`.
pub(crate) fn workload_command(words: &str) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(format!("'{}' {} {words}", program.display(), workload::WORD))
}

/// Runs a case and compares.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let name = format!("case-{}-{}", case.name.replace('/', "-"), std::process::id());
    let named = |text: &str| text.replace("$SESSION", &name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ntap"));
    command.args(case.words("options").iter().map(|word| named(word)));
    if let Some(features) = case.header("without") {
        command.env("NTAP_WITHOUT", features);
    }
    if let Some(line) = case.header("command") {
        command.args(["-c", &named(line)]);
    }
    if let Some(words) = case.header("workload") {
        command.args(["-c", &workload_command(&named(words))?]);
    }
    let mut attached = case.header("attached").map(start_attached).transpose()?;
    if let Some(attached) = &attached {
        command.args(["-x", &attached.child.id().to_string()]);
    }
    let signal = case.header("signal").map(signal_number).transpose()?;
    let waits = signal.is_some() || attached.is_some();
    if waits {
        command.arg("-v");
    }
    command.arg(case.file_name());
    for word in case.words("args") {
        command.arg(argument(&word)?);
    }
    command.current_dir(case.path.parent().ok_or("a case is in a folder")?);
    command.env("TZ", "UTC").env_remove("NO_COLOR");
    at_usual_priority(&mut command);
    let input = case.header("stdin").map(|text| text.replace("\\n", "\n"));
    let mut finished = watch_with_input(&mut command, input.as_deref(), |session| {
        if let Some(attached) = &mut attached {
            attached.release();
            if signal.is_some() {
                attached.wait_until_done();
            }
        }
        if let Some(signal) = signal {
            // SAFETY: sends a signal to a child that has not been waited for.
            unsafe { libc::kill(session as libc::pid_t, signal) };
        }
    })?;
    drop(attached);
    if waits {
        let is_verbose =
            |line: &str| VERBOSE.iter().any(|word| line.starts_with(word)) || line.contains(LIVE);
        let is_said = |line: &&str| !is_verbose(line);
        finished.stderr = finished.stderr.split_inclusive('\n').filter(is_said).collect();
    }
    let printed = |text: &str| text.replace(&name, "$SESSION");
    let wanted = case.header("status").unwrap_or("0");
    let mut failures = vec![];
    failures.extend(case.compare("stdout", &printed(&finished.stdout)).err());
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let messages = without_times(&printed(&finished.stderr));
    let messages = messages.replace(&*program.to_string_lossy(), "$PROGRAM");
    failures.extend(case.compare("stderr", &messages).err());
    if finished.status != wanted {
        failures.push(format!(
            "exit status {}, expected {wanted}\n{}",
            finished.status, finished.stderr
        ));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// A word of `# args:` that depends on the machine: `syscall:getppid`, `enum:SKB_DROP_REASON_NO_SOCKET`,
/// `symbol:vfs_read`.
fn argument(word: &str) -> Result<String, String> {
    match word.split_once(':') {
        Some(("syscall", name)) => {
            let number = match name {
                "getppid" => libc::SYS_getppid,
                "getuid" => libc::SYS_getuid,
                "close" => libc::SYS_close,
                "execve" => libc::SYS_execve,
                other => return Err(format!("the number of `{other}` is not known here")),
            };
            Ok(number.to_string())
        }
        Some(("symbol", name)) => {
            let address = LiveKernel::new().symbol_address(name);
            Ok(format!("{:#x}", address.ok_or(format!("no symbol `{name}`"))?))
        }
        Some(("enum", name)) => {
            let kernel = LiveKernel::new();
            let types = kernel.btf().map_err(|missing| missing.to_string())?;
            let (_, value) = types.enumerator(name).ok_or(format!("no constant `{name}`"))?;
            Ok(value.to_string())
        }
        _ => Ok(word.to_string()),
    }
}

fn signal_number(name: &str) -> Result<i32, String> {
    match name {
        "INT" => Ok(libc::SIGINT),
        "TERM" => Ok(libc::SIGTERM),
        other => Err(format!("no signal `{other}`")),
    }
}

/// A finished session.
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: String,
}

/// Runs to the end, or kills what takes too long.
pub(crate) fn watch(command: &mut Command) -> Result<Finished, String> {
    watch_with_input(command, None, |_| {})
}

/// What a session says while it runs.
enum Said {
    /// A line of standard output.
    Line(String),
    /// Its probes are live.
    Live,
}

/// The same with a text on standard input, which ends behind it. `live` is called with the process when it says that
/// its probes are live, which takes the option `-v`.
fn watch_with_input(
    command: &mut Command,
    input: Option<&str>,
    mut live: impl FnMut(u32),
) -> Result<Finished, String> {
    let start = Instant::now();
    let longest = LONGEST * time_factor();
    let mut child = command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ntap does not start: {error}"))?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
        // What ends before it has read everything is judged by what it printed.
        let _ = pipe.write_all(text.as_bytes());
    }
    let (sender, said) = mpsc::channel();
    let finished_stdout = read_lines(&mut child, sender.clone())?;
    let finished_stderr = read_errors(&mut child, sender)?;
    let mut stdout = String::new();
    let mut is_late = false;
    loop {
        match said.recv_timeout(longest.saturating_sub(start.elapsed())) {
            Ok(Said::Line(line)) => stdout.push_str(&line),
            Ok(Said::Live) => live(child.id()),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                is_late = true;
                break;
            }
        }
    }
    while !is_late && child.try_wait().map_err(|error| error.to_string())?.is_none() {
        is_late = start.elapsed() > longest;
        thread::sleep(Duration::from_millis(2));
    }
    if is_late {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if is_late {
        // A process the session started may keep the pipes open; what they hold is not waited for.
        return Err(format!("killed after {} seconds; its output:\n{stdout}", longest.as_secs()));
    }
    let _ = finished_stdout.join();
    let stderr = finished_stderr.join().map_err(|_| "reading standard error failed")?;
    let status = status.code().map_or(format!("{status}"), |code| code.to_string());
    Ok(Finished { stdout, stderr, status })
}

fn read_lines(child: &mut Child, said: Sender<Said>) -> Result<thread::JoinHandle<()>, String> {
    let pipe = child.stdout.take().ok_or("standard output is a pipe")?;
    Ok(thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = vec![];
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
            if said.send(Said::Line(text)).is_err() {
                return;
            }
        }
    }))
}

fn read_errors(
    child: &mut Child,
    said: Sender<Said>,
) -> Result<thread::JoinHandle<String>, String> {
    let pipe = child.stderr.take().ok_or("standard error is a pipe")?;
    Ok(thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = vec![];
        loop {
            let begin = bytes.len();
            if !reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            if String::from_utf8_lossy(&bytes[begin..]).contains(LIVE) {
                // Nobody listens any more where it took too long.
                let _ = said.send(Said::Live);
            }
        }
    }))
}

/// A workload that waits to be released; ended when dropped.
struct Attached {
    child: Child,
}

fn start_attached(words: &str) -> Result<Attached, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let child = Command::new(program)
        .args([workload::WORD, "wait"])
        .args(words.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    Ok(Attached { child })
}

impl Attached {
    fn release(&mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            let _ = pipe.write_all(b"\n");
        }
    }

    /// Until it says `done`, or ends.
    fn wait_until_done(&mut self) {
        if let Some(pipe) = self.child.stdout.take() {
            let _ = BufReader::new(pipe).read_line(&mut String::new());
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.release();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text without the times of `-t`, which differ from run to run.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.split_once(", time: ") {
        Some((before, times)) if times.trim_end().ends_with(" ns") => format!("{before}\n"),
        _ => line.to_string(),
    };
    text.split_inclusive('\n').map(line).collect()
}
