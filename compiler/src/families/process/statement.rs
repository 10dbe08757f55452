//! `process(..).statement(..)`: lines and addresses of programs.

use super::copies::{known_places, point};
use super::{
    Looked, files, function_point, instruction, is_of_file, limited, matching, no_debug_info,
    source_name, spelled,
};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::families::source_place::{Lines, SourcePlace, source_place};
use crate::glob;
use crate::hir::{Attach, Identity, OnlyIn, Point};
use crate::program_file::{FunctionVariables, Place, Within};
use crate::source::Span;

/// At the code of lines.
pub(super) fn lines(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text_of("statement") else { return vec![] };
    let Some(wanted) = source_place(text, span, diagnostics) else { return vec![] };
    let files = files(request, diagnostics);
    let mut points = vec![];
    for looked in &files {
        match (wanted.lines, wanted.file) {
            (Lines::Range(first, last), Some(file)) => {
                points.extend(of_lines(request, looked, wanted.function, file, first, last));
            }
            (lines, file) => points.extend(of_function(request, looked, &wanted, lines, file)),
        }
    }
    if let (true, Some(first)) = (points.is_empty(), files.first()) {
        report_none(request, &wanted, first, text, span, diagnostics);
    }
    limited(points, span, diagnostics)
}

fn report_none(
    request: &Request<'_>,
    wanted: &SourcePlace<'_>,
    looked: &Looked,
    text: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    let path = &looked.file.path;
    if wanted.file.is_some() && request.facts.function_variables(path, &[]).is_none() {
        return no_debug_info(looked, &format!("the code of `{text}`"), span, diagnostics);
    }
    let message = match (wanted.lines, wanted.file) {
        (Lines::Range(line, last), Some(file)) if line == last => {
            format!("{path} has no code of line {line} of {file}")
        }
        _ => format!("{path} has no code of `{text}`"),
    };
    diagnostics.error(codes::UNKNOWN_SYMBOL, span, message).help(
        "a line without code of its own cannot be probed: take the one before or after it, or `.nearest`",
    );
}

/// The entries of functions, or lines counted from them.
fn of_function(
    request: &Request<'_>,
    looked: &Looked,
    wanted: &SourcePlace<'_>,
    lines: Lines,
    file: Option<&str>,
) -> Vec<Point> {
    let functions = matching(request, looked, wanted.function, file.is_some());
    let entry = |address| Place { address, within: Within::Entry };
    let places: Vec<Place<'_>> = functions.iter().map(|f| entry(f.address)).collect();
    let known = request.facts.function_variables(&looked.file.path, &places);
    let known = known.unwrap_or_else(|| vec![None; functions.len()]);
    let mut points = vec![];
    for (function, known) in functions.into_iter().zip(known) {
        if file.is_some_and(|file| !known.as_ref().is_some_and(|k| is_of_file(k, file))) {
            continue;
        }
        match (lines, &known) {
            (Lines::After(after), Some(known)) => {
                let line = known.line + after;
                let of = of_lines(request, looked, &known.function, &known.file, line, line);
                points.extend(of);
            }
            (Lines::After(_), None) => {}
            (Lines::Entry | Lines::Range(..), _) => {
                let shown = spelled(source_name(function, known.as_ref()), known.as_ref());
                let name = format!("{}.statement(\"{shown}\")", looked.prefix);
                points.push(Point { name, ..function_point(request, looked, function, known) });
            }
        }
    }
    points
}

/// The code of lines; with `.nearest`, of the line with code that is nearest to the first.
fn of_lines(
    request: &Request<'_>,
    looked: &Looked,
    function: &str,
    file: &str,
    first: u64,
    last: u64,
) -> Vec<Point> {
    let path = &looked.file.path;
    let nearest = request.position("nearest").is_some();
    let mut lines = match nearest {
        true => request.facts.lines(path, file, 1..=u64::MAX),
        false => request.facts.lines(path, file, first..=last),
    };
    let of = |lines: &[(u64, u64)]| -> Vec<(u64, u64, FunctionVariables)> {
        let places: Vec<Place<'_>> =
            lines.iter().map(|&(_, address)| Place { address, within: Within::Any }).collect();
        let known = match places.is_empty() {
            true => None,
            false => request.facts.function_variables(path, &places),
        };
        let known = lines.iter().zip(known.unwrap_or_default());
        known.filter_map(|(&(line, address), known)| Some((line, address, known?))).collect()
    };
    let mut found = of(&lines);
    found.retain(|(_, _, known)| glob::matches(function, &known.function));
    // The line is of the function although its code is that of another that was inlined there.
    if found.is_empty() && !glob::is_pattern(function) && !lines.is_empty() {
        let places: Vec<(u64, String)> =
            lines.iter().map(|&(_, address)| (address, function.to_string())).collect();
        let known = known_places(request, looked, &places);
        let line_of = |offset| {
            let address = looked.file.address_of(offset)?;
            Some((lines.iter().find(|(_, at)| *at == address)?.0, address))
        };
        found = known
            .into_iter()
            .filter(|(_, known)| known.function == function)
            .filter_map(|(offset, known)| {
                let (line, address) = line_of(offset)?;
                Some((line, address, known))
            })
            .collect();
    }
    if nearest {
        let distance = |line: u64| line.abs_diff(first);
        let best = found.iter().map(|(line, ..)| distance(*line)).min();
        found.retain(|(line, ..)| Some(distance(*line)) == best);
    }
    lines.clear();
    let mut points = vec![];
    let mut seen: Vec<(u64, String)> = vec![];
    for (line, address, known) in found {
        // A line may have code in several pieces; the first is where it begins.
        let this = (line, known.function.clone());
        let Some(offset) = looked.file.offset_of(address) else { continue };
        if seen.contains(&this) {
            continue;
        }
        seen.push(this);
        let place = match known.file.is_empty() {
            true => format!("{}@{file}:{line}", known.function),
            false => format!("{}@{}:{line}", known.function, known.file),
        };
        let name = format!("{}.statement(\"{place}\")", looked.prefix);
        points.push(point(looked, name, offset, &known));
    }
    points
}

/// At an address of the file; with `absolute` at one of the process.
pub(super) fn address(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let component = if request.position("function").is_some() { "function" } else { "statement" };
    let Some((number, span)) = request.number_of(component) else { return vec![] };
    let address = number as u64;
    if let (Some(_), Some((pid, _))) = (request.position("absolute"), request.number(0)) {
        return absolute(request, pid, address, span, diagnostics);
    }
    let files = files(request, diagnostics);
    let mut points = vec![];
    for looked in &files {
        let function = looked.file.function_at(address);
        if component == "function" {
            let Some(function) = function else { continue };
            let entry = Place { address: function.address, within: Within::Entry };
            let known = request.facts.function_variables(&looked.file.path, &[entry]);
            let known = known.and_then(|mut known| known.pop().flatten());
            points.push(function_point(request, looked, function, known));
            continue;
        }
        let Some(offset) = looked.file.offset_of(address) else { continue };
        let name = format!("{}.statement({address:#x})", looked.prefix);
        let place = Place { address, within: Within::Any };
        let known = request.facts.function_variables(&looked.file.path, &[place]);
        if let Some(known) = known.and_then(|mut known| known.pop().flatten()) {
            points.push(point(looked, name, offset, &known));
            continue;
        }
        let function = function.map_or(String::new(), |function| function.name.clone());
        let identity = Identity { function, ..Identity::default() };
        let attach = Attach::Instruction(instruction(looked, offset));
        points.push(Point { identity, ..Point::new(name, attach) });
    }
    if let (true, Some(first)) = (points.is_empty(), files.first()) {
        let path = &first.file.path;
        let is_code = component == "function" && first.file.offset_of(address).is_some();
        let what = if is_code { "function" } else { "code" };
        let message = format!("{path} has no {what} at {address:#x}");
        let diagnostic = diagnostics.error(codes::UNKNOWN_SYMBOL, span, message);
        if is_code {
            diagnostic
                .label("no symbol says which function this code is of")
                .help(format!("probe the instruction: `.statement({address:#x})`"));
        } else {
            diagnostic.label(
                "addresses are those the file was linked for, as `nm` and `objdump` show them",
            );
        }
    }
    points
}

fn absolute(
    request: &Request<'_>,
    pid: i64,
    address: u64,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<Point> {
    let of_process = u32::try_from(pid).ok().and_then(|pid| {
        let (file, offset) = request.facts.code_of_process(pid, address)?;
        Some((pid, file, offset))
    });
    let Some((pid, file, offset)) = of_process else {
        let message = format!("process {pid} has no code of a file at {address:#x}");
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, message)
            .label("addresses are those of /proc/PID/maps");
        return vec![];
    };
    let only_in = OnlyIn::Process(pid);
    let looked = Looked { prefix: format!("process({pid})"), file, only_in };
    let name = format!("{}.statement({address:#x}).absolute", looked.prefix);
    let attach = Attach::Instruction(instruction(&looked, offset));
    vec![Point::new(name, attach)]
}
