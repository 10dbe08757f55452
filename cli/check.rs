//! `ntap check`: compiles scripts without running them, and says what is wrong with them.

use std::path::PathBuf;
use std::process::ExitCode;

use ntap_compiler::diagnostic::{Diagnostic, Diagnostics, Label, RenderOptions, Severity, render};
use ntap_compiler::library::Library;
use ntap_compiler::pipeline::{self, Options};
use ntap_compiler::source::SourceMap;
use ntap_runtime::kernel::LiveKernel;

use crate::compile::read;
use crate::errors::Failure;
use crate::options::Script;
use crate::{json, write_out};

/// How scripts are checked.
pub(crate) struct Check<'a> {
    pub(crate) files: &'a [PathBuf],
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
    let mut options = Options::new(&[], check.kernel);
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
            let lines = diagnostics.iter().map(|d| json_line(d, sources) + "\n");
            write_out(&lines.collect::<String>());
        } else if !diagnostics.is_empty() {
            eprint!("{}", render(diagnostics, sources, RenderOptions { color: self.color }));
        }
    }

    fn unreadable(&self, file: &str, failure: &Failure) {
        match failure {
            Failure::Message { text, help, .. } if self.json => {
                let help = json::array(help.iter().map(|h| json::text(h)));
                write_out(&format!(
                    "{{\"code\":null,\"severity\":\"error\",\"message\":{},\"file\":{},\"help\":{help}}}\n",
                    json::text(text),
                    json::text(file),
                ));
            }
            failure => failure.print(self.color),
        }
    }
}

/// A message as a JSON object. Lines and columns count from 1, columns in characters; `end` is the place
/// behind the last character.
fn json_line(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let texts = |texts: &[String]| json::array(texts.iter().map(|text| json::text(text)));
    let labels = diagnostic.labels.iter().map(|label| format!("{{{}}}", place(label, sources)));
    format!(
        "{{\"code\":{},\"severity\":\"{severity}\",\"message\":{},{},\"labels\":{},\"help\":{},\"notes\":{}}}",
        json::text(diagnostic.code.id),
        json::text(&diagnostic.message),
        place(&diagnostic.primary, sources),
        json::array(labels),
        texts(&diagnostic.help),
        texts(&diagnostic.notes),
    )
}

/// `"file":…,"line":…,"column":…,"end":{…},"label":…` of a place.
fn place(label: &Label, sources: &SourceMap) -> String {
    let file = sources.file(label.span.file);
    let (start, end) = (file.position(label.span.start), file.position(label.span.end));
    format!(
        "\"file\":{},\"line\":{},\"column\":{},\"end\":{{\"line\":{},\"column\":{}}},\"label\":{}",
        json::text(&file.name),
        start.line,
        start.column,
        end.line,
        end.column,
        json::text(&label.text),
    )
}
