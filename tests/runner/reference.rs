//! The pages of `docs/reference/`, written from the catalogues.

use std::fmt::Write;

use ntap_compiler::builtins::{self, Builtin, Kernel, Kind};
use ntap_compiler::diagnostic::codes;
use ntap_compiler::families;
use ntap_compiler::library::{EntryKind, Library, documentation};

/// The pages with their file names.
pub(crate) fn pages() -> [(&'static str, String); 4] {
    [
        ("functions.md", functions()),
        ("probes.md", probes()),
        ("macros.md", macros()),
        ("diagnostics.md", diagnostics()),
    ]
}

fn functions() -> String {
    let mut page = start(
        "Functions",
        "Functions every script may call. `print` and its family, which take any number of values, are in [the language](../language.md).",
    );
    let mut rows: Vec<(String, String)> = library(EntryKind::Function);
    for row in builtins::all().filter(|row| !row.is_internal()) {
        let mut text = String::new();
        builtin(&mut text, row);
        rows.push((row.name.to_string(), text));
    }
    rows.sort();
    page.extend(rows.into_iter().map(|(_, text)| text));
    page
}

fn builtin(page: &mut String, row: &Builtin) {
    let place = match row.kernel {
        Kernel::Inline(_) | Kernel::Pure(_) => "In kernel probes it is computed in the handler.",
        Kernel::Deferred => {
            "In kernel probes it is computed in userspace, after the event; what follows from it is, too."
        }
        Kernel::DeferredLast => {
            "In kernel probes it is done in userspace, and the handler ends there."
        }
        Kernel::Raise(_) => "In kernel probes it ends the handler, or the `try` around it.",
    };
    section(page, &signature(row), &sentence(row.summary), Some(place), row.example);
}

/// What the library has of a kind: names with their sections.
fn library(kind: EntryKind) -> Vec<(String, String)> {
    let entries = documentation(Library::embedded()).into_iter().filter(|e| {
        // Second names would be most of the page.
        e.kind == kind && !e.summary.starts_with("As `")
    });
    let with_section = entries.map(|entry| {
        let mut text = String::new();
        let head = entry.head.replacen(" (", "(", 1);
        section(&mut text, &head, &sentence(&entry.summary), None, &entry.example);
        (entry.name, text)
    });
    with_section.collect()
}

fn macros() -> String {
    let mut page = start(
        "Macros",
        "Macros every script may use. They are expanded before a script is parsed.",
    );
    page.extend(library(EntryKind::Macro).into_iter().map(|(_, text)| text));
    page
}

fn probes() -> String {
    let mut page = start("Probes", "What can stand after `probe`.");
    for family in families::all().filter(|family| !family.is_internal()) {
        let form = families::form_text(family);
        section(&mut page, &form, &sentence(family.summary), None, family.example);
    }
    page.extend(library(EntryKind::Alias).into_iter().map(|(_, text)| text));
    page
}

fn diagnostics() -> String {
    let mut page = start("Diagnostics", "What the codes of messages stand for.");
    for code in codes::ALL {
        let _ = write!(page, "\n## {}: {}\n\n{}\n", code.id, code.title, code.explanation);
    }
    page
}

fn start(title: &str, text: &str) -> String {
    format!(
        "<!-- Written by `NTAP_BLESS=1 cargo test --test documentation` from the catalogues. -->\n\n# {title}\n\n{text}\n"
    )
}

fn section(page: &mut String, title: &str, summary: &str, place: Option<&str>, example: &str) {
    let _ = write!(page, "\n## `{title}`\n\n{summary}");
    if let Some(place) = place {
        let _ = write!(page, " {place}");
    }
    page.push('\n');
    if !example.is_empty() {
        let _ = write!(page, "\n```ntap\n{}\n```\n", example.trim());
    }
}

fn signature(row: &Builtin) -> String {
    let parameters: Vec<String> =
        row.parameters.iter().map(|p| format!("{}{}", p.name, type_name(p.kind))).collect();
    format!("{}({}){}", row.name, parameters.join(", "), type_name(row.result))
}

/// As declarations write it.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Long | Kind::Pointer(_) => ":long",
        Kind::Text(_) => ":string",
        Kind::Nothing => "",
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}
