//! Cutting a script into its top-level items.
//!
//! An item begins at `probe`, `global`, `function` or `private`. These are reserved words, so one of
//! them inside braces means that a brace is missing before it: the item ends there. Brackets are
//! matched here, before the grammar runs, as only the tokens show well where one is missing.

use super::{
    nesting,
    preprocess::{Expanded, Piece, TokenKind},
    words,
};
use crate::diagnostic::{Diagnostics, codes};

/// A range of tokens.
pub(super) type Item = std::ops::Range<usize>;

/// The items of a script in order. Tokens that belong to none are items as well.
pub(super) fn split(expanded: &Expanded<'_>) -> Vec<Item> {
    let pieces = &expanded.pieces;
    let text = |at: usize| pieces.get(at).map_or("", |piece| expanded.piece_text(piece));
    let mut items = vec![];
    let mut start = 0;
    let mut depth = 0usize;
    for (at, piece) in pieces.iter().enumerate() {
        if at > start && begins_item(&text, at) && !continues(&text, start, at) {
            items.push(start..at);
            start = at;
            depth = 0;
        }
        match (piece.kind, text(at)) {
            (TokenKind::Punctuation, "{") => depth += 1,
            (TokenKind::Punctuation, "}") => {
                depth = depth.saturating_sub(1);
                if depth == 0 && ends_item(expanded, at) {
                    items.push(start..at + 1);
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    if start < pieces.len() {
        items.push(start..pieces.len());
    }
    items
}

/// Whether the word at `at` begins an item rather than being a part of a probe point or a member. What
/// follows tells: the name of something declared, or in a probe point `.`, `(` or the like.
fn begins_item<'e>(text: &impl Fn(usize) -> &'e str, at: usize) -> bool {
    words::starts_item(text(at))
        && !matches!(at.checked_sub(1).map(text), Some("." | "->" | "probe"))
        && !matches!(text(at + 1), "." | "(" | "," | "}" | "?" | "!")
        && (text(at) == "probe" || text(at + 1) != "*")
}

/// Whether the item that began at `start` goes on at `at`: the second word of `private global`.
fn continues<'e>(text: &impl Fn(usize) -> &'e str, start: usize, at: usize) -> bool {
    at == start + 1 && text(start) == "private" && matches!(text(at), "global" | "function")
}

/// Whether nothing of the item can follow the closing brace at `at`. Probe points may have braces.
fn ends_item(expanded: &Expanded<'_>, at: usize) -> bool {
    let Some(next) = expanded.pieces.get(at + 1) else { return true };
    match next.kind {
        TokenKind::Punctuation => !matches!(
            expanded.piece_text(next),
            "." | "{" | "," | "?" | "!" | "(" | "=" | "+=" | ";" | "*"
        ),
        // What touches braces of a probe point goes on: `syscall.{open,close}at`.
        TokenKind::Word | TokenKind::Number if expanded.pieces[at].end == next.start => {
            matches!(expanded.piece_text(next), "probe" | "global" | "function" | "private")
        }
        TokenKind::Word => expanded.piece_text(next) != "if",
        _ => true,
    }
}

/// Whether an item can be given to the grammar: all its tokens are tokens, its brackets match, and
/// it is not nested too deeply. Junk has been reported before, the others are reported here.
pub(super) fn check(expanded: &Expanded<'_>, item: &Item, diagnostics: &mut Diagnostics) -> bool {
    let pieces = &expanded.pieces[item.clone()];
    !pieces.iter().any(|piece| matches!(piece.kind, TokenKind::Junk(_)))
        && brackets_match(expanded, item, diagnostics)
        && nesting::check(expanded, pieces, diagnostics)
}

fn brackets_match(expanded: &Expanded<'_>, item: &Item, diagnostics: &mut Diagnostics) -> bool {
    let mut open: Vec<(&Piece, &str)> = vec![];
    let mut suspect = None;
    for piece in &expanded.pieces[item.clone()] {
        if piece.kind != TokenKind::Punctuation {
            continue;
        }
        let text = expanded.piece_text(piece);
        let wanted = match text {
            "(" => ")",
            "[" => "]",
            "{" => "}",
            ")" | "]" | "}" => match open.last() {
                Some((opening, wanted)) if *wanted == text => {
                    if text == "}" && outdented(expanded, opening, piece) {
                        suspect = suspect.or(Some((*opening, piece)));
                    }
                    open.pop();
                    continue;
                }
                Some((opening, wanted)) => {
                    let message = format!("expected `{wanted}`, found `{text}`");
                    diagnostics
                        .error(codes::SYNTAX, piece.origin, message)
                        .label(format!("expected `{wanted}` before this"))
                        .also(opening.origin, "to close this");
                    return false;
                }
                None => {
                    diagnostics
                        .error(codes::SYNTAX, piece.origin, format!("unexpected `{text}`"))
                        .label("closes nothing");
                    return false;
                }
            },
            _ => continue,
        };
        open.push((piece, wanted));
    }
    let Some((opening, wanted)) = open.last() else { return true };
    let text = expanded.piece_text(opening);
    let error = diagnostics.error(
        codes::UNTERMINATED,
        opening.origin,
        format!("this `{text}` is never closed"),
    );
    error.label(format!("needs a `{wanted}`"));
    if let Some(next) = expanded.pieces.get(item.end) {
        let word = expanded.piece_text(next);
        error.also(next.origin, format!("`{word}` begins the next declaration"));
    }
    if let Some((opening, closing)) = suspect.filter(|_| text == "{") {
        error
            .also(opening.origin, "perhaps meant to be closed earlier")
            .also(closing.origin, "than here, where the indentation is another");
    }
    false
}

/// Whether a closing brace stands first on its line and further left than the line of its opening one.
fn outdented(expanded: &Expanded<'_>, opening: &Piece, closing: &Piece) -> bool {
    // The blank start of a line and whether only blank precedes the token.
    let indent = |piece: &Piece| {
        let before = expanded.text.get(..piece.start as usize).unwrap_or("");
        let line = before.rsplit('\n').next().unwrap_or("");
        (line.len() - line.trim_start().len(), line.trim().is_empty())
    };
    let ((opened, _), (closed, is_first)) = (indent(opening), indent(closing));
    is_first && closed < opened && expanded.text.contains('\n')
}
