//! From the command line to a compiled script, with messages on the way.

use std::io::Read;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, Severity, render};
use ntap_compiler::library::Library;
use ntap_compiler::pipeline::{self, Analyzed, Compiled, Parsed};
use ntap_compiler::source::SourceMap;
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::session::OutputFormat;

use crate::errors::Failure;
use crate::library;
use crate::options::{Options, Script};

/// Scripts larger than this are not scripts.
const MAX_SCRIPT_BYTES: u64 = 16 << 20;

/// One compilation.
pub(crate) struct Compilation<'a> {
    options: &'a Options,
    kernel: &'a LiveKernel,
    library: &'static Library,
    sources: SourceMap,
    diagnostics: Diagnostics,
    shown: usize,
}

impl<'a> Compilation<'a> {
    /// Reads the script.
    pub(crate) fn new(options: &'a Options, kernel: &'a LiveKernel) -> Result<Self, Failure> {
        let mut sources = SourceMap::default();
        let (name, text) = read(&options.script)?;
        sources.add(name, text);
        for text in &options.more_scripts {
            sources.add("<input>".to_string(), text.clone());
        }
        let library = library::library(&options.library_directories)?;
        let diagnostics = Diagnostics::default();
        Ok(Compilation { options, kernel, library, sources, diagnostics, shown: 0 })
    }

    fn pipeline_options(&self) -> pipeline::Options<'a> {
        pipeline::Options {
            arguments: &self.options.arguments,
            facts: self.kernel,
            library: self.library,
            ring_buffer_bytes: self.options.ring_buffer_bytes,
            unoptimized: self.options.unoptimized,
            globals: &self.options.globals,
            limits: self.options.limits,
            suppress_handler_errors: self.options.suppress_handler_errors,
            histogram_sums: self.options.format == OutputFormat::Json,
        }
    }

    /// The sources of the script.
    pub(crate) fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// The sources, when compiling is done.
    pub(crate) fn into_sources(self) -> SourceMap {
        self.sources
    }

    /// Parses.
    pub(crate) fn parse(&mut self) -> Result<Parsed, Failure> {
        let options = self.pipeline_options();
        let parsed = pipeline::parse(&mut self.sources, &options, &mut self.diagnostics);
        self.show(parsed)
    }

    /// Parses and resolves, without splitting.
    pub(crate) fn resolve(
        &mut self,
    ) -> Result<(ntap_compiler::hir::Script, ntap_compiler::types::Types), Failure> {
        let options = self.pipeline_options();
        let resolved = self.parse()?.resolve(&options, &mut self.diagnostics);
        self.show(resolved)
    }

    /// Parses, resolves, types and splits.
    pub(crate) fn analyze(&mut self) -> Result<Analyzed, Failure> {
        let options = self.pipeline_options();
        let analyzed = self.parse()?.analyze(&options, &mut self.diagnostics);
        self.show(analyzed)
    }

    /// Compiles to the end.
    pub(crate) fn compile(&mut self) -> Result<Compiled, Failure> {
        let options = self.pipeline_options();
        let analyzed = self.analyze()?;
        let compiled = analyzed.compile(&self.sources, &options, &mut self.diagnostics);
        self.show(compiled)
    }

    /// Shows the messages that are new; fails when the stage gave nothing.
    fn show<T>(&mut self, result: Option<T>) -> Result<T, Failure> {
        let mut new = Diagnostics::default();
        let mut warnings = 0;
        for diagnostic in self.diagnostics.iter().skip(self.shown) {
            if diagnostic.severity == Severity::Warning {
                warnings += 1;
                if self.options.no_warnings {
                    continue;
                }
            }
            new.push(diagnostic.clone());
        }
        self.shown = self.diagnostics.len();
        if !new.is_empty() {
            let render_options = RenderOptions { color: self.options.color() };
            eprint!("{}", render(&new, &self.sources, render_options));
        }
        if warnings > 0 && self.options.warnings_are_errors {
            return Err(Failure::Shown);
        }
        result.ok_or(Failure::Shown)
    }
}

/// The name and text of the script.
fn read(script: &Script) -> Result<(String, String), Failure> {
    let (name, bytes) = match script {
        Script::Text(text) => return Ok(("<input>".to_string(), text.clone())),
        Script::StandardInput => ("<stdin>".to_string(), limited(std::io::stdin().lock())),
        Script::File(path) => {
            let bytes = std::fs::File::open(path).and_then(|file| {
                if file.metadata()?.is_dir() {
                    return Err(std::io::Error::other("it is a directory"));
                }
                limited(file)
            });
            (path.display().to_string(), bytes)
        }
    };
    let bytes =
        bytes.map_err(|e| Failure::message(format!("cannot read the script {name}: {e}"), None))?;
    if bytes.len() as u64 > MAX_SCRIPT_BYTES {
        return Err(Failure::message(format!("{name} is too large for a script"), None));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count();
            Err(Failure::message(
                format!("{name} is not a script: line {line} is not UTF-8 text"),
                Some("scripts are text files; is this the right file?"),
            ))
        }
    }
}

fn limited(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    source.take(MAX_SCRIPT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
