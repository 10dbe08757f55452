//! Reading characters from a script while arguments are pasted into it.
//!
//! A pasted argument is read before the rest of the script, character by character, so that it may
//! be part of a token, or many tokens, or begin a comment. Only one is pasted at a time, as an
//! argument may not itself ask for arguments.

use std::borrow::Cow;

use crate::source::{FileId, Span};

/// A position in a script.
pub(super) struct Cursor<'a> {
    file: FileId,
    source: &'a str,
    position: usize,
    pasted: Vec<u8>,
    pasted_position: usize,
    /// Where the `$1` stands that the pasted text replaces.
    pasted_range: (usize, usize),
}

/// Where a token began.
pub(super) struct Mark {
    start: usize,
    /// The text so far when part of it was pasted.
    collected: Option<Vec<u8>>,
}

impl<'a> Cursor<'a> {
    /// A cursor at a byte of `source`.
    pub(super) fn new(file: FileId, source: &'a str, position: usize) -> Cursor<'a> {
        Cursor {
            file,
            source,
            position: position.min(source.len()),
            pasted: vec![],
            pasted_position: 0,
            pasted_range: (0, 0),
        }
    }

    /// The byte `ahead` bytes from here; `None` behind the end.
    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        let left = self.pasted.len() - self.pasted_position;
        match ahead.checked_sub(left) {
            None => self.pasted.get(self.pasted_position + ahead).copied(),
            Some(ahead) => self.source.as_bytes().get(self.position + ahead).copied(),
        }
    }

    /// Whether the text here begins with `text`.
    pub(super) fn at(&self, text: &str) -> bool {
        text.bytes().enumerate().all(|(ahead, byte)| self.peek(ahead) == Some(byte))
    }

    /// Whether the next byte was pasted.
    pub(super) fn in_pasted(&self) -> bool {
        self.pasted_position < self.pasted.len()
    }

    /// Begins a token.
    pub(super) fn mark(&self) -> Mark {
        if self.in_pasted() {
            Mark { start: self.pasted_range.0, collected: Some(vec![]) }
        } else {
            Mark { start: self.position, collected: None }
        }
    }

    /// Takes the next `count` bytes, which must exist, into the token.
    pub(super) fn take(&mut self, mark: &mut Mark, count: usize) {
        for _ in 0..count {
            if let (Some(collected), Some(byte)) = (&mut mark.collected, self.peek(0)) {
                collected.push(byte);
            }
            self.skip(1);
        }
    }

    /// Takes bytes into the token while `wanted` holds.
    pub(super) fn take_while(&mut self, mark: &mut Mark, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.take(mark, 1);
        }
    }

    /// Moves on by `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.in_pasted() {
                self.pasted_position += 1;
            } else if self.position < self.source.len() {
                self.position += 1;
            }
        }
    }

    /// Moves to the end of the text.
    pub(super) fn skip_all(&mut self) {
        self.pasted_position = self.pasted.len();
        self.position = self.source.len();
    }

    /// Ends a token: its text and the place it came from.
    pub(super) fn finish(&self, mark: Mark) -> (Cow<'a, str>, Span) {
        // A token that ends inside a pasted argument ends where its `$1` ends.
        let end = if self.in_pasted() { self.pasted_range.1 } else { self.position };
        let span = Span::new(self.file, mark.start, end.max(mark.start));
        let text = match mark.collected {
            Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            None => Cow::Borrowed(self.source.get(mark.start..self.position).unwrap_or("")),
        };
        (text, span)
    }

    /// Puts `text` before the next byte in place of a token just finished at `span`.
    pub(super) fn paste(&mut self, text: String, span: Span) {
        self.pasted = text.into_bytes();
        self.pasted_position = 0;
        self.pasted_range = (span.start as usize, span.end as usize);
    }
}
