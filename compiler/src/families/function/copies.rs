//! Functions of the kernel that were inlined, and labels in them: places that debug information tells.

use super::inside::{Code, known_places, point};
use super::missing;
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::families::process::{is_of_file, spelled};
use crate::glob;
use crate::hir::Point;
use crate::kernel_source::KernelSource;
use crate::source::Span;

/// `kernel.function("f").inline`.
pub(super) fn inline(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text_of("function") else { return vec![] };
    let Some(source) = request.facts.kernel_source() else {
        return missing::refuse(request, diagnostics);
    };
    let (pattern, file) = name_and_file(text);
    let mut reported = Diagnostics::default();
    let points = inlined(request, source, pattern, file, ".inline", &mut reported);
    if reported.has_errors() {
        diagnostics.append(reported);
    } else if points.is_empty() {
        diagnostics
            .error(
                codes::UNKNOWN_FUNCTION_POINT,
                span,
                format!("`{text}` was inlined nowhere in the kernel"),
            )
            .label("no copies of it can be probed")
            .help("leave out `.inline`: functions with code of their own are meant, too");
    }
    points
}

/// More places than this are not probed: each has a program of its own in the kernel.
const MOST_PLACES: usize = 8000;

/// The places where functions of a name were inlined; reports that they are too many.
pub(super) fn inlined(
    request: &Request<'_>,
    source: &dyn KernelSource,
    pattern: &str,
    file: Option<&str>,
    suffix: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<Point> {
    let mut places = vec![];
    for pattern in glob::without_braces(pattern) {
        let copies = source.inlined(&pattern, file);
        places.extend(copies.into_iter().map(|(name, address)| (address, name)));
    }
    if places.is_empty() {
        return vec![];
    }
    if places.len() > MOST_PLACES {
        let message = format!("what `{pattern}` means was inlined in {} places", places.len());
        diagnostics
            .error(codes::UNKNOWN_FUNCTION_POINT, request.point.span, message)
            .label(format!("at most {MOST_PLACES} are probed at a time"))
            .help("narrow the pattern, or leave inlined copies out: `.call`");
        return vec![];
    }
    let code = Code::new(request);
    places.retain(|(address, _)| code.is_probeable(*address));
    let known = known_places(source, &places).into_iter();
    known
        .filter(|(_, known)| file.is_none_or(|file| is_of_file(known, file)))
        .map(|(address, known)| {
            let shown = spelled(&known.function, Some(&known));
            point(format!("kernel.function(\"{shown}\"){suffix}"), address, &known)
        })
        .collect()
}

/// `kernel.function("f").label("l")`.
pub(super) fn labels(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let (Some((text, _)), Some((pattern, span))) =
        (request.text_of("function"), request.text_of("label"))
    else {
        return vec![];
    };
    let Some(source) = request.facts.kernel_source() else {
        return missing::refuse(request, diagnostics);
    };
    let (function, file) = name_and_file(text);
    let mut labels = source.labels(function);
    let all: Vec<String> = labels.iter().map(|label| label.name.clone()).collect();
    let code = Code::new(request);
    labels.retain(|label| glob::matches(pattern, &label.name) && code.is_probeable(label.address));
    let places: Vec<(u64, String)> =
        labels.iter().map(|label| (label.address, label.function.clone())).collect();
    let mut points = vec![];
    for (address, known) in known_places(source, &places) {
        if file.is_some_and(|file| !is_of_file(&known, file)) {
            continue;
        }
        let here = labels.iter().filter(|label| label.address == address);
        for label in here.filter(|label| label.function == known.function) {
            let shown = spelled(&known.function, Some(&known));
            let name = format!("kernel.function(\"{shown}\").label(\"{}\")", label.name);
            points.push(point(name, address, &known));
        }
    }
    if points.is_empty() {
        none(text, pattern, &all, span, diagnostics);
    }
    points
}

fn none(function: &str, label: &str, all: &[String], span: Span, diagnostics: &mut Diagnostics) {
    let message = format!("no label `{label}` in `{function}` of the kernel");
    diagnostics
        .error(codes::UNKNOWN_FUNCTION_POINT, span, message)
        .suggest(label, all.iter().map(String::as_str))
        .note("compilers leave labels out that nothing jumps to");
}

/// `NAME[@FILE[:LINE]]`.
pub(super) fn name_and_file(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, file)) => (name, file.split(':').next()),
        None => (text, None),
    }
}
