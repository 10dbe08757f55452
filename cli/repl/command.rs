//! The commands of the prompt: one table for their names, what they take, and help.

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Add,
    Delete,
    Edit,
    Emit,
    Help,
    List,
    Load,
    Quit,
    Run,
    Sample,
    Save,
    Set,
    Show,
    Type,
    Vars,
}

/// A command as the user sees it.
pub(super) struct Row {
    pub(super) command: Command,
    pub(super) name: &'static str,
    pub(super) takes: &'static str,
    pub(super) summary: &'static str,
    /// Whether `stap -i` has it, so that it is known without the colon, too.
    plain: bool,
}

const fn row(
    command: Command,
    name: &'static str,
    takes: &'static str,
    plain: bool,
    summary: &'static str,
) -> Row {
    Row { command, name, takes, summary, plain }
}

/// All commands.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Row] = &[
    row(Command::Add, "add", "[TEXT]", true, "keep probes without running them; without TEXT the one that ran last"),
    row(Command::Delete, "delete", "N", true, "forget what `:show` lists under a number"),
    row(Command::Edit, "edit", "", true, "edit what is kept in $VISUAL or $EDITOR"),
    row(Command::Emit, "emit", "STAGE [TEXT]", false, "print ast, types, split, clif, bpf or object of TEXT, or of what is kept"),
    row(Command::Help, "help", "[TOPIC]", true, "say what a function, probe point, alias or command is for"),
    row(Command::List, "list", "PATTERN", true, "list probe points and tracepoints whose name matches"),
    row(Command::Load, "load", "FILE", true, "keep what is in a script"),
    row(Command::Quit, "quit", "", true, "leave; so does Ctrl-D"),
    row(Command::Run, "run", "", true, "run what is kept"),
    row(Command::Sample, "sample", "WORDS", true, "show examples that have all the words in them"),
    row(Command::Save, "save", "FILE", true, "write what is kept to a script"),
    row(Command::Set, "set", "NAME VALUE", true, "set an option: target_pid, cmd, verbose, suppress_warnings"),
    row(Command::Show, "show", "", true, "list what is kept, with numbers"),
    row(Command::Type, "type", "EXPR", false, "say the type of an expression or global"),
    row(Command::Vars, "vars", "", false, "list globals with their values"),
];

/// What a line that begins like a command is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    Command(Command, &'l str),
    /// A name behind a colon that is none, or may be several.
    Unknown(&'l str),
    Script,
}

/// Tells commands from script text; `is_known` are the names of the script, which come first.
pub(super) fn parse<'l>(line: &'l str, is_known: impl Fn(&str) -> bool) -> Line<'l> {
    let line = line.trim();
    let with_colon = line.strip_prefix(':');
    let text = with_colon.unwrap_or(line);
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    if with_colon.is_some() {
        let exact = COMMANDS.iter().find(|row| row.name == name);
        let mut near = COMMANDS.iter().filter(|row| row.name.starts_with(name));
        return match (exact, near.next(), near.next()) {
            (Some(row), _, _) | (None, Some(row), None) if !name.is_empty() => {
                Line::Command(row.command, rest)
            }
            _ => Line::Unknown(name),
        };
    }
    let plain = COMMANDS.iter().find(|row| row.plain && row.name == name);
    match plain {
        Some(row) if !is_known(name) && is_argument(row.command, rest) => {
            Line::Command(row.command, rest)
        }
        _ if matches!(text, "exit" | "?") => {
            Line::Command(if text == "?" { Command::Help } else { Command::Quit }, "")
        }
        _ => Line::Script,
    }
}

/// Whether the rest of a line without a colon looks like what the command takes.
fn is_argument(command: Command, rest: &str) -> bool {
    match command {
        // `delete` is a statement, too.
        Command::Delete => rest.parse::<usize>().is_ok(),
        _ => !rest.starts_with(['=', '(', '[', '+', '-', '<', '>', ';', ',']),
    }
}

/// The help of all commands.
pub(super) fn overview() -> String {
    let rows = COMMANDS.iter().map(|row| {
        format!("  {:<20} {}\n", format!(":{} {}", row.name, row.takes).trim_end(), row.summary)
    });
    format!(
        "A probe runs when it is complete; Ctrl-C ends it. An expression prints its value.\n\
         Globals, functions, aliases and macros are kept, and so are the values of globals.\n{}",
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_script_text() {
        let rows = [
            (":help", Line::Command(Command::Help, "")),
            (":h execname", Line::Command(Command::Help, "execname")),
            ("help execname", Line::Command(Command::Help, "execname")),
            (":l x", Line::Unknown("l")),
            (":", Line::Unknown("")),
            ("delete 2", Line::Command(Command::Delete, "2")),
            ("delete a[2]", Line::Script),
            ("run = 5", Line::Script),
            ("run", Line::Command(Command::Run, "")),
            ("type x", Line::Script),
            ("list tcp*", Line::Command(Command::List, "tcp*")),
            ("show", Line::Script),
            ("exit", Line::Command(Command::Quit, "")),
            ("exit()", Line::Script),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text, |name| name == "show"), expected, "{text}");
        }
    }
}
