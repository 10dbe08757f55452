//! The scripts of `scripts/`: each is run with a workload, and its output has the lines it should.
//!
//! | header | meaning |
//! |---|---|
//! | `# script: net/tcpstates` | the script; without, the text of the case |
//! | `# args: 1 2` | the words after it |
//! | `# options: -T 1` | options before it |
//! | `# workload: netns tcp 2 10` | what the process started with `-c` does |
//! | `# line: *127.0.0.1:7777*` | a line like this is printed, with `*` and `?` for what differs each time; spaces count as one |
//! | `# line: 25+ packets *` | the same, with a number of 25 or more as the first or the last word: other processes have such events as well |
//! | `# needs: functions` | the script probes functions of the kernel, where that can be done; elsewhere it is only loaded |
//! | `# needs: module NAME` | of a module: where that is not loaded, `tests/examples.rs` compiles it for a recorded kernel |
//! | `# needs: disk` | what it shows is about disks |

use std::path::Path;
use std::process::Command;

use ntap_compiler::glob;

use super::cases::Case;
use super::{privilege, session};

/// Runs a case.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ntap"));
    let can_attach = match case.header("needs") {
        Some("functions") => privilege::function_hindrance().is_none(),
        Some("disk") => has_disk(),
        Some(needs) => {
            let module = needs.strip_prefix("module ").ok_or(format!("unknown need `{needs}`"))?;
            if !Path::new("/sys/module").join(module).exists() {
                return Ok(());
            }
            true
        }
        None => true,
    };
    match case.header("workload") {
        // Loaded and verified only.
        _ if !can_attach => command.arg("-p4"),
        Some(words) => command.args(["-c", &session::workload_command(words)?]),
        None => &mut command,
    };
    command.args(case.words("options"));
    match case.header("script") {
        Some(script) => command.args(["--example", script]),
        // The text itself is the script.
        None => command.args(["-e", &case.text]),
    };
    command.args(case.words("args"));
    command.env("TZ", "UTC").env_remove("NO_COLOR");
    let finished = session::watch(&mut command)?;
    if finished.status != "0" {
        return Err(format!("exit status {}\n{}", finished.status, finished.stderr));
    }
    if !can_attach {
        return Ok(());
    }
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = finished.stdout.lines().map(words).collect();
    let wanted = case.text.lines().filter_map(|line| line.strip_prefix("# line: "));
    for pattern in wanted {
        if !lines.iter().any(|line| is_like(pattern.trim(), line)) {
            return Err(format!(
                "no line like `{pattern}` in\n{}{}",
                finished.stdout, finished.stderr
            ));
        }
    }
    match case.header("script") {
        Some(_) => compare_sample(case, &finished.stdout),
        None => Ok(()),
    }
}

/// Lines of an output that are shown in `docs/scripts.md`.
const SAMPLE_LINES: usize = 16;

/// What the page of the scripts shows was printed here once, `NTAP_BLESS=1` keeps it: what holds no number, as the
/// heads of columns, has to be printed still.
fn compare_sample(case: &Case, printed: &str) -> Result<(), String> {
    let path = case.path.with_extension("output");
    if std::env::var_os("NTAP_BLESS").is_some() {
        // Lines about where the tests are say nothing to readers.
        let is_general = |line: &&str| !line.contains("/target/") && !line.contains("suite-");
        let lines = printed.trim_matches('\n').lines().filter(is_general);
        let sample: Vec<&str> = lines.take(SAMPLE_LINES).collect();
        let text = sample.join("\n") + "\n";
        return std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
    }
    let sample = std::fs::read_to_string(&path).unwrap_or_default();
    // How wide histograms are, and where they leave lines out, is up to their values.
    let is_histogram = |line: &str| line.contains("|---") || line.trim() == "~";
    let is_fixed = |line: &&str| {
        !line.contains(|c: char| c.is_ascii_digit()) && !line.is_empty() && !is_histogram(line)
    };
    for line in sample.lines().filter(is_fixed) {
        if !printed.lines().any(|other| other == line) {
            return Err(format!(
                "docs/scripts.md shows `{line}` (NTAP_BLESS=1 shows what is printed now)\n{printed}"
            ));
        }
    }
    Ok(())
}

/// Whether a line is as a header says.
fn is_like(pattern: &str, line: &str) -> bool {
    // Of patterns only `*` and `?` are meant.
    let (pattern, line) = (&pattern.replace('[', "("), &line.replace('[', "("));
    let least = |word: &str| word.strip_suffix('+')?.parse::<u64>().ok();
    let is_enough = |word: &str, least| word.parse().is_ok_and(|number: u64| number >= least);
    if let Some((first, rest)) = pattern.split_once(' ')
        && let Some(least) = least(first)
    {
        let (number, line) = line.split_once(' ').unwrap_or((line, ""));
        return is_enough(number, least) && glob::matches(rest, line);
    }
    if let Some((rest, last)) = pattern.rsplit_once(' ')
        && let Some(least) = least(last)
    {
        let (line, number) = line.rsplit_once(' ').unwrap_or(("", line));
        return is_enough(number, least) && glob::matches(rest, line);
    }
    glob::matches(pattern, line)
}

/// Whether there is a disk, a block device of a bus, to which what workloads write can go: not so where files are kept in
/// memory.
fn has_disk() -> bool {
    let Ok(devices) = std::fs::read_dir("/sys/block") else { return false };
    devices.flatten().any(|device| device.path().join("device").exists()) && !writes_to_memory()
}

/// `f_type` of files in memory without a limit, from linux/magic.h.
const RAMFS_MAGIC: libc::__fsword_t = 0x8584_58f6;

/// Whether the folder to which workloads write, or the one it will be made in, is in memory.
fn writes_to_memory() -> bool {
    let path = if Path::new("/var/tmp").exists() { c"/var/tmp" } else { c"/" };
    // SAFETY: a structure of numbers, for which zeros are values.
    let mut status: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends in a zero byte, and the structure is writable.
    let result = unsafe { libc::statfs(path.as_ptr(), &mut status) };
    result == 0 && matches!(status.f_type, libc::TMPFS_MAGIC | RAMFS_MAGIC)
}
