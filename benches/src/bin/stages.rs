//! Where the milliseconds of a start go: each stage of a script with a kernel probe, in processes that
//! do nothing else, so that every stage is as cold as in ntap itself.
//!
//! `cargo measure stages` prints Markdown. Needs root. The stages are those of `ntap`, called one by
//! one; what only `ntap` does (the command line, timers, the wait for the first one) is not in it.

use std::env;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Instant;

use measure::{PAUSE, median};
use ntap_compiler::btf::{Kind, tracepoint};
use ntap_compiler::diagnostic::Diagnostics;
use ntap_compiler::facts::Facts;
use ntap_compiler::object;
use ntap_compiler::pipeline::{self, Options, program_name};
use ntap_compiler::source::SourceMap;
use ntap_runtime::attach::{AttachPoint, attach};
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::load::{LoadPlan, ProgramKind, ProgramPlan, load};
use ntap_runtime::native::NativeCode;

const SCRIPT: &str = r#"global n
probe kernel.trace("sys_enter") { n[execname()] <<< 1 }
probe timer.ms(1) { foreach (e in n- limit 5) printf("%s %d\n", e, @count(n[e])); exit() }"#;

/// The stages in the order of [`stages`], then what follows its end.
const NAMES: &[&str] = &[
    "start of the process: fork, exec, relocation, until `main`",
    "parse",
    "kernel types: map the file, table of all types",
    "kernel types: find the tracepoint and its arguments",
    "instruction set: load a program of version 4",
    "analyse (names, types, split)",
    "compile (CLIF, optimizer, eBPF)",
    "write the object",
    "load: types, maps, program",
    "user blocks: machine code",
    "attach",
    "detach",
    "free programs, maps and memory; end of the process",
];

fn main() {
    if let Some(start) = env::args().nth(1) {
        return child(start.parse().expect("nanoseconds"));
    }
    measure::go_first();
    let mut times: Vec<Vec<f64>> = vec![vec![]; NAMES.len()];
    let own = env::current_exe().expect("the path of this program");
    for round in 0..=measure::runs(30) {
        std::thread::sleep(PAUSE);
        let start = measure::monotonic_ns();
        let output = Command::new(&own).arg(start.to_string()).output().expect("a child");
        let end = measure::monotonic_ns();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("numbers");
        let mut run: Vec<f64> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let last = run.pop().expect("when the stages ended");
        run.push((end as f64 - last) / 1e6);
        assert_eq!(run.len(), NAMES.len());
        // The first round brings the files into memory.
        if round > 0 {
            times.iter_mut().zip(run).for_each(|(times, time)| times.push(time));
        }
    }
    measure::print_machine();
    println!("{} runs; median (quartiles).\n", times[0].len());
    measure::table(&["stage", "ms"]);
    for (name, times) in NAMES.iter().zip(&times) {
        measure::row(&[(*name).to_owned(), format!("{:.2}", median(times.iter().copied()))]);
    }
    let runs = times[0].len();
    let all = (0..runs).map(|run| times.iter().map(|stage| stage[run]).sum::<f64>());
    measure::row(&["all".to_owned(), format!("{:.2}", median(all))]);
}

/// Runs the stages once; prints the milliseconds of each and, last, the time of the clock at the end.
fn child(start: u64) {
    let since_start = (measure::monotonic_ns() - start) as f64 / 1e6;
    let times = stages();
    print!("{since_start} ");
    times.iter().for_each(|time| print!("{time} "));
    println!("{}", measure::monotonic_ns());
}

fn stages() -> Vec<f64> {
    let mut times = vec![];
    let mut last = Instant::now();
    let mut done = || {
        let now = Instant::now();
        times.push(measure::milliseconds(now - std::mem::replace(&mut last, now)));
    };
    let kernel = LiveKernel::new();
    let mut sources = SourceMap::default();
    sources.add("<input>".to_owned(), SCRIPT.to_owned());
    let mut diagnostics = Diagnostics::default();
    let options = Options::new(&[], &kernel);
    let parsed = pipeline::parse(&mut sources, &options, &mut diagnostics).expect("it parses");
    done();
    let btf = kernel.btf().expect("kernel type information");
    assert!(btf.type_count() > 0);
    done();
    let point = tracepoint(btf, "sys_enter").expect("the tracepoint sys_enter");
    assert!(btf.find("pt_regs", Kind::Struct).is_some());
    done();
    kernel.cpu_version();
    done();
    let analyzed = parsed.analyze(&options, &mut diagnostics).expect("it means something");
    done();
    let compiled = analyzed.compile(&sources, &options, &mut diagnostics).expect("it compiles");
    done();
    let input = compiled.object.expect("it has a kernel half");
    let bytes = object::write(&input).expect("the object is written");
    done();
    let kind = ProgramKind::TpBtf { btf_id: point.typedef_id.0 };
    let probe = compiled.analyzed.script.probes.iter().find(|(_, p)| p.point.attach.in_kernel());
    let (id, _) = probe.expect("a kernel probe");
    let plan = LoadPlan {
        programs: vec![ProgramPlan { name: program_name(id), kind, module: None }],
        map_sizes: vec![],
    };
    let loaded = load(&bytes, &plan).unwrap_or_else(|error| panic!("{error}"));
    done();
    let native = NativeCode::compile(compiled.lowered.user).expect("machine code");
    done();
    let point = AttachPoint::TpBtf { name: "sys_enter".to_owned() };
    let link = attach(loaded.programs()[0].as_fd(), &point).unwrap_or_else(|e| panic!("{e}"));
    done();
    drop(link);
    done();
    // What is freed by the end of a process is freed after the clock is read for the last time.
    std::mem::forget((native, loaded));
    times
}
