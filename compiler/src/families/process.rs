//! `process(..).function` and `process(..).mark`: instructions of programs and libraries.
//!
//! Functions are found by their symbols, marks (USDT) by the notes a program carries. A handler runs in every
//! process that uses the file; with `library` only in those that run the program named.

use super::mark;
use super::{Argument::*, Family, Request};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::facts::Architecture;
use crate::glob;
use crate::hir::{
    Attach, ContextSource, ContextVariable, Identity, Instruction, MarkNames, OnlyIn, Point, Scalar,
};
use crate::program_file::{FunctionSymbol, Mark, ProgramFile, ProgramName};
use crate::registers;
use crate::source::Span;
use std::rc::Rc;

/// More points than this for one glob are refused: each has a program of its own in the kernel.
const MOST_POINTS: usize = 500;

macro_rules! families {
    ($(($argument:ident, $example:literal)),*) => {
        &[$(
            Family {
                form: &[
                    ("process", $argument),
                    ("library?", Text),
                    ("function", Text),
                    ("call|exported|return?", None),
                ],
                summary: "When a function of a program (or of a library it uses) is entered, or returns. \
                          Without a name the program of `-c` or `-x` is meant, with a number that of a \
                          process. The name may hold wildcards; `exported` functions are those other \
                          files can call.",
                example: concat!("probe process", $example, ".function(\"main\") ? { println(int_arg(1)) } \
                          probe begin { exit() }"),
                resolve: functions,
            },
            Family {
                form: &[
                    ("process", $argument),
                    ("library?", Text),
                    ("provider?", Text),
                    ("mark", Text),
                ],
                summary: "When a program passes a mark (a statically defined probe point, USDT); its \
                          arguments are `$arg1`, `$arg2` and so on, its names `$$name` and `$$provider`.",
                example: concat!("probe process", $example, ".mark(\"*\") ? { println($$name) } probe \
                          begin { exit() }"),
                resolve: marks,
            },
        )*]
    };
}

pub(super) const FAMILIES: &[Family] =
    families![(Text, "(\"/bin/sh\")"), (Number, "(1)"), (None, "")];

/// Where a request looks.
struct Looked {
    /// As points are spelled: `process("/bin/sh").library("/lib/libc.so.6")`.
    prefix: String,
    file: Rc<ProgramFile>,
    only_in: OnlyIn,
}

/// The files a request is about; reports why there are none.
fn files(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Looked> {
    let facts = request.facts;
    let (name, span) = match (request.text(0), request.number(0)) {
        (Some((text, span)), _) => (ProgramName::File(text), span),
        (_, Some((pid, span))) => match u32::try_from(pid) {
            Ok(pid) => (ProgramName::Process(pid), span),
            Err(_) => {
                let message = format!("there is no process {pid}");
                diagnostics.error(codes::NO_PROGRAM, span, message);
                return vec![];
            }
        },
        _ => (ProgramName::Target, request.point.components[0].span),
    };
    let report = |diagnostics: &mut Diagnostics, span, missing: crate::program_file::NoProgram| {
        let diagnostic = diagnostics.error(codes::NO_PROGRAM, span, missing.reason);
        if let Some(help) = missing.help {
            diagnostic.help(help);
        }
    };
    let program = match facts.program_file(name) {
        Ok(program) => program,
        Err(missing) => {
            report(diagnostics, span, missing);
            return vec![];
        }
    };
    let process = match name {
        ProgramName::Process(pid) => Some(pid),
        ProgramName::File(_) | ProgramName::Target => Option::None,
    };
    let spelled = match process {
        Some(pid) => format!("process({pid})"),
        Option::None => format!("process(\"{}\")", program.path),
    };
    let Some((library, library_span)) = request.text_of("library") else {
        let only_in = match name {
            ProgramName::File(_) => OnlyIn::Anywhere,
            ProgramName::Process(pid) => OnlyIn::Process(pid),
            ProgramName::Target => OnlyIn::Target,
        };
        return vec![Looked { prefix: spelled, file: program, only_in }];
    };
    let only_in = match process {
        Some(pid) => OnlyIn::Process(pid),
        Option::None => OnlyIn::Program { inode: program.inode },
    };
    match facts.libraries(name, library) {
        Ok(libraries) => libraries
            .into_iter()
            .map(|file| Looked {
                prefix: format!("{spelled}.library(\"{}\")", file.path),
                file,
                only_in,
            })
            .collect(),
        Err(missing) => {
            report(diagnostics, library_span, missing);
            vec![]
        }
    }
}

fn functions(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((pattern, span)) = request.text_of("function") else { return vec![] };
    if let Some((_, source)) = pattern.split_once('@') {
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, format!("functions of `{source}` are not known"))
            .label("source files of programs are known by debug information only")
            .help("leave out what follows `@`");
        return vec![];
    }
    let last = request.point.components.last().map(|c| c.name.text.as_str());
    let suffix = last.filter(|&name| name != "function").unwrap_or_default();
    let returns = suffix == "return";
    let files = files(request, diagnostics);
    if files.is_empty() {
        return vec![];
    }
    let mut points = vec![];
    for looked in &files {
        for function in matching(&looked.file, pattern, suffix == "exported") {
            let dot = if suffix.is_empty() { "" } else { "." };
            let name = format!("{}.function(\"{}\"){dot}{suffix}", looked.prefix, function.name);
            let context = if returns { result(request.facts.architecture()) } else { vec![] };
            let attach = Attach::Instruction(Instruction {
                path: looked.file.path.clone(),
                offset: function.offset,
                semaphore: 0,
                returns,
                only_in: looked.only_in,
                mark: Option::None,
            });
            let identity = Identity { function: function.name.clone(), ..Identity::default() };
            points.push(Point { context, identity, ..Point::new(name, attach) });
        }
    }
    if points.is_empty() {
        unknown_function(diagnostics, &files, pattern, span);
    }
    limited(points, span, diagnostics)
}

/// The functions that are meant: all of a name, for a pattern one of each address.
fn matching<'a>(file: &'a ProgramFile, pattern: &str, exported: bool) -> Vec<&'a FunctionSymbol> {
    let is_pattern = glob::is_pattern(pattern);
    let mut found: Vec<&FunctionSymbol> = file
        .functions
        .iter()
        .filter(|f| !exported || f.exported)
        .filter(|f| if is_pattern { glob::matches(pattern, &f.name) } else { f.name == pattern })
        .collect();
    found.sort_by_key(|f| f.offset);
    found.dedup_by_key(|f| f.offset);
    found
}

fn unknown_function(diagnostics: &mut Diagnostics, files: &[Looked], pattern: &str, span: Span) {
    let file = &files[0].file;
    let path = &file.path;
    let message = match glob::is_pattern(pattern) {
        true => format!("no function of {path} matches `{pattern}`"),
        false => format!("{path} has no function `{pattern}`"),
    };
    let names = files.iter().flat_map(|f| &f.file.functions).map(|f| f.name.as_str());
    let diagnostic = diagnostics.error(codes::UNKNOWN_SYMBOL, span, message);
    if file.functions.is_empty() {
        diagnostic
            .label("it has no symbols")
            .help("install its debug symbols, or build it with -g");
        return;
    }
    let near = suggest::nearest(pattern, names, 3);
    if near.is_empty() && file.stripped {
        diagnostic.label("it is stripped: only exported functions are known").help(
            "install its debug symbols (Debian: the package with -dbgsym), or probe a library it uses: \
             `.library(\"NAME\").function(\"...\")`",
        );
    } else if !near.is_empty() {
        diagnostic.suggest(pattern, near);
    }
}

/// `$return`: what the function returned, as a word.
fn result(architecture: Architecture) -> Vec<ContextVariable> {
    let source = ContextSource::Argument(crate::hir::MarkArgument::Register(registers::result(
        architecture,
    )));
    let value = Scalar { bytes: 8, signed: true };
    vec![ContextVariable { name: "return".to_string(), ty: 0, source, value, trusted: false }]
}

fn marks(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
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
        path: looked.file.path.clone(),
        offset: mark.offset,
        semaphore: mark.semaphore,
        returns: false,
        only_in: looked.only_in,
        mark: Some(MarkNames { provider: mark.provider.clone(), name: mark.name.clone() }),
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
    let path = &files[0].file.path;
    let marks: Vec<&Mark> = files.iter().flat_map(|f| &f.file.marks).collect();
    if marks.is_empty() {
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, format!("{path} has no marks"))
            .label("it carries no notes of probe points")
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

fn limited(points: Vec<Point>, span: Span, diagnostics: &mut Diagnostics) -> Vec<Point> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    diagnostics
        .error(codes::UNKNOWN_SYMBOL, span, format!("{} places match", points.len()))
        .label(format!("at most {MOST_POINTS} are probed at a time"))
        .help("narrow the pattern");
    vec![]
}
