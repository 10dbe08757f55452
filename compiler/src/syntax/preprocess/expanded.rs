//! The text handed to the grammar and the way back from it to the user's text.

use std::borrow::Cow;

use super::token::{Token, TokenKind};
use crate::source::{FileId, Span};

/// Preprocessed text with the origin of each of its tokens.
pub(crate) struct Expanded<'a> {
    /// What the grammar parses.
    pub(crate) text: Cow<'a, str>,
    /// Its tokens in order.
    pub(crate) pieces: Vec<Piece>,
}

/// A token of the preprocessed text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// First byte in the preprocessed text.
    pub(crate) start: u32,
    /// One past the last byte in the preprocessed text.
    pub(crate) end: u32,
    /// The place in the user's text.
    pub(crate) origin: Span,
}

impl<'a> Expanded<'a> {
    /// Text that needed no preprocessing.
    pub(super) fn plain(text: &'a str, tokens: &[Token<'_>]) -> Expanded<'a> {
        let piece = |token: &Token<'_>| Piece {
            kind: token.kind,
            start: token.span.start,
            end: token.span.end,
            origin: token.span,
        };
        Expanded { text: Cow::Borrowed(text), pieces: tokens.iter().map(piece).collect() }
    }

    /// Tokens written out again, with white space where two of them would run together.
    pub(super) fn joined(tokens: &[Token<'_>]) -> Expanded<'a> {
        let mut text = String::with_capacity(tokens.iter().map(|t| t.text.len() + 1).sum());
        let mut pieces = Vec::with_capacity(tokens.len());
        let mut before: Option<&Token<'_>> = None;
        for token in tokens {
            if before.is_some_and(|before| !may_touch(before, token)) {
                text.push(' ');
            }
            let start = text.len() as u32;
            text.push_str(&token.text);
            let end = text.len() as u32;
            pieces.push(Piece { kind: token.kind, start, end, origin: token.span });
            before = Some(token);
        }
        Expanded { text: Cow::Owned(text), pieces }
    }

    /// The text of a token.
    pub(crate) fn piece_text(&self, piece: &Piece) -> &str {
        self.text.get(piece.start as usize..piece.end as usize).unwrap_or("")
    }

    /// The token at or behind an offset.
    pub(crate) fn piece_at(&self, offset: usize) -> usize {
        self.pieces.partition_point(|piece| piece.end as usize <= offset)
    }

    /// The place in the user's text of `start..end` of the preprocessed text, without white space
    /// at its ends.
    pub(crate) fn origin(&self, start: usize, end: usize) -> Span {
        let first = self.piece_at(start);
        let behind = self.pieces.partition_point(|piece| (piece.start as usize) < end);
        let last = behind.saturating_sub(1).max(first);
        match (self.pieces.get(first), self.pieces.get(last)) {
            (Some(first), Some(last)) => first.origin.to(last.origin),
            (Some(one), None) | (None, Some(one)) => one.origin,
            (None, None) => self.end_of_text(),
        }
    }

    /// The place behind the last token.
    pub(crate) fn end_of_text(&self) -> Span {
        match self.pieces.last() {
            Some(last) => {
                let origin = last.origin;
                Span { file: origin.file, start: origin.end, end: origin.end }
            }
            None => Span { file: FileId(0), start: 0, end: 0 },
        }
    }
}

/// Whether two tokens written without a space between them are still two tokens. Wildcards of probe
/// points must touch their words, and so must braces: `syscall.*read`, `syscall.{open,close}at`.
fn may_touch(before: &Token<'_>, token: &Token<'_>) -> bool {
    let is_word = |token: &Token<'_>| matches!(token.kind, TokenKind::Word | TokenKind::Number);
    let is_star = |token: &Token<'_>| token.text == "*" || token.text == ".";
    token.glued
        && (is_word(before) && is_star(token)
            || is_star(before) && is_word(token)
            || before.text == "*" && token.text == "*"
            || before.text == "}" && (is_word(token) || token.text == "*"))
}
