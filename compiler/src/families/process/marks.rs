//! `process(..).mark("name")`: marks (USDT) that programs carry notes of.

use super::{Looked, files, instruction, limited};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::families::{Request, mark};
use crate::glob;
use crate::hir::{Attach, ContextSource, ContextVariable, Identity, Instruction, MarkNames, Point};
use crate::program_file::Mark;
use crate::source::Span;

pub(super) fn marks(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((pattern, span)) = request.text_of("mark") else { return vec![] };
    let provider = request.text_of("provider");
    let files = files(request, diagnostics);
    if files.is_empty() {
        return vec![];
    }
    let is = |pattern: &str, name: &str| match glob::is_pattern(pattern) {
        true => glob::matches(pattern, name),
        // `-` in a name is written `__` in C.
        false => pattern == name || pattern.replace('-', "__") == name,
    };
    let mut points = vec![];
    for looked in &files {
        let of_provider = |m: &&Mark| provider.is_none_or(|(p, _)| is(p, &m.provider));
        for mark in looked.file.marks.iter().filter(of_provider).filter(|m| is(pattern, &m.name)) {
            points.push(mark_point(request, looked, mark));
        }
    }
    if points.is_empty() {
        unknown_mark(diagnostics, &files, provider, pattern, span);
    }
    limited(points, span, diagnostics)
}

fn mark_point(request: &Request<'_>, looked: &Looked, mark: &Mark) -> Point {
    let arguments = mark::arguments(request.facts.architecture(), &looked.file, mark);
    let context = arguments
        .into_iter()
        .enumerate()
        .filter_map(|(at, argument)| {
            let (argument, value) = argument?;
            let name = format!("arg{}", at + 1);
            let source = ContextSource::Argument(argument);
            Some(ContextVariable { name, ty: 0, source, value, trusted: false })
        })
        .collect();
    let attach = Attach::Instruction(Instruction {
        semaphore: mark.semaphore,
        mark: Some(MarkNames { provider: mark.provider.clone(), name: mark.name.clone() }),
        ..instruction(looked, mark.offset)
    });
    let name = format!("{}.provider(\"{}\").mark(\"{}\")", looked.prefix, mark.provider, mark.name);
    let texts = vec![("$$name", mark.name.clone()), ("$$provider", mark.provider.clone())];
    let identity = Identity { texts, ..Identity::default() };
    Point { context, identity, ..Point::new(name, attach) }
}

fn unknown_mark(
    diagnostics: &mut Diagnostics,
    files: &[Looked],
    provider: Option<(&str, Span)>,
    pattern: &str,
    span: Span,
) {
    let (path, several) = (&files[0].file.path, files.len());
    let marks: Vec<&Mark> = files.iter().flat_map(|f| &f.file.marks).collect();
    if marks.is_empty() {
        let message = match several {
            1 => format!("{path} has no marks"),
            _ => format!("none of {several} programs has marks"),
        };
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, message)
            .label("there are no notes of probe points")
            .help(
                "marks are built in with <sys/sdt.h> (configure options such as --enable-dtrace)",
            );
        return;
    }
    let providers: Vec<&str> = marks.iter().map(|m| m.provider.as_str()).collect();
    if let Some((name, span)) = provider
        && !glob::is_pattern(name)
        && !providers.contains(&name)
    {
        let message = format!("{path} has no marks of provider `{name}`");
        diagnostics.error(codes::UNKNOWN_SYMBOL, span, message).suggest(name, providers);
        return;
    }
    let names: Vec<&str> = marks.iter().map(|m| m.name.as_str()).collect();
    let diagnostic =
        diagnostics.error(codes::UNKNOWN_SYMBOL, span, format!("{path} has no mark `{pattern}`"));
    let near = suggest::nearest(pattern, names.iter().copied(), 3);
    if near.is_empty() {
        let mut known = names;
        known.sort();
        known.dedup();
        known.truncate(12);
        diagnostic.help(format!("it has {}", known.join(", ")));
    } else {
        diagnostic.suggest(pattern, near);
    }
}
