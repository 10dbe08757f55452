//! The command line.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use ntap_compiler::diagnostic::suggest;
use ntap_compiler::library::Library;
use ntap_compiler::limits::{Limits, Setting};
use ntap_compiler::pipeline;
use ntap_compiler::types::KeptOfAggregates;
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::session::{
    DEFAULT_BUDGET_PERCENT, OutputFileOptions, OutputFormat, Rotation, SessionOptions,
    WarningsShown,
};

use crate::emit::Stage;
use crate::examples::{self, Example};
use crate::systemtap_options::SystemTapOptions;
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
    pub(crate) ring_buffer_bytes: u32,
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
    color: Color,
    guru: bool,
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What the script prints
    Text,
    /// An object a line, for programs: what is printed with its values, errors, losses, a summary
    Json,
    /// A line for each stack among the keys of arrays the script does not read, for flame graphs
    Folded,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Runs a tracing script: probes in the kernel and in userspace, written in the SystemTap language.
#[derive(Parser)]
#[command(name = "ntap", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    subcommand: Option<Sub>,

    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    run: Run,

    #[command(flatten)]
    systemtap: SystemTapOptions,
}

#[derive(Args)]
struct Source {
    /// The script as text, instead of a file
    #[arg(short = 'e', value_name = "SCRIPT")]
    script_text: Option<String>,

    /// Another script, besides the first one; may be repeated
    #[arg(short = 'E', value_name = "SCRIPT")]
    more_scripts: Vec<String>,

    /// A script that comes with the program (`ntap examples` lists them), then its arguments
    #[arg(long, value_name = "NAME", conflicts_with = "script_text")]
    example: Option<String>,

    /// The script file (`-` is standard input), then its arguments `$1`, `@1` ...
    #[arg(value_name = "SCRIPT [ARGS]", allow_negative_numbers = true)]
    words: Vec<String>,
}

#[derive(Args)]
struct Run {
    /// Read probes, expressions and commands from the terminal, and run them at once
    #[arg(short = 'i', long)]
    interactive: bool,

    /// Run a command and trace until it ends; `target()` is its process id
    #[arg(short = 'c', value_name = "CMD", conflicts_with = "process")]
    command: Option<String>,

    /// Trace until this process ends; `target()` is its process id
    #[arg(short = 'x', value_name = "PID")]
    process: Option<u32>,

    /// The name of the session: of the folder below /run/ntap with its files
    #[arg(short = 'm', value_name = "NAME", value_parser = name)]
    name: Option<String>,

    /// End after so many seconds
    #[arg(short = 'T', value_name = "SECONDS", value_parser = seconds)]
    time_limit: Option<f64>,

    /// Write the output to a file; conversions of strftime(3) in its name are replaced
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Go on in FILE.1, FILE.2 ... whenever a file has so many megabytes; keep at most N files
    #[arg(short = 'S', value_name = "MB[,N]", requires = "output", value_parser = rotation)]
    rotation: Option<Rotation>,

    /// What the output looks like
    #[arg(short = 'f', long = "format", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Show globals, probes and output on the terminal, drawn anew every second or every so many
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = seconds,
        conflicts_with_all = ["format", "detach"]
    )]
    monitor: Option<f64>,

    /// Draw the stacks that the script counts, as a flame graph
    #[arg(long, value_name = "FILE.svg")]
    flamegraph: Option<PathBuf>,

    /// Go on in the background once all probes are live; without -o the last megabytes of output (-s) are kept for
    /// `ntap attach`
    #[arg(short = 'F', conflicts_with = "command")]
    detach: bool,

    /// Serve the files of the session over HTTP: `/metrics` is that of `probe prometheus`
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    prometheus_listen: Option<SocketAddr>,

    /// Say at the end how often each probe was hit, and how long its handler took
    #[arg(short = 't')]
    timing: bool,

    /// Pause probes whose handlers take more of the time of all CPUs; 100: never
    #[arg(long, value_name = "PERCENT", default_value_t = DEFAULT_BUDGET_PERCENT, value_parser = clap::value_parser!(u32).range(1..=100))]
    overload: u32,

    /// Say what is done
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Stop after pass 1 (parse), 2 (analyse: an outline), 3 (print the code) or 4 (verify and load)
    #[arg(short = 'p', value_name = "PASS", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=5))]
    last_pass: u8,

    /// Show no warnings
    #[arg(short = 'w')]
    no_warnings: bool,

    /// Treat warnings as errors
    #[arg(short = 'W')]
    warnings_are_errors: bool,

    /// Do not optimise kernel code
    #[arg(short = 'u')]
    unoptimized: bool,

    /// Megabytes of the buffer for records from kernel code, rounded up to a power of two
    #[arg(short = 's', value_name = "MB", default_value_t = 4, value_parser = megabytes)]
    buffer: u32,

    /// Set a global before the script starts
    #[arg(short = 'G', value_name = "NAME=VALUE", value_parser = assignment)]
    globals: Vec<(String, String)>,

    /// Set a limit, such as MAXACTION, MAXERRORS or MAXMAPENTRIES
    #[arg(short = 'D', value_name = "NAME=N", value_parser = limit)]
    limits: Vec<(String, String)>,

    /// An error in a handler ends the handler only
    #[arg(long)]
    suppress_handler_errors: bool,

    /// Let handlers run as many statements as they like, and take as much time
    #[arg(long)]
    suppress_time_limits: bool,

    /// A directory of .nt, .stp and .stpm files whose functions, aliases and macros scripts may use
    #[arg(short = 'I', value_name = "DIR")]
    library_directories: Vec<PathBuf>,

    /// List the functions scripts may call
    #[arg(long)]
    dump_functions: bool,

    /// List the probe aliases of the library
    #[arg(long)]
    dump_probe_aliases: bool,

    /// Print all forms of probe points
    #[arg(long)]
    dump_probe_types: bool,

    /// List the probe points that match
    #[arg(short = 'l', value_name = "PATTERN")]
    list: Option<String>,

    /// List the probe points that match, with the variables of each
    #[arg(short = 'L', value_name = "PATTERN", conflicts_with = "list")]
    list_variables: Option<String>,

    /// Print the JSON Schema of the output of `-f json`
    #[arg(long)]
    dump_output_schema: bool,

    /// Do not show at the end the globals that nothing reads
    #[arg(long)]
    no_global_var_display: bool,

    /// Colour in messages
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    color: Color,
}

#[derive(Subcommand)]
enum Sub {
    /// Print what a stage of the compiler makes of a script
    Emit {
        /// The stage
        stage: Stage,

        #[command(flatten)]
        source: Source,

        /// Do not optimise kernel code
        #[arg(short = 'u')]
        unoptimized: bool,
    },
    /// List the scripts that come with the program, those about some words, or print one
    Examples {
        /// Words that the name or the description has to contain
        words: Vec<String>,

        /// Print the source of this one
        #[arg(long, value_name = "NAME", conflicts_with = "words")]
        show: Option<String>,
    },
    /// Say more about a message, given its code
    Explain {
        /// The code, such as E0203
        code: String,
    },
    /// List probe points with their variables
    List {
        /// The pattern, such as 'kernel.trace("tcp:*")'
        pattern: String,

        /// One JSON object to a line
        #[arg(long)]
        json: bool,
    },
    /// Write the kernel half of a script as an ELF object
    Build {
        /// The script file
        script: PathBuf,

        /// The object file
        #[arg(short = 'o', value_name = "FILE")]
        output: PathBuf,

        /// The script's arguments
        arguments: Vec<String>,
    },
    #[command(flatten)]
    Tool(Tool),
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err("must be NAME=VALUE".to_string()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_string(),
    };
    let mut addresses = text.to_socket_addrs().map_err(|_| "must be ADDRESS:PORT".to_string())?;
    addresses.next().ok_or_else(|| "must be ADDRESS:PORT".to_string())
}

fn name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix(".ko").unwrap_or(text);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_name) {
        return Err("must be of letters, digits, `_` and `-`".to_string());
    }
    Ok(name.to_string())
}

fn limit(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "1"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err("must be NAME=N".to_string());
    }
    // The value is checked here, so that the message is one about the option.
    Limits::default().set(name, value)?;
    Ok((name.to_string(), value.to_string()))
}

/// The limits of `-D`; says which of the names have no effect.
fn limits(run: &Run) -> Limits {
    let mut limits = Limits::default();
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

fn rotation(text: &str) -> Result<Rotation, String> {
    let (size, keep) = match text.split_once(',') {
        Some((size, keep)) => (size, Some(keep)),
        None => (text, None),
    };
    let keep = match keep.map(str::parse) {
        None => None,
        Some(Ok(keep @ 1..)) => Some(keep),
        Some(_) => return Err("the number of files must be 1 or more".to_string()),
    };
    match size.parse::<u64>() {
        Ok(mb @ 1..=1_048_576) => Ok(Rotation { bytes: mb << 20, keep }),
        _ => Err("must be a number of megabytes from 1 to 1048576".to_string()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if s > 0.0 && s <= 31_536_000.0 => Ok(s),
        _ => Err("must be a number of seconds above 0".to_string()),
    }
}

fn megabytes(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(mb @ 1..=1024) => Ok(mb.next_power_of_two()),
        _ => Err("must be a number from 1 to 1024".to_string()),
    }
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
    use clap::CommandFactory;
    let command = CommandLine::command();
    suggest::did_you_mean(word, command.get_subcommands().map(clap::Command::get_name))
}

/// Ends with a message about the command line.
pub(crate) fn refuse(kind: clap::error::ErrorKind, message: &str) -> ! {
    use clap::CommandFactory;
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
            ring_buffer_bytes: line.run.buffer << 20,
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
            color: line.run.color,
            guru: line.systemtap.guru,
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
            self.script = Script::Example(example(&name));
            self.arguments = words.collect();
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
            guru: self.guru,
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
            recorded_bytes: u64::from(self.ring_buffer_bytes),
            format: self.format,
            flame_graph: self.flame_graph.clone(),
            monitor: self.monitor,
            timing: self.timing,
            overload_percent: self.overload_percent,
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
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
}
