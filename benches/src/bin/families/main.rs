//! What an event of each family of probes costs, beside bpftrace: a counter, added to by each event.
//!
//! `cargo measure families` measures, taking turns: nothing attached, ntap and bpftrace. The load is one thread on one
//! CPU that does without end what the probe is about: getppid(2), a call of a function of this program, a mark in it, a
//! page that is touched for the first time. Words behind the command choose families whose probe point has them. Probes of kernel functions are measured in a guest (`tests/vm/figures`).
//! Needs root; installs bpftrace by apt.

mod operations;

use std::path::Path;
use std::time::{Duration, Instant};

use measure::{Load, Tracer, median};
use ntap_runtime::sys;

/// A family of probes.
struct Family {
    /// A probe point of ours, and of bpftrace; `{own}` is this program.
    ntap: &'static str,
    bpftrace: &'static str,
    /// What makes an event.
    operation: fn(),
    /// So many of them between two looks at the clock.
    times: u64,
    /// Whether each of them is an event, so that it takes longer; timers hit whatever runs.
    is_event: bool,
}

const fn family(ntap: &'static str, bpftrace: &'static str, operation: fn(), times: u64) -> Family {
    Family { ntap, bpftrace, operation, times, is_event: true }
}

const FAMILIES: &[Family] = &[
    family(
        r#"kernel.trace("sys_enter")"#,
        "tracepoint:raw_syscalls:sys_enter",
        measure::getppid,
        10_000,
    ),
    family("syscall.getppid", "tracepoint:syscalls:sys_enter_getppid", measure::getppid, 10_000),
    family(
        "syscall.getppid.return",
        "tracepoint:syscalls:sys_exit_getppid",
        measure::getppid,
        10_000,
    ),
    family(
        r#"process("{own}").function("measured_call")"#,
        "uprobe:{own}:measured_call",
        operations::call,
        10_000,
    ),
    family(
        r#"process("{own}").function("measured_call").return"#,
        "uretprobe:{own}:measured_call",
        operations::call,
        10_000,
    ),
    family(
        r#"process("{own}").mark("measured_mark")"#,
        "usdt:{own}:ntap:measured_mark",
        operations::pass_mark,
        10_000,
    ),
    family(
        "perf.sw.page_faults.sample(1)",
        "software:page-faults:1",
        operations::touch_page,
        2_000,
    ),
    Family {
        is_event: false,
        ..family("timer.profile.freq.hz(1000)", "profile:hz:1000", operations::call, 10_000)
    },
];

fn main() {
    measure::need("bpftrace", "bpftrace");
    measure::mount_tracefs();
    let ntap = &measure::ntap();
    // Time is measured of all programs until this is dropped.
    let _statistics = sys::enable_run_time_statistics().expect("kernel statistics (5.8, root)");
    let rounds = measure::runs(9);
    measure::print_machine();
    println!("{}. {rounds} rounds; median (quartiles).\n", measure::version("bpftrace"));
    measure::table(&[
        "probe",
        "ntap's program, ns",
        "bpftrace's program, ns",
        "added by ntap, ns",
        "added by bpftrace, ns",
        "ratio",
    ]);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_meant = |family: &&Family| {
        words.is_empty() || words.iter().any(|word| family.ntap.contains(word.as_str()))
    };
    for family in FAMILIES.iter().filter(is_meant) {
        eprintln!("benchmark: {}", family.ntap);
        compare(family, ntap, rounds);
    }
}

/// Measures a family, and prints its row.
fn compare(family: &Family, ntap: &Path, rounds: usize) {
    let own = std::env::current_exe().expect("a path").display().to_string();
    let ntap_script = format!(
        "global n  probe {} {{ n <<< 1 }}  probe timer.s(1000) {{ println(@count(n)) }}",
        family.ntap.replace("{own}", &own)
    );
    let bpftrace_script = format!("{} {{ @ = count(); }}", family.bpftrace.replace("{own}", &own));
    let (mut floor, mut ours, mut theirs) = (vec![], vec![], vec![]);
    for round in 0..=rounds {
        let alone = sample(family, None).1;
        let of_ntap = sample(family, Some((ntap, &ntap_script)));
        let of_bpftrace = sample(family, Some((Path::new("bpftrace"), &bpftrace_script)));
        // The first round brings everything into memory.
        if round > 0 {
            floor.push(alone);
            ours.push(of_ntap);
            theirs.push(of_bpftrace);
        }
    }
    let floor = median(floor).value;
    let program = |samples: &[(f64, f64)]| median(samples.iter().map(|s| s.0));
    let added = |samples: &[(f64, f64)]| median(samples.iter().map(|s| s.1 - floor));
    let (of_ntap, of_bpftrace) = match family.is_event {
        true => (added(&ours), added(&theirs)),
        false => (program(&ours), program(&theirs)),
    };
    let cell = |added: measure::Median| match family.is_event {
        true => format!("{added:.0}"),
        false => "—".to_owned(),
    };
    measure::row(&[
        format!("`{}`", family.ntap.replace("{own}", "…")),
        format!("{:.0}", program(&ours)),
        format!("{:.0}", program(&theirs)),
        cell(of_ntap),
        cell(of_bpftrace),
        format!("{:.2}", of_ntap.value / of_bpftrace.value),
    ]);
}

/// Nanoseconds of the program for an event, and of the load for each operation.
fn sample(family: &Family, tracer: Option<(&Path, &str)>) -> (f64, f64) {
    let cpu = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let load = Load::start(cpu, family.operation, family.times);
    let Some((program, script)) = tracer else {
        return (0.0, load.nanoseconds_per_call());
    };
    let tracer = Tracer::start(program, script);
    let start = Instant::now();
    while tracer.statistics().is_none_or(|s| s.runs == 0) {
        assert!(start.elapsed() < Duration::from_secs(20), "{script}: no event is seen");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(measure::PAUSE);
    let before = tracer.statistics().unwrap_or_default();
    let nanoseconds = load.nanoseconds_per_call();
    let after = tracer.statistics().unwrap_or_default();
    drop(load);
    let runs = after.runs - before.runs;
    assert!(runs > 100, "{script}: the program ran {runs} times only");
    tracer.stop();
    std::thread::sleep(measure::PAUSE);
    ((after.nanoseconds - before.nanoseconds) as f64 / runs as f64, nanoseconds)
}
