//! Subcommands that run no script: what they take, and what they print.

use std::path::PathBuf;

use clap::{CommandFactory, Subcommand};

use crate::errors::Failure;
use crate::options::CommandLine;
use crate::write_out;

/// The subcommands.
#[derive(Subcommand)]
pub(crate) enum Tool {
    /// Compile scripts without running them, and say what is wrong with them
    Check {
        /// The script files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// The arguments of the scripts: `$1`, `@1` and so on
        #[arg(last = true, value_name = "ARGS")]
        arguments: Vec<String>,

        /// Messages as JSON objects on standard output, one to a line
        #[arg(long)]
        json: bool,

        /// A directory of .nt, .stp and .stpm files whose functions, aliases and macros scripts may use
        #[arg(short = 'I', value_name = "DIR")]
        library_directories: Vec<PathBuf>,
    },
    /// Format scripts: indentation, spaces, empty lines; line breaks and comments stay
    Fmt {
        /// The script files; without any, standard input is formatted to standard output
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,

        /// Write nothing; name the files that are not formatted, with status 1
        #[arg(long)]
        check: bool,
    },
    /// Read probes, expressions and commands from the terminal, and run them at once
    Repl,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) {
    let mut out = vec![];
    clap_complete::generate(shell, &mut CommandLine::command(), "ntap", &mut out);
    write_out(&String::from_utf8_lossy(&out));
}

/// Prints the manual page, that of the subcommands behind that of the command.
pub(crate) fn manual() -> Result<(), Failure> {
    let mut out = vec![];
    clap_mangen::Man::new(CommandLine::command())
        .render(&mut out)
        .map_err(|error| Failure::bug(format!("writing the manual page: {error}")))?;
    write_out(&String::from_utf8_lossy(&out));
    Ok(())
}
