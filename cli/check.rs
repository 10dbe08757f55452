//! `ntap check`: compiles scripts without running them, and says what is wrong with them.

use std::path::PathBuf;
use std::process::ExitCode;

use ntap_compiler::diagnostic::{Diagnostic, Diagnostics, Label, RenderOptions, Severity, render};
use ntap_compiler::library::Library;
use ntap_compiler::pipeline::{self, Options};
use ntap_compiler::source::SourceMap;
use ntap_runtime::json::Json;
use ntap_runtime::kernel::LiveKernel;

use crate::compile::read;
use crate::errors::Failure;
use crate::options::Script;
use crate::write_out;

/// How scripts are checked.
pub(crate) struct Check<'a> {
    pub(crate) files: &'a [PathBuf],
    /// What stands for `$1`, `@1` and so on in each of them.
    pub(crate) arguments: &'a [String],
    /// Messages as JSON objects on standard output, one to a line.
    pub(crate) json: bool,
    pub(crate) library: &'static Library,
    pub(crate) kernel: &'a LiveKernel,
    pub(crate) color: bool,
}

/// Checks all files; the status is 1 when one of them has errors.
pub(crate) fn check(check: &Check<'_>) -> ExitCode {
    let mut failed = false;
    for file in check.files {
        let script = match file.to_str() {
            Some("-") => Script::StandardInput,
            _ => Script::File(file.clone()),
        };
        let (name, text) = match read(&script) {
            Ok(read) => read,
            Err(failure) => {
                failed = true;
                check.unreadable(&file.display().to_string(), &failure);
                continue;
            }
        };
        let mut sources = SourceMap::default();
        sources.add(name, text);
        let mut diagnostics = Diagnostics::default();
        compile(check, &mut sources, &mut diagnostics);
        failed |= diagnostics.has_errors();
        check.show(&diagnostics, &sources);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn compile(check: &Check<'_>, sources: &mut SourceMap, diagnostics: &mut Diagnostics) {
    let mut options = Options::new(check.arguments, check.kernel);
    options.library = check.library;
    let parsed = pipeline::parse(sources, &options, diagnostics);
    let analyzed = parsed.and_then(|parsed| parsed.analyze(&options, diagnostics));
    if let Some(analyzed) = analyzed {
        analyzed.compile(sources, &options, diagnostics);
    }
}

impl Check<'_> {
    fn show(&self, diagnostics: &Diagnostics, sources: &SourceMap) {
        if self.json {
            let lines = diagnostics.iter().map(|d| format!("{}\n", object(d, sources)));
            write_out(&lines.collect::<String>());
        } else if !diagnostics.is_empty() {
            eprint!("{}", render(diagnostics, sources, RenderOptions { color: self.color }));
        }
    }

    fn unreadable(&self, file: &str, failure: &Failure) {
        match failure {
            Failure::Message { text, help, .. } if self.json => {
                let object = Json::Object(vec![
                    ("code", Json::Null),
                    ("severity", Json::text("error")),
                    ("message", Json::text(text)),
                    ("file", Json::text(file)),
                    ("help", texts(help)),
                ]);
                write_out(&format!("{object}\n"));
            }
            failure => failure.print(self.color),
        }
    }
}

/// A message as a JSON object. Lines and columns count from 1, columns in characters; `end` is the place
/// behind the last character.
fn object(diagnostic: &Diagnostic, sources: &SourceMap) -> Json {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let labels = diagnostic.labels.iter().map(|label| Json::Object(place(label, sources)));
    let mut members = vec![
        ("code", Json::text(diagnostic.code.id)),
        ("severity", Json::text(severity)),
        ("message", Json::text(&diagnostic.message)),
    ];
    members.extend(place(&diagnostic.primary, sources));
    members.extend([
        ("labels", Json::List(labels.collect())),
        ("help", texts(&diagnostic.help)),
        ("notes", texts(&diagnostic.notes)),
    ]);
    Json::Object(members)
}

fn texts(texts: &[String]) -> Json {
    Json::List(texts.iter().map(Json::text).collect())
}

/// The members that say where something is, and what of it.
fn place(label: &Label, sources: &SourceMap) -> Vec<(&'static str, Json)> {
    let file = sources.file(label.span.file);
    let line_and_column = |at: u32| {
        let position = file.position(at);
        let (line, column) = (position.line.into(), position.column.into());
        [("line", Json::Number(line)), ("column", Json::Number(column))]
    };
    let mut members = vec![("file", Json::text(&file.name))];
    members.extend(line_and_column(label.span.start));
    let end = line_and_column(label.span.end).to_vec();
    members.extend([("end", Json::Object(end)), ("label", Json::text(&label.text))]);
    members
}
