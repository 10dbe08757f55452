//! What an event costs: counting and recording on every system call in four ways, by the kernel's own
//! statistics of BPF programs and by what a system call takes longer.
//!
//! `cargo measure events` measures, taking turns: nothing attached, an empty program, the
//! hand-written program `count.bpf.c` (clang), ntap and bpftrace. The load is one thread
//! on one CPU that calls getppid(2) without end. Needs root; installs clang and bpftrace by apt.

mod subject;

use std::path::Path;

use measure::{Load, Median, median};
use ntap_runtime::sys;
use subject::{FORMS, Form, Kind, Subject};

/// What one round measured of one subject.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// By the kernel's statistics; none for no program.
    program_ns: Option<f64>,
    /// How long a call of getppid took.
    call_ns: f64,
}

fn main() {
    measure::need("clang", "clang");
    measure::need("bpftrace", "bpftrace");
    measure::mount_tracefs();
    let ntap = &measure::ntap();
    let object = subject::compile_hand_written();
    // Time is measured of all programs until this is dropped.
    let _statistics = sys::enable_run_time_statistics().expect("kernel statistics (5.8, root)");
    let cpu = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let rounds = measure::runs(15);
    measure::print_machine();
    println!(
        "{}. {}. {rounds} rounds; median (quartiles).",
        measure::version("clang"),
        measure::version("bpftrace"),
    );
    for form in FORMS {
        let mut samples: Vec<Vec<Sample>> = vec![vec![]; Kind::ALL.len()];
        for round in 0..=rounds {
            eprintln!("benchmark: {}: round {round} of {rounds}", form.name);
            for (kind, samples) in Kind::ALL.iter().zip(&mut samples) {
                let sample = measure_one(*kind, form, ntap, &object, cpu);
                // The first round brings everything into memory.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        println!("\n### {}\n", form.name);
        report(&samples);
    }
}

/// So many calls between two looks at the clock.
const CALLS_PER_LOOK: u64 = 10_000;

fn measure_one(kind: Kind, form: &Form, ntap: &Path, object: &[u8], cpu: usize) -> Sample {
    let subject = Subject::start(kind, form, ntap, object);
    // The first event of the thread makes the element; it is not measured.
    let load = Load::start(cpu, measure::getppid, CALLS_PER_LOOK);
    let before = subject.statistics();
    let call_ns = load.nanoseconds_per_call();
    let after = subject.statistics();
    drop(load);
    let program_ns = before.zip(after).map(|(before, after)| {
        let runs = after.runs - before.runs;
        assert!(runs > 10_000, "{kind:?}: the program ran {runs} times only");
        (after.nanoseconds - before.nanoseconds) as f64 / runs as f64
    });
    subject.stop();
    std::thread::sleep(measure::PAUSE);
    Sample { program_ns, call_ns }
}

fn report(samples: &[Vec<Sample>]) {
    let of = |kind: Kind, value: fn(&Sample) -> Option<f64>| -> Option<Median> {
        let at = Kind::ALL.iter().position(|&k| k == kind)?;
        let values: Option<Vec<f64>> = samples[at].iter().map(value).collect();
        Some(median(values?))
    };
    let program = |kind| of(kind, |sample| sample.program_ns);
    let call = |kind| of(kind, |sample| Some(sample.call_ns));
    let floor = program(Kind::Empty).map_or(0.0, |m| m.value);
    let no_program = call(Kind::Nothing).map_or(0.0, |m| m.value);
    let net = |kind| program(kind).map(|m| m.value - floor);
    measure::table(&[
        "attached to `sys_enter`",
        "kernel statistics, ns per event",
        "less the empty program",
        "ratio to hand-written",
        "added to a system call, ns",
    ]);
    for &kind in Kind::ALL {
        let none = || "—".to_owned();
        let ratio = net(kind).zip(net(Kind::HandWritten)).map(|(a, b)| a / b);
        let counts = !matches!(kind, Kind::Nothing | Kind::Empty);
        measure::row(&[
            kind.name().to_owned(),
            program(kind).map_or_else(none, |m| format!("{m:.1}")),
            net(kind).filter(|_| counts).map_or_else(none, |ns| format!("{ns:.1}")),
            ratio.filter(|_| counts).map_or_else(none, |ratio| format!("{ratio:.2}")),
            call(kind).map_or_else(none, |m| format!("{:.1}", m.value - no_program)),
        ]);
    }
    println!("\nA call of getppid(2) with nothing attached takes {no_program:.0} ns.");
}
