//! Whether every event is counted, and what printing each of them costs.
//!
//! `cargo measure loss` runs three parts, or those named behind it:
//!
//! - `intervals`: all CPUs call getppid(2) while a timer reads and deletes every 10 ms what was counted; the sum over
//!   all intervals has to be the number of calls, for 20 million of them (`EVENTS`).
//! - `printing`: a handler that prints every call, on each CPU in turn, beside bpftrace: how many lines come out in a
//!   second, what is said to be lost, and how much slower the traced program is. It is interrupted in the middle.
//! - `soak`: the same as `intervals` with a time limit (`MINUTES`, 10): memory and drift, minute by minute.
//!
//! Needs root; installs bpftrace by apt.

mod intervals;
mod printing;
mod soak;
mod tracer;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("hammer", rest)) = words.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        return tracer::hammer(rest);
    }
    let wants = |part: &str| words.is_empty() && part != "soak" || words.iter().any(|w| w == part);
    let ntap = &measure::ntap();
    measure::print_machine();
    if wants("intervals") {
        intervals::measure(ntap);
    }
    if wants("printing") {
        measure::need("bpftrace", "bpftrace");
        measure::mount_tracefs();
        printing::measure(ntap);
    }
    if wants("soak") {
        soak::measure(ntap);
    }
}
