//! How long the compiler takes, from text to object, stage by stage.
//!
//! `cargo measure compile` prints Markdown. It needs the kernel's type information, not root.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use measure::median;
use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::facts::Facts;
use ntap_compiler::object;
use ntap_compiler::pipeline::{self, Options};
use ntap_compiler::source::SourceMap;
use ntap_runtime::kernel::LiveKernel;

/// Milliseconds of each stage of one compilation.
struct Times {
    parse: f64,
    analyze: f64,
    compile: f64,
    object: f64,
}

impl Times {
    fn total(&self) -> f64 {
        self.parse + self.analyze + self.compile + self.object
    }
}

fn main() {
    let dropwatch = fs::read_to_string(measure::root().join("scripts/dropwatch.nt"))
        .expect("scripts/dropwatch.nt is read");
    let large = large_script();
    measure::go_first();
    measure::print_machine();
    println!("Milliseconds, median of {} compilations in one process.\n", measure::runs(100));
    measure::table(&[
        "script",
        "lines",
        "probes",
        "kernel instructions",
        "parse",
        "analyse",
        "compile",
        "object",
        "all",
    ]);
    let one_liner = "global n\nprobe kernel.trace(\"sys_enter\") { n[execname()] <<< 1 }\n\
                     probe timer.s(1) { foreach (e in n- limit 5) \
                     printf(\"%s %d\\n\", e, @count(n[e])); exit() }\n";
    for (name, text) in
        [("the one-liner", one_liner), ("dropwatch", &dropwatch), ("generated", &large)]
    {
        report(name, text);
    }
}

fn report(name: &str, text: &str) {
    let kernel = LiveKernel::new();
    // Types are looked up by their names; what is asked once is the table of all of them.
    let types = kernel.btf().map(|btf| btf.type_count());
    types.unwrap_or_else(|error| panic!("kernel type information: {error}"));
    let (_, probes, instructions) = compile(name, text, &kernel);
    let times: Vec<Times> =
        (0..measure::runs(100)).map(|_| compile(name, text, &kernel).0).collect();
    let of = |part: fn(&Times) -> f64| format!("{:.2}", median(times.iter().map(part)).value);
    measure::row(&[
        name.to_owned(),
        text.lines().count().to_string(),
        probes.to_string(),
        instructions.to_string(),
        of(|t| t.parse),
        of(|t| t.analyze),
        of(|t| t.compile),
        of(|t| t.object),
        of(Times::total),
    ]);
}

/// Compiles once: times, probes and instructions.
fn compile(name: &str, text: &str, kernel: &LiveKernel) -> (Times, usize, usize) {
    let mut sources = SourceMap::default();
    sources.add(name.to_owned(), text.to_owned());
    let mut diagnostics = Diagnostics::default();
    let options = Options::new(&[], kernel);
    let mut last = Instant::now();
    let mut stage = || {
        let now = Instant::now();
        measure::milliseconds(now - std::mem::replace(&mut last, now))
    };
    let result = (|| {
        let parsed = pipeline::parse(&mut sources, &options, &mut diagnostics)?;
        let parse = stage();
        let analyzed = parsed.analyze(&options, &mut diagnostics)?;
        let analyze = stage();
        let compiled = analyzed.compile(&sources, &options, &mut diagnostics)?;
        let compile = stage();
        let input = compiled.object?;
        let bytes = object::write(&input).expect("the object is written");
        let object = stage();
        assert!(!bytes.is_empty());
        let instructions = input.programs.iter().map(|p| p.code.instructions.len()).sum();
        let probes = compiled.analyzed.script.probes.len();
        Some((Times { parse, analyze, compile, object }, probes, instructions))
    })();
    match result {
        Some(result) => result,
        None => panic!("{}", render(&diagnostics, &sources, RenderOptions { color: false })),
    }
}

/// A script of 40 probes and 200 lines: counting, sums, conditions, records, reports.
fn large_script() -> String {
    let tracepoints = ["sys_enter", "sys_exit", "sched_switch", "kfree_skb"];
    let mut text = String::from("global counts, sums, last, total\n");
    for at in 0..36 {
        let tracepoint = tracepoints[at % tracepoints.len()];
        let statement = match at % 3 {
            0 => format!("counts[execname(), {at}] <<< 1"),
            1 => format!("sums[pid(), {at}] += cpu() * {at} + tid()"),
            _ => format!("last[tid()] = gettimeofday_us() - last[pid()] + {at}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "probe kernel.trace(\"{tracepoint}\") {{\n  if (pid() != target() && uid() < {}) {{\n    \
             {statement}\n    total += {at}\n  }}\n}}",
            1000 + at
        );
    }
    text.push_str("probe begin { printf(\"tracing\\n\") }\n");
    text.push_str("probe timer.s(1) { foreach ([e, k] in counts- limit 10) printf(\"%s %d %d\\n\", e, k, @count(counts[e, k])) }\n");
    text.push_str("probe timer.s(5) { foreach ([p, k] in sums- limit 10) printf(\"%d %d %d\\n\", p, k, sums[p, k]) }\n");
    text.push_str("probe end { printf(\"total %d\\n\", total) }\n");
    text
}
