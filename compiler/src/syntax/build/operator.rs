//! The precedence of operators, lowest first, and what each stands for.

use std::sync::LazyLock;

use pest::pratt_parser::{Assoc, Op, PrattParser};

use crate::syntax::{
    ast::{AssignOperator, BinaryOperator, UnaryOperator},
    parser::Rule,
};

/// SystemTap's precedences. Unlike in C, all comparisons have one level, `&`, `^` and `|` bind less
/// than they do, and `.` (concatenation) binds less than `+`.
pub(super) static PRECEDENCE: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(Op::infix(Rule::assignment, Assoc::Right))
        .op(Op::infix(Rule::ternary, Assoc::Right))
        .op(left(Rule::logical_or))
        .op(left(Rule::logical_and))
        .op(left(Rule::bit_or))
        .op(left(Rule::bit_xor))
        .op(left(Rule::bit_and))
        .op(Op::postfix(Rule::membership))
        .op(left(Rule::equality_or_order) | Op::postfix(Rule::matching))
        .op(left(Rule::shift))
        .op(left(Rule::concatenation))
        .op(left(Rule::additive))
        .op(left(Rule::multiplicative))
        .op(Op::prefix(Rule::unary))
        .op(Op::prefix(Rule::increment_before) | Op::postfix(Rule::increment_after))
        .op(Op::prefix(Rule::address_of))
        .op(Op::postfix(Rule::arrow) | Op::postfix(Rule::subscript) | Op::postfix(Rule::pretty))
});

/// The operator of an infix token that is neither an assignment nor `?`.
pub(super) fn binary(text: &str) -> BinaryOperator {
    match text {
        "+" => BinaryOperator::Add,
        "-" => BinaryOperator::Subtract,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "<<" => BinaryOperator::ShiftLeft,
        ">>" => BinaryOperator::ShiftRight,
        ">>>" => BinaryOperator::ShiftRightLogical,
        "&" => BinaryOperator::And,
        "|" => BinaryOperator::Or,
        "^" => BinaryOperator::Xor,
        "&&" => BinaryOperator::LogicalAnd,
        "||" => BinaryOperator::LogicalOr,
        "==" => BinaryOperator::Equal,
        "!=" => BinaryOperator::NotEqual,
        "<" => BinaryOperator::Less,
        "<=" => BinaryOperator::LessEqual,
        ">" => BinaryOperator::Greater,
        ">=" => BinaryOperator::GreaterEqual,
        _ => BinaryOperator::Concatenate,
    }
}

/// The operator of an assignment token.
pub(super) fn assignment(text: &str) -> AssignOperator {
    match text {
        "=" => AssignOperator::Set,
        "<<<" => AssignOperator::Aggregate,
        other => AssignOperator::With(binary(other.strip_suffix('=').unwrap_or(other))),
    }
}

/// The operator of a prefix token.
pub(super) fn unary(text: &str) -> UnaryOperator {
    match text {
        "+" => UnaryOperator::Plus,
        "-" => UnaryOperator::Negate,
        "!" => UnaryOperator::Not,
        _ => UnaryOperator::Complement,
    }
}
