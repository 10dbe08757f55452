//! Numbers and strings.

use pest::iterators::Pair;

use super::{Builder, parts};
use crate::{
    diagnostic::codes,
    syntax::{
        ast::{Literal, LiteralValue},
        parser::Rule,
        preprocess::unescape,
    },
};

/// Why a number cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadNumber {
    /// It has more than 64 bits.
    Range,
    /// A character is no digit of its base.
    Digit,
}

/// Decimal, `0x` hexadecimal or `0` octal digits; wraps to signed.
pub(crate) fn number(text: &str) -> Result<i64, BadNumber> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(BadNumber::Digit);
    }
    u64::from_str_radix(digits, radix).map(|value| value as i64).map_err(|_| BadNumber::Range)
}

impl Builder<'_, '_> {
    /// `number = @{ ASCII_DIGIT ~ ASCII_ALPHANUMERIC* }`
    pub(super) fn number(&self, pair: &Pair<'_, Rule>) -> i64 {
        let text = pair.as_str();
        match number(text) {
            Ok(value) => value,
            Err(BadNumber::Range) => {
                let message = format!("number `{text}` is out of range");
                self.error(codes::NUMBER_RANGE, self.span(pair), message, |error| {
                    error.label("more than 64 bits").help("the largest is 18446744073709551615");
                });
                0
            }
            Err(BadNumber::Digit) => {
                let message = format!("`{text}` is not a number");
                self.error(codes::SYNTAX, self.span(pair), message, |error| {
                    if text.starts_with("0x") || text.starts_with("0X") {
                        error.help("`0x` is followed by hexadecimal digits");
                    } else if text.starts_with('0') {
                        error.help("a number that begins with `0` is octal, its digits are 0 to 7");
                    } else {
                        error.help("numbers have no suffixes; names begin with a letter");
                    }
                });
                0
            }
        }
    }

    /// `string = { quoted+ }`
    pub(super) fn string(&self, pair: Pair<'_, Rule>) -> Literal {
        let span = self.span(&pair);
        let mut text = String::new();
        for quoted in pair.into_inner() {
            text.push_str(&unescape(quoted.as_str()));
        }
        // Strings end at a zero byte.
        if let Some(end) = text.find('\0') {
            text.truncate(end);
        }
        Literal { value: LiteralValue::String(text), span }
    }

    /// `signed_literal = { sign? ~ number | string }`
    pub(super) fn signed_literal(&self, pair: Pair<'_, Rule>) -> Literal {
        let span = self.span(&pair);
        let mut negative = false;
        let mut value = LiteralValue::Number(0);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::sign => negative = part.as_str() == "-",
                Rule::string => value = self.string(part).value,
                _ => {
                    let number = self.number(&part);
                    // `-9223372036854775808` is the least one; beyond it the bits mean another number.
                    if negative && number < 0 && number != i64::MIN {
                        let message = format!("number `-{}` is out of range", part.as_str());
                        self.error(codes::NUMBER_RANGE, span, message, |error| {
                            error.label("less than -9223372036854775808");
                        });
                    }
                    value =
                        LiteralValue::Number(if negative { number.wrapping_neg() } else { number });
                }
            }
        }
        Literal { value, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, value) in [
            ("0", Ok(0)),
            ("42", Ok(42)),
            ("0x1F", Ok(31)),
            ("0X1f", Ok(31)),
            ("017", Ok(15)),
            ("9223372036854775808", Ok(i64::MIN)),
            ("18446744073709551615", Ok(-1)),
            ("18446744073709551616", Err(BadNumber::Range)),
            ("0x10000000000000000", Err(BadNumber::Range)),
            ("08", Err(BadNumber::Digit)),
            ("0x", Err(BadNumber::Digit)),
            ("10ms", Err(BadNumber::Digit)),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
