//! From the text a user wrote to the text the grammar parses.
//!
//! Steps, each on the tokens of the step before:
//! 1. [`lexer`]: characters to tokens; `$1`, `@1`, `$#`, `@#` are replaced by the script's arguments.
//! 2. [`macros`]: `@define` and the use of macros, in both branches of every conditional.
//! 3. [`conditional`]: `%( condition %? tokens %: tokens %)` leaves one branch.
//!
//! What is left and is not a token is reported now, not earlier: a branch that is left out may hold
//! anything. Most scripts need none of this; their text is passed on as it is.

mod arguments;
mod condition;
mod conditional;
mod cursor;
mod expanded;
mod lexer;
mod macros;
mod name;
mod strings;
mod token;
mod version;

use std::ops::Range;

use super::{ParseOptions, words};
use crate::{
    diagnostic::{Diagnostics, bpftrace, codes, suggest},
    library::Library,
    source::FileId,
};

pub use self::{arguments::unused_arguments, name::token_name};
pub(super) use self::{
    expanded::{Expanded, Piece},
    strings::unescape,
    token::{Junk, Token, TokenKind},
};

/// The tokens of a text, before any of the steps.
pub(super) fn tokens(file: FileId, text: &str) -> Vec<Token<'_>> {
    lexer::lex(file, text, 0, &[]).tokens
}

/// Preprocesses parts of one file.
pub(super) fn preprocess<'a>(
    file: FileId,
    text: &'a str,
    parts: &[Range<usize>],
    options: &ParseOptions<'a>,
    diagnostics: &mut Diagnostics,
) -> Expanded<'a> {
    let (mut tokens, mut plain) = (vec![], true);
    for part in parts {
        let text = text.get(..part.end).unwrap_or(text);
        let lexed = lexer::lex(file, text, part.start, options.arguments);
        tokens.extend(lexed.tokens);
        plain &= lexed.plain;
    }
    match parts {
        [part] if plain => {
            report_junk(&tokens, options, diagnostics);
            return Expanded::plain(text.get(..part.end).unwrap_or(text), &tokens);
        }
        _ if plain => {
            report_junk(&tokens, options, diagnostics);
            return Expanded::joined(&tokens);
        }
        _ => {}
    }
    let tokens = macros::expand(tokens, options.library, diagnostics);
    let mut tokens = conditional::choose(tokens, options, diagnostics);
    report_junk(&tokens, options, diagnostics);
    report_unknown_macros(&mut tokens, options.library, diagnostics);
    Expanded::joined(&tokens)
}

/// Reports what is not a token; the items around it are not parsed.
fn report_junk(tokens: &[Token<'_>], options: &ParseOptions<'_>, diagnostics: &mut Diagnostics) {
    let junk = tokens.iter().filter_map(|token| match token.kind {
        TokenKind::Junk(junk) => Some((token, junk)),
        _ => None,
    });
    for (token, junk) in junk.take(super::MOST_ERRORS) {
        report_one(token, junk, options, diagnostics);
    }
}

fn report_one(
    token: &Token<'_>,
    junk: Junk,
    options: &ParseOptions<'_>,
    diagnostics: &mut Diagnostics,
) {
    let (text, span) = (&token.text, token.span);
    match junk {
        Junk::String => diagnostics
            .error(codes::UNTERMINATED, span, "this string has no closing quote on its line")
            .label("begins here")
            .help("end it with `\"`; write `\\n` for a line break, `\\\"` for a quote inside it"),
        Junk::Comment => diagnostics
            .error(codes::UNTERMINATED, span, "this comment is never closed")
            .label("begins here")
            .help("end it with `*/`"),
        Junk::Embedded => diagnostics
            .error(codes::UNTERMINATED, span, "this embedded C code is never closed")
            .label("begins here")
            .help("ntap does not support embedded C code; remove it"),
        Junk::Character => report_character(text, span, diagnostics),
        Junk::Argument => {
            let given = match options.arguments.len() {
                0 => "none was given".to_string(),
                1 => "1 was given".to_string(),
                more => format!("{more} were given"),
            };
            diagnostics
                .error(
                    codes::ARGUMENT_RANGE,
                    span,
                    format!("command line argument `{text}` out of range: {given}"),
                )
                .label("stands for a word after the script on the command line")
                .help(format!(
                    "give it a default with `%( $# >= {0} %? {text} %: 0 %)`",
                    text[1..].parse::<usize>().unwrap_or(1).max(1)
                ))
        }
        Junk::NestedArgument => diagnostics
            .error(
                codes::ARGUMENT_RANGE,
                span,
                format!("a script argument holds `{text}`, itself a script argument"),
            )
            .label("the text of this argument is not searched for arguments again"),
    };
}

fn report_character<'d>(
    text: &str,
    span: crate::source::Span,
    diagnostics: &'d mut Diagnostics,
) -> &'d mut crate::diagnostic::Diagnostic {
    let first = text.chars().next().unwrap_or('\u{fffd}');
    let shown = match first {
        '\0' => "a NUL byte".to_string(),
        c if c.is_control() => format!("a control character (U+{:04X})", c as u32),
        c if c.is_whitespace() => format!("an unusual space (U+{:04X})", c as u32),
        '\u{feff}' | '\u{200b}'..='\u{200f}' => {
            format!("an invisible character (U+{:04X})", first as u32)
        }
        c => format!("`{c}`"),
    };
    let diagnostic = diagnostics
        .error(codes::SYNTAX, span, format!("{shown} has no meaning in a script"))
        .label("outside of a string or comment");
    match first {
        '\'' => diagnostic.help("strings and characters are written with double quotes"),
        '\u{201c}' | '\u{201d}' | '\u{201e}' => diagnostic.help("use plain double quotes: `\"`"),
        '\\' => diagnostic.help("a line break is white space; lines need no continuation mark"),
        _ => diagnostic,
    }
}

/// Reports `@name` that is neither an operator nor a macro, and makes it a plain name so that the
/// code around it can still be parsed.
fn report_unknown_macros(
    tokens: &mut [Token<'_>],
    library: &Library,
    diagnostics: &mut Diagnostics,
) {
    let is_unknown = |token: &Token<'_>| {
        token.kind == TokenKind::Word
            && token.text.starts_with('@')
            && words::OPERATORS.binary_search(&&*token.text).is_err()
    };
    for at in 0..tokens.len() {
        if is_unknown(&tokens[at]) {
            let next = tokens.get(at + 1).map_or(String::new(), |next| next.text.to_string());
            let token = &mut tokens[at];
            let macros: Vec<String> =
                library.macro_names().map(|name| format!("@{name}")).collect();
            let candidates =
                words::OPERATORS.iter().copied().chain(macros.iter().map(String::as_str));
            let help = suggest::did_you_mean(&token.text, candidates);
            let is_map = &*token.text == "@" || matches!(next.as_str(), "[" | "=" | "++" | "+=");
            let map = || is_map.then(|| bpftrace::map(&token.text));
            let error = diagnostics
                .error(codes::MACRO, token.span, format!("unknown macro `{}`", token.text))
                .label("neither an operator nor defined in this script or the library");
            if let Some(help) = help.or_else(map) {
                error.help(help);
            }
            let name = token.text.trim_start_matches('@');
            let name = if name.is_empty() || words::is_keyword(name) { "unknown" } else { name };
            token.text = name.to_string().into();
        }
    }
}
