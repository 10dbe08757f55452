//! A bound on how deep an item is nested.
//!
//! The grammar, the tree and all later passes are recursive, so depth costs stack. It is counted on
//! the tokens, before any recursion: brackets, statements that hold statements, and operators, as a
//! row of operators becomes a tree as deep as the row is long. The count is never too small; it is
//! too large only where operands of other operators are counted in.

use super::preprocess::{Expanded, Piece, TokenKind};
use crate::diagnostic::{Diagnostics, codes};

/// The deepest nesting accepted; scripts written by people stay below 30.
const DEEPEST: usize = 200;

/// What is counted inside one pair of brackets.
#[derive(Default)]
struct Level {
    /// Operators in the expression so far.
    operators: usize,
    /// Statements around the one here that have no braces: `if (a) while (b) ...`.
    statements: usize,
    /// This pair holds the condition of an `if` or loop: a statement follows it.
    is_head: bool,
}

/// What the token before was.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// Something that ends an operand.
    Operand,
    /// Something an operand or statement follows without a new statement beginning.
    Operator,
    /// The head of a statement, or `else`: the statement in it follows.
    Head,
    /// The end of a statement.
    End,
}

/// Whether an item is not too deep; reports it otherwise.
pub(super) fn check(
    expanded: &Expanded<'_>,
    pieces: &[Piece],
    diagnostics: &mut Diagnostics,
) -> bool {
    let mut levels = vec![Level::default()];
    let mut outer = 0;
    let mut before = Before::End;
    let mut head_follows = false;
    let mut after_else = false;
    let mut after_string = false;
    for piece in pieces {
        let text = expanded.piece_text(piece);
        let level = levels.last_mut().expect("the first level is never popped");
        match (piece.kind, text) {
            (TokenKind::Punctuation, "(" | "[" | "{") => {
                if text == "[" && before == Before::Operand {
                    level.operators += 1;
                } else if text == "{" {
                    level.operators = 0;
                    if before == Before::End {
                        level.statements = 0;
                    }
                }
                outer += level.operators + level.statements + 1;
                levels.push(Level { is_head: head_follows, ..Level::default() });
                before = if text == "{" { Before::End } else { Before::Operator };
            }
            (TokenKind::Punctuation, ")" | "]" | "}") => {
                let is_head = level.is_head;
                if levels.len() > 1 {
                    levels.pop();
                }
                let level = levels.last_mut().expect("the first level is never popped");
                outer = outer.saturating_sub(level.operators + level.statements + 1);
                before = match text {
                    "}" => Before::End,
                    _ if is_head => Before::Head,
                    _ => Before::Operand,
                };
            }
            (TokenKind::Punctuation, ";") => {
                level.operators = 0;
                before = Before::End;
            }
            (TokenKind::Punctuation, ",") => {
                level.operators = 0;
                before = Before::Operator;
            }
            (TokenKind::Punctuation, "++" | "--") => level.operators += 1,
            (TokenKind::Punctuation, _) => {
                level.operators += 1;
                before = Before::Operator;
            }
            (TokenKind::Word, "else" | "catch") => {
                level.operators = 0;
                level.statements += 1;
                before = Before::Head;
            }
            (TokenKind::Word, "in" | "limit") => {
                level.operators += 1;
                before = Before::Operator;
            }
            (TokenKind::Word, "if" | "while" | "for" | "foreach" | "try") => {
                level.operators = 0;
                if before != Before::Head {
                    level.statements = 0;
                }
                // `else if` is one level, not two.
                level.statements += usize::from(!after_else);
                before = if text == "try" { Before::Head } else { Before::Operator };
            }
            // Neighbouring strings are one operand.
            (TokenKind::String, _) if after_string => {}
            _ => {
                if matches!(before, Before::Operand | Before::End) {
                    level.operators = 0;
                    level.statements = 0;
                }
                before = Before::Operand;
            }
        }
        head_follows = matches!(text, "if" | "while" | "for" | "foreach" | "catch");
        after_else = text == "else";
        after_string = piece.kind == TokenKind::String;
        let level = levels.last().expect("the first level is never popped");
        if outer + level.operators + level.statements > DEEPEST {
            diagnostics
                .error(codes::TOO_DEEP, piece.origin, "nested too deeply")
                .label(format!("more than {DEEPEST} levels of brackets, statements and operators"))
                .help("split the expression, or move a part of it into a function");
            return false;
        }
    }
    true
}
