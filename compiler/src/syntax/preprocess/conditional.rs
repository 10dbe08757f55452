//! Conditionals: `%( condition %? tokens %: tokens %)`.
//!
//! In: tokens with conditionals. Out: tokens without. They nest and may stand between any two
//! tokens. Those in a branch that is left out are not evaluated.

use super::{
    condition,
    token::{Token, TokenKind},
};
use crate::{
    diagnostic::{Diagnostics, codes},
    source::Span,
    syntax::ParseOptions,
};

enum Part {
    Condition,
    Then,
    Else,
}

/// A conditional that is not yet closed.
struct Open<'a> {
    /// Its `%(`.
    span: Span,
    part: Part,
    condition: Vec<Token<'a>>,
    /// The tokens around it are kept.
    reached: bool,
    holds: bool,
}

impl Open<'_> {
    /// Whether tokens at this place are kept.
    fn keeps(&self) -> bool {
        match self.part {
            Part::Condition => false,
            Part::Then => self.reached && self.holds,
            Part::Else => self.reached && !self.holds,
        }
    }
}

const FORM: &str = "a conditional has the form `%( condition %? tokens %: tokens %)`";

/// Keeps one branch of each conditional.
pub(super) fn choose<'a>(
    tokens: Vec<Token<'a>>,
    options: &ParseOptions<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Token<'a>> {
    if !tokens.iter().any(|token| token.kind == TokenKind::Directive) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len());
    let mut open: Vec<Open<'a>> = vec![];
    for token in tokens {
        let span = token.span;
        let keeps = open.last().is_none_or(Open::keeps);
        match (&*token.text, open.last_mut()) {
            _ if token.kind != TokenKind::Directive => match open.last_mut() {
                Some(Open { part: Part::Condition, condition, .. }) => condition.push(token),
                _ if keeps => out.push(token),
                _ => {}
            },
            ("%(", Some(Open { part: Part::Condition, .. })) => {
                diagnostics
                    .error(codes::CONDITIONAL, span, "a conditional inside a condition")
                    .help(FORM);
            }
            ("%(", _) => open.push(Open {
                span,
                part: Part::Condition,
                condition: vec![],
                reached: keeps,
                holds: false,
            }),
            ("%?", Some(innermost @ Open { part: Part::Condition, .. })) => {
                innermost.part = Part::Then;
                if innermost.reached {
                    let place = innermost.span.to(span);
                    innermost.holds =
                        condition::holds(&innermost.condition, place, options, diagnostics);
                }
            }
            ("%:", Some(innermost @ Open { part: Part::Then, .. })) => innermost.part = Part::Else,
            ("%)", Some(innermost)) => {
                if let Part::Condition = innermost.part {
                    diagnostics
                        .error(codes::CONDITIONAL, span, "this conditional has no `%?`")
                        .label("ends here")
                        .also(innermost.span, "begins here")
                        .help(FORM);
                }
                open.pop();
            }
            (other, _) => {
                diagnostics
                    .error(codes::CONDITIONAL, span, format!("`{other}` is out of place"))
                    .label("no conditional is open that takes it here")
                    .help(FORM);
            }
        }
    }
    if let Some(unclosed) = open.last() {
        diagnostics
            .error(codes::UNTERMINATED, unclosed.span, "this conditional is never closed")
            .label("begins here")
            .help("end it with `%)`");
    }
    out
}
