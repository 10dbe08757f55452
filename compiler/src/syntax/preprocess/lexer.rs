//! From characters to tokens; script arguments are pasted on the way.
//!
//! In: the text. Out: all its tokens, comments and white space left out. What is no token becomes
//! [`TokenKind::Junk`], reported later and only if no conditional leaves it out: the usual
//! `%( $# > 1 %? $2 %: 10 %)` names an argument that need not be there.

use super::{
    cursor::Cursor,
    token::{Junk, Token, TokenKind},
};
use crate::{source::FileId, syntax::words};

/// The tokens of a text and what they ask for.
pub(super) struct Lexed<'a> {
    /// The tokens in order.
    pub(super) tokens: Vec<Token<'a>>,
    /// Nothing was pasted and there is no conditional or macro: the text is its own expansion.
    pub(super) plain: bool,
}

/// Operators of more than one character, longest first.
#[rustfmt::skip]
const OPERATORS: &[&str] = &[
    "<<<", "<<=", ">>=", ">>>",
    "==", "!=", "<=", ">=", "=~", "!~", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", ".=", "&&",
    "||", "++", "--", "->", "<<", ">>",
];

/// Cuts a text into tokens, from the byte `start` on.
pub(super) fn lex<'a>(
    file: FileId,
    text: &'a str,
    start: usize,
    arguments: &[String],
) -> Lexed<'a> {
    let mut lexer =
        Lexer { cursor: Cursor::new(file, text, start), arguments, tokens: vec![], plain: true };
    if start == 0 && text.starts_with('\u{feff}') {
        lexer.cursor.skip('\u{feff}'.len_utf8());
    }
    lexer.tokens.reserve(text.len().saturating_sub(start) / 4);
    while lexer.next() {}
    Lexed { tokens: lexer.tokens, plain: lexer.plain }
}

struct Lexer<'a, 's> {
    cursor: Cursor<'a>,
    arguments: &'s [String],
    tokens: Vec<Token<'a>>,
    plain: bool,
}

impl Lexer<'_, '_> {
    /// Reads one token; false at the end.
    fn next(&mut self) -> bool {
        let glued = !self.skip_blank();
        let cursor = &mut self.cursor;
        let Some(first) = cursor.peek(0) else { return false };
        let second = cursor.peek(1).unwrap_or(0);
        let pasted = cursor.in_pasted();
        let mut mark = cursor.mark();
        let kind = match first {
            b'$' | b'@' if second == b'#' || second.is_ascii_digit() => {
                return self.argument(glued);
            }
            b'"' => string(cursor, &mut mark),
            b'0'..=b'9' => {
                cursor.take_while(&mut mark, |byte| byte.is_ascii_alphanumeric());
                TokenKind::Number
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'@' => {
                cursor.take(&mut mark, 1);
                cursor
                    .take_while(&mut mark, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
                TokenKind::Word
            }
            b'/' if second == b'*' => {
                // A closed one is white space, so this one is not.
                cursor.take(&mut mark, 2);
                TokenKind::Junk(Junk::Comment)
            }
            b'%' if second == b'{' => embedded(cursor, &mut mark),
            b'%' if matches!(second, b'(' | b'?' | b':' | b')') => {
                cursor.take(&mut mark, 2);
                self.plain = false;
                TokenKind::Directive
            }
            b if b.is_ascii_punctuation() && !matches!(b, b'#' | b'\'' | b'\\' | b'`') => {
                let known = OPERATORS.iter().find(|operator| cursor.at(operator));
                cursor.take(&mut mark, known.map_or(1, |operator| operator.len()));
                TokenKind::Punctuation
            }
            _ => {
                let strange = |b: u8| !b.is_ascii() || b.is_ascii_control() && !is_blank(b);
                cursor.take(&mut mark, 1);
                if strange(first) {
                    cursor.take_while(&mut mark, strange);
                }
                TokenKind::Junk(Junk::Character)
            }
        };
        let unclosed = matches!(kind, TokenKind::Junk(Junk::Comment | Junk::Embedded));
        let (text, span) = cursor.finish(mark);
        if unclosed {
            cursor.skip_all();
        }
        let is_macro = kind == TokenKind::Word
            && text.starts_with('@')
            && words::OPERATORS.binary_search(&&*text).is_err();
        self.plain &= !is_macro && !pasted;
        self.tokens.push(Token { kind, text, span, glued });
        true
    }

    /// `$1`, `@1`, `$#` or `@#`: pastes, or leaves junk.
    fn argument(&mut self, glued: bool) -> bool {
        self.plain = false;
        let cursor = &mut self.cursor;
        let nested = cursor.in_pasted();
        let mut mark = cursor.mark();
        let quoted = cursor.peek(0) == Some(b'@');
        cursor.take(&mut mark, 1);
        if cursor.peek(0) == Some(b'#') {
            cursor.take(&mut mark, 1);
        } else {
            cursor.take_while(&mut mark, |byte| byte.is_ascii_digit());
        }
        let (text, span) = cursor.finish(mark);
        let wanted = match &text[1..] {
            "#" => Some(self.arguments.len().to_string()),
            number => number
                .parse::<usize>()
                .ok()
                .and_then(|number| self.arguments.get(number.checked_sub(1)?))
                .cloned(),
        };
        let junk = match wanted {
            _ if nested => Junk::NestedArgument,
            None => Junk::Argument,
            Some(wanted) => {
                cursor.paste(if quoted { quote(&wanted) } else { wanted }, span);
                return true;
            }
        };
        self.tokens.push(Token { kind: TokenKind::Junk(junk), text, span, glued });
        true
    }

    /// Skips white space and comments; false when there was none.
    fn skip_blank(&mut self) -> bool {
        let mut skipped = false;
        loop {
            match (self.cursor.peek(0), self.cursor.peek(1)) {
                (Some(b), _) if is_blank(b) => self.cursor.skip(1),
                (Some(b'#'), _) | (Some(b'/'), Some(b'/')) => {
                    while self.cursor.peek(0).is_some_and(|b| b != b'\n') {
                        self.cursor.skip(1);
                    }
                }
                (Some(b'/'), Some(b'*')) => {
                    let mut ahead = 2;
                    while self.cursor.peek(ahead).is_some()
                        && !(self.cursor.peek(ahead) == Some(b'*')
                            && self.cursor.peek(ahead + 1) == Some(b'/'))
                    {
                        ahead += 1;
                    }
                    if self.cursor.peek(ahead).is_none() {
                        return skipped;
                    }
                    self.cursor.skip(ahead + 2);
                }
                _ => return skipped,
            }
            skipped = true;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// A string up to its closing quote; junk up to the end of its line when there is none.
fn string(cursor: &mut Cursor<'_>, mark: &mut super::cursor::Mark) -> TokenKind {
    cursor.take(mark, 1);
    loop {
        match (cursor.peek(0), cursor.peek(1)) {
            (None | Some(b'\n'), _) => return TokenKind::Junk(Junk::String),
            (Some(b'\\'), Some(_)) => cursor.take(mark, 2),
            (Some(byte), _) => {
                cursor.take(mark, 1);
                if byte == b'"' {
                    return TokenKind::String;
                }
            }
        }
    }
}

/// `%{ ... %}`.
fn embedded(cursor: &mut Cursor<'_>, mark: &mut super::cursor::Mark) -> TokenKind {
    let mut length = 2;
    loop {
        match (cursor.peek(length), cursor.peek(length + 1)) {
            (Some(b'%'), Some(b'}')) => {
                cursor.take(mark, length + 2);
                return TokenKind::Embedded;
            }
            (Some(_), _) => length += 1,
            (None, _) => {
                cursor.take(mark, 2);
                return TokenKind::Junk(Junk::Embedded);
            }
        }
    }
}

/// A text as a string literal.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
