//! Lines from the terminal, with completion, hints and colours; or plainly from standard input.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::BufRead;
use std::path::PathBuf;
use std::rc::Rc;

use ntap_compiler::syntax::edit::{self, Class, Part};
use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Context, Editor, Helper};

use super::command::COMMANDS;
use super::kept::Kept;
use super::members::Members;
use super::names::Names;

/// What a prompt was given.
pub(super) enum Input {
    Text(String),
    /// Ctrl-C: what was typed is dropped.
    Abandoned,
    End,
}

/// Where lines come from.
pub(super) enum Lines {
    Terminal(Box<Editor<Assistant, FileHistory>>, Option<PathBuf>),
    Plain,
}

const PROMPT: &str = "ntap> ";

/// The history holds so many lines.
const HISTORY: usize = 2000;

/// Lines typed at a terminal.
pub(super) fn at_terminal(names: Rc<Names>, color: bool) -> rustyline::Result<Lines> {
    let config = rustyline::Config::builder()
        .completion_type(CompletionType::List)
        .color_mode(if color { ColorMode::Enabled } else { ColorMode::Disabled })
        .auto_add_history(true)
        .max_history_size(HISTORY)?
        .build();
    let mut editor: Editor<Assistant, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant {
        members: names.members(),
        names,
        globals: RefCell::default(),
        color,
    }));
    editor.set_indent_size(2);
    let history = history_file();
    if let Some(path) = &history {
        // There is none yet.
        let _ = editor.load_history(path);
    }
    Ok(Lines::Terminal(Box::new(editor), history))
}

/// Lines of standard input.
pub(super) fn plain() -> Lines {
    Lines::Plain
}

/// `$XDG_STATE_HOME/ntap/history`.
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(set("HOME")?.join(".local/state")))?;
    let folder = state.join("ntap");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

impl Lines {
    /// Reads until what was typed is complete.
    pub(super) fn read(&mut self, kept: &Kept) -> Input {
        match self {
            Lines::Terminal(editor, history) => {
                if let Some(helper) = editor.helper() {
                    *helper.globals.borrow_mut() = own_names(kept);
                }
                match editor.readline(PROMPT) {
                    Ok(text) => {
                        if let Some(path) = history {
                            // A history that cannot be written is no reason to stop.
                            let _ = editor.append_history(path);
                        }
                        Input::Text(text)
                    }
                    Err(ReadlineError::Interrupted) => Input::Abandoned,
                    Err(_) => Input::End,
                }
            }
            Lines::Plain => read_plain(&mut std::io::stdin().lock()),
        }
    }

    /// Ends reading.
    pub(super) fn close(self) {}
}

/// The names a user has given to globals, functions and the like.
fn own_names(kept: &Kept) -> Vec<String> {
    let items = kept.items.iter().filter(|item| !item.is_probe());
    items.flat_map(|item| item.names.iter().cloned()).collect()
}

fn read_plain(source: &mut impl BufRead) -> Input {
    let mut text = String::new();
    loop {
        let mut line = vec![];
        match source.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) if text.is_empty() => return Input::End,
            Ok(0) | Err(_) => return Input::Text(text),
            Ok(_) => {}
        }
        let line = String::from_utf8(line)
            .unwrap_or_else(|error| ntap_compiler::bytes::literal(error.as_bytes()));
        text.push_str(&line);
        if !is_incomplete(&text) {
            return Input::Text(text);
        }
    }
}

/// Whether a text goes on in the next line; a command never does, and an empty line ends a text that lacks
/// no closing bracket.
fn is_incomplete(text: &str) -> bool {
    !text.trim_start().starts_with(':') && edit::needs_more(text)
}

/// What helps while a line is typed.
pub(super) struct Assistant {
    names: Rc<Names>,
    members: Members,
    globals: RefCell<Vec<String>>,
    color: bool,
}

/// What stands left of the cursor.
enum Place<'l> {
    Command(&'l str),
    /// The name of a tracepoint.
    Tracepoint(&'l str),
    /// A probe point.
    Point(&'l str),
    /// `$prev->se->lo`, in a handler of a probe point.
    Variable {
        point: &'l str,
        chain: &'l str,
    },
    Word(&'l str),
}

/// What can be completed to.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    text: String,
    /// Its type, when it has one.
    ty: String,
}

/// What a text ends in, for completion.
fn place(text: &str) -> Place<'_> {
    if let Some(name) = text.strip_prefix(':')
        && !name.contains(char::is_whitespace)
    {
        return Place::Command(name);
    }
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@');
    let word = text.rfind(|c| !is_word(c)).map_or(text, |at| &text[at..][1..]);
    if let Some((before, name)) = text.rsplit_once('"')
        && before.trim_end_matches(' ').ends_with("trace(")
    {
        return Place::Tracepoint(name);
    }
    // What stands between `probe` or a comma and the cursor, outside of braces.
    let parts = edit::parts(text);
    let mut start = None;
    let mut head = "";
    let mut depth = 0i32;
    for Part { range, class } in &parts {
        match (*class, &text[range.clone()]) {
            (Class::Keyword, "probe") => start = Some(range.end),
            (Class::Punctuation, "{") if depth == 0 => {
                head = start.map_or("", |start| text[start..range.start].trim());
                depth += 1;
            }
            (Class::Punctuation, "{" | "(" | "[") => depth += 1,
            (Class::Punctuation, "}" | ")" | "]") => depth -= 1,
            (Class::Punctuation, "," | "=" | "+=") if depth == 0 && start.is_some() => {
                start = Some(range.end);
            }
            _ => {}
        }
    }
    match start {
        Some(start) if depth == 0 && text[start..].starts_with(char::is_whitespace) => {
            Place::Point(text[start..].trim_start())
        }
        _ => match chain(text) {
            Some(chain) if depth > 0 => Place::Variable { point: head, chain },
            _ => Place::Word(word),
        },
    }
}

/// `$name->name` at the end of a text.
fn chain(text: &str) -> Option<&str> {
    let start = text.rfind('$')?;
    let chain = &text[start..];
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    chain[1..].split("->").all(is_name).then_some(chain)
}

impl Assistant {
    /// Where what is completed begins, as bytes from its end, and what it can be.
    fn candidates(&self, text: &str) -> (usize, Vec<Candidate>) {
        let untyped = |texts: Vec<String>| -> Vec<Candidate> {
            texts.into_iter().map(|text| Candidate { text, ty: String::new() }).collect()
        };
        let beginning = |word: &str, names: &mut dyn Iterator<Item = String>| {
            let mut found: Vec<String> = names.filter(|name| name.starts_with(word)).collect();
            found.sort();
            found.dedup();
            (word.len(), untyped(found))
        };
        match place(text) {
            Place::Command(name) => {
                beginning(name, &mut COMMANDS.iter().map(|row| row.name.to_string()))
            }
            Place::Tracepoint(name) => {
                let all = self.names.tracepoints().iter().map(|full| match name.contains(':') {
                    true => full.clone(),
                    false => full.split(':').next_back().unwrap_or(full).to_string(),
                });
                beginning(name, &mut all.into_iter())
            }
            Place::Point(written) => {
                let last = written.rsplit('.').next().unwrap_or(written);
                (last.len(), untyped(self.names.components(written)))
            }
            Place::Variable { point, chain } => {
                let last = chain.rsplit("->").next().unwrap_or(chain);
                let found = self.members.continuations(point, chain).into_iter();
                let found = found.map(|typed| Candidate { text: typed.name, ty: typed.ty });
                (last.len(), found.collect())
            }
            Place::Word("") => (0, vec![]),
            Place::Word(word) => {
                let globals = self.globals.borrow();
                let own = globals.iter().cloned();
                let probe_words = self.names.words().map(str::to_string);
                beginning(word, &mut own.chain(probe_words))
            }
        }
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (length, candidates) = self.candidates(&line[..position]);
        let shown = |Candidate { text, ty }| match ty.is_empty() {
            true => Pair { display: String::clone(&text), replacement: text },
            false => Pair { display: format!("{text}: {ty}"), replacement: text },
        };
        Ok((position - length, candidates.into_iter().map(shown).collect()))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// The rest of the only name that fits; behind the bracket of a call, what the function takes.
    fn hint(&self, line: &str, position: usize, _: &Context<'_>) -> Option<String> {
        if position < line.len() || line.is_empty() {
            return None;
        }
        if let Some(before) = line.strip_suffix('(') {
            let Place::Word(name) = place(before) else { return None };
            let function = self.names.functions().iter().find(|named| named.name == name)?;
            let (result, parameters) = function.head.split_once(" (")?;
            let kind = result.split_once(':').map_or("", |(_, kind)| kind);
            return Some(format!("{parameters} {kind}").trim_end().to_string());
        }
        let (length, candidates) = self.candidates(line);
        match &candidates[..] {
            [only] if length > 0 && only.text.len() > length => {
                Some(only.text[length..].to_string())
            }
            _ => None,
        }
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.color {
            return Cow::Borrowed(line);
        }
        if line.starts_with(':') {
            return Cow::Owned(format!("\x1b[36m{line}\x1b[0m"));
        }
        let mut out = String::with_capacity(line.len() * 2);
        let mut end = 0;
        for part in edit::parts(line) {
            out.push_str(&line[end..part.range.start]);
            end = part.range.end;
            let text = &line[part.range];
            match color(part.class) {
                Some(color) => out.push_str(&format!("\x1b[{color}m{text}\x1b[0m")),
                None => out.push_str(text),
            }
        }
        out.push_str(&line[end..]);
        Cow::Owned(out)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if !self.color {
            return Cow::Borrowed(hint);
        }
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.color && kind != CmdKind::MoveCursor
    }
}

/// The colour of a part, as the parameter of the escape.
fn color(class: Class) -> Option<&'static str> {
    match class {
        Class::Keyword => Some("1;34"),
        Class::Operator => Some("35"),
        Class::Variable => Some("36"),
        Class::Number => Some("33"),
        Class::Text => Some("32"),
        Class::Comment => Some("2"),
        Class::Broken => Some("31"),
        Class::Name | Class::Punctuation | Class::Directive => None,
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_incomplete(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Helper for Assistant {}

#[cfg(test)]
mod tests {
    use super::*;
    use ntap_compiler::library::Library;
    use ntap_runtime::kernel::LiveKernel;

    fn assistant() -> Assistant {
        let names = Names::new(Library::embedded(), Rc::new(LiveKernel::new()));
        let globals = RefCell::new(vec!["my_count".to_string()]);
        Assistant { members: names.members(), names: Rc::new(names), globals, color: true }
    }

    #[test]
    fn completion_knows_where_it_is() {
        let assistant = assistant();
        let rows = [
            (":he", "help"),
            ("probe timer.m", "ms"),
            ("probe begin, en", "end"),
            ("probe begin { println(execn", "execname"),
            ("my_", "my_count"),
            ("fore", "foreach"),
            ("probe begin { @cou", "@count"),
        ];
        for (text, expected) in rows {
            let (_, found) = assistant.candidates(text);
            assert!(found.iter().any(|name| name.text == expected), "{text}: {found:?}");
        }
        assert_eq!(assistant.candidates("probe begin { x = ").1.len(), 0);
        if assistant.names.tracepoints().is_empty() {
            return println!("skipped: no types");
        }
        let rows = [
            ("$pre", "$prev", "struct task_struct*"),
            ("f($prev->se->lo", "load", "struct load_weight"),
            ("$prev->se->load->we", "weight", "long unsigned int"),
            ("$prev->mm->owner->pi", "pid", "pid_t"),
        ];
        for (text, name, ty) in rows {
            let (_, found) = assistant
                .candidates(&format!("probe kernel.trace(\"sched_switch\") {{ if (1) {{ {text}"));
            let typed = found.iter().find(|found| found.text == name);
            assert_eq!(typed.map(|typed| &*typed.ty), Some(ty), "{text}: {found:?}");
        }
    }

    #[test]
    fn lines_are_joined_until_complete() {
        let mut source = &b"probe begin {\n  print(1)\n}\n:help (\n1 +\n"[..];
        let mut texts = vec![];
        while let Input::Text(text) = read_plain(&mut source) {
            texts.push(text);
        }
        assert_eq!(texts, ["probe begin {\n  print(1)\n}\n", ":help (\n", "1 +\n"]);
    }
}
