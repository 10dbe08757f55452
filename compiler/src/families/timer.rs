//! `timer.*`: user blocks that run every so often, and `timer.profile`, which runs in the kernel on every
//! CPU.

use super::{Argument::*, Family, Request};
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::{Attach, CountedEvent, OnlyIn, Point, SampleRate};

/// The longest period: a day.
const LONGEST_NS: i64 = 86_400_000_000_000;
/// The shortest period that makes sense in userspace.
const SHORTEST_NS: i64 = 10_000;

macro_rules! plain {
    ($name:literal, $ns:literal, $unit:literal) => {
        Family {
            form: &[("timer", None), ($name, Number)],
            summary: concat!("Every N ", $unit, "."),
            example: concat!("probe timer.", $name, "(20000) {} probe begin { exit() }"),
            resolve: |request, diagnostics| every(request, diagnostics, $ns),
        }
    };
}

macro_rules! randomized {
    ($name:literal, $ns:literal, $unit:literal) => {
        Family {
            form: &[("timer", None), ($name, Number), ("randomize", Number)],
            summary: concat!("Every N ", $unit, ", give or take up to the second number."),
            example: concat!(
                "probe timer.",
                $name,
                "(20000).randomize(10) {} probe begin { exit() }"
            ),
            resolve: |request, diagnostics| every(request, diagnostics, $ns),
        }
    };
}

pub(super) const FAMILIES: &[Family] = &[
    plain!("s", 1_000_000_000, "seconds"),
    plain!("sec", 1_000_000_000, "seconds"),
    plain!("ms", 1_000_000, "milliseconds"),
    plain!("msec", 1_000_000, "milliseconds"),
    plain!("us", 1_000, "microseconds"),
    plain!("usec", 1_000, "microseconds"),
    plain!("ns", 1, "nanoseconds"),
    plain!("nsec", 1, "nanoseconds"),
    randomized!("s", 1_000_000_000, "seconds"),
    randomized!("sec", 1_000_000_000, "seconds"),
    randomized!("ms", 1_000_000, "milliseconds"),
    randomized!("msec", 1_000_000, "milliseconds"),
    randomized!("us", 1_000, "microseconds"),
    randomized!("usec", 1_000, "microseconds"),
    randomized!("ns", 1, "nanoseconds"),
    randomized!("nsec", 1, "nanoseconds"),
    Family {
        form: &[("timer", None), ("hz", Number)],
        summary: "N times a second.",
        example: "probe timer.hz(100) { exit() }",
        resolve: hertz,
    },
    Family {
        form: &[("timer", None), ("jiffies", Number), ("randomize?", Number)],
        summary: "Every N ticks of the kernel's clock (CONFIG_HZ in a second), give or take up to the \
                  second number.",
        example: "probe timer.jiffies(1000).randomize(10) {} probe begin { exit() }",
        resolve: |request, diagnostics| {
            every(request, diagnostics, 1_000_000_000 / ticks_per_second(request) as i64)
        },
    },
    profile(&[("timer", None), ("profile", None)]),
    profile(&[("timer", None), ("profile", None), ("tick", None)]),
    Family {
        form: &[("timer", None), ("profile", None), ("freq", None), ("hz", Number)],
        summary: "N times a second on every CPU, in the task that runs there.",
        example: "probe timer.profile.freq.hz(99) { exit() }",
        resolve: |request, diagnostics| match request.number(3) {
            Some((rate @ 1..=100_000, _)) => sampled(request, rate as u64),
            Some((rate, span)) => {
                diagnostics
                    .error(codes::POINT_RANGE, span, "frequency out of range (1, 100000)")
                    .label(format!("{rate} is not between 1 and 100000"));
                vec![]
            }
            Option::None => vec![],
        },
    },
];

const fn profile(form: &'static [(&'static str, super::Argument)]) -> Family {
    Family {
        form,
        summary: "With every tick of the kernel's clock (CONFIG_HZ in a second), on every CPU, in the \
                  task that runs there.",
        example: "probe timer.profile { println(execname()); exit() }",
        resolve: |request, _| sampled(request, ticks_per_second(request)),
    }
}

/// CONFIG_HZ; 250, the kernel's own default, when the configuration is not known.
fn ticks_per_second(request: &Request<'_>) -> u64 {
    let configured = request.facts.kernel_config("CONFIG_HZ").and_then(|hz| hz.parse().ok());
    configured.filter(|hz| (1..=10_000).contains(hz)).unwrap_or(250)
}

/// On every CPU by its clock.
fn sampled(request: &Request<'_>, hertz: u64) -> Vec<Point> {
    let rate = SampleRate::Period(1_000_000_000 / hertz);
    let attach = Attach::Counted {
        event: CountedEvent::CPU_CLOCK,
        rate,
        of_target: false,
        only_in: OnlyIn::Anywhere,
    };
    vec![Point::new(request.spelling(), attach)]
}

fn every(request: &Request<'_>, diagnostics: &mut Diagnostics, unit_ns: i64) -> Vec<Point> {
    let Some((count, span)) = request.number(1) else { return vec![] };
    let most = LONGEST_NS / unit_ns;
    let least = (SHORTEST_NS / unit_ns).max(1);
    if !(least..=most).contains(&count) {
        diagnostics
            .error(
                codes::POINT_RANGE,
                span,
                format!("interval value out of range ({least}, {most})"),
            )
            .label(format!("{count} is not between {least} and {most}"));
        return vec![];
    }
    let period_ns = (count * unit_ns) as u64;
    let randomize_ns = match request.point.components.get(2).and_then(|_| request.number(2)) {
        Some((n, span)) => {
            if !(0..=count).contains(&n) {
                diagnostics
                    .error(codes::POINT_RANGE, span, "randomize value out of range")
                    .label(format!("{n} is not between 0 and the interval, {count}"));
                return vec![];
            }
            (n * unit_ns) as u64
        }
        Option::None => 0,
    };
    timer(request, period_ns, randomize_ns)
}

fn hertz(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((rate, span)) = request.number(1) else { return vec![] };
    if !(1..=10_000).contains(&rate) {
        diagnostics
            .error(codes::POINT_RANGE, span, "frequency out of range (1, 10000)")
            .label(format!("{rate} is not between 1 and 10000"));
        return vec![];
    }
    timer(request, 1_000_000_000 / rate as u64, 0)
}

fn timer(request: &Request<'_>, period_ns: u64, randomize_ns: u64) -> Vec<Point> {
    let attach = Attach::Timer { period_ns, randomize_ns };
    vec![Point::new(request.spelling(), attach)]
}
