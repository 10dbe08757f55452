//! What a string literal stands for.

use crate::bytes;

/// The text of a literal with its quotes, escapes replaced: `\a \b \t \n \v \f \r`, up to three octal
/// digits, `\x` with up to two hexadecimal digits; any other character stands for itself.
/// The result is one of [`crate::bytes`].
pub(crate) fn unescape(literal: &str) -> String {
    let inner = literal.strip_prefix('"').unwrap_or(literal);
    let inner = &*bytes::of(inner.strip_suffix('"').unwrap_or(inner));
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&escape) = inner.get(at) else { break };
        at += 1;
        out.push(match escape {
            b'a' => 0x07,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'r' => b'\r',
            b'0'..=b'7' => digits(inner, at - 1, 3, 8, &mut at),
            b'x' if inner.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                digits(inner, at, 2, 16, &mut at)
            }
            other => other,
        });
    }
    bytes::literal(&out)
}

/// The value of up to `most` digits at `from`; `end` becomes the place behind them.
fn digits(bytes: &[u8], from: usize, most: usize, radix: u32, end: &mut usize) -> u8 {
    let values =
        bytes[from..].iter().take(most).map_while(|&byte| char::from(byte).to_digit(radix));
    let mut value = 0;
    *end = from;
    for digit in values {
        value = value * radix + digit;
        *end += 1;
    }
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (literal, text) in [
            (r#""plain""#, "plain"),
            (r#""a\tb\n\\\"""#, "a\tb\n\\\""),
            (r#""\a\b\v\f\r""#, "\u{7}\u{8}\u{b}\u{c}\r"),
            (r#""\101\x41\x4a1\60""#, "AAJ10"),
            (r#""\q\.\xg""#, "q.xg"),
            (r#""\303\251 \xc3\xa9 é""#, "é é é"),
            (r#""\0""#, "\0"),
        ] {
            assert_eq!(unescape(literal), text, "{literal}");
        }
        assert_eq!(*bytes::of(&unescape(r#""a\xff""#)), *b"a\xff");
    }
}
