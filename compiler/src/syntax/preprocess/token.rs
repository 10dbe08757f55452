//! Tokens: what the preprocessor works on.

use std::borrow::Cow;

use crate::source::Span;

/// A token with the text it stands for and the place in the user's text it came from.
#[derive(Clone, Debug)]
pub(in crate::syntax) struct Token<'a> {
    /// What it is.
    pub(in crate::syntax) kind: TokenKind,
    /// Its text; differs from the text under the span for pasted arguments and macros.
    pub(in crate::syntax) text: Cow<'a, str>,
    /// The place in the user's text.
    pub(in crate::syntax) span: Span,
    /// No white space before it, so it may touch the token before.
    pub(super) glued: bool,
}

impl Token<'_> {
    /// Whether it is this word or punctuation.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Punctuation | TokenKind::Directive)
            && self.text == text
    }
}

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name, keyword, `$name` or `@name`.
    Word,
    /// Digits and what directly follows them.
    Number,
    /// A string literal with its quotes.
    String,
    /// An operator or bracket.
    Punctuation,
    /// `%(`, `%?`, `%:` or `%)`.
    Directive,
    /// `%{ ... %}`.
    Embedded,
    /// Not a token. An error only if it is still there after preprocessing.
    Junk(Junk),
}

/// Why something is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Junk {
    /// A string without closing quote on its line.
    String,
    /// `/*` without `*/`.
    Comment,
    /// `%{` without `%}`.
    Embedded,
    /// Characters that begin no token.
    Character,
    /// `$N` or `@N` for an argument that was not given.
    Argument,
    /// `$N` inside a pasted argument.
    NestedArgument,
}
