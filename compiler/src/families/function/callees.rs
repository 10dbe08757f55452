//! `kernel.function("f").callee("g")`: functions of the kernel when they are called from a certain one.
//!
//! The handler is at the entry of the called function and looks where that returns to, or in the copy of it that was
//! inlined into the caller.

use super::copies::name_and_file;
use super::inside::{Code, known_places, point};
use super::{Found, Wanted, missing, only_of_file, points, search};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::Request;
use crate::families::levels::each_caller;
use crate::families::process::spelled;
use crate::glob;
use crate::hir::{Attach, Point};
use crate::kernel_source::KernelSource;
use crate::program_file::{FunctionVariables, Place, Within};
use crate::source::Span;

/// A function with what debug information says of it.
type Known = (Found, Option<FunctionVariables>);

/// Those whose names match.
pub(super) fn named(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text_of("callee") else { return vec![] };
    let Some(source) = request.facts.kernel_source() else {
        return missing::refuse(request, diagnostics);
    };
    let (name, _) = name_and_file(text);
    let Some(callers) = callers(request, source, diagnostics) else { return vec![] };
    let calls = Calls { request, source, span, code: Code::new(request) };
    let names = [name.to_string()];
    let points: Vec<Point> = callers.iter().flat_map(|caller| calls.of(caller, &names)).collect();
    if points.is_empty() {
        let wanted = Wanted { pattern: name, span, ..Wanted::default_at(span) };
        missing::report(request, &wanted, diagnostics);
    }
    points
}

/// All that debug information tells; with a number also those that these call, and so on.
pub(super) fn all(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let span = request.point.span;
    let Some(source) = request.facts.kernel_source() else {
        return missing::refuse(request, diagnostics);
    };
    let Some(first) = callers(request, source, diagnostics) else { return vec![] };
    let calls = Calls { request, source, span, code: Code::new(request) };
    let mut points = vec![];
    let address = |caller: &Known| caller.0.address;
    each_caller(request, first, address, |caller| {
        let names = source.calls(caller.0.address);
        points.extend(calls.of(caller, &names));
        calls.functions(&names)
    });
    if points.is_empty() {
        let message = format!("no calls are known of `{}`", request.spelling());
        diagnostics
            .error(codes::UNKNOWN_FUNCTION_POINT, span, message)
            .label("the kernel's debug information has none")
            .help("name the functions: `.callee(\"NAME\")`");
    }
    points
}

/// The functions whose calls are meant; reports that there are none.
fn callers(
    request: &Request<'_>,
    source: &dyn KernelSource,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Known>> {
    let (text, span) = request.text_of("function")?;
    let (pattern, file) = name_and_file(text);
    let wanted = Wanted { pattern, file, ..Wanted::default_at(span) };
    let mut found = search(request, &wanted).unwrap_or_default();
    if let Some(file) = file {
        only_of_file(request, &wanted, file, &mut found);
    }
    if found.is_empty() {
        missing::report(request, &wanted, diagnostics);
        return None;
    }
    Some(known(source, found))
}

fn known(source: &dyn KernelSource, found: Vec<Found>) -> Vec<Known> {
    let places: Vec<Place<'_>> =
        found.iter().map(|f| Place { address: f.address, within: Within::Entry }).collect();
    let known = source.variables(&places);
    found.into_iter().zip(known).collect()
}

/// What is looked for.
struct Calls<'a> {
    request: &'a Request<'a>,
    source: &'a dyn KernelSource,
    span: Span,
    code: Code<'a>,
}

impl Calls<'_> {
    /// The functions with some names.
    fn functions(&self, names: &[String]) -> Vec<Known> {
        let mut found = vec![];
        for name in names {
            if glob::is_pattern(name) {
                let wanted = Wanted { pattern: name, ..Wanted::default_at(self.span) };
                found.extend(search(self.request, &wanted).unwrap_or_default());
                continue;
            }
            let function = |&address: &u64| Found { name: name.to_string(), address, module: None };
            found.extend(self.code.of_name(name).iter().map(function));
        }
        known(self.source, found)
    }

    /// The functions with some names where the caller calls them, and where they were inlined into it.
    fn of(&self, caller: &Known, names: &[String]) -> Vec<Point> {
        let (from, known_caller) = caller;
        let shown = spelled(&from.name, known_caller.as_ref());
        let prefix = format!("kernel.function(\"{shown}\")");
        let code = self.source.code(from.address);
        let mut called = self.functions(names);
        called.retain(|(function, _)| {
            self.request.facts.is_traceable(function.address) != Some(false)
        });
        let (functions, known): (Vec<Found>, Vec<_>) = called.into_iter().unzip();
        let shown: Vec<String> = functions
            .iter()
            .zip(&known)
            .map(|(f, known)| spelled(&f.name, known.as_ref()))
            .collect();
        let wanted = Wanted::default_at(self.span);
        let mut found: Vec<Point> = points(self.request, &wanted, functions)
            .into_iter()
            .zip(shown)
            .map(|(point, shown)| {
                called_from(point, &format!("{prefix}.callee(\"{shown}\")"), &code)
            })
            .collect();
        let mut places: Vec<(u64, String)> = vec![];
        for (copy, address) in self.source.inlined_into(from.address) {
            let is_meant = names.iter().any(|name| glob::matches(name, &copy));
            if is_meant && self.code.is_probeable(address) {
                places.push((address, copy));
            }
        }
        for (address, known) in known_places(self.source, &places) {
            let shown = spelled(&known.function, Some(&known));
            found.push(point(format!("{prefix}.callee(\"{shown}\")"), address, &known));
        }
        found
    }
}

/// The entry of a function, only when it is called from this code.
fn called_from(point: Point, name: &str, code: &[std::ops::Range<u64>]) -> Point {
    let attach = match point.attach {
        Attach::Function(mut functions) => {
            functions.called_from = code.to_vec();
            for target in &mut functions.targets {
                target.point = name.to_string();
            }
            Attach::Function(functions)
        }
        other => other,
    };
    Point { name: name.to_string(), attach, ..point }
}
