//! `--monitor` at a terminal.

use std::process::Command;

use crate::terminal::Terminal;
use crate::{NTAP, has_types, is_root, ntap, status, stderr};

const SCRIPT: &str = "global n, calls, ticks
    probe kernel.trace(\"sys_enter\") { if (pid() == target() && $id == $1) { n++; calls[$id] <<< 3 } }
    probe timer.ms(20) { printf(\"tick %d\\n\", ++ticks) }
    probe end { println(\"all \", n, \" calls\") }";

#[test]
fn shows_globals_probes_and_output() {
    if !is_root() || !has_types() {
        println!("skipped: not root, or no types");
        return;
    }
    let getppid = libc::SYS_getppid.to_string();
    // A shell asks for its parent once, when it starts.
    let shell = "echo from the command; sleep 30";
    let mut command = Command::new(NTAP);
    command.args(["--monitor=0.1", "-e", SCRIPT, "-c", shell, &getppid]);
    let mut terminal = Terminal::start(&mut command, 20, 80);
    terminal.wait_for(" 3 probes, by hits  q: quit  s: sort");
    terminal.wait_for("^from the command");
    terminal.wait_for("^tick 5");
    terminal.wait_until("the table", |screen| {
        let line = |begin: &str| screen.lines().find(|line| line.starts_with(begin));
        // Hits and three times.
        let cells = |line: &str| line.split_whitespace().count();
        line("n=").is_some()
            && line("ticks=").is_some()
            && line(&format!("calls[{getppid}] @count=")).is_some()
            && line("timer.ms(20)").is_some_and(|line| cells(line) == 5)
            && line("kernel.trace(\"sys_enter\")").is_some_and(|line| cells(line) == 5)
            && line("end ").is_some_and(|line| line.ends_with(" 0"))
    });
    terminal.type_keys("s");
    terminal.wait_for("by avg");
    terminal.resize(12, 60);
    terminal.wait_for("by avg");
    terminal.type_keys("q");
    // The terminal is as it was, with the output.
    terminal.wait_for(" calls");
    let text = terminal.text();
    assert!(!text.contains("by avg") && text.contains("tick "), "{text}");
    assert!(terminal.end().success());
}

#[test]
fn needs_a_terminal() {
    let output = ntap(&["--monitor", "-e", "probe begin { exit() }"]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("`--monitor` needs a terminal"), "{}", stderr(&output));
}
