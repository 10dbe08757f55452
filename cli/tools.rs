//! Subcommands that run no script: what they take, and what they print.

use std::path::PathBuf;

use clap::{CommandFactory, Subcommand};

use ntap_compiler::diagnostic::suggest;

use crate::command_line::CommandLine;
use crate::errors::Failure;
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
    /// Show what a session in the background has printed and prints (-F), until it ends; Ctrl-C ends it
    Attach {
        /// Its name (-m) or the number of its process
        session: String,
    },
    /// Read probes, expressions and commands from the terminal, and run them at once
    Repl,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of a subcommand: `ntap man | man -l -`
    Man {
        /// The subcommand
        #[arg(value_name = "COMMAND")]
        of: Option<String>,
    },
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) {
    let mut out = vec![];
    clap_complete::generate(shell, &mut CommandLine::command(), "ntap", &mut out);
    write_out(&String::from_utf8_lossy(&out));
}

/// What stands in the manual page behind the options, in the language of man(7).
const MANUAL_SECTIONS: &str = r#".SH EXAMPLES
.TP
ntap \-e \(aqprobe begin { println("hello") exit() }\(aq
The smallest script.
.TP
ntap \-L \(aqkernel.trace("sched*")\(aq
Which tracepoints there are, and what handlers know there.
.TP
ntap script.nt 5 \-c \(aqmake all\(aq
Run a script with an argument, while a command runs.
.TP
ntap examples net; ntap \-\-example dropwatch
Find and run a script that comes with the program.
.SH EXIT STATUS
.TP
0
The script ended by exit(), Ctrl-C, \-T or the end of the traced process.
.TP
1
The script or the command line has a mistake, nothing matched (\-l, \-L), handlers had more errors than MAXERRORS, the command of \-c failed, or output could not be written.
.SH ENVIRONMENT
.TP
NO_COLOR
When it is set and not empty, nothing is coloured; so is it with TERM=dumb.
.TP
EDITOR, VISUAL
What the prompt opens to edit declarations.
.SH FILES
.TP
/sys/kernel/btf/vmlinux
The types of the kernel; without them only begin, end and timer probes run.
.TP
/run/ntap/NAME
The files of procfs probes, as named pipes.
.SH SEE ALSO
bpf(2), stap(1), bpftrace(8)
"#;

/// Prints the manual page of the command or of a subcommand.
pub(crate) fn manual(of: Option<&str>) -> Result<(), Failure> {
    let command = CommandLine::command();
    let (page, sections) = match of {
        None => (command, MANUAL_SECTIONS),
        Some(name) => {
            let Some(found) = command.find_subcommand(name) else {
                let names = command.get_subcommands().map(|subcommand| subcommand.get_name());
                let help = suggest::did_you_mean(name, names);
                let text = format!("there is no subcommand `{name}`");
                return Err(Failure::message(text, help.as_deref()));
            };
            let page = found.clone().version(env!("CARGO_PKG_VERSION"));
            (page.display_name(format!("ntap-{name}")).bin_name(format!("ntap {name}")), "")
        }
    };
    let mut out = vec![];
    clap_mangen::Man::new(page)
        .render(&mut out)
        .map_err(|error| Failure::bug(format!("writing the manual page: {error}")))?;
    write_out(&(String::from_utf8_lossy(&out) + sections));
    Ok(())
}
