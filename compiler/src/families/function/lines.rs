//! `kernel.statement("FUNCTION@FILE:LINE")`: lines of the kernel's sources, where its debug information is installed.

use super::inside::{Code, known_places, point};
use super::{Wanted, missing, only_of_file, points, search};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::families::process::is_of_file;
use crate::families::source_place::{Lines, SourcePlace, source_place};
use crate::glob;
use crate::hir::Point;
use crate::kernel_source::KernelSource;
use crate::program_file::{FunctionVariables, Place, Within};
use crate::source::Span;

/// The code of lines.
pub(super) fn statement(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text_of("statement") else { return vec![] };
    let Some(place) = source_place(text, span, diagnostics) else { return vec![] };
    let (Some(file), Some(source)) = (place.file, request.facts.kernel_source()) else {
        return match place.file {
            Some(_) => missing::refuse(request, diagnostics),
            None => entries(request, &place, span, diagnostics),
        };
    };
    let points = match place.lines {
        Lines::Entry => entries(request, &place, span, diagnostics),
        Lines::Range(first, last) => of_lines(request, source, place.function, file, first, last),
        Lines::After(after) => {
            let functions = declared(request, source, &place, span, diagnostics).into_iter();
            let of = |known: FunctionVariables| {
                let line = known.line + after;
                of_lines(request, source, &known.function, &known.file, line, line)
            };
            functions.flat_map(of).collect()
        }
    };
    if points.is_empty() && !diagnostics.has_errors() {
        report_none(&place, file, text, span, diagnostics);
    }
    points
}

/// The functions that a place names, with where they are declared.
fn declared(
    request: &Request<'_>,
    source: &dyn KernelSource,
    place: &SourcePlace<'_>,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<FunctionVariables> {
    let wanted = Wanted { pattern: place.function, file: place.file, ..Wanted::default_at(span) };
    let found = search(request, &wanted).unwrap_or_default();
    let mut places: Vec<(u64, String)> =
        found.into_iter().map(|function| (function.address, function.name)).collect();
    // Of one that was inlined everywhere any copy tells the line.
    let copies = source.inlined(place.function, place.file).into_iter();
    places.extend(copies.map(|(name, address)| (address, name)).take(1));
    if places.is_empty() {
        missing::report(request, &wanted, diagnostics);
    }
    let mut known: Vec<FunctionVariables> =
        known_places(source, &places).into_iter().map(|(_, known)| known).collect();
    known.retain(|known| place.file.is_none_or(|file| is_of_file(known, file)));
    known.dedup_by(|later, earlier| later.line == earlier.line && later.file == earlier.file);
    known
}

/// The code of lines; with `.nearest`, of the line with code that is nearest to the first.
fn of_lines(
    request: &Request<'_>,
    source: &dyn KernelSource,
    function: &str,
    file: &str,
    first: u64,
    last: u64,
) -> Vec<Point> {
    let nearest = request.position("nearest").is_some();
    let mut lines = match nearest {
        true => source.lines(file, 1..=u64::MAX),
        false => source.lines(file, first..=last),
    };
    if lines.is_empty() {
        return vec![];
    }
    let code = Code::new(request);
    lines.retain(|(_, address)| code.is_probeable(*address));
    let places: Vec<Place<'_>> =
        lines.iter().map(|&(_, address)| Place { address, within: Within::Any }).collect();
    let known = lines.iter().zip(source.variables(&places));
    let mut found: Vec<(u64, u64, FunctionVariables)> = known
        .filter_map(|(&(line, address), known)| Some((line, address, known?)))
        .filter(|(_, _, known)| glob::matches(function, &known.function))
        .collect();
    // The line is of the function although its code is that of another that was inlined there.
    if found.is_empty() && !glob::is_pattern(function) {
        let places: Vec<(u64, String)> =
            lines.iter().map(|&(_, address)| (address, function.to_string())).collect();
        let known = known_places(source, &places).into_iter();
        let known = known.filter(|(_, known)| known.function == function);
        found = known
            .filter_map(|(address, known)| {
                let (line, _) = lines.iter().find(|(_, at)| *at == address)?;
                Some((*line, address, known))
            })
            .collect();
    }
    if nearest {
        let best = found.iter().map(|(line, ..)| line.abs_diff(first)).min();
        found.retain(|(line, ..)| Some(line.abs_diff(first)) == best);
    }
    let mut points = vec![];
    let mut seen: Vec<(u64, u64)> = vec![];
    for (line, address, known) in found {
        // A line may have code in several pieces; the first is where it begins.
        if seen.contains(&(line, known.begin)) {
            continue;
        }
        seen.push((line, known.begin));
        let file = if known.file.is_empty() { file } else { &known.file };
        let name = format!("kernel.statement(\"{}@{file}:{line}\")", known.function);
        points.push(point(name, address, &known));
    }
    points
}

/// Where functions begin: that takes no lines.
fn entries(
    request: &Request<'_>,
    place: &SourcePlace<'_>,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<Point> {
    let wanted = Wanted { pattern: place.function, file: place.file, ..Wanted::default_at(span) };
    let mut found = search(request, &wanted).unwrap_or_default();
    if let Some(file) = place.file {
        only_of_file(request, &wanted, file, &mut found);
    }
    if found.is_empty() {
        missing::report(request, &wanted, diagnostics);
    }
    points(request, &wanted, found)
}

fn report_none(
    place: &SourcePlace<'_>,
    file: &str,
    text: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    let message = match place.lines {
        Lines::Range(line, last) if line == last => {
            format!("the kernel has no code of line {line} of `{file}`")
        }
        _ => format!("the kernel has no code of `{text}`"),
    };
    diagnostics
        .error(codes::UNKNOWN_FUNCTION_POINT, span, message)
        .label("no such code")
        .note("a path begins at the top of the kernel's sources, or is the end of one that does")
        .help("a line without code of its own cannot be probed: take the one before or after it, or `.nearest`");
}
