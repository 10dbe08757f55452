//! `process(..).function("f").callee("g")`: functions when they are called from a certain one.
//!
//! The handler is at the entry of the called function and looks where that returns to.

use super::copies::{known_places, point};
use super::{
    Looked, files, function_point, instruction, is_of_file, limited, matching, source_name,
    spelled, unknown_function,
};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::families::levels::each_caller;
use crate::glob;
use crate::hir::{Attach, Instruction, Point};
use crate::program_file::{FunctionSymbol, FunctionVariables, Place, Within};

/// Those whose names match.
pub(super) fn named(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((pattern, span)) = request.text_of("callee") else { return vec![] };
    let name = pattern.split('@').next().unwrap_or_default();
    let files = files(request, diagnostics);
    let mut points = vec![];
    for looked in &files {
        for caller in callers(request, looked) {
            points.extend(calls(request, looked, &caller, name));
        }
    }
    if let (true, Some(_)) = (points.is_empty(), files.first()) {
        unknown_function(diagnostics, &files, pattern, span);
    }
    limited(points, span, diagnostics)
}

/// All that debug information tells; with a number also those that these call, and so on.
pub(super) fn all(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let span = request.point.span;
    let files = files(request, diagnostics);
    let mut points = vec![];
    for looked in &files {
        let address = |caller: &Known<'_>| caller.0.address;
        each_caller(request, callers(request, looked), address, |caller| {
            let mut next = vec![];
            for name in request.facts.calls(&looked.file.path, caller.0.address) {
                points.extend(calls(request, looked, caller, &name));
                next.extend(known(request, looked, &name));
            }
            next
        });
    }
    if let (true, Some(first)) = (points.is_empty(), files.first()) {
        let message = format!("no calls are known of `{}`", request.spelling());
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, message)
            .label(format!("debug information of {} has none", first.file.path))
            .note("compilers note calls in debug information when they optimize (-g -O1 or more)")
            .help("name the functions: `.callee(\"NAME\")`");
    }
    limited(points, span, diagnostics)
}

type Known<'l> = (&'l FunctionSymbol, Option<FunctionVariables>);

/// The functions of a name with what debug information says of them.
fn known<'l>(request: &Request<'_>, looked: &'l Looked, name: &str) -> Vec<Known<'l>> {
    let functions = matching(request, looked, name, false);
    let entry = |f: &&FunctionSymbol| Place { address: f.address, within: Within::Entry };
    let places: Vec<Place<'_>> = functions.iter().map(entry).collect();
    let known = match places.is_empty() {
        true => None,
        false => request.facts.function_variables(&looked.file.path, &places),
    };
    let known = known.unwrap_or_else(|| vec![None; functions.len()]);
    functions.into_iter().zip(known).collect()
}

/// The functions whose calls are meant.
fn callers<'l>(request: &Request<'_>, looked: &'l Looked) -> Vec<Known<'l>> {
    let Some((pattern, _)) = request.text_of("function") else { return vec![] };
    let (name, file) = match pattern.split_once('@') {
        Some((name, source)) => (name, source.split(':').next()),
        None => (pattern, None),
    };
    let mut found = known(request, looked, name);
    found.retain(|(function, known)| {
        let is_there = |file| known.as_ref().is_some_and(|known| is_of_file(known, file));
        function.size > 0 && file.is_none_or(is_there)
    });
    found
}

/// The functions of a name where the caller calls them, and where they were inlined into it.
fn calls(request: &Request<'_>, looked: &Looked, caller: &Known<'_>, name: &str) -> Vec<Point> {
    let (from, known_caller) = caller;
    let shown = spelled(source_name(from, known_caller.as_ref()), known_caller.as_ref());
    let prefix = format!("{}.function(\"{shown}\")", looked.prefix);
    let mut points = vec![];
    for (function, known) in known(request, looked, name) {
        let shown = spelled(source_name(function, known.as_ref()), known.as_ref());
        let distance = from.address.wrapping_sub(function.address) as i64;
        let point = Point {
            name: format!("{prefix}.callee(\"{shown}\")"),
            ..function_point(request, looked, function, known)
        };
        // Behind a call, so not the first instruction, but perhaps behind the last.
        let called_from = Some((distance + 1, distance + from.size as i64));
        let attach = Attach::Instruction(Instruction {
            called_from,
            ..instruction(looked, function.offset)
        });
        points.push(Point { attach, ..point });
    }
    let inlined = request.facts.inlined(&looked.file.path, name);
    let range = from.address..from.address + from.size;
    let places: Vec<(u64, String)> = inlined
        .into_iter()
        .filter(|(copy, address)| range.contains(address) && glob::matches(name, copy))
        .map(|(copy, address)| (address, copy))
        .collect();
    for (offset, known) in known_places(request, looked, &places) {
        let shown = spelled(&known.function, Some(&known));
        points.push(point(looked, format!("{prefix}.callee(\"{shown}\")"), offset, &known));
    }
    points
}
