//! What messages call the token at a place.

use super::lexer::lex;
use super::token::TokenKind;
use crate::source::{SourceMap, Span};
use crate::syntax::words;

/// The first token of a place, with its kind, as messages of running scripts cite it: `identifier 'n'`.
pub fn token_name(sources: &SourceMap, span: Span) -> String {
    let text = &sources.file(span.file).text;
    let start = span.start as usize;
    let tokens = lex(span.file, text.get(..span.end as usize).unwrap_or(text), start, &[]).tokens;
    let Some(token) = tokens.first() else { return "statement".to_string() };
    let kind = match token.kind {
        TokenKind::Word if words::is_keyword(&token.text) => "keyword",
        TokenKind::Word => "identifier",
        TokenKind::Number => "number",
        TokenKind::String => return format!("string {}", token.text),
        TokenKind::Embedded => "embedded-code",
        TokenKind::Punctuation | TokenKind::Directive | TokenKind::Junk(_) => "operator",
    };
    format!("{kind} '{}'", token.text)
}
