//! Functions that were inlined, and labels: places that debug information tells.

use super::{Looked, files, inside, instruction, is_of_file, limited, no_debug_info, spelled};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::glob;
use crate::hir::{Attach, Identity, Point};
use crate::program_file::{FunctionVariables, Place, Within};
use crate::source::Span;

/// The places in a file where functions of a name were inlined, those of one source file if so asked.
pub(super) fn inlined(
    request: &Request<'_>,
    looked: &Looked,
    pattern: &str,
    file: Option<&str>,
) -> Vec<Point> {
    let path = &looked.file.path;
    let copies = request.facts.inlined(path, pattern);
    let place = |(name, address): &(String, u64)| (*address, name.clone());
    let places: Vec<(u64, String)> = copies.iter().map(place).collect();
    let mut points = vec![];
    for (offset, known) in known_places(request, looked, &places) {
        if file.is_some_and(|file| !is_of_file(&known, file)) {
            continue;
        }
        let last = request.point.components.last().map_or("", |c| c.name.text.as_str());
        let suffix = if last == "inline" { ".inline" } else { "" };
        let name = spelled(&known.function, Some(&known));
        let name = format!("{}.function(\"{name}\"){suffix}", looked.prefix);
        points.push(point(looked, name, offset, &known));
    }
    points
}

/// Reports that a function was inlined nowhere.
pub(super) fn none_inlined(
    request: &Request<'_>,
    looked: &Looked,
    pattern: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    if request.facts.function_variables(&looked.file.path, &[]).is_none() {
        return no_debug_info(looked, "what was inlined", span, diagnostics);
    }
    let path = &looked.file.path;
    diagnostics
        .error(codes::UNKNOWN_SYMBOL, span, format!("`{pattern}` was inlined nowhere in {path}"))
        .help("leave out `.inline`: functions with code of their own are meant, too");
}

/// `process(..).function("f").label("l")`.
pub(super) fn labels(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let (Some((function, _)), Some((pattern, span))) =
        (request.text_of("function"), request.text_of("label"))
    else {
        return vec![];
    };
    let (function, file) = match function.split_once('@') {
        Some((function, source)) => (function, source.split(':').next()),
        None => (function, None),
    };
    let files = files(request, diagnostics);
    let mut points = vec![];
    let mut all: Vec<String> = vec![];
    for looked in &files {
        let mut labels = request.facts.labels(&looked.file.path, function);
        all.extend(labels.iter().map(|label| label.name.clone()));
        labels.retain(|label| glob::matches(pattern, &label.name));
        let place = |label: &crate::program_file::Label| (label.address, label.function.clone());
        let places: Vec<(u64, String)> = labels.iter().map(place).collect();
        for (offset, known) in known_places(request, looked, &places) {
            if file.is_some_and(|file| !is_of_file(&known, file)) {
                continue;
            }
            let at = looked.file.address_of(offset);
            let Some(label) = labels.iter().find(|label| Some(label.address) == at) else {
                continue;
            };
            let name = spelled(&known.function, Some(&known));
            let name = format!("{}.function(\"{name}\").label(\"{}\")", looked.prefix, label.name);
            points.push(point(looked, name, offset, &known));
        }
    }
    if let (true, Some(first)) = (points.is_empty(), files.first()) {
        if request.facts.function_variables(&first.file.path, &[]).is_none() {
            no_debug_info(first, "where labels are", span, diagnostics);
        } else {
            let path = &first.file.path;
            let message = format!("no label `{pattern}` in `{function}` of {path}");
            diagnostics
                .error(codes::UNKNOWN_SYMBOL, span, message)
                .suggest(pattern, all.iter().map(String::as_str))
                .note("compilers leave labels out that nothing jumps to");
        }
    }
    limited(points, span, diagnostics)
}

/// What is known of places in functions, with where they are in the file.
pub(super) fn known_places(
    request: &Request<'_>,
    looked: &Looked,
    places: &[(u64, String)],
) -> Vec<(u64, FunctionVariables)> {
    if places.is_empty() {
        return vec![];
    }
    let asked: Vec<Place<'_>> = places
        .iter()
        .map(|(address, name)| Place { address: *address, within: Within::Function(name) })
        .collect();
    let known = request.facts.function_variables(&looked.file.path, &asked).unwrap_or_default();
    let with_offset = places
        .iter()
        .zip(known)
        .filter_map(|((address, _), known)| Some((looked.file.offset_of(*address)?, known?)));
    with_offset.collect()
}

/// A place inside of a function.
pub(super) fn point(
    looked: &Looked,
    name: String,
    offset: u64,
    known: &FunctionVariables,
) -> Point {
    let (context, first_local) = inside(known);
    let identity = Identity { function: known.function.clone(), ..Identity::default() };
    let attach = Attach::Instruction(instruction(looked, offset));
    Point { context, first_local, identity, ..Point::new(name, attach) }
}
