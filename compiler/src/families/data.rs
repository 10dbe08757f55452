//! `kernel.data(..)`: memory of the kernel that is written or read, watched by the processor's debug registers.

use super::{Argument::*, Family, Request};
use crate::btf::Kind;
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::hir::{Attach, CountedEvent, OnlyIn, Point, SampleRate, Watched};
use crate::source::Span;

/// `PERF_TYPE_BREAKPOINT`.
const BREAKPOINT: u32 = 5;
/// What a debug register can watch at most, in bytes.
const MOST_BYTES: u64 = 8;

const SUMMARY: &str = "When the kernel writes to a variable of its own, or to memory at an address (`rw`: also when \
                       it reads it). `length` is the number of bytes, 1, 2, 4 or 8, and the address a multiple of \
                       it; without, a variable is watched up to its end or 8 bytes, an address for one byte. \
                       Processors watch four places at a time.";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        form: &[("kernel", None), ("data", Text), ("length?", Number), ("write|rw", None)],
        summary: SUMMARY,
        example: "probe kernel.data(\"pid_max\").write ? { println(execname()) } probe begin { exit() }",
        resolve: by_name,
    },
    Family {
        form: &[("kernel", None), ("data", Number), ("length?", Number), ("write|rw", None)],
        summary: SUMMARY,
        example: "probe kernel.data(0xffffffff81000000).length(4).rw ? { println(execname()) } \
                  probe begin { exit() }",
        resolve: by_address,
    },
];

fn by_name(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((name, span)) = request.text_of("data") else { return vec![] };
    let Some(address) = request.facts.symbol_address(name) else {
        let diagnostic = diagnostics
            .error(codes::UNKNOWN_VARIABLE, span, format!("unknown variable `{name}`"))
            .label("this kernel lists no variable of this name")
            .note("kernels built without CONFIG_KALLSYMS_ALL list functions only");
        if let Ok(btf) = request.facts.btf() {
            let names: Vec<&str> = btf.names(Kind::Variable).collect();
            if !suggest::nearest(name, names.iter().copied(), 1).is_empty() {
                diagnostic.suggest(name, names);
            }
        }
        return vec![];
    };
    let size = request.facts.btf().ok().and_then(|btf| btf.size(btf.variable(name)?.ty));
    let fits =
        |bytes: &u64| address.is_multiple_of(*bytes) && size.is_none_or(|size| *bytes <= size);
    let bytes = [MOST_BYTES, 4, 2].into_iter().find(fits).unwrap_or(1);
    point(request, address, bytes, span, diagnostics)
}

fn by_address(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((address, span)) = request.number_of("data") else { return vec![] };
    point(request, address as u64, 1, span, diagnostics)
}

fn point(
    request: &Request<'_>,
    address: u64,
    bytes: u64,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<Point> {
    let (bytes, span) = match request.number_of("length") {
        Some((bytes, span)) => (bytes as u64, span),
        Option::None => (bytes, span),
    };
    if !matches!(bytes, 1 | 2 | 4 | MOST_BYTES) {
        diagnostics
            .error(codes::POINT_RANGE, span, "length out of range")
            .label(format!("{} is not 1, 2, 4 or 8", bytes as i64));
        return vec![];
    }
    if !address.is_multiple_of(bytes) {
        diagnostics
            .error(codes::POINT_RANGE, span, "address not aligned")
            .label(format!("{address:#x} is not a multiple of {bytes}"));
        return vec![];
    }
    let reads = request.position("rw").is_some();
    let watched = Some(Watched { address, bytes, reads });
    let attach = Attach::Counted {
        event: CountedEvent { kind: BREAKPOINT, config: 0, watched },
        rate: SampleRate::Period(1),
        of_target: false,
        only_in: OnlyIn::Anywhere,
    };
    vec![Point::new(request.spelling(), attach)]
}
