//! Compiling and running a line.

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, Severity, render};
use ntap_compiler::facts::Facts as _;
use ntap_compiler::pipeline::{self, Compiled};
use ntap_compiler::source::{FileId, SourceMap, Span};
use ntap_compiler::types::{KeptOfAggregates, Type, global_type};
use ntap_runtime::program_file::Target;
use ntap_runtime::session;

use super::Prompt;
use super::kept::{Composed, Wrapped};
use super::terminal::QuietInterrupts;
use crate::compile::Compilation;
use crate::emit::{self, Stage};
use crate::errors::Failure;
use crate::write_out;

/// The source of what was typed.
const TYPED: FileId = FileId(0);

impl Prompt<'_> {
    fn pipeline_options(&self) -> pipeline::Options<'_> {
        let options = self.options.pipeline_options(&self.kernel, self.library);
        pipeline::Options { kept_of_aggregates: KeptOfAggregates::ForLater, ..options }
    }

    /// Compiles a line, without a word when it is wrong.
    pub(super) fn try_compile(&self, composed: &Composed) -> Option<Compiled> {
        self.follow_target();
        let mut sources = composed.sources.clone();
        let mut diagnostics = Diagnostics::default();
        let options = self.pipeline_options();
        let parsed = pipeline::parse(&mut sources, &options, &mut diagnostics)?;
        let analyzed = parsed.analyze(&options, &mut diagnostics)?;
        analyzed.compile(&sources, &options, &mut diagnostics)
    }

    /// Compiles a line; shows what is wrong in `text`, which is what the user wrote of it, and with
    /// `warnings` what is strange.
    pub(super) fn compile(
        &self,
        composed: &Composed,
        text: &str,
        warnings: bool,
    ) -> Result<Compiled, Failure> {
        self.follow_target();
        let mut sources = composed.sources.clone();
        let mut diagnostics = Diagnostics::default();
        let options = self.pipeline_options();
        let compiled = pipeline::parse(&mut sources, &options, &mut diagnostics)
            .and_then(|parsed| parsed.analyze(&options, &mut diagnostics))
            .and_then(|analyzed| analyzed.compile(&sources, &options, &mut diagnostics));
        let mut shown = Diagnostics::default();
        for diagnostic in diagnostics.iter() {
            let is_typed = diagnostic.primary.span.file == TYPED;
            let is_warning = diagnostic.severity == Severity::Warning;
            if is_warning && (!warnings || !is_typed || self.settings.no_warnings) {
                continue;
            }
            let mut diagnostic = diagnostic.clone();
            let labels = std::iter::once(&mut diagnostic.primary).chain(&mut diagnostic.labels);
            labels.for_each(|label| move_into(&mut label.span, composed.before, text));
            shown.push(diagnostic);
        }
        if !shown.is_empty() {
            let color = RenderOptions { color: self.options.color() };
            eprint!("{}", render(&shown, &as_written(&sources, text), color));
        }
        compiled.ok_or(Failure::Shown)
    }

    /// Runs a line, and keeps the values of the globals.
    pub(super) fn run(
        &mut self,
        compiled: Compiled,
        composed: &Composed,
        hide_globals: bool,
    ) -> Result<(), Failure> {
        let mut options = self.options.session_options();
        options.command = self.settings.command.clone();
        options.process = self.settings.process;
        options.verbose = self.settings.verbose;
        options.hide_globals = hide_globals;
        let _quiet = QuietInterrupts::new();
        let kernel = self.kernel.clone();
        let sources = &composed.sources;
        let release = self.kernel.kernel_release();
        let values = &mut self.kept.values;
        let outcome = session::run_with(compiled, sources, kernel, &options, Some(values))
            .map_err(|e| Failure::session(e, &release, self.settings.verbose))?;
        if outcome.open_line {
            write_out("\n");
        }
        if let Some(status) = outcome.command_status {
            eprintln!("WARNING: Child process exited with status {status}");
        }
        Ok(())
    }

    /// What `process` without a path stands for.
    fn follow_target(&self) {
        let target = match (&self.settings.command, self.settings.process) {
            (Some(command), _) => Target::Command(command.clone()),
            (None, Some(pid)) => Target::Process(pid),
            (None, None) => return,
        };
        self.kernel.programs().set_target(target);
    }

    /// Says the type of an expression or global.
    pub(super) fn type_of(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Err(Failure::message("an expression is needed: `:type EXPR`", None));
        }
        let name = "__type_asked_for";
        let before = format!("global {name}\nprobe begin {{ {name} =\n");
        let line = Wrapped { before: &before, text, behind: "\n}" };
        let asked = match self.kept.globals().any(|global| global == text) {
            true => text,
            false => name,
        };
        // An array is no value, so its type is asked for by what was assigned to it.
        let whole = Wrapped { before: "#", text, behind: "\nprobe begin { }" };
        let line = if asked == text { whole } else { line };
        let composed = self.kept.compose(&line, &[]);
        let mut sources = composed.sources.clone();
        let mut diagnostics = Diagnostics::default();
        let options = self.pipeline_options();
        let resolved = pipeline::parse(&mut sources, &options, &mut diagnostics)
            .and_then(|parsed| parsed.resolve(&options, &mut diagnostics));
        let Some((script, types)) = resolved else {
            // The same, with its messages.
            return self.compile(&composed, text, true).map(|_| ());
        };
        let found = script.globals.iter().find(|(_, global)| global.name == asked);
        let Some((id, _)) = found else {
            return Err(Failure::message(format!("nothing tells the type of `{text}` yet"), None));
        };
        let ty = &types.globals[id];
        let out = match (&ty.keys[..], ty.value) {
            ([], Type::Text(_)) => "string".to_string(),
            ([], Type::Long) => "long".to_string(),
            _ => format!("{text}{}", global_type(ty)),
        };
        write_out(&format!("{out}\n"));
        Ok(())
    }

    /// Prints what a stage makes of a script.
    pub(super) fn emit_stage(&self, stage: Stage, composed: Composed) -> Result<(), Failure> {
        let sources = composed.sources;
        let mut compilation =
            Compilation::of_sources(self.options, &self.kernel, self.library, sources);
        emit::emit(stage, &mut compilation).map(|_| ())
    }
}

/// Moves a place in the typed source to where it is in what the user wrote.
fn move_into(span: &mut Span, before: usize, text: &str) {
    if span.file == TYPED {
        let place = |at: u32| (at as usize).saturating_sub(before).min(text.len()) as u32;
        (span.start, span.end) = (place(span.start), place(span.end));
    }
}

/// The sources with what the user wrote in place of the first.
fn as_written(sources: &SourceMap, text: &str) -> SourceMap {
    let mut written = SourceMap::default();
    for (id, file) in sources.files() {
        written.add(file.name.clone(), if id == TYPED { text } else { file.text.as_str() });
    }
    written
}
