//! What those ask who show and edit scripts: which parts a text has, whether it is complete, and what it
//! declares. Nothing is parsed, so that a text may be half written.

use std::ops::Range;

use super::declarations::{self, Declaration};
use super::preprocess::{Junk, Token, TokenKind, tokens};
use super::words;
use crate::source::FileId;

pub use super::declarations::Keyword;

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A reserved word.
    Keyword,
    /// Any other word.
    Name,
    /// `$name`, `@1`: what is not of the script itself.
    Variable,
    /// `@count` and the like, and macros.
    Operator,
    /// A number.
    Number,
    /// A string literal with its quotes.
    Text,
    /// Operators and brackets.
    Punctuation,
    /// `%(`, `%?`, `%:`, `%)`.
    Directive,
    /// A comment.
    Comment,
    /// What begins no token, or has no end.
    Broken,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it is.
    pub class: Class,
}

/// The parts of a text in order, white space left out.
pub fn parts(text: &str) -> Vec<Part> {
    let mut parts = vec![];
    let mut end = 0;
    for token in tokens(FileId(0), text) {
        let mut range = token.span.start as usize..token.span.end as usize;
        comments(text, end..range.start, &mut parts);
        if matches!(token.kind, TokenKind::Junk(Junk::Comment | Junk::Embedded)) {
            range.end = text.len();
        }
        end = range.end;
        parts.push(Part { range, class: class(&token) });
    }
    comments(text, end.min(text.len())..text.len(), &mut parts);
    parts
}

/// What stands between two tokens and is no white space is comments.
fn comments(text: &str, between: Range<usize>, parts: &mut Vec<Part>) {
    let gap = &text[between.clone()];
    let start = gap.len() - gap.trim_start_matches(is_blank).len();
    let end = gap.trim_end().len();
    if start < end {
        parts.push(Part {
            range: between.start + start..between.start + end,
            class: Class::Comment,
        });
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

fn class(token: &Token<'_>) -> Class {
    match token.kind {
        TokenKind::Word if words::is_keyword(&token.text) => Class::Keyword,
        TokenKind::Word if token.text.starts_with('@') => Class::Operator,
        TokenKind::Word if token.text.starts_with('$') => Class::Variable,
        TokenKind::Word => Class::Name,
        TokenKind::Number => Class::Number,
        TokenKind::String => Class::Text,
        TokenKind::Punctuation => Class::Punctuation,
        TokenKind::Directive | TokenKind::Embedded => Class::Directive,
        TokenKind::Junk(Junk::Argument | Junk::NestedArgument) => Class::Variable,
        TokenKind::Junk(Junk::String | Junk::Comment | Junk::Embedded | Junk::Character) => {
            Class::Broken
        }
    }
}

/// Whether a text is the beginning of something: brackets, a comment or a conditional are open, or a
/// declaration or operator waits for the rest of it.
pub fn needs_more(text: &str) -> bool {
    let tokens = tokens(FileId(0), text);
    let mut open: Vec<&str> = vec![];
    let mut bodies = 0;
    let mut heads = 0;
    // The brackets behind `if` and the like, by how deep they are; and whether the last token closes one.
    let mut conditions: Vec<usize> = vec![];
    let mut ends_condition = false;
    let mut before = "";
    for token in &tokens {
        ends_condition = false;
        if &*token.text == "(" && matches!(before, "if" | "while" | "for" | "foreach") {
            conditions.push(open.len());
        }
        before = &token.text;
        match (token.kind, &*token.text) {
            (TokenKind::Junk(Junk::Comment | Junk::Embedded), _) => return true,
            (TokenKind::Junk(Junk::String | Junk::Character), _) => return false,
            (TokenKind::Punctuation, "(") => open.push(")"),
            (TokenKind::Punctuation, "[") => open.push("]"),
            (TokenKind::Punctuation, "{") => open.push("}"),
            (TokenKind::Directive, "%(") => open.push("%)"),
            (TokenKind::Punctuation, ")" | "]" | "}") | (TokenKind::Directive, "%)") => {
                if open.pop() != Some(&*token.text) {
                    return false;
                }
                if conditions.last() == Some(&open.len()) {
                    conditions.pop();
                    ends_condition = true;
                }
                if open.is_empty() && &*token.text == "}" {
                    bodies += 1;
                }
            }
            (TokenKind::Word, "probe" | "function") if open.is_empty() => heads += 1,
            _ => {}
        }
    }
    let Some(last) = tokens.last() else { return false };
    let embedded = tokens.iter().filter(|token| token.kind == TokenKind::Embedded).count();
    !open.is_empty() || heads > bodies + embedded || ends_condition || waits(last)
}

/// Whether something has to follow a token.
fn waits(last: &Token<'_>) -> bool {
    match last.kind {
        TokenKind::Punctuation => {
            !matches!(&*last.text, ")" | "]" | "}" | ";" | "++" | "--" | "%" | "*" | "?" | "!")
        }
        TokenKind::Word => matches!(
            &*last.text,
            "else"
                | "global"
                | "private"
                | "function"
                | "probe"
                | "in"
                | "if"
                | "while"
                | "for"
                | "foreach"
                | "try"
        ),
        _ => false,
    }
}

/// A top-level declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// What it begins with.
    pub keyword: Keyword,
    /// The names it declares; those of an alias's components; none for a probe.
    pub names: Vec<String>,
    /// Its bytes, up to the next declaration.
    pub range: Range<usize>,
}

/// The declarations of a text; `None` when it begins with anything else.
pub fn declared(text: &str) -> Option<Vec<Declared>> {
    let first = tokens(FileId(0), text).first()?.span.start as usize;
    let found: Vec<Declaration> = declarations::anywhere(text);
    if found.first()?.start != first {
        return None;
    }
    let mut ends: Vec<usize> = found.iter().skip(1).map(|d| d.start).collect();
    ends.push(text.len());
    let declared = found.into_iter().zip(ends).map(|(declaration, end)| Declared {
        keyword: declaration.keyword,
        names: declaration.names,
        range: declaration.start..end,
    });
    Some(declared.collect())
}

/// The reserved words, and the operators that begin with `@`.
pub fn reserved_words() -> impl Iterator<Item = &'static str> {
    words::KEYWORDS.iter().chain(words::OPERATORS).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_complete() {
        let complete = [
            "",
            "1 + 2",
            "probe begin { }",
            "probe begin { } probe end { }",
            "global a, b[5], c%",
            "function f(x) { return x }",
            "printf(\"{\")",
            "x++",
            "print(1 }",
            "\"no end",
            "probe a.b = begin { x = 1 }",
            "# probe {",
            "@define m(x) %( @x %)",
            "if (1) { print(1) }",
            "while ((f(1))) x++",
        ];
        for text in complete {
            assert!(!needs_more(text), "{text}");
        }
        let incomplete = [
            "probe begin {",
            "probe begin",
            "probe kernel.trace(\"x\")",
            "probe",
            "probe begin, end",
            "probe begin,",
            "function f(x)",
            "function f(x) { if (x) {",
            "1 +",
            "x =",
            "print(1,",
            "/* not yet",
            "global",
            "global a,",
            "%( 1 == 1 %? probe begin {}",
            "probe begin { } probe end",
            "probe a.b = begin",
            "if ((1))",
            "foreach (a in b)",
        ];
        for text in incomplete {
            assert!(needs_more(text), "{text}");
        }
    }

    #[test]
    fn parts_with_comments() {
        let text = "probe begin { # why\n  $a = @count(x) + 0x1f /* b */ \"s\" }";
        let found: Vec<(&str, Class)> =
            parts(text).into_iter().map(|p| (&text[p.range], p.class)).collect();
        let of = |class| {
            let of_class = found.iter().filter(|(_, c)| *c == class);
            of_class.map(|(t, _)| *t).collect::<Vec<_>>()
        };
        assert_eq!(of(Class::Keyword), ["probe"]);
        assert_eq!(of(Class::Comment), ["# why", "/* b */"]);
        assert_eq!(of(Class::Variable), ["$a"]);
        assert_eq!(of(Class::Operator), ["@count"]);
        assert_eq!(of(Class::Number), ["0x1f"]);
        assert_eq!(of(Class::Text), ["\"s\""]);
        assert_eq!(of(Class::Name), ["begin", "x"]);
    }

    #[test]
    fn declarations_of_a_text() {
        assert_eq!(declared("1 + 2"), None);
        assert_eq!(declared(""), None);
        let text = "global a, b probe begin { a = 1 } function f() { }";
        let found = declared(text).unwrap_or_default();
        let found: Vec<(Keyword, &str)> =
            found.iter().map(|d| (d.keyword, text[d.range.clone()].trim())).collect();
        let expected = [
            (Keyword::Global, "global a, b"),
            (Keyword::Probe, "probe begin { a = 1 }"),
            (Keyword::Function, "function f() { }"),
        ];
        assert_eq!(found, expected);
    }
}
