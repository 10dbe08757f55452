//! What the command line asks for.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use ntap_compiler::diagnostic::suggest;
use ntap_compiler::library::Library;
use ntap_compiler::limits::{Limits, Setting};
use ntap_compiler::pipeline;
use ntap_compiler::syntax::Dialect;
use ntap_compiler::types::KeptOfAggregates;
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::session::{OutputFileOptions, OutputFormat, SessionOptions, WarningsShown};

use crate::command_line::{Color, CommandLine, Format, Run, Source, Sub};
use crate::emit::Stage;
use crate::examples::{self, Example};
use crate::tools::Tool;

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) action: Action,
    pub(crate) script: Script,
    /// The words after the script.
    pub(crate) arguments: Vec<String>,
    pub(crate) command: Option<String>,
    pub(crate) process: Option<u32>,
    /// `-m`.
    pub(crate) name: Option<String>,
    /// `--prometheus-listen`.
    pub(crate) listen: Option<SocketAddr>,
    /// Seconds.
    pub(crate) time_limit: Option<f64>,
    pub(crate) verbose: u8,
    pub(crate) last_pass: u8,
    pub(crate) no_warnings: bool,
    pub(crate) warnings_are_errors: bool,
    pub(crate) unoptimized: bool,
    /// Bytes.
    pub(crate) ring_buffer_bytes: Option<u32>,
    pub(crate) hide_globals: bool,
    /// `-G`.
    pub(crate) globals: Vec<(String, String)>,
    /// `-D`.
    pub(crate) limits: Limits,
    pub(crate) suppress_handler_errors: bool,
    /// `-I`.
    pub(crate) library_directories: Vec<PathBuf>,
    /// What is listed instead of running a script.
    pub(crate) listing: Option<Listing>,
    /// `-E`: scripts besides.
    pub(crate) more_scripts: Vec<String>,
    /// `-o`, `-S`.
    pub(crate) output: Option<OutputFileOptions>,
    /// `-F`.
    pub(crate) detach: bool,
    /// `-f`.
    pub(crate) format: OutputFormat,
    /// `--flamegraph`.
    pub(crate) flame_graph: Option<PathBuf>,
    /// `--monitor`.
    pub(crate) monitor: Option<Duration>,
    /// `-t`.
    pub(crate) timing: bool,
    /// `--overload`.
    pub(crate) overload_percent: Option<u32>,
    /// `--no-inlined`.
    pub(crate) hide_inlined: bool,
    color: Color,
    guru: bool,
    /// `--runtime`.
    runtime: Option<String>,
    /// `--compatible`.
    compatible: Option<String>,
    /// `--skip-badvars`.
    bad_variables_are_zero: bool,
}

/// What is to be done with the script.
pub(crate) enum Action {
    Run,
    Emit(Stage),
    Build(PathBuf),
    /// Reads lines from the terminal or standard input.
    Interact,
    Tool(Tool),
    Explain(String),
    List(ListRequest),
}

/// Which probe points are to be listed, and how.
pub(crate) struct ListRequest {
    pub(crate) pattern: String,
    pub(crate) with_variables: bool,
    pub(crate) json: bool,
}

/// What is printed instead of running a script.
pub(crate) enum Listing {
    Functions,
    Aliases,
    ProbeTypes,
    OutputSchema,
    /// The scripts of the program that are about these words.
    Examples(Vec<String>),
    /// The source of one of them.
    Source(&'static Example),
}

/// Where the script is.
pub(crate) enum Script {
    File(PathBuf),
    StandardInput,
    Text(String),
    /// One that comes with the program.
    Example(&'static Example),
}

/// The limits of `-D`; says which of the names have no effect.
fn limits(run: &Run) -> Limits {
    let folds = run.flamegraph.is_some() || matches!(run.format, Format::Folded);
    let mut limits = if folds { Limits::for_stacks() } else { Limits::default() };
    for (name, value) in &run.limits {
        match limits.set(name, value) {
            Ok(Setting::Unknown) if !run.no_warnings => {
                eprintln!("WARNING: unknown limit `{name}`");
            }
            Ok(Setting::Meaningless) if run.verbose > 0 => {
                eprintln!("ntap: `{name}` has no meaning here");
            }
            Ok(_) | Err(_) => {}
        }
    }
    if run.suppress_time_limits {
        limits.suppress_actions();
    }
    limits
}

/// The script of a name; ends with a message when there is none.
fn example(name: &str) -> &'static Example {
    examples::find(name).unwrap_or_else(|failure| {
        failure.print(std::io::stderr().is_terminal());
        std::process::exit(1)
    })
}

/// The subcommand that a word was perhaps meant to be, as advice.
pub(crate) fn subcommand_like(word: &str) -> Option<String> {
    let command = CommandLine::command();
    suggest::did_you_mean(word, command.get_subcommands().map(clap::Command::get_name))
}

/// Ends with a message about the command line.
pub(crate) fn refuse(kind: clap::error::ErrorKind, message: &str) -> ! {
    end(CommandLine::command().error(kind, message))
}

/// Prints what the reader of the command line has to say. A wrong command line has status 1, as in SystemTap.
fn end(message: clap::Error) -> ! {
    // The terminal may be gone.
    let _ = message.print();
    std::process::exit(i32::from(message.use_stderr()))
}

impl Options {
    /// Reads the command line; prints help or a message and exits when it asks for that.
    pub(crate) fn parse() -> Options {
        let line = CommandLine::try_parse().unwrap_or_else(|message| end(message));
        let limits = limits(&line.run);
        let mut options = Options {
            action: Action::Run,
            script: Script::StandardInput,
            arguments: vec![],
            command: line.run.command,
            process: line.run.process,
            name: line.run.name,
            listen: line.run.prometheus_listen,
            time_limit: line.run.time_limit,
            verbose: line.run.verbose,
            last_pass: line.run.last_pass,
            no_warnings: line.run.no_warnings,
            warnings_are_errors: line.run.warnings_are_errors,
            unoptimized: line.run.unoptimized,
            ring_buffer_bytes: line.run.buffer.map(|megabytes| megabytes << 20),
            hide_globals: line.run.no_global_var_display,
            globals: line.run.globals,
            limits,
            suppress_handler_errors: line.run.suppress_handler_errors,
            library_directories: line.run.library_directories,
            listing: [
                (line.run.dump_functions, Listing::Functions),
                (line.run.dump_probe_aliases, Listing::Aliases),
                (line.run.dump_probe_types, Listing::ProbeTypes),
                (line.run.dump_output_schema, Listing::OutputSchema),
            ]
            .into_iter()
            .find_map(|(wanted, listing)| wanted.then_some(listing)),
            more_scripts: vec![],
            output: line
                .run
                .output
                .map(|path| OutputFileOptions { path, rotation: line.run.rotation }),
            detach: line.run.detach,
            format: match line.run.format {
                Format::Text => OutputFormat::Text,
                Format::Json => OutputFormat::Json,
                Format::Folded => OutputFormat::Folded,
            },
            flame_graph: line.run.flamegraph,
            monitor: line.run.monitor.map(Duration::from_secs_f64),
            timing: line.run.timing,
            overload_percent: Some(line.run.overload)
                .filter(|&percent| percent < 100 && !line.run.suppress_time_limits),
            hide_inlined: line.run.no_inlined,
            color: line.run.color,
            guru: line.systemtap.guru,
            runtime: line.systemtap.runtime().map(str::to_string),
            compatible: line.systemtap.compatible.clone(),
            bad_variables_are_zero: line.systemtap.skip_badvars,
        };
        line.systemtap.check(options.verbose > 0);
        let with_variables = line.run.list_variables.is_some();
        if let Some(pattern) = line.run.list_variables.or(line.run.list) {
            let json = false;
            options.action = Action::List(ListRequest { pattern, with_variables, json });
            return options;
        }
        match line.subcommand {
            None if options.listing.is_some() => {}
            None if line.run.interactive || asks_for_nothing(&line.source) => {
                options.action = Action::Interact;
            }
            None => options.set_source(line.source),
            Some(Sub::Emit { stage, source, unoptimized }) => {
                options.action = Action::Emit(stage);
                options.unoptimized = unoptimized;
                options.set_source(source);
            }
            Some(Sub::Examples { words, show }) => {
                options.listing = Some(match show {
                    Some(name) => Listing::Source(example(&name)),
                    None => Listing::Examples(words),
                });
            }
            Some(Sub::Explain { code }) => options.action = Action::Explain(code),
            Some(Sub::List { pattern, json }) => {
                options.action = Action::List(ListRequest { pattern, with_variables: true, json });
            }
            Some(Sub::Build { script, output, arguments }) => {
                options.action = Action::Build(output);
                options.script = Script::File(script);
                options.arguments = arguments;
            }
            Some(Sub::Tool(Tool::Repl)) => options.action = Action::Interact,
            Some(Sub::Tool(tool)) => options.action = Action::Tool(tool),
        }
        options
    }

    fn set_source(&mut self, source: Source) {
        let mut words = source.words.into_iter();
        self.more_scripts = source.more_scripts;
        if let Some(name) = source.example {
            let script = example(&name);
            self.arguments = words.collect();
            if let Some(usage) = script.missing(self.arguments.len()) {
                let kind = clap::error::ErrorKind::MissingRequiredArgument;
                refuse(kind, &format!("`{name}` needs words after its name: {usage}"));
            }
            self.script = Script::Example(script);
            return;
        }
        let only_more = !self.more_scripts.is_empty() && words.len() == 0;
        self.script = match source.script_text {
            Some(text) => Script::Text(text),
            None if only_more => Script::Text(self.more_scripts.remove(0)),
            None => match words.next() {
                Some(dash) if dash == "-" => Script::StandardInput,
                Some(file) => Script::File(file.into()),
                None => {
                    let message = "a script is needed: a file, `-e SCRIPT`, or `-`";
                    refuse(clap::error::ErrorKind::MissingRequiredArgument, message)
                }
            },
        };
        self.arguments = words.collect();
    }

    /// What the options say about compiling.
    pub(crate) fn pipeline_options<'a>(
        &'a self,
        kernel: &'a LiveKernel,
        library: &'a Library,
    ) -> pipeline::Options<'a> {
        pipeline::Options {
            arguments: &self.arguments,
            facts: kernel,
            library,
            ring_buffer_bytes: self.ring_buffer_bytes,
            unoptimized: self.unoptimized,
            globals: &self.globals,
            limits: self.limits,
            suppress_handler_errors: self.suppress_handler_errors,
            kept_of_aggregates: match self.format {
                OutputFormat::Json => KeptOfAggregates::HistogramSums,
                OutputFormat::Text | OutputFormat::Folded => KeptOfAggregates::AsAsked,
            },
            timing: self.timing || self.monitor.is_some(),
            dialect: self.dialect(),
            bad_variables_are_zero: self.bad_variables_are_zero,
        }
    }

    /// What the options say about the language.
    pub(crate) fn dialect(&self) -> Dialect<'_> {
        let usual = Dialect::default();
        Dialect {
            guru: self.guru,
            runtime: self.runtime.as_deref().unwrap_or(usual.runtime),
            version: self.compatible.as_deref().unwrap_or(usual.version),
        }
    }

    /// What the options say about a session.
    pub(crate) fn session_options(&self) -> SessionOptions {
        SessionOptions {
            command: self.command.clone(),
            process: self.process,
            name: self.name.clone(),
            listen: self.listen,
            time_limit: self.time_limit.map(Duration::from_secs_f64),
            load_only: self.last_pass == 4,
            hide_globals: self.hide_globals,
            limits: self.limits,
            verbose: self.verbose > 0,
            warnings: match self.no_warnings {
                true => WarningsShown::None,
                false if self.verbose > 0 => WarningsShown::All,
                false => WarningsShown::Once,
            },
            output: self.output.clone(),
            detach: self.detach,
            recorded_bytes: u64::from(
                self.ring_buffer_bytes.unwrap_or(pipeline::DEFAULT_RING_BUFFER),
            ),
            format: self.format,
            flame_graph: self.flame_graph.clone(),
            monitor: self.monitor,
            timing: self.timing,
            overload_percent: self.overload_percent,
            hide_inlined: self.hide_inlined,
        }
    }

    /// Whether messages are coloured.
    pub(crate) fn color(&self) -> bool {
        match self.color {
            Color::Auto => std::io::stderr().is_terminal() && !refuses_color(),
            Color::Always => true,
            Color::Never => false,
        }
    }

    /// Whether what is typed is coloured.
    pub(crate) fn color_of_input(&self) -> bool {
        self.color == Color::Always || self.color == Color::Auto && !refuses_color()
    }
}

/// Whether the environment asks for no colour (<https://no-color.org>), or the terminal has none.
fn refuses_color() -> bool {
    let is_set = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_set || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether there is no script, and somebody at a terminal.
fn asks_for_nothing(source: &Source) -> bool {
    source.words.is_empty()
        && source.script_text.is_none()
        && source.more_scripts.is_empty()
        && source.example.is_none()
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
}
