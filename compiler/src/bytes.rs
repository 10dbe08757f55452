//! The bytes of script strings.
//!
//! Strings of scripts are bytes, and nearly always UTF-8 text, so the compiler keeps literals as `str`. A byte
//! that is no part of a UTF-8 character (`"\377"`) is kept as a character of a private plane: byte `b` as
//! U+10FF00 + `b`. Who needs the bytes of a literal asks here.

use std::borrow::Cow;

/// The character that stands for byte 0; only those for 0x80 to 0xff are used.
const FIRST: u32 = 0x10_ff00;

/// Bytes as a literal.
pub fn literal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match stands_for(c) {
                None => text.push(c),
                // A character of the private plane is kept byte by byte, too.
                Some(_) => text.extend(c.encode_utf8(&mut [0; 4]).bytes().filter_map(character)),
            }
        }
        text.extend(chunk.invalid().iter().copied().filter_map(character));
    }
    text
}

/// The bytes of a literal.
pub fn of(literal: &str) -> Cow<'_, [u8]> {
    if !literal.chars().any(|c| stands_for(c).is_some()) {
        return Cow::Borrowed(literal.as_bytes());
    }
    let mut bytes = vec![];
    for c in literal.chars() {
        match stands_for(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The first bytes of a literal, at most so many.
pub fn cut(literal: &str, most: u32) -> String {
    if length(literal) <= most {
        return literal.to_string();
    }
    self::literal(&of(literal)[..most as usize])
}

/// How many bytes a literal has.
pub fn length(literal: &str) -> u32 {
    literal.chars().map(|c| stands_for(c).map_or(c.len_utf8() as u32, |_| 1)).sum()
}

/// The character that stands for a byte.
fn character(byte: u8) -> Option<char> {
    char::from_u32(FIRST + u32::from(byte))
}

/// The byte that a character stands for.
fn stands_for(c: char) -> Option<u8> {
    let byte = u32::from(c).checked_sub(FIRST + 0x80)?;
    u8::try_from(byte + 0x80).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_of_bytes_is_kept() {
        for bytes in [&b"plain"[..], "é\u{10ffff}".as_bytes(), b"\xff", b"a\x80\xc3z", b"\xf0\x9f"]
        {
            let text = literal(bytes);
            assert_eq!(*of(&text), *bytes, "{text:?}");
            assert_eq!(length(&text) as usize, bytes.len());
        }
    }
}
