//! Expressions known without running: what decides which parts of a script are resolved.

use super::ast::{BinaryOperator, Expression, ExpressionKind, LiteralValue, UnaryOperator};

/// The value of a literal number, perhaps with signs.
pub(crate) fn number(expression: &Expression) -> Option<i64> {
    evaluate(expression, &mut |_| None)
}

/// The value of an expression made of numbers, `@defined` (answered by `defined`) and operators.
pub(crate) fn evaluate(
    expression: &Expression,
    defined: &mut dyn FnMut(&Expression) -> Option<bool>,
) -> Option<i64> {
    match &expression.kind {
        ExpressionKind::Literal(LiteralValue::Number(n)) => Some(*n),
        ExpressionKind::Defined(of) => defined(of).map(i64::from),
        ExpressionKind::Unary { operator, operand } => {
            let value = evaluate(operand, defined)?;
            Some(match operator {
                UnaryOperator::Plus => value,
                UnaryOperator::Negate => value.wrapping_neg(),
                UnaryOperator::Not => i64::from(value == 0),
                UnaryOperator::Complement => !value,
            })
        }
        ExpressionKind::Binary { operator, left, right, .. } => {
            let left = evaluate(left, defined)?;
            match operator {
                BinaryOperator::LogicalAnd if left == 0 => return Some(0),
                BinaryOperator::LogicalOr if left != 0 => return Some(1),
                _ => {}
            }
            let right = evaluate(right, defined)?;
            Some(match operator {
                BinaryOperator::LogicalAnd | BinaryOperator::LogicalOr => i64::from(right != 0),
                BinaryOperator::Equal => i64::from(left == right),
                BinaryOperator::NotEqual => i64::from(left != right),
                BinaryOperator::Less => i64::from(left < right),
                BinaryOperator::LessEqual => i64::from(left <= right),
                BinaryOperator::Greater => i64::from(left > right),
                BinaryOperator::GreaterEqual => i64::from(left >= right),
                BinaryOperator::Add => left.wrapping_add(right),
                BinaryOperator::Subtract => left.wrapping_sub(right),
                BinaryOperator::Multiply => left.wrapping_mul(right),
                BinaryOperator::Or => left | right,
                BinaryOperator::And => left & right,
                BinaryOperator::Xor => left ^ right,
                BinaryOperator::Divide
                | BinaryOperator::Modulo
                | BinaryOperator::ShiftLeft
                | BinaryOperator::ShiftRight
                | BinaryOperator::ShiftRightLogical
                | BinaryOperator::Concatenate => return None,
            })
        }
        _ => None,
    }
}
