//! Expressions as text.

use crate::syntax::ast::{
    Access, AssignOperator, BinaryOperator, Expression, ExpressionKind, Literal, LiteralValue,
    UnaryOperator,
};

/// An expression with nothing around it that could bind to it.
pub(super) fn top(out: &mut String, expression: &Expression) {
    match &expression.kind {
        ExpressionKind::Unary { operator, operand: inner } => {
            out.push_str(match operator {
                UnaryOperator::Plus => "+",
                UnaryOperator::Negate => "-",
                UnaryOperator::Not => "!",
                UnaryOperator::Complement => "~",
            });
            operand(out, inner);
        }
        ExpressionKind::Binary { operator, left, right, .. } => {
            operand(out, left);
            out.push_str(&format!(" {} ", binary(*operator)));
            operand(out, right);
        }
        ExpressionKind::Match { negated, text, regex } => {
            operand(out, text);
            out.push_str(if *negated { " !~ " } else { " =~ " });
            literal(out, &regex.value);
        }
        ExpressionKind::In { keys, array } => {
            out.push('[');
            list(out, keys);
            out.push_str("] in ");
            out.push_str(&array.text);
        }
        ExpressionKind::Conditional { condition, then, otherwise } => {
            operand(out, condition);
            out.push_str(" ? ");
            operand(out, then);
            out.push_str(" : ");
            operand(out, otherwise);
        }
        ExpressionKind::Assign { operator, target, value, .. } => {
            operand(out, target);
            match operator {
                AssignOperator::Set => out.push_str(" = "),
                AssignOperator::Aggregate => out.push_str(" <<< "),
                AssignOperator::With(operator) => {
                    out.push_str(&format!(" {}= ", binary(*operator)))
                }
            }
            operand(out, value);
        }
        ExpressionKind::Increment { prefix, by, target } => {
            let sign = if *by > 0 { "++" } else { "--" };
            if *prefix {
                out.push_str(sign);
                operand(out, target);
            } else {
                operand(out, target);
                out.push_str(sign);
            }
        }
        ExpressionKind::AddressOf(of) => {
            out.push('&');
            operand(out, of);
        }
        ExpressionKind::Literal(_)
        | ExpressionKind::Variable(_)
        | ExpressionKind::Element { .. }
        | ExpressionKind::Wildcard
        | ExpressionKind::Call { .. }
        | ExpressionKind::Context(_)
        | ExpressionKind::Member { .. }
        | ExpressionKind::Aggregate { .. }
        | ExpressionKind::Cast { .. }
        | ExpressionKind::Defined(_)
        | ExpressionKind::ProbeWrite(_)
        | ExpressionKind::Entry(_)
        | ExpressionKind::Perf(_)
        | ExpressionKind::Var { .. }
        | ExpressionKind::Constant(_)
        | ExpressionKind::Embedded(_)
        | ExpressionKind::EnumName(_)
        | ExpressionKind::Raw { .. } => operand(out, expression),
    }
}

/// An expression as an operand: in parentheses unless nothing binds tighter.
pub(super) fn operand(out: &mut String, expression: &Expression) {
    match &expression.kind {
        ExpressionKind::Literal(LiteralValue::Number(number)) if *number < 0 => {
            out.push_str(&format!("{:#x}", *number as u64));
        }
        ExpressionKind::Literal(value) => literal(out, value),
        ExpressionKind::Variable(name) | ExpressionKind::Context(name) => out.push_str(name),
        ExpressionKind::Element { array, indices } => {
            out.push_str(&array.text);
            out.push('[');
            list(out, indices);
            out.push(']');
        }
        ExpressionKind::Wildcard => out.push('*'),
        ExpressionKind::Call { function, arguments } => word(out, &function.text, arguments),
        ExpressionKind::Member { base, access } => {
            // A name with brackets behind it is an array, not a pointer.
            let variable = matches!(base.kind, ExpressionKind::Variable(_));
            if variable && matches!(access, Access::Index(_)) {
                parenthesized(out, base);
            } else {
                operand(out, base);
            }
            match access {
                Access::Field(name) => out.push_str(&format!("->{}", name.text)),
                Access::Index(index) => {
                    out.push('[');
                    top(out, index);
                    out.push(']');
                }
                Access::Pretty { deep } => out.push_str(if *deep { "$$" } else { "$" }),
            }
        }
        ExpressionKind::Aggregate { aggregate, of, arguments } => {
            out.push_str(aggregate.word());
            out.push('(');
            top(out, of);
            for argument in arguments {
                out.push_str(", ");
                top(out, argument);
            }
            out.push(')');
        }
        ExpressionKind::Cast { value, type_name, module } => {
            out.push_str("@cast(");
            top(out, value);
            out.push_str(", ");
            literals(out, type_name, module.as_ref());
            out.push(')');
        }
        ExpressionKind::Defined(of) => word(out, "@defined", std::slice::from_ref(of)),
        ExpressionKind::ProbeWrite(of) => word(out, "@probewrite", std::slice::from_ref(of)),
        ExpressionKind::Entry(of) => word(out, "@entry", std::slice::from_ref(of)),
        ExpressionKind::Perf(name) => {
            out.push_str("@perf(");
            literal(out, &name.value);
            out.push(')');
        }
        ExpressionKind::Var { name, module } => {
            out.push_str("@var(");
            literals(out, name, module.as_ref());
            out.push(')');
        }
        ExpressionKind::Embedded(code) => out.push_str(code),
        ExpressionKind::Constant(name) => {
            out.push_str("@const(");
            literal(out, &name.value);
            out.push(')');
        }
        ExpressionKind::EnumName(arguments) => word(out, "@enumname", arguments),
        ExpressionKind::Raw { word: name, arguments } => word(out, name, arguments),
        ExpressionKind::AddressOf(_)
        | ExpressionKind::Unary { .. }
        | ExpressionKind::Binary { .. }
        | ExpressionKind::Match { .. }
        | ExpressionKind::In { .. }
        | ExpressionKind::Conditional { .. }
        | ExpressionKind::Assign { .. }
        | ExpressionKind::Increment { .. } => parenthesized(out, expression),
    }
}

fn parenthesized(out: &mut String, expression: &Expression) {
    out.push('(');
    top(out, expression);
    out.push(')');
}

/// `name(a, b)`.
fn word<E: std::borrow::Borrow<Expression>>(out: &mut String, name: &str, arguments: &[E]) {
    out.push_str(name);
    out.push('(');
    list(out, arguments);
    out.push(')');
}

/// Expressions with commas between them.
pub(super) fn list<E: std::borrow::Borrow<Expression>>(out: &mut String, expressions: &[E]) {
    for (at, expression) in expressions.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        top(out, expression.borrow());
    }
}

fn literals(out: &mut String, first: &Literal, second: Option<&Literal>) {
    literal(out, &first.value);
    if let Some(second) = second {
        out.push_str(", ");
        literal(out, &second.value);
    }
}

/// A number with its sign, or a string in quotes.
pub(super) fn literal(out: &mut String, value: &LiteralValue) {
    let text = match value {
        LiteralValue::Number(number) => return out.push_str(&number.to_string()),
        LiteralValue::String(text) => text,
    };
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            control if control.is_ascii_control() => {
                out.push_str(&format!("\\{:03o}", control as u32));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn binary(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::ShiftLeft => "<<",
        BinaryOperator::ShiftRight => ">>",
        BinaryOperator::ShiftRightLogical => ">>>",
        BinaryOperator::And => "&",
        BinaryOperator::Or => "|",
        BinaryOperator::Xor => "^",
        BinaryOperator::LogicalAnd => "&&",
        BinaryOperator::LogicalOr => "||",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::Less => "<",
        BinaryOperator::LessEqual => "<=",
        BinaryOperator::Greater => ">",
        BinaryOperator::GreaterEqual => ">=",
        BinaryOperator::Concatenate => ".",
    }
}
