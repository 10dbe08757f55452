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
use crate::program_file::{
    FunctionSymbol, FunctionVariables, Mark, ProgramFile, ProgramName, ProgramVariable,
};
use crate::registers;
use crate::source::Span;
use std::rc::Rc;

/// More points than this for one glob are refused: each has a program of its own in the kernel.
const MOST_POINTS: usize = 8000;

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
                          files can call. With debug information (`cc -g`) the parameters are `$variables` of the \
                          program's types, at returns with their values at the entry, `$return` has the type \
                          of the function, and `@FILE` may follow the name.",
                example: concat!("probe process", $example, ".function(\"main\") ? { println(int_arg(1)) } \
                          probe begin { exit() }"),
                resolve: functions,
            },
            Family {
                form: &[("process", $argument), ("library?", Text), ("statement", Text)],
                summary: "When a program comes to the code of a line, `FUNCTION@FILE:LINE`: known by its debug \
                          information (`cc -g`). Parameters and variables of the function are `$variables`.",
                example: concat!("probe process", $example, ".statement(\"main@main.c:1\") ? { println(pp()) } \
                          probe begin { exit() }"),
                resolve: statements,
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
    let (name, source) = match pattern.split_once('@') {
        Some((name, source)) => (name, Some(source)),
        Option::None => (pattern, Option::None),
    };
    let last = request.point.components.last().map(|c| c.name.text.as_str());
    let suffix = last.filter(|&name| name != "function").unwrap_or_default();
    let returns = suffix == "return";
    let files = files(request, diagnostics);
    if files.is_empty() {
        return vec![];
    }
    let mut points = vec![];
    let mut lacks_debug_info = false;
    for looked in &files {
        let functions = matching(&looked.file, name, suffix == "exported");
        let places: Vec<(u64, bool)> = functions.iter().map(|f| (f.address, false)).collect();
        let known = match places.is_empty() {
            true => Option::None,
            false => request.facts.function_variables(&looked.file.path, &places),
        };
        lacks_debug_info |= known.is_none() && !places.is_empty();
        let known = known.unwrap_or_else(|| vec![Option::None; functions.len()]);
        for (function, known) in functions.into_iter().zip(known) {
            // What follows a second colon is a line: a function has one entry.
            let file = source.and_then(|source| source.split(':').next());
            if file.is_some_and(|file| !known.as_ref().is_some_and(|k| is_of_file(k, file))) {
                continue;
            }
            let dot = if suffix.is_empty() { "" } else { "." };
            let name = format!("{}.function(\"{}\"){dot}{suffix}", looked.prefix, function.name);
            let (parameters, result) = match known {
                Some(known) => (variables(&known.parameters), known.result),
                Option::None => (vec![], Option::None),
            };
            let (context, entry) = match returns {
                true => (returned(request.facts.architecture(), result), parameters),
                false => (parameters, vec![]),
            };
            let attach = Attach::Instruction(Instruction {
                path: looked.file.path.clone(),
                offset: function.offset,
                semaphore: 0,
                returns,
                only_in: looked.only_in,
                mark: Option::None,
                entry,
            });
            let identity = Identity { function: function.name.clone(), ..Identity::default() };
            points.push(Point { context, identity, ..Point::new(name, attach) });
        }
    }
    if points.is_empty() {
        match source {
            Some(source) if lacks_debug_info => no_debug_info(&files[0], source, span, diagnostics),
            _ => unknown_function(diagnostics, &files, pattern, span),
        }
    }
    limited(points, span, diagnostics)
}

/// Whether a function is of a source file, which may be named by the end of its path, or by a pattern.
fn is_of_file(known: &FunctionVariables, file: &str) -> bool {
    let path = &known.file;
    glob::matches(file, path)
        || glob::matches(&format!("*/{file}"), path)
        || file.ends_with(&format!("/{path}"))
}

fn no_debug_info(looked: &Looked, source: &str, span: Span, diagnostics: &mut Diagnostics) {
    let path = &looked.file.path;
    diagnostics
        .error(codes::UNKNOWN_SYMBOL, span, format!("what of {path} is from `{source}` is not known"))
        .label("source files and lines are known by debug information only")
        .help("build it with -g, install its debug symbols (Debian: the package with -dbgsym), or leave out \
               what follows `@`");
}

/// `$variables` of debug information.
fn variables(known: &[ProgramVariable]) -> Vec<ContextVariable> {
    let variable = |known: &ProgramVariable| ContextVariable {
        name: known.name.clone(),
        ty: known.ty,
        source: ContextSource::Argument(known.place),
        value: known.value,
        trusted: false,
    };
    known.iter().map(variable).collect()
}

/// `process(..).statement("f@file:line")`: at the code of a line.
fn statements(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text_of("statement") else { return vec![] };
    let parts = text.split_once('@').and_then(|(name, source)| {
        let (file, line) = source.rsplit_once(':')?;
        Some((name, file, line.parse::<u64>().ok()?))
    });
    let Some((name, file, line)) = parts else {
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, format!("`{text}` is no place in a source file"))
            .help("a place is written `FUNCTION@FILE:LINE`; `*` stands for any function");
        return vec![];
    };
    let files = files(request, diagnostics);
    let mut points = vec![];
    for looked in &files {
        let lines = request.facts.lines(&looked.file.path, file, line);
        let places: Vec<(u64, bool)> = lines.into_iter().map(|address| (address, true)).collect();
        let known = request.facts.function_variables(&looked.file.path, &places);
        let mut functions: Vec<String> = vec![];
        for ((address, _), known) in places.iter().zip(known.unwrap_or_default()) {
            let Some(known) = known.filter(|known| glob::matches(name, &known.function)) else {
                continue;
            };
            // A line may have code in several pieces; the first is where it begins.
            let Some(offset) = looked.file.offset_of(*address) else { continue };
            if functions.contains(&known.function) {
                continue;
            }
            functions.push(known.function.clone());
            let place = format!("{}@{file}:{line}", known.function);
            let mut context = variables(&known.parameters);
            context.extend(variables(&known.locals));
            let attach = Attach::Instruction(Instruction {
                path: looked.file.path.clone(),
                offset,
                semaphore: 0,
                returns: false,
                only_in: looked.only_in,
                mark: Option::None,
                entry: vec![],
            });
            let identity = Identity { function: known.function, ..Identity::default() };
            let name = format!("{}.statement(\"{place}\")", looked.prefix);
            points.push(Point { context, identity, ..Point::new(name, attach) });
        }
    }
    if let (true, Some(first)) = (points.is_empty(), files.first()) {
        let has_debug_info = request.facts.function_variables(&first.file.path, &[]).is_some();
        if !has_debug_info {
            no_debug_info(first, &format!("{file}:{line}"), span, diagnostics);
        } else {
            let message = format!("{} has no code of line {line} of {file}", first.file.path);
            diagnostics.error(codes::UNKNOWN_SYMBOL, span, message).help(
                "a line without code of its own cannot be probed: take the one before or after it",
            );
        }
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

/// `$return`: what the function returned; where that is not known, as a word.
fn returned(architecture: Architecture, known: Option<(u32, Scalar)>) -> Vec<ContextVariable> {
    let source = ContextSource::Argument(crate::hir::MarkArgument::Register(registers::result(
        architecture,
    )));
    let (ty, value) = known.unwrap_or((0, Scalar { bytes: 8, signed: true }));
    vec![ContextVariable { name: "return".to_string(), ty, source, value, trusted: false }]
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
        entry: vec![],
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
