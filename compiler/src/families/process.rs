//! `process(..).function` and its relatives: instructions of programs and libraries.
//!
//! Functions are found by their symbols, marks (USDT) by the notes a program carries, lines, labels and inlined
//! functions by debug information. A handler runs in every process that uses the file; with `library` only in
//! those that run the program named.

mod callees;
mod copies;
mod forms;
mod marks;
mod plt;
mod statement;

pub(super) use forms::FAMILIES as PLACES;

use super::Request;
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::facts::Architecture;
use crate::glob;
use crate::hir::{
    Attach, ContextSource, ContextVariable, Identity, Instruction, OnlyIn, Point, Scalar,
};
use crate::program_file::{
    FunctionSymbol, FunctionVariables, NoProgram, Place, ProgramFile, ProgramName, ProgramVariable,
    Within,
};
use crate::registers;
use crate::source::Span;
use std::rc::Rc;

/// Functions that the C library and the linker add to a program. None of them is called as functions are: a return
/// probe of `_start` would overwrite the number of arguments, which is where others have the address to return to.
const OF_THE_LINKER: &[&str] = &[
    "_start",
    "_init",
    "_fini",
    "_dl_relocate_static_pie",
    "__do_global_dtors_aux",
    "__libc_csu_fini",
    "__libc_csu_init",
    "deregister_tm_clones",
    "frame_dummy",
    "register_tm_clones",
];

/// More points than this for one glob are refused: each has a program of its own in the kernel.
const MOST_POINTS: usize = 8000;

/// Where a request looks.
struct Looked {
    /// As points are spelled: `process("/bin/sh").library("/lib/libc.so.6")`.
    prefix: String,
    file: Rc<ProgramFile>,
    only_in: OnlyIn,
}

fn report(diagnostics: &mut Diagnostics, span: Span, missing: NoProgram) {
    let diagnostic = diagnostics.error(codes::NO_PROGRAM, span, missing.reason);
    if let Some(help) = missing.help {
        diagnostic.help(help);
    }
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
    if let ProgramName::File(pattern) = name
        && glob::is_pattern(pattern)
    {
        let programs = facts.programs_matching(pattern);
        if programs.is_empty() {
            let message = format!("no program matches `{pattern}`");
            diagnostics.error(codes::NO_PROGRAM, span, message);
        }
        let mut all = vec![];
        for program in programs {
            // A library that one of them does not use is not missed.
            let mut tried = Diagnostics::default();
            let name = ProgramName::File(&program.path);
            all.extend(files_of(request, name, program.clone(), &mut tried));
        }
        return all;
    }
    match facts.program_file(name) {
        Ok(program) => files_of(request, name, program, diagnostics),
        Err(missing) => {
            report(diagnostics, span, missing);
            vec![]
        }
    }
}

/// The program itself, or the libraries of it that a request is about.
fn files_of(
    request: &Request<'_>,
    name: ProgramName<'_>,
    program: Rc<ProgramFile>,
    diagnostics: &mut Diagnostics,
) -> Vec<Looked> {
    let facts = request.facts;
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
    // What follows a second colon is a line: a function has one entry.
    let file = source.and_then(|source| source.split(':').next());
    let suffix = suffix(request);
    let files = files(request, diagnostics);
    if files.is_empty() {
        return vec![];
    }
    let mut points = vec![];
    let mut lacks_debug_info = false;
    for looked in &files {
        let path = &looked.file.path;
        let functions = match suffix {
            "inline" => vec![],
            _ => {
                let mut found = matching(request, looked, name, file.is_some());
                found.retain(|function| suffix != "exported" || function.exported);
                found
            }
        };
        let places: Vec<Place<'_>> =
            functions.iter().map(|f| Place { address: f.address, within: Within::Entry }).collect();
        let known = match places.is_empty() {
            true => Option::None,
            false => request.facts.function_variables(path, &places),
        };
        lacks_debug_info |= known.is_none();
        let known = known.unwrap_or_else(|| vec![Option::None; functions.len()]);
        // What a pattern finds are functions of the source, where these are known.
        let of_source = glob::is_pattern(name) && known.iter().any(Option::is_some);
        for (function, known) in functions.into_iter().zip(known) {
            if of_source && known.is_none() && OF_THE_LINKER.contains(&function.name.as_str()) {
                continue;
            }
            if file.is_some_and(|file| !known.as_ref().is_some_and(|k| is_of_file(k, file))) {
                continue;
            }
            points.push(function_point(request, looked, function, known));
        }
        // A function that was inlined has code there, too.
        if matches!(suffix, "" | "inline") {
            points.extend(copies::inlined(request, looked, name, file));
        }
    }
    if points.is_empty() {
        match (source, suffix) {
            (Some(source), _) if lacks_debug_info => {
                no_debug_info(&files[0], &format!("what is from `{source}`"), span, diagnostics);
            }
            (_, "inline") => copies::none_inlined(request, &files[0], pattern, span, diagnostics),
            _ => unknown_function(diagnostics, &files, pattern, span),
        }
    }
    limited(points, span, diagnostics)
}

/// What follows the function in a request: `return`, `call`.
fn suffix<'a>(request: &'a Request<'_>) -> &'a str {
    let names = request.point.components.iter().map(|c| c.name.text.as_str());
    names.skip_while(|name| *name != "function").nth(1).unwrap_or_default()
}

/// The entry of a function, or its return.
fn function_point(
    request: &Request<'_>,
    looked: &Looked,
    function: &FunctionSymbol,
    known: Option<FunctionVariables>,
) -> Point {
    let suffix = suffix(request);
    let returns = suffix == "return";
    let dot = if suffix.is_empty() { "" } else { "." };
    let of_source = source_name(function, known.as_ref()).to_string();
    let shown = spelled(&of_source, known.as_ref());
    let name = format!("{}.function(\"{shown}\"){dot}{suffix}", looked.prefix);
    let (at_entry, first_entry_local) = known.as_ref().map_or((vec![], Option::None), inside);
    let (context, first_local, entry, first_entry_local) = match returns {
        true => {
            let result = known.and_then(|known| known.result);
            let context = returned(request.facts.architecture(), result);
            (context, Option::None, at_entry, first_entry_local)
        }
        false => (at_entry, first_entry_local, vec![], Option::None),
    };
    let place = instruction(looked, function.offset);
    let attach = Attach::Instruction(Instruction { returns, entry, first_entry_local, ..place });
    let identity = Identity { function: of_source, ..Identity::default() };
    Point { context, first_local, identity, ..Point::new(name, attach) }
}

/// A place in a file, without more.
fn instruction(looked: &Looked, offset: u64) -> Instruction {
    Instruction {
        path: looked.file.path.clone(),
        offset,
        semaphore: 0,
        returns: false,
        only_in: looked.only_in,
        mark: Option::None,
        entry: vec![],
        first_entry_local: Option::None,
        called_from: Option::None,
    }
}

/// A function's name with where it is declared, where that is known: `main@/src/program.c:12`.
pub(super) fn spelled(name: &str, known: Option<&FunctionVariables>) -> String {
    match known {
        Some(known) if !known.file.is_empty() && known.line > 0 => {
            format!("{name}@{}:{}", known.file, known.line)
        }
        _ => name.to_string(),
    }
}

/// Whether a function is of a source file, which may be named by the end of its path, or by a pattern.
pub(super) fn is_of_file(known: &FunctionVariables, file: &str) -> bool {
    let path = &known.file;
    glob::matches(file, path)
        || glob::matches(&format!("*/{file}"), path)
        || file.ends_with(&format!("/{path}"))
}

/// Reports that what a point asks for is not known without debug information.
fn no_debug_info(looked: &Looked, what: &str, span: Span, diagnostics: &mut Diagnostics) {
    let path = &looked.file.path;
    diagnostics
        .error(codes::UNKNOWN_SYMBOL, span, format!("{what} in {path} is not known"))
        .label("known by debug information only")
        .help("build it with -g, or install its debug symbols (Debian: the package with -dbgsym)");
}

/// `$variables` of debug information.
fn variables(known: &[ProgramVariable]) -> Vec<ContextVariable> {
    known.iter().map(variable).collect()
}

/// A `$variable` of debug information.
pub(crate) fn variable(known: &ProgramVariable) -> ContextVariable {
    ContextVariable {
        name: known.name.clone(),
        ty: known.ty,
        source: known.place.map_or(ContextSource::Nowhere, ContextSource::Argument),
        value: known.value,
        trusted: false,
    }
}

/// The variables at a place in a function: parameters, then its own.
pub(super) fn inside(known: &FunctionVariables) -> (Vec<ContextVariable>, Option<usize>) {
    let mut context = variables(&known.parameters);
    let first_local = context.len();
    context.extend(variables(&known.locals));
    (context, Some(first_local))
}

/// The functions that are meant: all of a name, for a pattern one of each address. Names are those of symbols; where
/// there is none of the name, or those `of_file` are meant, also those that sources have.
fn matching<'a>(
    request: &Request<'_>,
    looked: &'a Looked,
    pattern: &str,
    of_file: bool,
) -> Vec<&'a FunctionSymbol> {
    let is_pattern = glob::is_pattern(pattern);
    let file = &looked.file;
    let mut found: Vec<&FunctionSymbol> = file
        .functions
        .iter()
        .filter(|f| if is_pattern { glob::matches(pattern, &f.name) } else { f.name == pattern })
        .collect();
    if found.is_empty() || of_file {
        let of_source = request.facts.functions_of_source(file, pattern);
        found.extend(of_source.into_iter().map(|at| &file.functions[at]));
    }
    found.sort_by_key(|f| f.offset);
    found.dedup_by_key(|f| f.offset);
    found
}

/// What a function is called in its source, where debug information has that; else its symbol.
fn source_name<'a>(function: &'a FunctionSymbol, known: Option<&'a FunctionVariables>) -> &'a str {
    let symbol = &function.name;
    let is_changed = symbol.starts_with("_Z") || symbol.starts_with("_R") || symbol.contains('.');
    match known {
        Some(known) if is_changed && !known.function.is_empty() => &known.function,
        _ => symbol,
    }
}

fn unknown_function(diagnostics: &mut Diagnostics, files: &[Looked], pattern: &str, span: Span) {
    let path = &files[0].file.path;
    let message = match (files.len(), glob::is_pattern(pattern)) {
        (1, true) => format!("no function of {path} matches `{pattern}`"),
        (1, false) => format!("{path} has no function `{pattern}`"),
        (several, _) => format!("none of {several} programs has a function `{pattern}`"),
    };
    let names = files.iter().flat_map(|f| &f.file.functions).map(|f| f.name.as_str());
    let diagnostic = diagnostics.error(codes::UNKNOWN_SYMBOL, span, message);
    if files.iter().all(|looked| looked.file.functions.is_empty()) {
        diagnostic
            .label("it has no symbols")
            .help("install its debug symbols, or build it with -g");
        return;
    }
    let near = suggest::nearest(pattern, names, 3);
    if near.is_empty() && files.iter().all(|looked| looked.file.stripped) {
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
