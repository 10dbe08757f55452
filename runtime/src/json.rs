//! JSON as it is written, one value a line; see RFC 8259.
//!
//! Strings of scripts are bytes. Those that are no part of a UTF-8 character are written as `\xNN`, two
//! lower-case hexadecimal digits behind a backslash and an x: what JSON carries is always Unicode text.

use std::fmt::{self, Display, Formatter, Write};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Truth(bool),
    /// A number, written with all its digits.
    Number(i64),
    /// The same, of what is never negative.
    Unsigned(u64),
    /// Microseconds, written as seconds with six decimals.
    Seconds(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; its members keep their order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// A string of a script.
    pub fn bytes(bytes: &[u8]) -> Json {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        Json::Text(text)
    }

    /// A string.
    pub fn text(text: impl Into<String>) -> Json {
        Json::Text(text.into())
    }

    /// A value that may be missing: `null` then.
    pub fn optional<T>(value: Option<T>, json: impl FnOnce(T) -> Json) -> Json {
        value.map_or(Json::Null, json)
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Truth(value) => write!(f, "{value}"),
            Json::Number(value) => write!(f, "{value}"),
            Json::Unsigned(value) => write!(f, "{value}"),
            Json::Seconds(us) => {
                let sign = if *us < 0 { "-" } else { "" };
                let us = us.unsigned_abs();
                write!(f, "{sign}{}.{:06}", us / 1_000_000, us % 1_000_000)
            }
            Json::Text(text) => string(text, f),
            Json::List(values) => {
                f.write_char('[')?;
                for (at, value) in values.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Json::Object(members) => {
                f.write_char('{')?;
                for (at, (name, value)) in members.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    string(name, f)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Writes a string in quotes.
fn string(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // DEL and the controls behind it are allowed, and do a terminal no good.
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_values() {
        for (value, expected) in [
            (Json::Null, "null"),
            (Json::Number(i64::MIN), "-9223372036854775808"),
            (Json::Unsigned(u64::MAX), "18446744073709551615"),
            (Json::Seconds(1_763_735_678_000_042), "1763735678.000042"),
            (Json::Seconds(-1_500_000), "-1.500000"),
            (Json::bytes(b"a\"b\\c\n\x01\x7f"), r#""a\"b\\c\n\u0001\u007f""#),
            (Json::bytes("größe ✓".as_bytes()), "\"größe ✓\""),
            (Json::bytes(b"\xff\xfeok\xc3"), r#""\\xff\\xfeok\\xc3""#),
            (Json::List(vec![]), "[]"),
            (
                Json::Object(vec![("a", Json::Number(1)), ("b", Json::List(vec![Json::Null; 2]))]),
                r#"{"a":1,"b":[null,null]}"#,
            ),
        ] {
            assert_eq!(value.to_string(), expected);
        }
    }
}
