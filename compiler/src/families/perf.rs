//! `perf.*`: handlers that run after so many counts of a perf event, on the CPU and in the task that made
//! the last one.

use super::{Argument::*, Family, Request};
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::{Attach, CountedEvent, Counter, OnlyIn, Point, SampleRate};
use crate::program_file::ProgramName;

/// Counts between two runs of a handler that states no rate.
const DEFAULT_PERIOD: u64 = 1_000_000;

/// `enum perf_type_id`.
const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;

/// The events of `enum perf_hw_id` by their number.
const HARDWARE_EVENTS: [&str; 10] = [
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
];

/// The events of `enum perf_sw_ids` by their number.
const SOFTWARE_EVENTS: [&str; 10] = [
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
    "dummy",
];

const BY_NUMBER: &str = "After every 1000000 (or `sample`) counts of a perf event, or so many times a second \
                         (`hz`); `type` and `config` are those of `perf_event_open`. With `process` only what \
                         the process of `-c` or `-x` does is counted; with `process(\"PATH\")` all is counted, and \
                         the handler runs in the processes of this program.";
const COUNTER: &str = "A perf event that is only counted. Handlers of probes of the program (without \
                       a name that of `-c` or `-x`) read with \
                       `@perf(\"NAME\")` what the current thread has counted; this one never runs.";

/// The events the kernel counts, as a choice of names: those of [`SOFTWARE_EVENTS`].
const SOFTWARE_NAMES: &str = "cpu_clock|task_clock|page_faults|context_switches|cpu_migrat\
    ions|page_faults_min|page_faults_maj|alignment_faults|emulation_faults|dummy";

/// The events the CPU counts, as a choice of names: those of [`HARDWARE_EVENTS`].
const HARDWARE_NAMES: &str = "cpu_cycles|instructions|cache_references|cache_misses|branch\
    _instructions|branch_misses|bus_cycles|stalled_cycles_frontend|stalled_cycles_backend|ref_cpu_cycles";

const BY_SOFTWARE: &str =
    "As `perf.type`, for an event the kernel counts; the clocks count nanoseconds.";
const BY_HARDWARE: &str = "As `perf.type`, for an event the processor counts.";

/// The forms of points that name their event in the same way, by these components behind `perf`.
macro_rules! families {
    ($summary:ident, $event:path, $name:literal, $rest:literal, [$($part:expr),*]) => {
        &[
            Family {
                form: &[("perf", None), $($part),*, ("sample?", Number), ("hz?", Number), ("process?", None)],
                summary: $summary,
                example: concat!("probe perf.", $name, $rest),
                resolve: |request, diagnostics| point(request, diagnostics, $event),
            },
            Family {
                form: &[("perf", None), $($part),*, ("sample?", Number), ("hz?", Number), ("process", Text)],
                summary: $summary,
                example: concat!("probe perf.", $name, ".process(\"/bin/sh\") ? {} probe begin { exit() }"),
                resolve: |request, diagnostics| point(request, diagnostics, $event),
            },
            Family {
                form: &[("perf", None), $($part),*, ("process", Text), ("counter", Text)],
                summary: COUNTER,
                example: concat!(
                    "probe perf.", $name, ".process(\"/bin/sh\").counter(\"n\") ? {} probe begin { exit() }"
                ),
                resolve: |request, diagnostics| counter(request, diagnostics, $event),
            },
            Family {
                form: &[("perf", None), $($part),*, ("process", None), ("counter", Text)],
                summary: COUNTER,
                example: concat!("probe perf.", $name, ".process.counter(\"n\") ? {} probe begin { exit() }"),
                resolve: |request, diagnostics| counter(request, diagnostics, $event),
            },
        ]
    };
}

pub(super) const FAMILIES: &[&[Family]] = &[
    families!(
        BY_NUMBER,
        by_number,
        "type(1).config(0)",
        ".hz(10) { exit() }",
        [("type", Number), ("config", Number)]
    ),
    families!(
        BY_SOFTWARE,
        software,
        "sw.cpu_clock",
        ".sample(5000000) { exit() }",
        [("sw", None), (SOFTWARE_NAMES, None)]
    ),
    families!(
        BY_HARDWARE,
        hardware,
        "hw.cpu_cycles",
        " ? { exit() } probe begin { exit() }",
        [("hw", None), (HARDWARE_NAMES, None)]
    ),
];

/// What is counted, where that can be: an error is reported.
type EventOf = fn(&Request<'_>, &mut Diagnostics) -> Option<CountedEvent>;

fn by_number(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Option<CountedEvent> {
    let ((kind, span), (config, _)) = (request.number(1)?, request.number(2)?);
    let Ok(kind) = u32::try_from(kind) else {
        diagnostics
            .error(codes::POINT_RANGE, span, "perf event type out of range")
            .label(format!("{kind} is not between 0 and {}", u32::MAX));
        return Option::None;
    };
    Some(CountedEvent { kind, config: config as u64, watched: Option::None })
}

fn by_name(request: &Request<'_>, kind: u32, names: &[&str]) -> Option<CountedEvent> {
    let name = request.point.components[2].name.text.as_str();
    let config = names.iter().position(|&n| n == name)? as u64;
    Some(CountedEvent { kind, config, watched: Option::None })
}

fn software(request: &Request<'_>, _: &mut Diagnostics) -> Option<CountedEvent> {
    by_name(request, SOFTWARE, &SOFTWARE_EVENTS)
}

fn hardware(request: &Request<'_>, _: &mut Diagnostics) -> Option<CountedEvent> {
    by_name(request, HARDWARE, &HARDWARE_EVENTS)
}

/// A point whose handler runs after so many counts.
fn point(request: &Request<'_>, diagnostics: &mut Diagnostics, event: EventOf) -> Vec<Point> {
    let Some(event) = event(request, diagnostics) else { return vec![] };
    let mut positive = |component: &str| {
        let (n, span) = request.number_of(component)?;
        if n < 1 {
            diagnostics
                .error(codes::POINT_RANGE, span, format!("{component} value out of range"))
                .label(format!("{n} is not greater than 0"));
        }
        Some(n.max(1) as u64)
    };
    let rate = match (positive("sample"), positive("hz")) {
        (Some(_), Some(hertz)) => {
            diagnostics
                .error(codes::POINT_RANGE, request.point.span, "both `sample` and `hz`")
                .label("a handler runs after so many counts or so many times a second")
                .help(format!("leave out `.hz({hertz})`"));
            return vec![];
        }
        (Some(period), Option::None) => SampleRate::Period(period),
        (Option::None, Some(hertz)) => SampleRate::Hertz(hertz),
        (Option::None, Option::None) => SampleRate::Period(DEFAULT_PERIOD),
    };
    let (of_target, only_in) = match request.text_of("process") {
        Some(_) => match program(request, diagnostics) {
            Some(inode) => (false, OnlyIn::Program { inode }),
            Option::None => return vec![],
        },
        Option::None => (request.position("process").is_some(), OnlyIn::Anywhere),
    };
    let attach = Attach::Counted { event, rate, of_target, only_in };
    vec![Point::new(request.spelling(), attach)]
}

/// A counter: what the threads of a program have counted, for `@perf`.
fn counter(request: &Request<'_>, diagnostics: &mut Diagnostics, event: EventOf) -> Vec<Point> {
    let Some(event) = event(request, diagnostics) else { return vec![] };
    let Some(inode) = program(request, diagnostics) else { return vec![] };
    let Some((name, _)) = request.text_of("counter") else { return vec![] };
    // Its number is known when all of the script is.
    let attach = Attach::Counter(Counter { name: name.to_string(), index: 0, event, inode });
    vec![Point::new(request.spelling(), attach)]
}

/// The inode of the program in parentheses, without one of that of `-c` or `-x`.
fn program(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Option<u64> {
    let span = request.point.components[request.position("process")?].span;
    let (name, span) = match request.text_of("process") {
        Some((name, span)) => (ProgramName::File(name), span),
        Option::None => (ProgramName::Target, span),
    };
    match request.facts.program_file(name) {
        Ok(program) => Some(program.inode),
        Err(missing) => {
            let diagnostic = diagnostics.error(codes::NO_PROGRAM, span, missing.reason);
            if let Some(help) = missing.help {
                diagnostic.help(help);
            }
            Option::None
        }
    }
}
