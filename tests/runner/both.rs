//! The same statements in both halves: natively in a `begin` probe, and in a kernel probe.
//!
//! A case of `tests/suite/both/` has sections, each begun by a comment:
//!
//! ```text
//! global a, b, words
//! # input:   optional: sets globals in a block of its own, so that the compiler does not know them
//! a = 7; b = -2
//! # body:    what is run in both halves
//! println(a / b)
//! # end:     optional: the statements of an `end` probe
//! println("end")
//! ```
//!
//! Each half is a whole script and a whole session. Both must print `NAME.stdout`, and end with the
//! status of `# status:`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cases::Case;
use super::session::{self, Finished};

/// A case taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// Globals and functions.
    pub(crate) declarations: String,
    /// Statements that set globals.
    pub(crate) input: String,
    /// What is compared.
    pub(crate) body: String,
    /// Statements of the `end` probe.
    pub(crate) end: String,
    /// Options of ntap.
    pub(crate) options: Vec<String>,
}

/// Where a body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// In a `begin` probe.
    User,
    /// In a kernel probe.
    Kernel,
    /// In a kernel probe made for a kernel whose verifier would walk loops and that knows no instructions of
    /// version 4.
    OldKernel,
}

/// Runs a case in both halves.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let mut parts = parts(&case.text)?;
    parts.options = case.words("options");
    let wanted = case.header("status").unwrap_or("0");
    let file = case.name.replace('/', "-");
    if session::is_emulated() {
        // The user half is the same on every kernel, and takes its time there.
        let finished = run_in(Side::Kernel, &file, &parts)?;
        if finished.status != wanted {
            return Err(format!(
                "exit status {}, expected {wanted}\n{}",
                finished.status, finished.stderr
            ));
        }
        return case.compare("stdout", &finished.stdout);
    }
    let user = run_in(Side::User, &file, &parts)?;
    let mut kernels = vec![("kernel", run_in(Side::Kernel, &file, &parts)?)];
    if ["for", "while"].iter().any(|word| case.text.contains(word)) {
        kernels.push(("older kernel's", run_in(Side::OldKernel, &file, &parts)?));
    }
    let mut failures = vec![];
    if let Err(difference) = case.compare("stdout", &user.stdout) {
        failures.push(format!("in the user half: {difference}"));
    }
    for (side, kernel) in &kernels {
        if user.stdout != kernel.stdout {
            let difference = super::cases::difference(&user.stdout, &kernel.stdout);
            failures.push(format!("the {side} half differs from the user half\n{difference}"));
        }
    }
    kernels.push(("user", user));
    for (side, finished) in &kernels {
        if finished.status != wanted || (wanted == "0" && !finished.stderr.is_empty()) {
            failures.push(format!(
                "the {side} half has exit status {}, expected {wanted}\n{}",
                finished.status, finished.stderr
            ));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// Runs the script of one half.
pub(crate) fn run_in(side: Side, name: &str, parts: &Parts) -> Result<Finished, String> {
    let path = write(side, name, &script(side, std::slice::from_ref(parts), 1))?;
    run_file(side, &path, 1, &parts.options)
}

/// Runs a script; one for the kernel sees so many events.
pub(crate) fn run_file(
    side: Side,
    path: &Path,
    events: usize,
    options: &[String],
) -> Result<Finished, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ntap"));
    // One thread makes the call: nothing can come between.
    command.arg("-w").args(options);
    if side == Side::OldKernel {
        command.env("NTAP_WITHOUT", "may_goto cpu4");
    }
    if side != Side::User {
        command.args(["-c", &session::workload_command(&format!("getppid {events}"))?]);
    }
    command.arg(path).arg(libc::SYS_getppid.to_string());
    session::watch(&mut command)
}

/// Keeps a script where it can be looked at.
pub(crate) fn write(side: Side, name: &str, text: &str) -> Result<PathBuf, String> {
    let half = match side {
        Side::User => "user",
        Side::Kernel | Side::OldKernel => "kernel",
    };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{half}.nt"));
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// The script of one half, with the bodies one after another; each is run so many times.
pub(crate) fn script(side: Side, all: &[Parts], hits: usize) -> String {
    let mut out = String::new();
    for (at, parts) in all.iter().enumerate() {
        let Parts { declarations, input, body, end, options: _ } = parts;
        out.push_str(declarations);
        if !input.is_empty() {
            out.push_str(&format!("probe begin(-1) {{\n{input}}}\n"));
        }
        match side {
            Side::User => {
                for hit in 0..hits {
                    let at = hit * all.len() + at;
                    out.push_str(&format!("probe begin({at}) {{\n{body}}}\n"));
                }
            }
            Side::Kernel | Side::OldKernel => out.push_str(&format!(
                "probe kernel.trace(\"sys_enter\") {{\nif (pid() != target() || $id != $1) next\n{body}}}\n"
            )),
        }
        if !end.is_empty() {
            out.push_str(&format!("probe end {{\n{end}}}\n"));
        }
    }
    if side == Side::User {
        out.push_str(&format!("probe begin({}) {{ exit() }}\n", hits * all.len()));
    }
    out
}

/// Takes a case apart.
fn parts(text: &str) -> Result<Parts, String> {
    let mut parts = Parts::default();
    let mut section = &mut parts.declarations;
    for line in text.lines() {
        match line {
            "# input:" => section = &mut parts.input,
            "# body:" => section = &mut parts.body,
            "# end:" => section = &mut parts.end,
            _ => {
                section.push_str(line);
                section.push('\n');
            }
        }
    }
    if parts.body.is_empty() {
        return Err("the case has no `# body:`".to_string());
    }
    Ok(parts)
}
