//! The prompt: probes, expressions and commands, run line by line.
//!
//! A line becomes a script of its own: with the declarations it mentions, and a block that gives its globals
//! the values they had when the last session ended. It is compiled and run like any other script, in this
//! process, so an error or Ctrl-C ends the session and not the prompt.

mod command;
mod editor;
mod kept;
mod members;
mod names;
mod run;
mod terminal;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::rc::Rc;

use clap::ValueEnum;
use ntap_compiler::library::Library;
use ntap_compiler::syntax::edit::{self, Class};
use ntap_runtime::kernel::LiveKernel;
use ntap_runtime::session::SavedGlobal;

use crate::compile::read;
use crate::emit::Stage;
use crate::errors::Failure;
use crate::options::{Options, Script};
use crate::{library, write_out};
use command::{Command, Line};
use editor::Input;
use kept::{Item, Kept, Wrapped};
use names::Names;

/// The state of the prompt.
struct Prompt<'a> {
    options: &'a Options,
    settings: Settings,
    kernel: Rc<LiveKernel>,
    library: &'static Library,
    names: Rc<Names>,
    kept: Kept,
    /// The text of the probes that ran last.
    last: String,
}

/// What `:set` changes.
struct Settings {
    command: Option<String>,
    process: Option<u32>,
    verbose: bool,
    no_warnings: bool,
}

/// Reads lines until their end or `:quit`.
pub(crate) fn interact(options: &Options, kernel: Rc<LiveKernel>) -> Result<ExitCode, Failure> {
    let library = library::library(&options.library_directories)?;
    let names = Rc::new(Names::new(library, kernel.clone()));
    let at_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    terminal::survive_interrupts();
    let mut prompt = Prompt {
        options,
        settings: Settings {
            command: options.command.clone(),
            process: options.process,
            verbose: options.verbose > 0,
            no_warnings: options.no_warnings,
        },
        kernel,
        library,
        names: names.clone(),
        kept: Kept::default(),
        last: String::new(),
    };
    let mut input = match at_terminal {
        true => editor::at_terminal(names, options.color_of_input())
            .map_err(|error| Failure::message(format!("the terminal: {error}"), None))?,
        false => editor::plain(),
    };
    if at_terminal {
        write_out(
            "ntap: a probe runs when it is complete, an expression prints its value; `:help`\n",
        );
    }
    loop {
        let text = match input.read(&prompt.kept) {
            Input::Text(text) => text,
            Input::Abandoned => continue,
            Input::End => break,
        };
        match prompt.line(&text) {
            Ok(true) => {}
            Ok(false) => break,
            Err(failure) => failure.print(options.color()),
        }
        let _ = std::io::stdout().flush();
    }
    input.close();
    Ok(ExitCode::SUCCESS)
}

impl Prompt<'_> {
    /// Does what a line says; false when it says to leave.
    fn line(&mut self, text: &str) -> Result<bool, Failure> {
        let is_global = |name: &str| self.kept.globals().any(|global| global == name);
        match command::parse(text, is_global) {
            Line::Command(Command::Quit, _) => return Ok(false),
            Line::Command(command, rest) => self.command(command, rest)?,
            Line::Unknown(name) => {
                let text = format!("there is no command `:{name}`, or more than one");
                return Err(Failure::message(text, Some("`:help` lists them")));
            }
            Line::Script => self.script(text)?,
        }
        Ok(true)
    }

    /// Runs probes, keeps declarations, prints the values of expressions.
    fn script(&mut self, text: &str) -> Result<(), Failure> {
        if edit::parts(text).iter().all(|part| part.class == Class::Comment) {
            return Ok(());
        }
        let Some(items) = items(text) else { return self.statement(text.trim()) };
        if !items.iter().any(Item::is_probe) {
            return self.keep(text, items);
        }
        let line = Wrapped { text, ..Wrapped::default() };
        let composed = self.kept.compose(&line, &items);
        let compiled = self.compile(&composed, text, true)?;
        self.last =
            items.iter().filter(|i| i.is_probe()).map(|i| format!("{}\n", i.text)).collect();
        items.into_iter().filter(|item| !item.is_probe()).for_each(|item| self.kept.add(item));
        self.run(compiled, &composed, self.options.hide_globals)
    }

    /// Keeps declarations that are without error.
    fn keep(&mut self, text: &str, items: Vec<Item>) -> Result<(), Failure> {
        let line = Wrapped { text, behind: "\nprobe begin { exit() }", ..Wrapped::default() };
        let composed = self.kept.compose(&line, &items);
        self.compile(&composed, text, false)?;
        items.into_iter().for_each(|item| self.kept.add(item));
        Ok(())
    }

    /// Prints the value of an expression, or runs a statement.
    fn statement(&mut self, text: &str) -> Result<(), Failure> {
        let text = text.trim_end_matches(';').trim_end();
        if let Some(saved) = self.kept.values.get(text)
            && self.kept.globals().any(|name| name == text)
        {
            write_out(&shown(text, saved));
            return Ok(());
        }
        if let Some(name) = assigned(text)
            && !self.kept.globals().any(|global| global == name)
        {
            let declaration = format!("global {name}");
            if let Some(items) = items(&declaration) {
                items.into_iter().for_each(|item| self.kept.add(item));
            }
        }
        const BEHIND: &str = "\nprobe begin(9223372036854775807) { exit() }";
        let behind = format!("\n) }}{BEHIND}");
        let value = Wrapped { before: "probe begin { println(\n", text, behind: &behind };
        let composed = self.kept.compose(&value, &[]);
        if let Some(compiled) = self.try_compile(&composed) {
            return self.run(compiled, &composed, true);
        }
        let behind = format!("\n}}{BEHIND}");
        let statement = Wrapped { before: "probe begin {\n", text, behind: &behind };
        let composed = self.kept.compose(&statement, &[]);
        let compiled = self.compile(&composed, text, true)?;
        self.run(compiled, &composed, true)
    }

    fn command(&mut self, command: Command, rest: &str) -> Result<(), Failure> {
        match command {
            Command::Quit => {}
            Command::Help => self.help(rest)?,
            Command::Add => self.add(rest)?,
            Command::Delete => {
                let number = rest.parse().unwrap_or(0);
                if self.kept.delete(number).is_none() {
                    let text = format!("there is nothing with the number {rest}");
                    return Err(Failure::message(text, Some("`:show` lists what there is")));
                }
            }
            Command::Edit => {
                let text = terminal::edit(&self.kept.text())?;
                self.replace(&text)?;
            }
            Command::Emit => self.emit(rest)?,
            Command::List => {
                let found = self.names.matching(rest);
                if found.is_empty() {
                    let text = format!("no probe point has `{rest}` in its name");
                    return Err(Failure::message(text, None));
                }
                write_out(&found.iter().map(|point| format!("{point}\n")).collect::<String>());
            }
            Command::Load => {
                let (_, text) = read(&Script::File(file(rest)?))?;
                self.add_all(&text)?;
            }
            Command::Run => self.run_kept()?,
            Command::Sample => {
                let found = self.names.examples(rest);
                if found.is_empty() {
                    return Err(Failure::message("no example has these words in it", None));
                }
                write_out(&found.iter().map(|e| format!("{e}\n\n")).collect::<String>());
            }
            Command::Save => {
                let path = file(rest)?;
                std::fs::write(&path, self.kept.text()).map_err(|error| {
                    Failure::message(format!("cannot write {}: {error}", path.display()), None)
                })?;
            }
            Command::Set => self.set(rest)?,
            Command::Show => {
                let items = self.kept.items.iter().enumerate();
                let lines = items.map(|(at, item)| {
                    format!("{:>3}  {}\n", at + 1, item.text.replace('\n', "\n     "))
                });
                write_out(&lines.collect::<String>());
            }
            Command::Type => self.type_of(rest)?,
            Command::Vars => {
                let lines = self.kept.globals().map(|name| match self.kept.values.get(name) {
                    Some(saved) if !shown(name, saved).is_empty() => shown(name, saved),
                    _ => format!("{name}: no value\n"),
                });
                write_out(&lines.collect::<String>());
            }
        }
        Ok(())
    }

    fn help(&self, topic: &str) -> Result<(), Failure> {
        if topic.is_empty() {
            write_out(&command::overview());
            return Ok(());
        }
        let name = topic.trim_start_matches(':');
        if let Some(row) = command::COMMANDS.iter().find(|row| row.name == name) {
            write_out(&format!(":{} {}\n  {}\n", row.name, row.takes, row.summary));
            return Ok(());
        }
        let found = self.names.about(topic.trim_end_matches("()"));
        if found.is_empty() {
            let text = format!("nothing is known about `{topic}`");
            let near = ntap_compiler::diagnostic::suggest::did_you_mean(topic, self.names.words());
            return Err(Failure::message(text, near.as_deref()));
        }
        let mut out = String::new();
        for named in &found {
            out.push_str(&format!("{}\n  {}\n", named.head, named.summary));
        }
        if let [only] = found[..]
            && !only.example.is_empty()
        {
            out.push_str(&format!("  Example:\n    {}\n", only.example.replace('\n', "\n    ")));
        }
        write_out(&out);
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), Failure> {
        let text = match text {
            "" => std::mem::take(&mut self.last),
            text => text.to_string(),
        };
        if text.is_empty() {
            return Err(Failure::message("no probe has run yet: `:add TEXT`", None));
        }
        self.add_all(&text)
    }

    /// Keeps all of a script that is without error.
    fn add_all(&mut self, text: &str) -> Result<(), Failure> {
        let Some(items) = items(text) else {
            return Err(Failure::message("only probes and declarations are kept", None));
        };
        self.keep(text, items)
    }

    /// Keeps what is in a script, and nothing else.
    fn replace(&mut self, text: &str) -> Result<(), Failure> {
        let before = std::mem::take(&mut self.kept.items);
        if edit::parts(text).iter().all(|part| part.class == Class::Comment) {
            return Ok(());
        }
        let result = self.add_all(text);
        if result.is_err() {
            self.kept.items = before;
        }
        result
    }

    fn run_kept(&mut self) -> Result<(), Failure> {
        let text = self.kept.text();
        if !self.kept.items.iter().any(Item::is_probe) {
            let help = "`:add` keeps the probe that ran last, `:add TEXT` another";
            return Err(Failure::message("no probe is kept", Some(help)));
        }
        let items = items(&text).unwrap_or_default();
        let line = Wrapped { text: &text, ..Wrapped::default() };
        let composed = self.kept.compose(&line, &items);
        let compiled = self.compile(&composed, &text, true)?;
        self.run(compiled, &composed, self.options.hide_globals)
    }

    fn emit(&mut self, rest: &str) -> Result<(), Failure> {
        let (name, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let Ok(stage) = Stage::from_str(name, false) else {
            let stages = Stage::value_variants().iter().filter_map(Stage::to_possible_value);
            let stages: Vec<String> = stages.map(|s| s.get_name().to_string()).collect();
            let text = format!("`{name}` is no stage");
            return Err(Failure::message(text, Some(&format!("stages: {}", stages.join(", ")))));
        };
        let text = match text.trim() {
            "" if self.last.is_empty() => self.kept.text(),
            "" => self.last.clone(),
            text if items(text).is_some() => text.to_string(),
            text => format!("probe begin {{ {text} }}"),
        };
        let items = items(&text).unwrap_or_default();
        let line = Wrapped { text: &text, ..Wrapped::default() };
        self.emit_stage(stage, self.kept.compose(&line, &items))
    }

    fn set(&mut self, rest: &str) -> Result<(), Failure> {
        let (name, value) = rest.split_once([' ', '=']).unwrap_or((rest, ""));
        let value = value.trim();
        let on = matches!(value, "1" | "yes" | "on" | "true");
        match name {
            "target_pid" => self.settings.process = value.parse().ok(),
            "cmd" => self.settings.command = Some(value.to_string()).filter(|v| !v.is_empty()),
            "verbose" => self.settings.verbose = on,
            "suppress_warnings" => self.settings.no_warnings = on,
            _ => {
                let help = "options: target_pid, cmd, verbose, suppress_warnings";
                return Err(Failure::message(format!("there is no option `{name}`"), Some(help)));
            }
        }
        Ok(())
    }
}

/// The declarations and probes of a text; `None` when it is a statement.
fn items(text: &str) -> Option<Vec<Item>> {
    Some(edit::declared(text)?.into_iter().map(|declared| Item::new(declared, text)).collect())
}

/// The name that a line assigns to: `name = …`, `name[…] = …`.
fn assigned(text: &str) -> Option<&str> {
    let parts = edit::parts(text);
    let (name, mut rest) = parts.split_first().filter(|(name, _)| name.class == Class::Name)?;
    let is = |part: &edit::Part, written: &[&str]| written.contains(&&text[part.range.clone()]);
    if rest.first().is_some_and(|part| is(part, &["["])) {
        let end = rest.iter().position(|part| is(part, &["]"]))?;
        rest = &rest[end + 1..];
    }
    let is_assignment = is(rest.first()?, &["=", "+=", "-=", "++", "--", "<<<"]);
    is_assignment.then_some(&text[name.range.clone()])
}

/// The values of a global, one to a line.
fn shown(name: &str, saved: &SavedGlobal) -> String {
    let lines = saved.elements.iter().map(|(keys, value)| match &keys[..] {
        [] => format!("{name}={value}\n"),
        keys => format!("{name}[{}]={value}\n", keys.join(",")),
    });
    lines.chain([saved.shown_aggregates(name)]).collect()
}

fn file(rest: &str) -> Result<std::path::PathBuf, Failure> {
    match rest.strip_prefix("~/").zip(std::env::var_os("HOME")) {
        _ if rest.is_empty() => Err(Failure::message("the name of a file is needed", None)),
        Some((rest, home)) => Ok(std::path::Path::new(&home).join(rest)),
        None => Ok(rest.into()),
    }
}
