//! What the stack of a process costs the handler that asks for it, by how large it is: the handler sends a copy of
//! the stack to userspace, which walks it.
//!
//! `cargo measure stacks` runs this program again as the load: it calls itself until its stack has a size, and then
//! calls a function that is probed. The handlers measure themselves (`ntap -t`). Needs root.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use measure::median;

/// So often the function is called in a run: with a pause now and then, so that nothing is lost.
const CALLS: u32 = 2_000;

/// What handlers do.
const FORMS: [(&str, &str); 3] = [
    ("count", "n <<< pid()"),
    ("`ustack(1)`", "if (ustack(1) == 1) exit()"),
    ("`print_ubacktrace()`", "print_ubacktrace()"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, bytes] = &arguments[..]
        && word == "--load"
    {
        let start = std::ptr::from_ref(&arguments) as usize;
        deep(bytes.parse().expect("a number"), start);
        return;
    }
    let ntap = &measure::ntap();
    measure::print_machine();
    measure::table(&["bytes of stack", "the handler", "takes, ns", "stacks lost"]);
    for bytes in [0, 2 << 10, 8 << 10, 32 << 10] {
        for (name, form) in FORMS {
            let runs = (0..measure::runs(5)).map(|_| run(ntap, bytes, form));
            let (times, lost): (Vec<f64>, Vec<u64>) = runs.unzip();
            let time = median(times);
            let lost: u64 = lost.into_iter().sum();
            measure::row(&[bytes.to_string(), name.into(), format!("{time:.0}"), lost.to_string()]);
        }
    }
}

/// Nanoseconds that a handler took, and how many were lost.
fn run(ntap: &Path, bytes: u32, form: &str) -> (f64, u64) {
    let own = std::env::current_exe().expect("a path");
    let own = own.display();
    let script = format!(
        "global n probe process(\"{own}\").function(\"measured_call\") {{ {form} }} probe end {{ if (@count(n)) n <<< 1 }}"
    );
    let load = format!("{own} --load {bytes}");
    let output = Command::new(ntap).args(["-t", "-e", &script, "-c", &load]).output();
    let output = output.expect("ntap starts");
    let messages = String::from_utf8_lossy(&output.stderr);
    let report =
        messages.lines().find(|line| line.contains("measured_call") && line.contains("avg/"));
    let report = report.unwrap_or_else(|| panic!("no report: {messages}"));
    let number = |before: &str| {
        let digits = report.split(before).next().unwrap_or_default();
        let digits = digits.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse::<f64>().unwrap_or_else(|_| panic!("no number before {before}: {report}"))
    };
    let lost = messages.lines().filter(|line| line.contains(" records lost"));
    let lost = lost.filter_map(|line| {
        line.rsplit_once(": ")
            .map_or(line, |(start, _)| start)
            .split(' ')
            .rev()
            .nth(2)?
            .parse::<u64>()
            .ok()
    });
    (number("avg/"), lost.sum())
}

/// Makes the stack so much larger than it was where `start` is, and calls [`measured_call`] there.
#[inline(never)]
fn deep(bytes: u32, start: usize) {
    let room = black_box([0u8; 128]);
    if start - (room.as_ptr() as usize) < bytes as usize {
        deep(bytes, start);
    } else {
        for call in 0..CALLS {
            measured_call(call);
            if call % 20 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
    black_box(room);
}

/// What is probed.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measured_call(call: u32) -> u32 {
    black_box(call)
}
