//! A text as tokens and comments, each with the white space before it.

use std::borrow::Cow;

use crate::syntax::edit::{Class, parts};

/// A token or a comment.
pub(super) struct Piece<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) class: Class,
    /// Line breaks before it.
    pub(super) breaks: usize,
    /// Whether there is white space or a comment before it.
    pub(super) is_apart: bool,
}

impl Piece<'_> {
    /// Whether nothing can stand behind it in its line.
    pub(super) fn is_line_comment(&self) -> bool {
        self.class == Class::Comment && !self.text.starts_with("/*")
    }
}

/// The pieces of a text.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let mut end = 0;
    for part in parts(text) {
        let mut breaks = text[end..part.range.start].matches('\n').count();
        let is_apart = end < part.range.start;
        end = part.range.end;
        let part_text = &text[part.range];
        if part.class != Class::Comment {
            let text = Cow::Borrowed(part_text);
            pieces.push(Piece { text, class: part.class, breaks, is_apart });
            continue;
        }
        let mut rest = part_text;
        while !rest.is_empty() {
            let (comment, behind) = first_comment(rest);
            let text = match comment.contains('\r') {
                true => Cow::Owned(comment.replace('\r', "")),
                false => Cow::Borrowed(comment),
            };
            pieces.push(Piece { text, class: Class::Comment, breaks, is_apart: true });
            rest = behind.trim_start();
            breaks = behind[..behind.len() - rest.len()].matches('\n').count();
        }
    }
    pieces
}

/// The comment a text begins with, and what is behind it.
fn first_comment(text: &str) -> (&str, &str) {
    if let Some(inside) = text.strip_prefix("/*") {
        let end = inside.find("*/").map_or(text.len(), |at| at + 4);
        return text.split_at(end);
    }
    let end = text.find('\n').unwrap_or(text.len());
    let (comment, behind) = text.split_at(end);
    (comment.trim_end(), behind)
}
