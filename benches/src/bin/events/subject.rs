//! What is attached while the load runs.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use measure::{Statistics, Tracer};
use ntap_compiler::btf::tracepoint;
use ntap_compiler::facts::Facts;
use ntap_runtime::attach::{AttachPoint, Link, attach};
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::load::{LoadPlan, Loaded, ProgramKind, ProgramPlan, load};

/// What is recorded of each system call, said in three ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    ntap: &'static str,
    bpftrace: &'static str,
    /// The program in `count.bpf.c`.
    program: &'static str,
}

/// Each form that is measured.
pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "count, by the command's name",
        ntap: r#"global n
probe kernel.trace("sys_enter") { n[execname()] <<< 1 }
probe timer.s(1000) { foreach (e in n- limit 5) printf("%s %d\n", e, @count(n[e])) }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
        program: "count",
    },
    Form {
        name: "count, sum, average, by the command's name",
        ntap: r#"global n
probe kernel.trace("sys_enter") { n[execname()] <<< $id }
probe timer.s(1000) { foreach (e in n-) println(e, @count(n[e]), @sum(n[e]), @avg(n[e])) }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @[comm] = stats(args->id); }",
        program: "count_sum",
    },
    Form {
        name: "a histogram",
        ntap: r#"global n
probe kernel.trace("sys_enter") { n <<< $id }
probe timer.s(1000) { print(@hist_log(n)) }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @ = hist(args->id); }",
        program: "histogram",
    },
    Form {
        name: "count, by the command's name and a number",
        ntap: r#"global n
probe kernel.trace("sys_enter") { n[execname(), $id] <<< 1 }
probe timer.s(1000) { foreach ([e, i] in n-) println(e, i, @count(n[e, i])) }"#,
        bpftrace: "tracepoint:raw_syscalls:sys_enter { @[comm, args->id] = count(); }",
        program: "two_keys",
    },
];

/// Each thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nothing,
    Empty,
    HandWritten,
    Ntap,
    Bpftrace,
}

impl Kind {
    pub(crate) const ALL: &[Kind] =
        &[Kind::Nothing, Kind::Empty, Kind::HandWritten, Kind::Ntap, Kind::Bpftrace];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Nothing => "nothing",
            Kind::Empty => "an empty program (C)",
            Kind::HandWritten => "hand-written C",
            Kind::Ntap => "ntap",
            Kind::Bpftrace => "bpftrace",
        }
    }
}

/// Something attached.
pub(crate) enum Subject {
    Nothing,
    Own(Loaded, #[allow(dead_code, reason = "keeps the program attached")] Link),
    Process(Tracer),
}

impl Subject {
    /// Attaches, and returns when events are seen.
    pub(crate) fn start(kind: Kind, form: &Form, ntap: &Path, object: &[u8]) -> Subject {
        let subject = match kind {
            Kind::Nothing => Subject::Nothing,
            Kind::Empty => own(object, "empty"),
            Kind::HandWritten => own(object, form.program),
            Kind::Ntap => Subject::Process(Tracer::start(ntap, form.ntap)),
            Kind::Bpftrace => Subject::Process(Tracer::start(Path::new("bpftrace"), form.bpftrace)),
        };
        let start = Instant::now();
        while kind != Kind::Nothing && subject.statistics().is_none_or(|s| s.runs == 0) {
            assert!(start.elapsed() < Duration::from_secs(20), "{kind:?}: no event is seen");
            std::thread::sleep(Duration::from_millis(20));
        }
        subject
    }

    /// The statistics of the program that ran most.
    pub(crate) fn statistics(&self) -> Option<Statistics> {
        match self {
            Subject::Nothing => None,
            Subject::Own(loaded, _) => {
                let info = loaded.programs().first()?.info().ok()?;
                Some(Statistics { runs: info.run_count, nanoseconds: info.run_time_ns })
            }
            Subject::Process(tracer) => tracer.statistics(),
        }
    }

    /// Detaches.
    pub(crate) fn stop(self) {
        if let Subject::Process(tracer) = self {
            tracer.stop();
        }
    }
}

fn own(object: &[u8], name: &str) -> Subject {
    let kernel = LiveKernel::new();
    let btf = kernel.btf().expect("kernel type information");
    let point = tracepoint(btf, "sys_enter").expect("the tracepoint sys_enter");
    let kind = ProgramKind::TpBtf { btf_id: point.typedef_id.0 };
    let plan = LoadPlan {
        programs: vec![ProgramPlan { name: name.to_owned(), kind, module: None }],
        map_sizes: vec![],
    };
    let loaded = load(object, &plan).unwrap_or_else(|error| panic!("{error}"));
    let point = AttachPoint::TpBtf { name: "sys_enter".to_owned() };
    let link = attach(loaded.programs()[0].as_fd(), &point).unwrap_or_else(|e| panic!("{e}"));
    Subject::Own(loaded, link)
}

/// Compiles `count.bpf.c`; gives the object.
pub(crate) fn compile_hand_written() -> Vec<u8> {
    let source = measure::root().join("benches/src/bin/events/count.bpf.c");
    let object = std::env::temp_dir().join(format!("count-{}.bpf.o", std::process::id()));
    let mut clang = Command::new("clang");
    clang.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-c"]).arg(source);
    measure::run_aloud(clang.arg("-o").arg(&object));
    let bytes = fs::read(&object).expect("the object clang wrote");
    let _ = fs::remove_file(&object);
    bytes
}
