//! The words of the command line: one table for help, manual pages and completions.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ntap_compiler::limits::Limits;
use ntap_runtime::session::{DEFAULT_BUDGET_PERCENT, Rotation};

use crate::emit::Stage;
use crate::systemtap_options::SystemTapOptions;
use crate::tools::Tool;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What the script prints
    Text,
    /// An object a line, for programs: what is printed with its values, errors, losses, a summary
    Json,
    /// A line for each stack among the keys of arrays the script does not read, for flame graphs
    Folded,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// Runs a tracing script: probes in the kernel and in userspace, written in the SystemTap language.
#[derive(Parser)]
#[command(name = "ntap", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) subcommand: Option<Sub>,

    #[command(flatten)]
    pub(crate) source: Source,

    #[command(flatten)]
    pub(crate) run: Run,

    #[command(flatten)]
    pub(crate) systemtap: SystemTapOptions,
}

#[derive(Args)]
pub(crate) struct Source {
    /// The script as text, instead of a file
    #[arg(short = 'e', value_name = "SCRIPT")]
    pub(crate) script_text: Option<String>,

    /// Another script, besides the first one; may be repeated
    #[arg(short = 'E', value_name = "SCRIPT")]
    pub(crate) more_scripts: Vec<String>,

    /// A script that comes with the program (`ntap examples` lists them), then its arguments
    #[arg(long, value_name = "NAME", conflicts_with = "script_text")]
    pub(crate) example: Option<String>,

    /// The script file (`-` is standard input), then its arguments `$1`, `@1` ...
    #[arg(value_name = "SCRIPT [ARGS]", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    /// Read probes, expressions and commands from the terminal, and run them at once
    #[arg(short = 'i', long)]
    pub(crate) interactive: bool,

    /// Run a command and trace until it ends; `target()` is its process id
    #[arg(short = 'c', value_name = "CMD", conflicts_with = "process")]
    pub(crate) command: Option<String>,

    /// Trace until this process ends; `target()` is its process id
    #[arg(short = 'x', value_name = "PID")]
    pub(crate) process: Option<u32>,

    /// The name of the session: of the folder below /run/ntap with its files
    #[arg(short = 'm', value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,

    /// End after so many seconds
    #[arg(short = 'T', value_name = "SECONDS", value_parser = seconds)]
    pub(crate) time_limit: Option<f64>,

    /// Write the output to a file; conversions of strftime(3) in its name are replaced
    #[arg(short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Go on in FILE.1, FILE.2 ... whenever a file has so many megabytes; keep at most N files
    #[arg(short = 'S', value_name = "MB[,N]", requires = "output", value_parser = rotation)]
    pub(crate) rotation: Option<Rotation>,

    /// What the output looks like
    #[arg(short = 'f', long = "format", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

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
    pub(crate) monitor: Option<f64>,

    /// Draw the stacks that the script counts, as a flame graph
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) flamegraph: Option<PathBuf>,

    /// Go on in the background once all probes are live; without -o the last megabytes of output (-s) are kept for
    /// `ntap attach`
    #[arg(short = 'F', conflicts_with = "command")]
    pub(crate) detach: bool,

    /// Serve the files of the session over HTTP: `/metrics` is that of `probe prometheus`
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub(crate) prometheus_listen: Option<SocketAddr>,

    /// Say at the end how often each probe was hit, and how long its handler took
    #[arg(short = 't')]
    pub(crate) timing: bool,

    /// Pause probes whose handlers take more of the time of all CPUs; 100: never
    #[arg(long, value_name = "PERCENT", default_value_t = DEFAULT_BUDGET_PERCENT, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) overload: u32,

    /// Leave inlined functions out of the stacks of processes, as SystemTap does
    #[arg(long)]
    pub(crate) no_inlined: bool,

    /// Say what is done
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Stop after pass 1 (parse), 2 (analyse: an outline), 3 (print the code) or 4 (verify and load)
    #[arg(short = 'p', value_name = "PASS", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(crate) last_pass: u8,

    /// Show no warnings
    #[arg(short = 'w')]
    pub(crate) no_warnings: bool,

    /// Treat warnings as errors
    #[arg(short = 'W')]
    pub(crate) warnings_are_errors: bool,

    /// Do not optimise kernel code
    #[arg(short = 'u')]
    pub(crate) unoptimized: bool,

    /// Megabytes of the buffer for records from kernel code, rounded up to a power of two: 4 without this option, 16
    /// where stacks of processes are sent
    #[arg(short = 's', value_name = "MB", value_parser = megabytes)]
    pub(crate) buffer: Option<u32>,

    /// Set a global before the script starts
    #[arg(short = 'G', value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) globals: Vec<(String, String)>,

    /// Set a limit, such as MAXACTION, MAXERRORS or MAXMAPENTRIES
    #[arg(short = 'D', value_name = "NAME=N", value_parser = limit)]
    pub(crate) limits: Vec<(String, String)>,

    /// An error in a handler ends the handler only
    #[arg(long)]
    pub(crate) suppress_handler_errors: bool,

    /// Let handlers run as many statements as they like, and take as much time
    #[arg(long)]
    pub(crate) suppress_time_limits: bool,

    /// A directory of .nt, .stp and .stpm files whose functions, aliases and macros scripts may use
    #[arg(short = 'I', value_name = "DIR")]
    pub(crate) library_directories: Vec<PathBuf>,

    /// List the functions scripts may call
    #[arg(long)]
    pub(crate) dump_functions: bool,

    /// List the probe aliases of the library
    #[arg(long)]
    pub(crate) dump_probe_aliases: bool,

    /// Print all forms of probe points
    #[arg(long)]
    pub(crate) dump_probe_types: bool,

    /// List the probe points that match
    #[arg(short = 'l', value_name = "PATTERN")]
    pub(crate) list: Option<String>,

    /// List the probe points that match, with the variables of each
    #[arg(short = 'L', value_name = "PATTERN", conflicts_with = "list")]
    pub(crate) list_variables: Option<String>,

    /// Print the JSON Schema of the output of `-f json`
    #[arg(long)]
    pub(crate) dump_output_schema: bool,

    /// Do not show at the end the globals that nothing reads
    #[arg(long)]
    pub(crate) no_global_var_display: bool,

    /// Colour in messages
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub(crate) color: Color,
}

#[derive(Subcommand)]
pub(crate) enum Sub {
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
