//! How long a script takes from its command to its end, and how much memory: ntap beside bpftrace.
//!
//! `cargo measure startup` builds ntap as it is given away, installs bpftrace when there is none,
//! and prints Markdown. Needs root. The commands take turns, with a pause between any two, and go before
//! other work of the machine.

use std::path::Path;
use std::process::Command;

use measure::{Median, PAUSE, Run, Stream, median, milliseconds};

const COUNT: &str = r#"global n
probe kernel.trace("sys_enter") { n[execname()] <<< 1 }
probe timer.ms(1) { foreach (e in n- limit 5) printf("%s %d\n", e, @count(n[e])); exit() }"#;

const SYSTEM_CALLS: &str = "global n  probe syscall.* { n[name]++ }  probe timer.ms(1) { exit() }";

const PRINTED_CALLS: &str =
    r#"probe syscall.* { printf("%s(%s)\n", name, argstr) }  probe timer.ms(1) { exit() }"#;

const PRINTED_RETURNS: &str = r#"probe syscall.*.return { printf("%s(%s) = %s\n", name, argstr, retstr) }
probe timer.ms(1) { exit() }"#;

const BPFTRACE_COUNT: &str = "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); } \
                              interval:ms:1 { print(@, 5); exit(); }";

/// A command that is measured.
struct Subject {
    name: &'static str,
    command: Command,
    stream: Stream,
    runs: Vec<Run>,
}

fn main() {
    measure::need("bpftrace", "bpftrace");
    measure::mount_tracefs();
    let ntap = &measure::ntap();
    measure::go_first();
    let mut subjects = subjects(ntap);
    for round in 0..=measure::runs(30) {
        for subject in &mut subjects {
            std::thread::sleep(PAUSE);
            let run = measure::run(&mut subject.command, subject.stream);
            // The first round brings the files into memory.
            if round > 0 {
                subject.runs.push(run);
            }
        }
    }
    report(ntap, &subjects);
}

fn subjects(ntap: &Path) -> Vec<Subject> {
    let subject = |name, program: &Path, arguments: &[&str], stream| {
        let mut command = Command::new(program);
        command.args(arguments);
        Subject { name, command, stream, runs: vec![] }
    };
    let (bpftrace, output) = (Path::new("bpftrace"), Stream::Output);
    vec![
        subject("`true` (the floor)", Path::new("true"), &[], output),
        subject("ntap, begin only", ntap, &["-e", "probe begin { exit() }"], output),
        subject("bpftrace, `BEGIN` only", bpftrace, &["-q", "-e", "BEGIN { exit(); }"], output),
        subject("ntap, count by key", ntap, &["-e", COUNT], output),
        subject("bpftrace, count by key", bpftrace, &["-q", "-e", BPFTRACE_COUNT], output),
        subject("ntap -v, until live", ntap, &["-v", "-e", COUNT], Stream::Errors),
        subject("ntap, `syscall.*` by name", ntap, &["-e", SYSTEM_CALLS], output),
        subject("ntap, `syscall.*` printed", ntap, &["-e", PRINTED_CALLS], output),
        subject("ntap, `syscall.*.return` printed", ntap, &["-e", PRINTED_RETURNS], output),
        subject("ntap, all tracepoints listed", ntap, &["-L", "kernel.trace(\"*\")"], output),
        subject("ntap, all functions listed", ntap, &["-l", "kernel.function(\"*\")"], output),
    ]
}

fn report(ntap: &Path, subjects: &[Subject]) {
    measure::print_machine();
    let bytes = std::fs::metadata(ntap).map_or(0, |m| m.len());
    println!(
        "Binary: {:.2} MB. {}. {} runs each; median (quartiles).\n",
        bytes as f64 / 1e6,
        measure::version("bpftrace"),
        subjects[0].runs.len()
    );
    measure::table(&[
        "command",
        "wall time, ms",
        "CPU time, ms",
        "to the first output, ms",
        "peak RSS, MiB",
    ]);
    for subject in subjects {
        let of = |value: fn(&Run) -> f64| median(subject.runs.iter().map(value));
        let first: Vec<f64> =
            subject.runs.iter().filter_map(|run| run.first_output).map(milliseconds).collect();
        let first = if first.is_empty() { "—".to_owned() } else { show(median(first)) };
        measure::row(&[
            subject.name.to_owned(),
            show(of(|run| milliseconds(run.wall))),
            show(of(|run| milliseconds(run.processor))),
            first,
            format!("{:.1}", of(|run| run.peak_kib as f64 / 1024.0).value),
        ]);
    }
}

fn show(median: Median) -> String {
    format!("{median:.1}")
}
