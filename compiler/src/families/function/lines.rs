//! `kernel.statement("FUNCTION@FILE:LINE")`: lines of the kernel's sources, where its debug information is installed.

use super::{Found, Typed, Wanted, missing, plain_name, points, search};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::families::source_place::{Lines, SourcePlace, source_place};
use crate::glob;
use crate::hir::{Attach, FunctionPoints, FunctionTarget, Identity, Point};
use crate::source::Span;

/// The functions of the kernel proper: address and name, ascending.
struct Functions(Vec<(u64, String)>);

impl Functions {
    fn new(request: &Request<'_>) -> Functions {
        let mut all = vec![];
        let _ = request.facts.each_function(&mut |function| {
            if function.module.is_none()
                && let Some(name) = plain_name(function.name)
            {
                all.push((function.address, name.to_string()));
            }
        });
        all.sort_by_key(|(address, _)| *address);
        Functions(all)
    }

    /// The function that an address is in.
    fn at(&self, address: u64) -> Option<Found> {
        let after = self.0.partition_point(|(begin, _)| *begin <= address);
        let (begin, _) = self.0.get(after.checked_sub(1)?)?;
        let first = self.0.partition_point(|(other, _)| other < begin);
        let name = self.0[first].1.clone();
        Some(Found { name, address: *begin, module: None })
    }
}

/// The code of lines.
pub(super) fn statement(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text_of("statement") else { return vec![] };
    let Some(place) = source_place(text, span, diagnostics) else { return vec![] };
    let Some(file) = place.file else { return entries(request, &place, span, diagnostics) };
    let nearest = request.position("nearest").is_some();
    let range = match place.lines {
        Lines::Range(first, last) if !nearest => first..=last,
        Lines::Range(..) | Lines::Entry | Lines::After(_) => 1..=u64::MAX,
    };
    let Some(source) = request.facts.kernel_source() else {
        return missing::refuse(request, diagnostics);
    };
    let lines = source.lines(file, range);
    let functions = Functions::new(request);
    let mut found: Vec<(u64, u64, Found)> = lines
        .into_iter()
        .filter_map(|(line, address)| Some((line, address, functions.at(address)?)))
        .filter(|(_, _, function)| glob::matches(place.function, &function.name))
        .collect();
    let entry =
        found.iter().find(|(_, address, of)| *address == of.address).map(|(line, ..)| *line);
    let first = match (place.lines, entry) {
        (Lines::Range(first, _), _) => first,
        (Lines::After(after), Some(entry)) => entry + after,
        (Lines::Entry | Lines::After(_), _) => 0,
    };
    match place.lines {
        Lines::Entry => found.retain(|(_, address, of)| *address == of.address),
        Lines::Range(..) | Lines::After(_) if nearest => {
            let best = found.iter().map(|(line, ..)| line.abs_diff(first)).min();
            found.retain(|(line, ..)| Some(line.abs_diff(first)) == best);
        }
        Lines::After(_) => found.retain(|(line, ..)| *line == first),
        Lines::Range(..) => {}
    }
    // A line may have code in several pieces; the first is where it begins.
    found.dedup_by(|(line, _, later), (before, _, earlier)| {
        line == before && later.address == earlier.address
    });
    if found.is_empty() {
        report_none(&place, file, text, span, diagnostics);
    }
    found.into_iter().map(|(line, address, of)| point(request, file, line, address, of)).collect()
}

/// Where functions begin: that takes no lines.
fn entries(
    request: &Request<'_>,
    place: &SourcePlace<'_>,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<Point> {
    let (pattern, file, module) = (place.function, None, None);
    let wanted = Wanted { pattern, span, file, module, returns: false, exported: false };
    let found = search(request, &wanted).unwrap_or_default();
    if found.is_empty() {
        missing::report(request, &wanted, diagnostics);
    }
    points(request, &wanted, found)
}

fn point(request: &Request<'_>, file: &str, line: u64, address: u64, function: Found) -> Point {
    // Parameters are known where the calling convention puts them.
    let mut context = vec![];
    if address == function.address
        && let Some(typed) = Typed::new(request, std::slice::from_ref(&function))
    {
        context = typed.context(&function, request.facts.architecture()).0;
    }
    let name = format!("kernel.statement(\"{}@{file}:{line}\")", function.name);
    let identity = Identity { function: function.name.clone(), ..Identity::default() };
    let target = FunctionTarget { name: function.name, point: name.clone(), address, module: None };
    let functions = FunctionPoints::inside(target);
    Point { context, identity, ..Point::new(name, Attach::Function(functions)) }
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
