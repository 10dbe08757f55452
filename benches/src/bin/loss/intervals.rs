//! The sum over all intervals.

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use crate::tracer::{Hammer, Tracer};

/// A way of counting, and of taking what was counted.
struct Case {
    name: &'static str,
    globals: &'static str,
    handler: &'static str,
    timer: &'static str,
    /// What is printed at the end: the number of events.
    end: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "a counter, set to 0",
        globals: "n, total, rounds",
        handler: "n++",
        timer: "total += n; n = 0",
        end: "total + n",
    },
    Case {
        name: "an array of counters with two keys, deleted whole",
        globals: "n, total, rounds",
        handler: "n[execname(), tid()]++",
        timer: "foreach (v = [e, t] in n) total += v; delete n",
        end: "total",
    },
    Case {
        name: "counts by two keys, deleted whole",
        globals: "n, total, rounds",
        handler: "n[execname(), tid()] <<< 1",
        timer: "foreach ([e, t] in n) total += @count(n[e, t]); delete n",
        end: "total",
    },
    Case {
        name: "histograms by key, deleted whole",
        globals: "n, total, rounds",
        handler: "n[tid() & 1] <<< $id",
        timer: "foreach (k in n) total += @hist_log(n[k])[71]; delete n",
        end: "total",
    },
    Case {
        name: "single keys, deleted one by one",
        globals: "n, total, rounds",
        handler: "n[cpu()] += 1",
        timer: "k = rounds % 2; total += n[k]; delete n[k]",
        end: "total + n[0] + n[1]",
    },
    Case {
        name: "single keys that the handler asks for, deleted one by one",
        globals: "n, total, rounds",
        handler: "if (!(cpu() in n)) n[cpu()] = 1; else n[cpu()]++",
        timer: "k = rounds % 2; total += n[k]; delete n[k]",
        end: "total + n[0] + n[1]",
    },
];

pub(crate) fn measure(ntap: &Path) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let events: u64 =
        std::env::var("EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_000);
    let calls = events.div_ceil(cpus as u64);
    println!("\n### Intervals of 10 ms, {cpus} CPUs\n");
    measure::table(&["counted by", "events", "counted", "difference", "intervals", "seconds"]);
    for case in CASES {
        let Case { name, globals, handler, timer, end } = case;
        let script = format!(
            "global {globals} probe kernel.trace(\"sys_enter\") {{ \
             if (pid() == target() && $id == $1) {{ {handler} }} }} \
             probe timer.ms(10) {{ rounds++; {timer} }} \
             probe end {{ {timer}; printf(\"%d %d\\n\", {end}, rounds) }}"
        );
        let mut hammer = Hammer::new(0..cpus, Some(calls));
        let mut tracer = Tracer::ntap(ntap, hammer.pid(), &[], &script);
        let start = Instant::now();
        hammer.go();
        hammer.wait();
        let took = start.elapsed();
        let mut text = String::new();
        tracer.output().read_to_string(&mut text).expect("text");
        let (messages, _) = tracer.wait();
        assert_eq!(messages, "", "{name}");
        let numbers: Vec<u64> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [counted, rounds] = numbers[..] else { panic!("{name}: {text}") };
        let all = calls * cpus as u64;
        assert_eq!(counted, all, "{name}");
        measure::row(&[
            (*name).to_owned(),
            all.to_string(),
            counted.to_string(),
            (counted as i64 - all as i64).to_string(),
            rounds.to_string(),
            format!("{:.1}", took.as_secs_f64()),
        ]);
    }
}
