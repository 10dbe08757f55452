//! What the string functions compute, on bytes.

/// `substr`: so many bytes from a position; nothing when the position is not in the text.
pub fn part(text: &[u8], start: i64, length: i64) -> &[u8] {
    let rest = usize::try_from(start).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    &rest[..rest.len().min(usize::try_from(length).unwrap_or(0))]
}

/// `strpos`: where a part begins, -1 when it is not there.
pub fn position(text: &[u8], part: &[u8]) -> i64 {
    if part.is_empty() {
        return 0;
    }
    text.windows(part.len()).position(|w| w == part).map_or(-1, |at| at as i64)
}

/// `strtol`: the number at the start of a text, 0 when there is none. Signed by `-` only; base 0 takes it
/// from the prefix, `0x` or `0`; base 16 allows the prefix; the digits end at `f`; what does not fit wraps.
pub fn to_long(text: &[u8], base: i64) -> i64 {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let hexadecimal = matches!(digits, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    let (base, digits) = match base {
        0 if hexadecimal => (16, &digits[2..]),
        0 if digits.starts_with(b"0") => (8, digits),
        0 => (10, digits),
        16 if hexadecimal => (16, &digits[2..]),
        base => (base as u64, digits),
    };
    let mut value = 0u64;
    for digit in digits.iter().map_while(|&b| char::from(b).to_digit(16)) {
        if u64::from(digit) >= base {
            break;
        }
        value = value.wrapping_mul(base).wrapping_add(u64::from(digit));
    }
    if negative { value.wrapping_neg() as i64 } else { value as i64 }
}

/// `str_replace`: with every `search` replaced.
pub fn replace(text: &[u8], search: &[u8], replacement: &[u8]) -> Vec<u8> {
    if search.is_empty() {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        match rest.strip_prefix(search) {
            Some(after) => {
                out.extend_from_slice(replacement);
                rest = after;
            }
            None => {
                out.push(byte);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// `text_strn`: with escapes for what cannot be printed, in at most `length` bytes. In quotes, a text that
/// does not fit ends in `"...`.
pub fn escape(text: &[u8], length: usize, quoted: bool) -> Vec<u8> {
    // Room for the quotes, and for `"...` in place of the last bytes.
    let room = if quoted { length.max(5) - 2 } else { length };
    let mut out = vec![];
    let mut is_cut = false;
    for &byte in text {
        let shown = escaped(byte);
        if out.len() + shown.len() > room {
            is_cut = true;
            break;
        }
        out.extend_from_slice(&shown);
    }
    if !quoted {
        return out;
    }
    if is_cut {
        // `room` leaves no more than 3 bytes unused, for that is what the longest escape lacks.
        out.truncate(room - 3);
    }
    out.insert(0, b'"');
    out.extend_from_slice(if is_cut { b"\"..." } else { b"\"" });
    out
}

fn escaped(byte: u8) -> Vec<u8> {
    let letter = match byte {
        0x07 => b'a',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x0b => b'v',
        b'"' | b'\\' => byte,
        0x20..=0x7e => return vec![byte],
        _ => return format!("\\{byte:03o}").into_bytes(),
    };
    vec![b'\\', letter]
}

/// What `tokenize` has not given out yet.
#[derive(Debug, Default)]
pub struct Tokens {
    rest: Vec<u8>,
}

impl Tokens {
    /// The next token: of a new text, or when that is empty of the one before. Empty tokens are skipped; the
    /// empty text is the end.
    pub fn next(&mut self, text: &[u8], delimiters: &[u8]) -> Vec<u8> {
        if !text.is_empty() {
            self.rest = text.to_vec();
        }
        let is_delimiter = |b: &u8| delimiters.contains(b);
        let start = self.rest.iter().position(|b| !is_delimiter(b)).unwrap_or(self.rest.len());
        self.rest.drain(..start);
        let end = self.rest.iter().position(is_delimiter).unwrap_or(self.rest.len());
        let token: Vec<u8> = self.rest.drain(..end).collect();
        // The delimiter behind the token is used up.
        if !self.rest.is_empty() {
            self.rest.remove(0);
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (start, length, expected) in [
            (0, 2, "ab"),
            (1, 9, "bc"),
            (3, 1, ""),
            (4, 1, ""),
            (-1, 2, ""),
            (1, -1, ""),
            (2, 0, ""),
        ] {
            assert_eq!(part(b"abc", start, length), expected.as_bytes(), "{start} {length}");
        }
        assert_eq!(position(b"hello", b"l"), 2);
        assert_eq!(position(b"hello", b"x"), -1);
        assert_eq!(position(b"hello", b""), 0);
        assert_eq!(position(b"h", b"hello"), -1);
    }

    #[test]
    fn numbers() {
        for (text, base, expected) in [
            ("42abc", 10, 42),
            ("-42", 10, -42),
            ("+42", 10, 0),
            (" 42", 10, 0),
            ("0x1F", 0, 31),
            ("0x1F", 16, 31),
            ("1F", 16, 31),
            ("017", 0, 15),
            ("19", 8, 1),
            ("0x", 0, 0),
            ("101", 2, 5),
            ("", 10, 0),
            ("18446744073709551615", 10, -1),
            ("9223372036854775808", 10, i64::MIN),
            ("zz", 36, 0),
        ] {
            assert_eq!(to_long(text.as_bytes(), base), expected, "{text} {base}");
        }
    }

    #[test]
    fn replacing() {
        for (text, search, replacement, expected) in [
            ("aaa", "a", "bb", "bbbbbb"),
            ("aaa", "aa", "b", "ba"),
            ("abc", "", "x", "abc"),
            ("abc", "b", "", "ac"),
            ("", "b", "x", ""),
        ] {
            let out = replace(text.as_bytes(), search.as_bytes(), replacement.as_bytes());
            assert_eq!(out, expected.as_bytes());
        }
    }

    #[test]
    fn escaping() {
        for (text, length, quoted, expected) in [
            (&b"a\tb\"\\\x01\xff"[..], 511, false, r#"a\tb\"\\\001\377"#),
            (b"plain", 511, true, r#""plain""#),
            (b"plain", 3, false, "pla"),
            (b"a\nb", 2, false, "a"),
            (b"0123456789", 8, true, r#""012"..."#),
            (b"012345", 8, true, r#""012345""#),
            (b"", 511, true, r#""""#),
        ] {
            let out = escape(text, length, quoted);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text:?} {length}");
        }
    }

    #[test]
    fn tokens() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.next(b"", b" "), b"");
        assert_eq!(tokens.next(b"  one,two  three", b" ,"), b"one");
        assert_eq!(tokens.next(b"", b" ,"), b"two");
        assert_eq!(tokens.next(b"", b"e"), b" thr");
        assert_eq!(tokens.next(b"", b" "), b"e");
        assert_eq!(tokens.next(b"", b" "), b"");
        assert_eq!(tokens.next(b"a b", b""), b"a b");
    }
}
