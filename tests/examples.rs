//! What is shown to users works: the scripts of `scripts/` and the examples of the catalogues.

#[path = "runner/recorded_kernel.rs"]
#[allow(dead_code, reason = "the suites use all of it")]
mod recorded_kernel;

use std::path::Path;
use std::process::Command;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::library::{Library, documentation};
use ntap_compiler::pipeline::{self, Compiled, Options};
use ntap_compiler::source::SourceMap;
use ntap_compiler::{builtins, families, object};
use recorded_kernel::RecordedKernel;

fn compile(name: &str, text: &str) -> Result<Compiled, String> {
    let kernel = RecordedKernel::read("6.18");
    let options = Options::new(&[], &kernel);
    let mut sources = SourceMap::default();
    sources.add(name, text);
    let mut diagnostics = Diagnostics::default();
    pipeline::parse(&mut sources, &options, &mut diagnostics)
        .and_then(|parsed| parsed.analyze(&options, &mut diagnostics))
        .and_then(|analyzed| analyzed.compile(&sources, &options, &mut diagnostics))
        .ok_or_else(|| render(&diagnostics, &sources, RenderOptions::default()))
}

/// Every script compiles to an object, on a machine that has only the recorded tracepoints.
#[test]
fn scripts_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the scripts") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "nt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable script");
        let name = path.display().to_string();
        let compiled = compile(&name, &text).unwrap_or_else(|errors| panic!("{errors}"));
        if let Some(input) = &compiled.object {
            object::write(input).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        count += 1;
    }
    assert!(count > 0, "{} holds no scripts", folder.display());
}

/// The examples of the catalogues with the name of their row.
fn examples() -> Vec<(String, String)> {
    let functions = builtins::all()
        .filter(|row| !row.is_internal())
        .map(|row| (format!("{}()", row.name), row.example.to_string()));
    let points = families::all()
        .filter(|row| !row.is_internal())
        .map(|row| (families::form_text(row), row.example.to_string()));
    let library = documentation(Library::embedded()).into_iter();
    let library = library.map(|entry| (entry.name, entry.example));
    functions.chain(points).chain(library.filter(|(_, example)| !example.is_empty())).collect()
}

#[test]
fn examples_of_the_catalogues_compile() {
    for (name, example) in examples() {
        if let Err(errors) = compile(&name, &example) {
            panic!("the example of {name}\n{errors}");
        }
    }
}

/// Those without a kernel half end by themselves, and well.
#[test]
fn examples_of_the_catalogues_run() {
    for (name, example) in examples() {
        if compile(&name, &example).is_ok_and(|compiled| compiled.object.is_some()) {
            continue;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_ntap"));
        // Ends what forgets to end.
        let output = command.args(["-T", "10", "-e", &example]).output().expect("ntap starts");
        assert!(
            output.status.success(),
            "the example of {name} fails: {example}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
