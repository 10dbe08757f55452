//! Diagnostics as text.
//!
//! ariadne draws; it is given copies of the texts without control characters (a script must not write
//! to the terminal) and places in characters, which it handles more evenly than bytes.

use std::{collections::HashMap, fmt, ops::Range};

use ariadne::{Cache, CharSet, Config, IndexType, Label, Report, ReportKind, Source};

use super::{Diagnostic, Diagnostics, Severity};
use crate::source::{FileId, SourceMap, Span};

/// How diagnostics are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Colour escapes.
    pub color: bool,
}

/// Lines longer than this are not drawn.
const LONGEST_LINE: usize = 400;

/// All diagnostics as text for a terminal, with an empty line between them.
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, options: RenderOptions) -> String {
    let mut texts = Texts { sources, drawn: HashMap::new() };
    let parts: Vec<String> =
        diagnostics.iter().map(|one| render_one(one, &mut texts, options)).collect();
    parts.join("\n")
}

fn render_one(diagnostic: &Diagnostic, texts: &mut Texts<'_>, options: RenderOptions) -> String {
    let mut out = Vec::new();
    let drawable = texts.drawable(diagnostic.primary.span)
        && diagnostic.labels.iter().all(|label| texts.drawable(label.span));
    if drawable && report(diagnostic, texts, options).write(&mut *texts, &mut out).is_ok() {
        // ariadne pads lines with spaces.
        let text = String::from_utf8_lossy(&out);
        return text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    }
    plain(diagnostic, texts.sources)
}

fn report(
    diagnostic: &Diagnostic,
    texts: &Texts<'_>,
    options: RenderOptions,
) -> Report<'static, (FileId, Range<usize>)> {
    let config = Config::default()
        .with_color(options.color)
        .with_char_set(CharSet::Unicode)
        .with_index_type(IndexType::Char);
    let kind = match diagnostic.severity {
        Severity::Error => ReportKind::Error,
        Severity::Warning => ReportKind::Warning,
    };
    let place = texts.place(diagnostic.primary.span);
    let mut builder = Report::build(kind, place)
        .with_config(config)
        .with_code(diagnostic.code.id)
        .with_message(&diagnostic.message);
    // Labels out of order would make ariadne show the same lines twice.
    let mut labels: Vec<_> =
        std::iter::once(&diagnostic.primary).chain(&diagnostic.labels).collect();
    let primary_file = diagnostic.primary.span.file;
    labels.sort_by_key(|label| {
        (label.span.file != primary_file, label.span.file, label.span.start, label.span.end)
    });
    for (order, label) in labels.into_iter().enumerate() {
        let is_primary = std::ptr::eq(label, &diagnostic.primary);
        let color = match (is_primary, diagnostic.severity) {
            (true, Severity::Error) => ariadne::Color::Red,
            (true, Severity::Warning) => ariadne::Color::Yellow,
            (false, _) => ariadne::Color::Cyan,
        };
        // ariadne does not draw a label without words.
        let text = if label.text.is_empty() { "here" } else { &label.text };
        let drawn = Label::new(texts.place(label.span))
            .with_color(color)
            .with_order(order as i32)
            .with_message(text);
        builder = builder.with_label(drawn);
    }
    for help in &diagnostic.help {
        builder = builder.with_help(help);
    }
    for note in &diagnostic.notes {
        builder = builder.with_note(note);
    }
    builder.finish()
}

/// A diagnostic without its source lines.
fn plain(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
    };
    let mut out = format!("[{}] {kind}: {}\n", diagnostic.code.id, diagnostic.message);
    for label in std::iter::once(&diagnostic.primary).chain(&diagnostic.labels) {
        let known = sources.files().any(|(id, _)| id == label.span.file);
        let place = if known { sources.locate(label.span) } else { "?".to_string() };
        let text = if label.text.is_empty() { "here" } else { &label.text };
        out.push_str(&format!("  {place}: {text}\n"));
    }
    let help = diagnostic.help.iter().map(|text| format!("  Help: {text}\n"));
    let notes = diagnostic.notes.iter().map(|text| format!("  Note: {text}\n"));
    out.extend(help.chain(notes));
    out
}

/// The texts as they are drawn.
struct Texts<'s> {
    sources: &'s SourceMap,
    drawn: HashMap<FileId, Source<String>>,
}

impl Texts<'_> {
    fn text(&self, file: FileId) -> Option<&str> {
        self.sources.files().find(|(id, _)| *id == file).map(|(_, source)| &*source.text)
    }

    /// Whether a span is in a known file and its first line is short enough.
    fn drawable(&self, span: Span) -> bool {
        let Some(text) = self.text(span.file) else { return false };
        let bytes = text.as_bytes();
        let at = (span.start as usize).min(bytes.len());
        let until = (span.end as usize).clamp(at, bytes.len());
        let is_break = |byte: &u8| *byte == b'\n';
        let before = bytes[..at].iter().rev().position(is_break).unwrap_or(at);
        let behind = bytes[until..].iter().position(is_break).unwrap_or(bytes.len() - until);
        let longest = bytes[at..until].split(is_break).map(<[u8]>::len).max().unwrap_or(0);
        before + behind + longest <= LONGEST_LINE
    }

    /// A span in characters; bounds that are not in the text are moved into it.
    fn place(&self, span: Span) -> (FileId, Range<usize>) {
        let text = self.text(span.file).unwrap_or("");
        let start = text.floor_char_boundary(span.start as usize);
        let end = text.ceil_char_boundary(span.end as usize).max(start);
        let before = text[..start].chars().count();
        let length = text[start..end].chars().count();
        (span.file, before..before + length)
    }
}

impl Cache<FileId> for &mut Texts<'_> {
    type Storage = String;

    fn fetch(&mut self, id: &FileId) -> Result<&Source<String>, impl fmt::Debug> {
        let sources = self.sources;
        let source = self.drawn.entry(*id).or_insert_with(|| {
            let text = sources.files().find(|(file, _)| file == id).map_or("", |(_, s)| &s.text);
            Source::from(visible(text))
        });
        Ok::<_, fmt::Error>(source)
    }

    fn display<'a>(&self, id: &'a FileId) -> Option<impl fmt::Display + 'a> {
        self.sources.files().find(|(file, _)| file == id).map(|(_, source)| source.name.clone())
    }
}

/// A text with each control character replaced by one visible character, and only `\n` breaking
/// lines, as everywhere else.
fn visible(text: &str) -> String {
    let replace = |character: char| match character {
        '\n' | '\t' => character,
        '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::codes;

    fn shown(text: &str, build: impl FnOnce(FileId, &mut Diagnostics)) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("script.nt", text);
        sources.add("other.nt", "probe other {}\n");
        let mut diagnostics = Diagnostics::default();
        build(file, &mut diagnostics);
        render(&diagnostics, &sources, RenderOptions::default())
    }

    #[test]
    fn labels_help_and_notes() {
        let text = "# größer\nglobal größe\nprobe begin { x = \"äöü\" y }\n";
        let out = shown(text, |file, diagnostics| {
            let at = text.find("y }").unwrap();
            let string = text.find("\"äöü\"").unwrap();
            diagnostics
                .error(codes::SYNTAX, Span::new(file, at, at + 1), "first")
                .label("here")
                .also(Span::new(file, string, string + 8), "there")
                .also(Span::new(FileId(1), 6, 11), "elsewhere")
                .help("do this")
                .help("or that")
                .note("because");
            diagnostics.warning(codes::FORMAT, Span::new(file, 0, 1), "second");
        });
        let expected = "\
[E0101] Error: first
   ╭─[ script.nt:3:25 ]
   │
 3 │ probe begin { x = \"äöü\" y }
   │                   ──┬── ┬
   │                     ╰────── there
   │                         │
   │                         ╰── here
   │
   ├─[ other.nt:1:7 ]
   │
 1 │ probe other {}
   │       ──┬──
   │         ╰──── elsewhere
   │
   │ Help 1: do this
   │
   │ Help 2: or that
   │
   │ Note: because
───╯

[E0108] Warning: second
   ╭─[ script.nt:1:1 ]
   │
 1 │ # größer
   │ ┬
   │ ╰── here
───╯
";
        assert_eq!(out, expected, "\n{out}");
    }

    #[test]
    fn odd_places_do_not_panic() {
        for text in ["", "x", "ä", "\n", "a\r\nb", "\u{1b}[31m\0\u{2028}x\u{0c}", "ab\n\n"] {
            for start in 0..8 {
                for end in 0..8 {
                    for file in 0..3 {
                        let out = shown(text, |_, diagnostics| {
                            let span = Span { file: FileId(file), start, end };
                            diagnostics
                                .error(codes::SYNTAX, span, "odd")
                                .label("label")
                                .also(Span { start: end, end: start, ..span }, "second");
                        });
                        assert!(out.contains("odd") && !out.contains('\u{1b}'), "{out}");
                    }
                }
            }
        }
    }

    #[test]
    fn long_lines_are_not_drawn() {
        let out = shown(&"x ".repeat(100_000), |file, diagnostics| {
            diagnostics
                .error(codes::SYNTAX, Span::new(file, 150_000, 150_001), "far out")
                .label("label")
                .help("help");
        });
        assert_eq!(out, "[E0101] Error: far out\n  script.nt:1:150001: label\n  Help: help\n");
    }
}
