//! What the library's files say about themselves: heads of declarations, and the comments above them.

use super::{Library, LibraryFile};
use crate::syntax::declarations::{self, Declaration, Keyword};

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A function.
    Function,
    /// A probe alias.
    Alias,
    /// A macro.
    Macro,
}

/// A public declaration of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is declared.
    pub kind: EntryKind,
    /// Its name; a macro's begins with `@`.
    pub name: String,
    /// A function as `name:type (parameter:type, ...)`, an alias as `name = points`, a macro as
    /// `@name(a, b)`.
    pub head: String,
    /// The comment above it, a paragraph.
    pub summary: String,
    /// The script in the comment behind a line `Example:`; may be empty.
    pub example: String,
    /// The name of the file it is in.
    pub file: String,
}

/// Every declaration of a library that is meant for scripts, by kind and name.
pub fn documentation(library: &Library) -> Vec<Entry> {
    let mut entries: Vec<Entry> = library.files().iter().flat_map(of_file).collect();
    entries.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    entries
}

fn of_file(file: &LibraryFile) -> impl Iterator<Item = Entry> {
    let declarations: Vec<Declaration> = if file.embedded {
        declarations::in_first_column(&file.text).collect()
    } else {
        declarations::anywhere(&file.text)
    };
    declarations.into_iter().filter_map(|declaration| entry(file, &declaration))
}

fn entry(file: &LibraryFile, declaration: &Declaration) -> Option<Entry> {
    let is_internal = declaration.private || declaration.names.first()?.starts_with("__");
    if is_internal {
        return None;
    }
    let text = &file.text[declaration.start..];
    let (kind, name, head) = match declaration.keyword {
        Keyword::Global => return None,
        Keyword::Function => {
            let head = text.strip_prefix("function")?.split('{').next()?;
            (EntryKind::Function, declaration.names[0].clone(), function_head(head))
        }
        Keyword::Define => {
            let head = text.strip_prefix("@define")?.split("%(").next()?;
            (EntryKind::Macro, format!("@{}", declaration.names[0]), format!("@{}", head.trim()))
        }
        Keyword::Probe => {
            let head = text.strip_prefix("probe")?.split(" {").next()?.split("\n{").next()?;
            let (name, points) = head.split_once('=')?;
            let name = name.trim().trim_end_matches('+').trim_end();
            (EntryKind::Alias, name.to_string(), format!("{name} = {}", one_line(points)))
        }
    };
    let (summary, example) = comment_above(&file.text[..declaration.start]);
    Some(Entry { kind, name, head, summary, example, file: file.name.to_string() })
}

/// `name:type(a:type,b:type)` with the spaces of a list.
fn function_head(head: &str) -> String {
    let (name, rest) = head.trim().split_once('(').unwrap_or((head.trim(), ")"));
    let parameters = rest.rsplit_once(')').map_or(rest, |(parameters, _)| parameters);
    let typed = |text: &str| match text.trim() {
        "" => String::new(),
        text if text.contains(':') => text.replace(char::is_whitespace, ""),
        text => format!("{text}:unknown"),
    };
    let parameters: Vec<String> = parameters.split(',').map(typed).collect();
    format!("{} ({})", typed(name), parameters.join(", "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The comment that ends directly above, cut into its text and its example.
fn comment_above(before: &str) -> (String, String) {
    let comment = |line: &str| Some(line.strip_prefix("//")?.trim_start_matches(' ').to_string());
    let mut lines: Vec<String> = before.lines().rev().map_while(comment).collect();
    lines.reverse();
    let cut = lines.iter().position(|line| line == "Example:").unwrap_or(lines.len());
    let example = lines.get(cut + 1..).unwrap_or_default().join("\n");
    (one_line(&lines[..cut].join(" ")), example)
}
