//! The pages of `docs/reference/`, written from the catalogues.

use std::fmt::Write;

use ntap_compiler::builtins::{self, Builtin, Kernel, Kind};
use ntap_compiler::diagnostic::codes;
use ntap_compiler::families;

/// The pages with their file names.
pub(crate) fn pages() -> [(&'static str, String); 3] {
    [("functions.md", functions()), ("probes.md", probes()), ("diagnostics.md", diagnostics())]
}

fn functions() -> String {
    let mut page = start(
        "Functions",
        "Functions every script may call. `print` and its family, which take any number of values, are in [the language](../language.md).",
    );
    let mut rows: Vec<&Builtin> = builtins::all().collect();
    rows.sort_by_key(|row| row.name);
    for row in rows {
        let place = match row.kernel {
            Kernel::Inline(_) | Kernel::Pure(_) => {
                "In kernel probes it is computed in the handler."
            }
            Kernel::Deferred => {
                "In kernel probes it is computed in userspace, after the event; what follows from it is, too."
            }
            Kernel::DeferredLast => {
                "In kernel probes it is done in userspace, and the handler ends there."
            }
        };
        section(&mut page, &signature(row), &sentence(row.summary), Some(place), row.example);
    }
    page
}

fn probes() -> String {
    let mut page = start("Probes", "What can stand after `probe`.");
    for family in families::all() {
        let form = families::form_text(family);
        section(&mut page, &form, &sentence(family.summary), None, family.example);
    }
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
    let _ = write!(page, "\n\n```ntap\n{}\n```\n", example.trim());
}

fn signature(row: &Builtin) -> String {
    let parameters: Vec<String> =
        row.parameters.iter().map(|p| format!("{}{}", p.name, type_name(p.kind))).collect();
    format!("{}({}){}", row.name, parameters.join(", "), type_name(row.result))
}

/// As declarations write it.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Long => ":long",
        Kind::Text(_) => ":string",
        Kind::Nothing => "",
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}
