//! What the printing functions write.

use ntap_compiler::bytes;
use ntap_compiler::format::{ConversionKind, Extent, Flag, Format, Piece};
use ntap_compiler::lower::PrintSite;

/// An argument of a printing function.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// A number.
    Long(i64),
    /// A string.
    Text(&'a [u8]),
}

/// Writes what a printing function prints.
pub fn print(site: &PrintSite, arguments: &[Argument<'_>], out: &mut Vec<u8>) {
    match &site.format {
        Some(format) => formatted(format, arguments, out),
        None => {
            for (at, argument) in arguments.iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(&bytes::of(&site.delimiter));
                }
                match argument {
                    Argument::Long(n) => out.extend_from_slice(n.to_string().as_bytes()),
                    Argument::Text(text) => out.extend_from_slice(text),
                }
            }
        }
    }
    if site.newline {
        out.push(b'\n');
    }
}

fn formatted(format: &Format, arguments: &[Argument<'_>], out: &mut Vec<u8>) {
    let mut rest = arguments.iter();
    let mut number = || match rest.next() {
        Some(Argument::Long(n)) => Argument::Long(*n),
        Some(Argument::Text(text)) => Argument::Text(text),
        None => Argument::Long(0),
    };
    for piece in &format.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(&bytes::of(text)),
            Piece::Conversion(c) => {
                let mut flag = c.flag;
                let mut extent = |e: Option<Extent>| match e {
                    None => None,
                    Some(Extent::Fixed(n)) => Some(i64::from(n)),
                    Some(Extent::Argument) => match number() {
                        Argument::Long(n) => Some(n),
                        Argument::Text(_) => None,
                    },
                };
                let mut width = extent(c.width).unwrap_or(0);
                let precision = extent(c.precision).filter(|&p| p > 0);
                if width < 0 {
                    // As in C: a negative width means the left.
                    flag = Some(Flag::Left);
                    width = width.saturating_neg();
                }
                let conversion = Spec {
                    flag,
                    // No line on any terminal is longer than this.
                    width: width.min(65_536) as usize,
                    precision: precision.map(|p| p.min(65_536) as usize),
                    explicit_width: c.width.is_some(),
                    kind: c.kind,
                };
                convert(&conversion, number(), out);
            }
        }
    }
}

/// A conversion with its `*` filled in.
struct Spec {
    flag: Option<Flag>,
    width: usize,
    precision: Option<usize>,
    explicit_width: bool,
    kind: ConversionKind,
}

fn convert(spec: &Spec, argument: Argument<'_>, out: &mut Vec<u8>) {
    let value = match argument {
        Argument::Text(text) => {
            let shown = spec.precision.map_or(text, |p| &text[..p.min(text.len())]);
            return pad(spec, &[], shown, out);
        }
        Argument::Long(value) => value,
    };
    let alternate = spec.flag == Some(Flag::Alternate);
    let unsigned = value as u64;
    let (sign, digits): (&str, String) = match spec.kind {
        ConversionKind::Signed => {
            let sign = match (value < 0, spec.flag) {
                (true, _) => "-",
                (false, Some(Flag::Plus)) => "+",
                (false, Some(Flag::Space)) => " ",
                (false, _) => "",
            };
            (sign, value.unsigned_abs().to_string())
        }
        ConversionKind::Unsigned => ("", unsigned.to_string()),
        ConversionKind::Octal => (if alternate { "0" } else { "" }, format!("{unsigned:o}")),
        ConversionKind::Hex => (if alternate { "0x" } else { "" }, format!("{unsigned:x}")),
        ConversionKind::HexUpper => (if alternate { "0X" } else { "" }, format!("{unsigned:X}")),
        ConversionKind::Pointer => ("0x", format!("{unsigned:x}")),
        ConversionKind::Character => return character(spec, value as u8, alternate, out),
        ConversionKind::Binary => return binary(spec, value, out),
        // The compiler puts numbers in place of memory.
        ConversionKind::Memory | ConversionKind::MemoryHex | ConversionKind::Text => {
            ("", String::new())
        }
    };
    let mut digits = digits.into_bytes();
    if let Some(precision) = spec.precision {
        while digits.len() < precision {
            digits.insert(0, b'0');
        }
    }
    // Unlike in C, zeros fill the width beside a precision, too.
    if spec.flag == Some(Flag::Zero) {
        while digits.len() + sign.len() < spec.width {
            digits.insert(0, b'0');
        }
    }
    pad(spec, sign.as_bytes(), &digits, out);
}

/// Writes prefix and text, filled with spaces to the width.
fn pad(spec: &Spec, prefix: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let fill = spec.width.saturating_sub(prefix.len() + text.len());
    let left = spec.flag == Some(Flag::Left);
    if !left {
        out.resize(out.len() + fill, b' ');
    }
    out.extend_from_slice(prefix);
    out.extend_from_slice(text);
    if left {
        out.resize(out.len() + fill, b' ');
    }
}

fn character(spec: &Spec, byte: u8, escaped: bool, out: &mut Vec<u8>) {
    if !escaped {
        return pad(spec, &[], &[byte], out);
    }
    let text = match byte {
        b'\x07' => "\\a".to_string(),
        b'\x08' => "\\b".to_string(),
        b'\x0c' => "\\f".to_string(),
        b'\n' => "\\n".to_string(),
        b'\r' => "\\r".to_string(),
        b'\t' => "\\t".to_string(),
        b'\x0b' => "\\v".to_string(),
        b'\'' => "\\'".to_string(),
        b'\\' => "\\\\".to_string(),
        0x20..=0x7e => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    pad(spec, &[], text.as_bytes(), out);
}

/// The lowest bytes of a number, least significant first; the width or precision says how many.
fn binary(spec: &Spec, value: i64, out: &mut Vec<u8>) {
    let size = match (spec.precision, spec.explicit_width) {
        (Some(precision), _) => precision,
        (None, true) => spec.width,
        (None, false) => 8,
    };
    let size = match size {
        1 | 2 | 4 => size,
        _ => 8,
    };
    out.extend_from_slice(&value.to_le_bytes()[..size]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str, arguments: &[Argument<'_>]) -> String {
        let site = PrintSite {
            format: Some(Format::parse(format).unwrap()),
            delimiter: String::new(),
            newline: false,
            texts: vec![],
        };
        let mut out = vec![];
        print(&site, arguments, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn converts_numbers() {
        use Argument::Long as L;
        for (format, argument, expected) in [
            ("%d", L(-5), "-5"),
            ("%5d|", L(42), "   42|"),
            ("%-5d|", L(42), "42   |"),
            ("%05d", L(-42), "-0042"),
            ("%+d", L(7), "+7"),
            ("% d", L(7), " 7"),
            ("%u", L(-1), "18446744073709551615"),
            ("%x", L(255), "ff"),
            ("%#X", L(255), "0XFF"),
            ("%#o", L(8), "010"),
            ("%p", L(-0x1000000), "0xffffffffff000000"),
            ("%p", L(0), "0x0"),
            ("%.4d", L(42), "0042"),
            ("%8.4d", L(42), "    0042"),
            ("%08.4d", L(-42), "-0000042"),
            ("%c", L(65), "A"),
            ("%#c", L(10), "\\n"),
            ("%#c", L(0), "\\000"),
            ("%d", L(i64::MIN), "-9223372036854775808"),
        ] {
            assert_eq!(shown(format, &[argument]), expected, "{format}");
        }
        assert_eq!(shown("%*d|", &[L(-4), L(7)]), "7   |");
    }

    #[test]
    fn converts_strings() {
        let text = Argument::Text(b"hello");
        assert_eq!(shown("%s", &[text]), "hello");
        assert_eq!(shown("%8s|", &[text]), "   hello|");
        assert_eq!(shown("%-8s|", &[text]), "hello   |");
        assert_eq!(shown("%.2s", &[text]), "he");
        assert_eq!(shown("%.*s", &[Argument::Long(3), text]), "hel");
    }
}
