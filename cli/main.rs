//! The `ntap` command.

mod check;
mod command_line;
mod compile;
mod emit;
mod errors;
mod examples;
mod fmt;
mod library;
mod list;
mod options;
mod repl;
mod systemtap_options;
mod tools;

use std::process::ExitCode;
use std::rc::Rc;

use ntap_compiler::diagnostic::{codes, suggest};
use ntap_compiler::facts::Facts as _;
use ntap_compiler::object;
use ntap_compiler::pipeline::Compiled;
use ntap_compiler::types;
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::load::LoadError;
use ntap_runtime::program_file::Target;
use ntap_runtime::session::{self, FollowError, Outcome, OutputFormat, SessionError};

use compile::Compilation;
use errors::Failure;
use options::{Action, Listing, Options};
use tools::Tool;

/// What `-f json` writes.
const OUTPUT_SCHEMA: &str = include_str!("../docs/reference/output.schema.json");

fn main() -> ExitCode {
    // A reader that goes away is an error of the write, not the end of the process.
    let options = Options::parse();
    match act(&options) {
        Ok(code) => code,
        Err(failure) => {
            failure.print(options.color());
            ExitCode::FAILURE
        }
    }
}

fn act(options: &Options) -> Result<ExitCode, Failure> {
    if let Some(listing) = &options.listing {
        let library = || library::library(&options.library_directories);
        let text = match listing {
            Listing::Functions => library::functions(library()?),
            Listing::Aliases => library::aliases(library()?),
            Listing::ProbeTypes => library::probe_types(),
            Listing::Examples(words) => examples::list(words)?,
            Listing::Source(example) => example.text.to_string(),
            Listing::OutputSchema => OUTPUT_SCHEMA.to_string(),
        };
        write_out(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let kernel = Rc::new(LiveKernel::new());
    match (&options.command, options.process) {
        (Some(command), _) => kernel.programs().set_target(Target::Command(command.clone())),
        (None, Some(pid)) => kernel.programs().set_target(Target::Process(pid)),
        (None, None) => {}
    }
    let compilation = || Compilation::new(options, kernel.as_ref());
    match &options.action {
        Action::Interact => repl::interact(options, kernel),
        Action::Tool(tool) => act_as(tool, options, &kernel),
        Action::List(request) => list::list(request, options, kernel.as_ref()),
        Action::Explain(code) => explain(code),
        Action::Emit(stage) => emit::emit(*stage, &mut compilation()?),
        Action::Build(output) => build(&mut compilation()?, output),
        Action::Run => run(options, compilation()?, kernel.clone()),
    }
}

fn act_as(tool: &Tool, options: &Options, kernel: &LiveKernel) -> Result<ExitCode, Failure> {
    match tool {
        Tool::Check { files, arguments, json, library_directories } => {
            let library = library::library(library_directories)?;
            let (json, color) = (*json, options.color());
            return Ok(check::check(&check::Check {
                files,
                arguments,
                json,
                library,
                kernel,
                color,
            }));
        }
        Tool::Fmt { files, check } => return Ok(fmt::fmt(files, *check, options.color())),
        Tool::Completions { shell } => tools::completions(*shell),
        Tool::Man { of } => tools::manual(of.as_deref())?,
        Tool::Attach { session } => attach(session)?,
        Tool::Repl => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. A reader that went away has seen enough.
fn write_out(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Shows what a session in the background prints.
fn attach(name: &str) -> Result<(), Failure> {
    session::follow(name).map_err(|error| match error {
        FollowError::NoSession => Failure::message(
            format!("no session `{name}` keeps its output in memory"),
            Some("`ntap -F SCRIPT` says how the session is called that it starts"),
        ),
        FollowError::System(error) => {
            Failure::message(format!("reading the output of `{name}`: {error}"), None)
        }
    })
}

/// Prints the entry of a code.
fn explain(code: &str) -> Result<ExitCode, Failure> {
    let wanted = code.trim().trim_matches(['[', ']']).to_ascii_uppercase();
    let Some(found) = codes::ALL.iter().find(|code| code.id == wanted) else {
        let help = suggest::did_you_mean(&wanted, codes::ALL.iter().map(|code| code.id));
        let text = format!("there is no message with the code `{code}`");
        return Err(Failure::message(text, Some(&help.unwrap_or(
            "codes are a letter and four digits, as in E0203; docs/reference/diagnostics.md lists them".to_string(),
        ))));
    };
    println!("{}: {}\n\n{}", found.id, found.title, found.explanation);
    Ok(ExitCode::SUCCESS)
}

fn build(compilation: &mut Compilation<'_>, output: &std::path::Path) -> Result<ExitCode, Failure> {
    let compiled = compilation.compile()?;
    let Some(input) = compiled.object else {
        return Err(Failure::message(
            "this script has no kernel half: there is nothing to build",
            Some("every probe of it runs in userspace"),
        ));
    };
    let bytes =
        object::write(&input).map_err(|e| Failure::bug(format!("writing the object: {e}")))?;
    std::fs::write(output, bytes)
        .map_err(|e| Failure::message(format!("cannot write {}: {e}", output.display()), None))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a compiled script. Where the kernel's verifier finds a handler too complex, more of it is left to userspace.
fn run_session(
    mut compiled: Compiled,
    compilation: &Compilation<'_>,
    kernel: &Rc<LiveKernel>,
    options: &Options,
) -> Result<Outcome, SessionError> {
    let session_options = options.session_options();
    loop {
        let fallback = compiled.fallback();
        let result =
            session::run(compiled, compilation.sources(), kernel.clone(), &session_options);
        let Err(SessionError::Load(LoadError::TooComplex { program })) = &result else {
            return result;
        };
        match compilation.compile_without(&fallback, program) {
            Some(other) => {
                if options.verbose > 0 {
                    eprintln!(
                        "ntap: {program} is too complex for the kernel: it runs in userspace"
                    );
                }
                compiled = other;
            }
            None => return result,
        }
    }
}

/// Runs the script, or stops after the pass `-p` names.
fn run(
    options: &Options,
    mut compilation: Compilation<'_>,
    kernel: Rc<LiveKernel>,
) -> Result<ExitCode, Failure> {
    match options.last_pass {
        1 => return emit::emit(emit::Stage::Ast, &mut compilation),
        2 => {
            let (script, types) = compilation.resolve()?;
            write_out(&types::outline(&script, &types, options.verbose > 0));
            return Ok(ExitCode::SUCCESS);
        }
        3 => return emit::emit(emit::Stage::Bpf, &mut compilation),
        _ => {}
    }
    let compiled = compilation.compile()?;
    let outcome = run_session(compiled, &compilation, &kernel, options)
        .map_err(|e| Failure::session(e, &kernel.kernel_release(), options.verbose > 0))?;
    // Its summary says so.
    let is_told = options.format == OutputFormat::Json;
    if let Some(status) = outcome.command_status
        && !is_told
    {
        eprintln!("WARNING: Child process exited with status {status}");
    }
    let failed = outcome.failed
        || outcome.errors > 0
        || outcome.command_status.is_some()
        || outcome.output_failed;
    if (outcome.errors > 0 || outcome.skipped > 0) && !is_told {
        let (errors, skipped) = (outcome.errors, outcome.skipped);
        eprintln!("WARNING: Number of errors: {errors}, skipped probes: {skipped}");
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
