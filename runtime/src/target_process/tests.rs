//! Tests with real processes; none needs privileges.

use std::time::Instant;

use super::*;
use crate::sys::{PollResult, poll_readable};

fn name_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

#[test]
fn waits_at_the_gate() {
    let mut target = TargetProcess::spawn("sleep 3").unwrap();
    assert_eq!(poll_readable(target.pidfd(), Some(30)).unwrap(), PollResult::TimedOut);
    assert_ne!(name_of(target.pid()), "sleep");
    let before = Instant::now();
    target.release().unwrap();
    assert_eq!(name_of(target.pid()), "sleep");
    assert_eq!(target.try_wait().unwrap(), None);
    assert_eq!(poll_readable(target.pidfd(), Some(60_000)).unwrap(), PollResult::Readable);
    assert!(before.elapsed().as_millis() >= 2990);
    assert!(target.wait().unwrap().success());
    // Asking again gives the same answer.
    assert!(target.wait().unwrap().success());
}

#[test]
fn reports_the_exit_status() {
    for (command, code) in [("sh -c 'exit 3'", 3), ("true && exit 4", 4), ("false", 1)] {
        let mut target = TargetProcess::spawn(command).unwrap();
        target.release().unwrap();
        assert_eq!(target.wait().unwrap().code(), Some(code), "{command}");
    }
}

#[test]
fn dies_when_dropped_before_release() {
    let target = TargetProcess::spawn("sleep 100").unwrap();
    let pid = target.pid();
    drop(target);
    assert!(matches!(watch(pid), Err(TargetError::NoSuchProcess { .. })));
}

#[test]
fn signals_have_their_defaults() {
    // SIGPIPE is ignored in Rust programs; the child must not inherit that.
    // It is signal 13, the lowest bit of the fourth digit from the right.
    let command = "grep -q '^SigIgn:.*[02468ace]...$' /proc/self/status";
    let mut target = TargetProcess::spawn(command).unwrap();
    target.release().unwrap();
    assert!(target.wait().unwrap().success());
}

#[test]
fn scripts_without_interpreter_line_run() {
    let path = std::env::temp_dir().join(format!("ntap-script-{}", std::process::id()));
    std::fs::write(&path, "exit $1\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).unwrap();
    let mut target = TargetProcess::spawn(&format!("{} 5", path.display())).unwrap();
    let released = target.release();
    let status = target.wait();
    std::fs::remove_file(&path).unwrap();
    released.unwrap();
    assert_eq!(status.unwrap().code(), Some(5));
}

#[test]
fn failures_name_the_command() {
    let message = |command: &str| match TargetProcess::spawn(command) {
        Err(error) => error.to_string(),
        Ok(mut target) => target.release().unwrap_err().to_string(),
    };
    let rows = [
        ("", "the target command is empty"),
        ("no-such-program x", "start target command `no-such-program`: command not found"),
        ("/etc", "start target command `/etc`: Permission denied"),
    ];
    for (command, expected) in rows {
        assert_eq!(message(command), expected, "{command}");
    }
}

#[test]
fn watches_running_processes() {
    let pidfd = watch(std::process::id()).unwrap();
    assert_eq!(poll_readable(pidfd.as_fd(), Some(0)).unwrap(), PollResult::TimedOut);
    for pid in [0, 0x3fff_ffff, u32::MAX] {
        let message = watch(pid).unwrap_err().to_string();
        assert_eq!(message, format!("there is no process {pid}"));
    }
}
