//! Tracers that run while a load does, and what the kernel counts of their programs: it shows them for each
//! descriptor of a program in `/proc/PID/fdinfo`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What the kernel has counted of a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// How often it ran.
    pub runs: u64,
    /// How long it ran, in nanoseconds.
    pub nanoseconds: u64,
}

/// A tracer with a script.
pub struct Tracer(Child);

impl Tracer {
    /// Starts `ntap` or `bpftrace` with a script. Nothing is attached yet.
    pub fn start(program: &Path, script: &str) -> Tracer {
        let mut command = Command::new(program);
        command.args(["-e", script]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Tracer(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")))
    }

    /// The statistics of the program that ran most; none before it is loaded.
    pub fn statistics(&self) -> Option<Statistics> {
        let folder = fs::read_dir(format!("/proc/{}/fdinfo", self.0.id())).ok()?;
        folder
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .filter_map(|text| parse(&text))
            .max_by_key(|statistics| statistics.runs)
    }

    /// Interrupts it, and waits until it has detached.
    pub fn stop(mut self) {
        // SAFETY: takes numbers only; the child has not been waited for, so the number is its own.
        unsafe { libc::kill(self.0.id() as i32, libc::SIGINT) };
        self.0.wait().expect("the child ends");
    }
}

/// Statistics in the text of a descriptor, when it is that of a program.
fn parse(text: &str) -> Option<Statistics> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    Some(Statistics { runs: field("run_cnt:")?, nanoseconds: field("run_time_ns:")? })
}
