//! The declarations of a text without parsing it: what an index of a library is made from.

use super::preprocess::{Token, TokenKind, tokens};
use super::words;
use crate::source::FileId;

/// What begins a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// `function`.
    Function,
    /// `global`.
    Global,
    /// `probe`; also an alias, which has names.
    Probe,
    /// `@define`.
    Define,
}

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) keyword: Keyword,
    pub(crate) private: bool,
    /// The names it declares; those of an alias's components; none for a probe.
    pub(crate) names: Vec<String>,
    /// Its first byte.
    pub(crate) start: usize,
}

/// The declarations that begin in the first column of a line.
pub(crate) fn in_first_column(text: &str) -> impl Iterator<Item = Declaration> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let at = start;
        start += line.len();
        if !matches!(line.as_bytes().first(), Some(b'f' | b'g' | b'p' | b'@')) {
            return None;
        }
        let tokens = tokens(FileId(0), head(line));
        let (mut declaration, _) = declaration(&tokens, 0)?;
        declaration.start = at;
        Some(declaration)
    })
}

/// What is before the parameters and the body: the head of a declaration is on its line, and often all the rest, too.
fn head(line: &str) -> &str {
    let end = match line.trim_start_matches("private ") {
        rest if rest.starts_with("function") => line.find('('),
        rest if rest.starts_with("@define") => line.find(['(', '%']),
        rest if rest.starts_with("probe") => line.find('=').map(|at| at + 1),
        _ => None,
    };
    &line[..end.unwrap_or(line.len())]
}

/// All declarations.
pub(crate) fn anywhere(text: &str) -> Vec<Declaration> {
    let tokens = tokens(FileId(0), text);
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        match declaration(&tokens, at) {
            Some((declaration, next)) => {
                found.push(declaration);
                at = next;
            }
            None => at += 1,
        }
    }
    found
}

/// The declaration that begins with the token at `at`, and the index behind its head.
fn declaration(tokens: &[Token<'_>], at: usize) -> Option<(Declaration, usize)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| &*token.text);
    let follows = at.checked_sub(1).map_or("", text);
    if tokens[at].kind != TokenKind::Word || matches!(follows, "." | "->" | "probe" | "$") {
        return None;
    }
    let private = text(at) == "private";
    let keyword = at + usize::from(private);
    let start = tokens[at].span.start as usize;
    let declared = |keyword, names| Declaration { keyword, private, names, start };
    match text(keyword) {
        "function" => {
            Some((declared(Keyword::Function, vec![text(keyword + 1).to_string()]), keyword + 2))
        }
        "@define" => {
            Some((declared(Keyword::Define, vec![text(keyword + 1).to_string()]), keyword + 2))
        }
        "probe" if !private => {
            let (names, next) = alias(tokens, keyword + 1);
            Some((declared(Keyword::Probe, names), next))
        }
        word if word == "global" || private => {
            // `private x` declares a global as well.
            let mut next = keyword + usize::from(word == "global");
            let mut names = vec![];
            let mut depth = 0;
            while let Some(token) = tokens.get(next) {
                match &*token.text {
                    "[" => depth += 1,
                    "]" => depth -= 1,
                    _ if depth > 0 => {}
                    word if token.kind == TokenKind::Word && !words::is_keyword(word) => {
                        names.push(word.to_string());
                    }
                    "," | "%" => {}
                    "=" => next += usize::from(text(next + 1) == "-") + 1,
                    _ => break,
                }
                next += 1;
                // Names without a comma between them are no longer of this declaration.
                let is_name = |at: usize| tokens.get(at).is_some_and(|t| t.kind == TokenKind::Word);
                if depth == 0 && is_name(next) && text(next - 1) != "," {
                    break;
                }
            }
            Some((declared(Keyword::Global, names), next))
        }
        _ => None,
    }
}

/// The names of the components of an alias whose first one is at `at`; none for a probe.
fn alias(tokens: &[Token<'_>], at: usize) -> (Vec<String>, usize) {
    let mut names = vec![];
    let mut next = at;
    let mut is_name = true;
    while let Some(token) = tokens.get(next) {
        match (&*token.text, token.kind) {
            (".", _) => is_name = true,
            ("(" | ")", _) | (_, TokenKind::Number | TokenKind::String) => {}
            (name, TokenKind::Word) if is_name => {
                names.push(name.to_string());
                is_name = false;
            }
            ("=" | "+=", _) => return (names, next),
            _ => break,
        }
        next += 1;
    }
    (vec![], at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(declarations: impl IntoIterator<Item = Declaration>) -> Vec<String> {
        let head = |d: Declaration| {
            let private = if d.private { "private " } else { "" };
            format!("{private}{:?} {}", d.keyword, d.names.join(" "))
        };
        declarations.into_iter().map(head).collect()
    }

    #[test]
    fn heads_of_declarations() {
        let text = "\
global a, b = -1, c[100], d%
private global e
private f
function g:string(x:long) { return probe_x }
private function h() { }
probe i.j = begin { a = 1 }
probe k(\"x\").l += end { b = 2 }
probe begin(1) { c[1] = 2 }
@define m(x) %( @x %)
";
        let wanted = [
            "Global a b c d",
            "private Global e",
            "private Global f",
            "Function g",
            "private Function h",
            "Probe i j",
            "Probe k l",
            "Probe ",
            "Define m",
        ];
        assert_eq!(heads(anywhere(text)), wanted);
        assert_eq!(heads(in_first_column(text)), wanted);
        assert_eq!(heads(anywhere("global a global b function c() {}")).len(), 3);
    }
}
