//! A line for every event.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::tracer::{Hammer, Tracer, count_lines, numbers_before};

/// How many events the traced program makes when its slowdown is measured.
const CALLS: u64 = 1_000_000;
/// The same for bpftrace, which wakes its reader for each: it takes minutes for a million on a busy machine.
const CALLS_OF_BPFTRACE: u64 = 100_000;
/// How long printing goes on before it is interrupted.
const RUNNING: Duration = Duration::from_secs(2);

/// Who prints.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Ntap,
    Bpftrace,
}

fn start(who: Who, ntap: &Path, pid: u32) -> Tracer {
    let number = libc::SYS_getppid;
    match who {
        Who::Ntap => Tracer::ntap(
            ntap,
            pid,
            &["--overload", "100"],
            "global n probe kernel.trace(\"sys_enter\") { if (pid() == target() && $id == $1) { \
             n++; printf(\"event %d %d\\n\", tid(), $id) } } probe end { printf(\"%d\\n\", n) }",
        ),
        Who::Bpftrace => Tracer::bpftrace(&format!(
            "tracepoint:raw_syscalls:sys_enter /pid == {pid} && args->id == {number}/ {{ \
             @n = count(); printf(\"event %d %d\\n\", tid, args->id); }}"
        )),
    }
}

/// What a run has come to.
struct Run {
    printed: u64,
    lost: u64,
    generated: u64,
    seconds: f64,
    /// Nanoseconds of a call, when all were made.
    call_ns: Option<f64>,
}

fn run(who: Who, ntap: &Path, cpu: usize, calls: Option<u64>) -> Run {
    let mut hammer = Hammer::new(cpu..cpu + 1, calls);
    let mut tracer = start(who, ntap, hammer.pid());
    let lines = count_lines(tracer.output(), "event ");
    let begin = Instant::now();
    hammer.go();
    let call_ns = match calls {
        Some(_) => {
            let call_ns = hammer.wait();
            if who == Who::Bpftrace {
                // What is still on the way is thrown away by an interrupt.
                std::thread::sleep(Duration::from_secs(1));
                tracer.interrupt();
            }
            Some(call_ns)
        }
        None => {
            std::thread::sleep(RUNNING);
            tracer.interrupt();
            std::thread::sleep(Duration::from_millis(300));
            hammer.kill();
            None
        }
    };
    let (messages, _) = tracer.wait();
    let (printed, last, rest) = lines.join().expect("lines");
    let count = |text: &str| {
        text.split(|c: char| !c.is_ascii_digit()).rfind(|word| !word.is_empty())?.parse().ok()
    };
    Run {
        printed,
        // ntap says it at the end; bpftrace now and then.
        lost: numbers_before(&messages, " records lost")
            + numbers_before(&messages, " events")
            + numbers_before(&rest, " events"),
        generated: calls.or_else(|| count(&rest)).unwrap_or(0),
        seconds: last.duration_since(begin).as_secs_f64(),
        call_ns,
    }
}

/// The sums of a tracer's runs.
#[derive(Clone, Copy, Default)]
struct Sums {
    printed: u64,
    seconds: f64,
    /// What the calls took longer, and how many runs that is of.
    added_ns: f64,
    timed: u32,
}

impl Sums {
    fn add(&mut self, run: &Run, alone_ns: f64) {
        self.printed += run.printed;
        self.seconds += run.seconds;
        if let Some(call_ns) = run.call_ns {
            self.added_ns += call_ns - alone_ns;
            self.timed += 1;
        }
    }

    fn lines_per_second(self) -> f64 {
        self.printed as f64 / self.seconds
    }

    fn added_ns(self) -> f64 {
        self.added_ns / f64::from(self.timed.max(1))
    }
}

pub(crate) fn measure(ntap: &Path) {
    let mut sums = [Sums::default(); 2];
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n### A line for every event, {}\n", measure::version("bpftrace"));
    measure::table(&[
        "printed by",
        "CPU",
        "until",
        "events",
        "printed",
        "said to be lost",
        "neither",
        "lines per second",
        "ns per call",
    ]);
    for cpu in 0..cpus {
        let alone = {
            let mut hammer = Hammer::new(cpu..cpu + 1, Some(CALLS));
            hammer.go();
            hammer.wait()
        };
        measure::row(&[
            "nobody".to_owned(),
            cpu.to_string(),
            "all".to_owned(),
            CALLS.to_string(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            format!("{alone:.0}"),
        ]);
        for (who, name, calls) in
            [(Who::Ntap, "ntap", CALLS), (Who::Bpftrace, "bpftrace", CALLS_OF_BPFTRACE)]
        {
            for (calls, until) in [(Some(calls), "all"), (None, "an interrupt")] {
                let run = run(who, ntap, cpu, calls);
                let missing = run.generated as i64 - (run.printed + run.lost) as i64;
                sums[who as usize].add(&run, alone);
                assert!(who != Who::Ntap || missing == 0, "{missing} events are missing");
                measure::row(&[
                    name.to_owned(),
                    cpu.to_string(),
                    until.to_owned(),
                    run.generated.to_string(),
                    run.printed.to_string(),
                    run.lost.to_string(),
                    missing.to_string(),
                    format!("{:.0}", run.printed as f64 / run.seconds),
                    run.call_ns.map_or_else(String::new, |ns| format!("{ns:.0}")),
                ]);
            }
        }
    }
    let [ours, theirs] = sums;
    println!(
        "\nntap prints {:.0} lines a second, bpftrace {:.0}: {:.1} times as many. A call takes {:.0} ns \
         longer with ntap, {:.0} ns with bpftrace: {:.2} of it.",
        ours.lines_per_second(),
        theirs.lines_per_second(),
        ours.lines_per_second() / theirs.lines_per_second(),
        ours.added_ns(),
        theirs.added_ns(),
        ours.added_ns() / theirs.added_ns()
    );
}
