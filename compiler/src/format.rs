//! Format strings of `printf` and its relatives, parsed.
//!
//! Grammar of a conversion: `%`, one flag of `0 + - space #`, a width or `*`, a precision or `.*`,
//! an optional `l`, and one of `d i u o x X p s c b m M`; `%%` is a percent sign. A precision of 0
//! counts as none.

use std::fmt;

/// The most conversions one format may have.
pub const MAX_CONVERSIONS: usize = 32;

/// A parsed format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Literal text and conversions in turn.
    pub pieces: Vec<Piece>,
}

/// A part of a format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text printed as it is.
    Text(String),
    /// A conversion of one argument (more with `*`).
    Conversion(Conversion),
}

/// One `%` conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The flag.
    pub flag: Option<Flag>,
    /// The width.
    pub width: Option<Extent>,
    /// The precision.
    pub precision: Option<Extent>,
    /// What is converted, and how.
    pub kind: ConversionKind,
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Written in the format.
    Fixed(u32),
    /// `*`: the next argument, a number.
    Argument,
}

/// The flag of a conversion; only one can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `0`: pad with zeros.
    Zero,
    /// `+`: print the sign of positive numbers too.
    Plus,
    /// `-`: pad on the right.
    Left,
    /// Space: a space in place of the plus sign.
    Space,
    /// `#`: alternate form.
    Alternate,
}

/// The conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionKind {
    /// `%d`, `%i`.
    Signed,
    /// `%u`.
    Unsigned,
    /// `%o`.
    Octal,
    /// `%x`.
    Hex,
    /// `%X`.
    HexUpper,
    /// `%p`: as `%#x`.
    Pointer,
    /// `%s`.
    Text,
    /// `%c`.
    Character,
    /// `%b`: the number's bytes, little endian.
    Binary,
    /// `%m`: memory, raw.
    Memory,
    /// `%M`: memory, in hexadecimal.
    MemoryHex,
}

impl ConversionKind {
    /// Whether the argument is a string.
    fn takes_text(self) -> bool {
        self == ConversionKind::Text
    }

    /// The letter.
    pub fn letter(self) -> char {
        match self {
            ConversionKind::Signed => 'd',
            ConversionKind::Unsigned => 'u',
            ConversionKind::Octal => 'o',
            ConversionKind::Hex => 'x',
            ConversionKind::HexUpper => 'X',
            ConversionKind::Pointer => 'p',
            ConversionKind::Text => 's',
            ConversionKind::Character => 'c',
            ConversionKind::Binary => 'b',
            ConversionKind::Memory => 'm',
            ConversionKind::MemoryHex => 'M',
        }
    }
}

impl Format {
    /// Parses a format string; the error is the byte offset and text of a bad conversion.
    pub fn parse(text: &str) -> Result<Format, BadConversion> {
        let mut pieces = vec![];
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let Some((conversion, after)) = conversion(rest) else {
                let shown: String = rest.chars().take(6).collect();
                return Err(BadConversion { text: format!("%{shown}") });
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Conversion(conversion));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Format { pieces })
    }

    /// The conversions in order.
    pub fn conversions(&self) -> impl Iterator<Item = &Conversion> {
        self.pieces.iter().filter_map(|p| match p {
            Piece::Conversion(c) => Some(c),
            Piece::Text(_) => None,
        })
    }

    /// For each argument the format takes, whether it is a string.
    pub fn argument_kinds(&self) -> Vec<bool> {
        let mut kinds = vec![];
        for c in self.conversions() {
            for extent in [c.width, c.precision].into_iter().flatten() {
                if extent == Extent::Argument {
                    kinds.push(false);
                }
            }
            kinds.push(c.kind.takes_text());
        }
        kinds
    }
}

/// A conversion that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadConversion {
    /// Its beginning.
    pub text: String,
}

/// Parses what follows a `%`; gives the conversion and the text behind it.
fn conversion(text: &str) -> Option<(Conversion, &str)> {
    let mut rest = text;
    let flag = match rest.chars().next()? {
        '0' => Some(Flag::Zero),
        '+' => Some(Flag::Plus),
        '-' => Some(Flag::Left),
        ' ' => Some(Flag::Space),
        '#' => Some(Flag::Alternate),
        _ => None,
    };
    if flag.is_some() {
        rest = &rest[1..];
    }
    let width = extent(&mut rest)?;
    let precision = match rest.strip_prefix('.') {
        Some(after) => {
            rest = after;
            extent(&mut rest)?.filter(|&p| p != Extent::Fixed(0))
        }
        None => None,
    };
    rest = rest.strip_prefix('l').unwrap_or(rest);
    let letter = rest.chars().next()?;
    let kind = match letter {
        'd' | 'i' => ConversionKind::Signed,
        'u' => ConversionKind::Unsigned,
        'o' => ConversionKind::Octal,
        'x' => ConversionKind::Hex,
        'X' => ConversionKind::HexUpper,
        'p' => ConversionKind::Pointer,
        's' => ConversionKind::Text,
        'c' => ConversionKind::Character,
        'b' => ConversionKind::Binary,
        'm' => ConversionKind::Memory,
        'M' => ConversionKind::MemoryHex,
        _ => return None,
    };
    Some((Conversion { flag, width, precision, kind }, &rest[1..]))
}

/// A number or `*` at the start of `rest`; `None` when the number is out of range.
fn extent(rest: &mut &str) -> Option<Option<Extent>> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return Some(Some(Extent::Argument));
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return Some(None);
    }
    let number = rest[..digits].parse().ok().filter(|&n: &u32| n <= 65536)?;
    *rest = &rest[digits..];
    Some(Some(Extent::Fixed(number)))
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(&text.replace('%', "%%"))?,
                Piece::Conversion(c) => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("%")?;
        f.write_str(match self.flag {
            Some(Flag::Zero) => "0",
            Some(Flag::Plus) => "+",
            Some(Flag::Left) => "-",
            Some(Flag::Space) => " ",
            Some(Flag::Alternate) => "#",
            None => "",
        })?;
        for (dot, extent) in [("", self.width), (".", self.precision)] {
            match extent {
                Some(Extent::Fixed(n)) => write!(f, "{dot}{n}")?,
                Some(Extent::Argument) => write!(f, "{dot}*")?,
                None => {}
            }
        }
        write!(f, "{}", self.kind.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in ["%d packets at %s\n", "%-*s|%5.2d|%#x", "100%% %c%b%m%M %.*s"] {
            assert_eq!(Format::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Format::parse("%ld").unwrap().to_string(), "%d");
        assert_eq!(Format::parse("%.0d").unwrap().to_string(), "%d");
    }

    #[test]
    fn refuses_what_is_no_conversion() {
        for text in ["%", "%lld", "%+-d", "%n", "%99999999999d", "%é"] {
            assert!(Format::parse(text).is_err(), "{text}");
        }
    }
}
