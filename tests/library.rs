//! The library that is a part of the program, `scripts/tapset/`: its files keep to the form that lets
//! them be used piece by piece, and all of it compiles.

#[path = "runner/recorded_kernel.rs"]
#[allow(dead_code, reason = "the suites use all of it")]
mod recorded_kernel;

use std::collections::BTreeSet;
use std::path::Path;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::facts::Facts;
use ntap_compiler::library::{EntryKind, GLOBALS_OF_SCRIPTS, Library, documentation, refused};
use ntap_compiler::pipeline;
use ntap_compiler::source::SourceMap;
use ntap_compiler::syntax::ast::Item;
use ntap_compiler::syntax::{self, Dialect, ParseOptions};
use recorded_kernel::RecordedKernel;

#[test]
fn every_file_is_a_part_of_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tapset");
    let files = std::fs::read_dir(&folder).expect("the library's folder");
    let names = files.map(|entry| entry.expect("a readable folder").file_name());
    let found: BTreeSet<String> =
        names.map(|name| format!("tapset/{}", name.to_string_lossy())).collect();
    let known: BTreeSet<String> =
        Library::embedded().files().iter().map(|file| file.name.to_string()).collect();
    assert_eq!(found, known, "compiler/src/library/embedded.rs lists the files of the library");
}

#[test]
fn files_keep_to_their_form() {
    let kernel = RecordedKernel::read("6.18");
    let library = Library::embedded();
    let options =
        ParseOptions { arguments: &[], facts: &kernel, library, dialect: Dialect::default() };
    for file in library.files() {
        let mut sources = SourceMap::default();
        let id = sources.add(file.name.to_string(), file.text.to_string());
        let mut diagnostics = Diagnostics::default();
        let script = syntax::parse(id, &sources, &options, &mut diagnostics);
        let reported = render(&diagnostics, &sources, RenderOptions::default());
        assert!(diagnostics.is_empty(), "{reported}");
        for item in &script.items {
            let (span, public) = match item {
                // Those that count for scripts, as `InSegs`, are known by their capital letter.
                Item::Global(global)
                    if !global.private && !global.name.text.starts_with(char::is_uppercase) =>
                {
                    (global.span, Some(global.name.text.as_str()))
                }
                Item::Global(global) => (global.span, None),
                Item::Function(function) => (function.span, None),
                Item::Probe(probe) => (probe.span, None),
                Item::Alias(alias) => (alias.span, None),
            };
            let position = sources.file(id).position(span.start);
            let is_at_start = position.column == 1 || matches!(item, Item::Global(_));
            assert!(is_at_start, "{}:{}: begin it in the first column", file.name, position.line);
            assert!(
                public.is_none_or(|name| name.starts_with("__") || GLOBALS_OF_SCRIPTS.contains(&name)),
                "{}:{}: make it `private`, or begin its name with `__`",
                file.name,
                position.line
            );
        }
    }
}

#[test]
fn names_are_used_once() {
    let library = Library::embedded();
    let mut places: std::collections::BTreeMap<(String, usize), String> = Default::default();
    let kernel = RecordedKernel::read("6.18");
    let options =
        ParseOptions { arguments: &[], facts: &kernel, library, dialect: Dialect::default() };
    for file in library.files() {
        let mut sources = SourceMap::default();
        let id = sources.add(file.name.to_string(), file.text.to_string());
        let script = syntax::parse(id, &sources, &options, &mut Diagnostics::default());
        for item in &script.items {
            if let Item::Function(function) = item {
                let key = (function.name.text.clone(), function.parameters.len());
                if let Some(other) = places.insert(key, file.name.to_string()) {
                    // Overloads that call `next` stand together.
                    assert_eq!(other, *file.name, "`{}` is there twice", function.name.text);
                }
            }
        }
    }
}

#[test]
fn what_scripts_may_use_is_described_and_typed() {
    for entry in documentation(Library::embedded()) {
        let place = format!("{}: {}", entry.file, entry.name);
        assert!(!entry.summary.is_empty(), "{place} has no comment above it");
        // Functions that give nothing state no type of a result.
        let (_, parameters) = entry.head.split_once('(').unwrap_or_default();
        assert!(
            entry.kind != EntryKind::Function || !parameters.contains(":unknown"),
            "{place}: state the types of all parameters, as in `{}`",
            entry.head.replace(":unknown", ":long")
        );
    }
}

/// `library_names.txt` has the functions of SystemTap's library that scripts call: each is there, or the compiler says
/// why not.
#[test]
fn functions_of_systemtap_are_there_or_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let declared: String =
        Library::embedded().files().iter().map(|file| file.text.as_ref()).collect();
    let names: BTreeSet<&str> = declared
        .lines()
        .filter_map(|line| line.strip_prefix("function "))
        .filter_map(|line| line.split([':', '(']).next())
        .collect();
    let list = std::fs::read_to_string(root.join("tests/library_names.txt")).expect("the names");
    let missing: Vec<&str> = list
        .lines()
        .filter(|name| !names.contains(name) && ntap_compiler::builtins::find(name).is_none())
        .filter(|name| !refused::FUNCTIONS.iter().any(|row| row.names.contains(name)))
        .collect();
    assert!(missing.is_empty(), "neither in the library nor explained: {missing:?}");
    assert!(list.lines().count() > 300, "the list is short");
}

/// The kernels whose facts are recorded.
const KERNELS: &[&str] = &["6.1", "6.12", "6.18"];

/// `library_aliases.txt` has the aliases of SystemTap's library with their variables, and behind `!` the kernels that
/// have not got them: a probe of each that prints all of them compiles, on every recorded kernel.
#[test]
fn aliases_have_their_variables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list =
        std::fs::read_to_string(root.join("tests/library_aliases.txt")).expect("the aliases");
    let library = Library::embedded();
    let mut failures = String::new();
    let whole = KERNELS.iter().map(|name| (name, RecordedKernel::read(name)));
    // What aliases stand for where functions cannot be probed.
    let without = RecordedKernel::read("6.18").without_function_probes();
    for (name, kernel) in whole.chain([(&"6.18", without)]) {
        for line in list.lines() {
            let (line, absent) = line.split_once('!').unwrap_or((line, ""));
            let is_absent = absent.split_whitespace().any(|absent| absent == *name);
            let (alias, variables) = line.split_once(':').expect("an alias and its variables");
            let body: String =
                variables.split_whitespace().map(|name| format!(" println({name})")).collect();
            let reported = compile(&kernel, library, &format!("probe {alias} {{{body} }}\n"));
            match (reported, is_absent) {
                (None, false) | (Some(_), true) => {}
                (Some(reported), false) => {
                    failures.push_str(&format!("{name}: {alias}: {reported}\n"))
                }
                (None, true) => failures.push_str(&format!("{name} has `{alias}`\n")),
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(list.lines().count() > 150, "the list is short");
}

/// `idioms/` has scripts as people write them, with aliases, tests of versions and arguments: each compiles on every
/// recorded kernel, with and without probes of functions.
#[test]
fn idioms_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idioms");
    let library = Library::embedded();
    let mut failures = String::new();
    let mut count = 0;
    for name in KERNELS {
        let kernel = RecordedKernel::read(name);
        let without = RecordedKernel::read(name).without_function_probes();
        for file in std::fs::read_dir(&folder).expect("the scripts") {
            let path = file.expect("a readable folder").path();
            let text = std::fs::read_to_string(&path).expect("a readable script");
            count += 1;
            for kernel in [&kernel, &without] {
                if let Some(reported) = compile(kernel, library, &text) {
                    failures.push_str(&format!("{name}: {}: {reported}\n", path.display()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(count >= 3 * 30, "{count} are few");
}

/// Functions for structures of a module.
const NEEDS_SUNRPC: &[&str] = &["addr_from_rqst", "addr_from_rqst_str"];

/// A call of each function in handlers of kernel probes, with arguments that are known only at run time, compiles on every
/// recorded kernel: of the library's, and of those that are built in. Each is tried where a function is entered, then
/// where it is left.
#[test]
fn functions_can_be_called_in_kernel_probes() {
    let library = Library::embedded();
    let of_library = documentation(library).into_iter().filter(|e| e.kind == EntryKind::Function);
    let mut calls: Vec<String> =
        of_library.filter_map(|entry| call_of_library(&entry.head)).collect();
    let built_in = ntap_compiler::builtins::all().filter(|row| !row.is_internal());
    calls.extend(built_in.map(call_of_builtin));
    let mut failures = String::new();
    for name in KERNELS {
        let kernel = RecordedKernel::read(name);
        let is_absent = |call: &&String| {
            let needs_module = NEEDS_SUNRPC.iter().any(|name| call.contains(&format!("{name}(")));
            needs_module && kernel.module_types(&["sunrpc"]) == [None]
        };
        for call in calls.iter().filter(|call| !is_absent(call)) {
            let reported = ["", ".return"].iter().map(|way| {
                let probe = format!("probe kernel.function(\"vfs_read\"){way} {{ {call} }}\n");
                compile(&kernel, library, &probe)
            });
            if let Some(reported) = reported.reduce(|first, second| first.and(second)).flatten() {
                failures.push_str(&format!("{name}: {call}: {reported}\n"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(calls.len() > 450, "{} calls are few", calls.len());
}

/// A call of a function of the library, from `name:type (parameter:type, ...)`.
fn call_of_library(head: &str) -> Option<String> {
    let (begin, parameters) = head.split_once('(')?;
    let (name, result) = begin.trim().split_once(':').unwrap_or((begin.trim(), "unknown"));
    let parameters = parameters.trim_end_matches(')').split(',').filter(|text| !text.is_empty());
    let is_text = |text: &str| text.trim().ends_with(":string");
    Some(call(name, parameters.map(is_text), result != "unknown"))
}

fn call_of_builtin(row: &ntap_compiler::builtins::Builtin) -> String {
    use ntap_compiler::builtins::Kind;
    let parameters = row.parameters.iter().map(|parameter| matches!(parameter.kind, Kind::Text(_)));
    call(row.name, parameters, row.result != Kind::Nothing)
}

/// A statement with a call; of its arguments those are given that are texts.
fn call(name: &str, are_texts: impl Iterator<Item = bool>, gives: bool) -> String {
    let arguments = are_texts.map(|is_text| if is_text { "execname()" } else { "$count" });
    let call = format!("{name}({})", arguments.collect::<Vec<_>>().join(", "));
    if gives { format!("println({call})") } else { call }
}

/// What is said about a script, if anything is.
fn compile(kernel: &RecordedKernel, library: &Library, text: &str) -> Option<String> {
    let options = pipeline::Options { library, ..pipeline::Options::new(&[], kernel) };
    let mut sources = SourceMap::default();
    sources.add("alias", text);
    let mut diagnostics = Diagnostics::default();
    let compiled = pipeline::parse(&mut sources, &options, &mut diagnostics)
        .and_then(|parsed| parsed.analyze(&options, &mut diagnostics))
        .and_then(|analyzed| analyzed.compile(&sources, &options, &mut diagnostics));
    let is_fine = compiled.is_some() && diagnostics.is_empty();
    (!is_fine).then(|| render(&diagnostics, &sources, RenderOptions::default()))
}
