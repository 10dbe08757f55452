//! From the command line to a compiled script, with messages on the way.

use std::io::Read;

use ntap_compiler::bytes;
use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, Severity, render};
use ntap_compiler::library::Library;
use ntap_compiler::pipeline::{self, Analyzed, Compiled, Fallback, Parsed};
use ntap_compiler::source::SourceMap;
use ntap_compiler::syntax;
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::passes::{PassClock, counted};
use ntap_runtime::sys::with_large_stack;

use crate::errors::Failure;
use crate::library;
use crate::options::{self, Options, Script};

/// Scripts larger than this are not scripts.
const MAX_SCRIPT_BYTES: u64 = 4 << 20;

/// A file with a NUL among so many first bytes is no text.
const BINARY_BYTES: usize = 1024;

/// One compilation.
pub(crate) struct Compilation<'a> {
    options: &'a Options,
    kernel: &'a LiveKernel,
    library: &'static Library,
    sources: SourceMap,
    diagnostics: Diagnostics,
    shown: usize,
    /// `-v`: the clock of the passes.
    passes: Option<PassClock>,
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
        Ok(Compilation::of_sources(options, kernel, library, sources))
    }

    /// Takes scripts that have been read.
    pub(crate) fn of_sources(
        options: &'a Options,
        kernel: &'a LiveKernel,
        library: &'static Library,
        sources: SourceMap,
    ) -> Self {
        let diagnostics = Diagnostics::default();
        let passes = (options.verbose > 0).then(PassClock::start);
        Compilation { options, kernel, library, sources, diagnostics, shown: 0, passes }
    }

    fn pipeline_options(&self) -> pipeline::Options<'a> {
        self.options.pipeline_options(self.kernel, self.library)
    }

    /// The sources of the script.
    pub(crate) fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// Parses.
    pub(crate) fn parse(&mut self) -> Result<Parsed, Failure> {
        let options = self.pipeline_options();
        let parsed = pipeline::parse(&mut self.sources, &options, &mut self.diagnostics);
        let parsed = self.show(parsed);
        if parsed.is_ok() {
            self.warn_of_unused_arguments()?;
        }
        let library = self.library.files().len();
        self.end_pass(1, "parse", &parsed, |_| {
            format!("parsed user script and {}", counted(library, "library script"))
        });
        parsed
    }

    /// Says which words behind the script it does not ask for.
    fn warn_of_unused_arguments(&self) -> Result<(), Failure> {
        let texts = self.sources.files().map(|(_, file)| file.text.as_str());
        // The texts of the library stand behind those of the user.
        let texts = texts.take(1 + self.options.more_scripts.len());
        for number in syntax::unused_arguments(texts, self.options.arguments.len()) {
            let text = format!("unused command line option ${number}/@{number}");
            if self.options.warnings_are_errors {
                return Err(Failure::message(text, None));
            } else if !self.options.no_warnings {
                eprintln!("WARNING: {text}");
            }
        }
        Ok(())
    }

    /// Parses and resolves, without splitting.
    pub(crate) fn resolve(
        &mut self,
    ) -> Result<(ntap_compiler::hir::Script, ntap_compiler::types::Types), Failure> {
        let options = self.pipeline_options();
        let parsed = self.parse()?;
        let resolved = with_large_stack(|| parsed.resolve(&options, &mut self.diagnostics));
        self.show(resolved)
    }

    /// Parses, resolves, types and splits.
    pub(crate) fn analyze(&mut self) -> Result<Analyzed, Failure> {
        let options = self.pipeline_options();
        let parsed = self.parse()?;
        let analyzed = with_large_stack(|| parsed.analyze(&options, &mut self.diagnostics));
        let analyzed = self.show(analyzed);
        self.end_pass(2, "analysis", &analyzed, |analyzed| {
            let script = &analyzed.script;
            format!(
                "analyzed script: {}, {}, 0 embeds, {}",
                counted(script.probes.len(), "probe"),
                counted(script.functions.len(), "function"),
                counted(script.globals.len(), "global")
            )
        });
        analyzed
    }

    /// Compiles to the end.
    pub(crate) fn compile(&mut self) -> Result<Compiled, Failure> {
        let options = self.pipeline_options();
        let analyzed = self.analyze()?;
        let (sources, diagnostics) = (&self.sources, &mut self.diagnostics);
        let compiled = with_large_stack(|| analyzed.compile(sources, &options, diagnostics));
        let compiled = self.show(compiled);
        self.end_pass(3, "translation", &compiled, |compiled| {
            let programs = compiled.object.as_ref().map_or(0, |object| object.programs.len());
            format!("translated to {} of eBPF", counted(programs, "program"))
        });
        compiled
    }

    /// Compiles once more, with less of the handler of a program in the kernel.
    pub(crate) fn compile_without(&self, fallback: &Fallback, program: &str) -> Option<Compiled> {
        with_large_stack(|| fallback.without(program, &self.sources, &self.pipeline_options()))
    }

    /// `-v`: says what a pass did.
    fn end_pass<T>(
        &mut self,
        number: u8,
        name: &str,
        result: &Result<T, Failure>,
        done: impl FnOnce(&T) -> String,
    ) {
        let Some(passes) = &mut self.passes else { return };
        match result {
            Ok(result) => passes.finish(number, &done(result)),
            Err(_) => eprintln!("Pass {number}: {name} failed."),
        }
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
pub(crate) fn read(script: &Script) -> Result<(String, String), Failure> {
    let (name, bytes) = read_bytes(script)?;
    // Bytes that are no UTF-8 text may stand in strings and comments.
    Ok((name, bytes::literal(&bytes)))
}

/// The name and the bytes of the script.
pub(crate) fn read_bytes(script: &Script) -> Result<(String, Vec<u8>), Failure> {
    let (name, bytes) = match script {
        Script::Text(text) => return Ok(("<input>".to_string(), text.clone().into_bytes())),
        Script::Example(example) => {
            return Ok((format!("{}.nt", example.path), example.text.as_bytes().to_vec()));
        }
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
    let bytes = bytes.map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let meant = if is_missing { options::subcommand_like(&name) } else { None };
        Failure::message(format!("cannot read the script {name}: {error}"), meant.as_deref())
    })?;
    if bytes.starts_with(b"\x7fELF") || bytes.iter().take(BINARY_BYTES).any(|&byte| byte == 0) {
        let text = format!("{name} is not a script: it has bytes that no text has");
        return Err(Failure::message(
            text,
            Some("scripts are text files; is this the right file?"),
        ));
    }
    if bytes.len() as u64 > MAX_SCRIPT_BYTES {
        let text =
            format!("{name} is too large for a script: {} MiB are allowed", MAX_SCRIPT_BYTES >> 20);
        return Err(Failure::message(text, None));
    }
    Ok((name, bytes))
}

fn limited(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    source.take(MAX_SCRIPT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
