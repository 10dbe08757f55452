//! Numbers as the text that describes them: names, flags, addresses, results.

pub(super) mod entry;

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::text;

/// The entries of a table of names: `NAME=VALUE` or `NAME=VALUE/MASK` between spaces.
fn entries(names: &str) -> impl Iterator<Item = (&str, i64, Option<i64>)> {
    names.split_ascii_whitespace().filter_map(|entry| {
        let (name, value) = entry.rsplit_once('=')?;
        let (value, mask) = match value.split_once('/') {
            Some((value, mask)) => (value, Some(number(mask)?)),
            None => (value, None),
        };
        Some((name, number(value)?, mask))
    })
}

fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = if let Some(hex) = digits.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok()? as i64
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// The name of a number; without one the number behind `otherwise`, in hexadecimal when that ends in `#x`.
pub fn name_of(value: i64, names: &str, otherwise: &str) -> String {
    if let Some((name, ..)) = entries(names).find(|&(_, v, _)| v == value) {
        return name.to_string();
    }
    match otherwise.strip_suffix("#x") {
        Some(before) => format!("{before}{value:#x}"),
        None => format!("{otherwise}{value}"),
    }
}

/// The names of a number's bits, in the order of the table, then what is left in hexadecimal; `none`
/// when there is nothing.
pub fn flags_of(value: i64, names: &str, none: &str) -> String {
    let mut left = value;
    let mut parts = vec![];
    for (name, bits, mask) in entries(names) {
        let is = match mask {
            // Of several entries with one mask only one can be.
            Some(mask) => value & mask == bits,
            None => bits != 0 && left & bits == bits,
        };
        if is {
            parts.push(name.to_string());
            left &= !mask.unwrap_or(bits);
        }
    }
    if left != 0 {
        parts.push(format!("{left:#x}"));
    }
    if parts.is_empty() { none.to_string() } else { parts.join("|") }
}

/// The bytes of a buffer of so many, as far as the words hold them; cut to what is shown.
pub fn buffer_quoted(words: &[i64], length: i64, shown: i64, most: usize) -> Vec<u8> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let shown = usize::try_from(shown).unwrap_or(0).min(bytes.len());
    let mut out = text::escape(&bytes[..length.min(shown)], most - 4, true);
    if length > shown {
        out.extend_from_slice(b"...");
    }
    out
}

/// The result of a system call.
pub fn result(format: i64, result: i64, error: &str) -> String {
    if (-4095..0).contains(&result) {
        return format!("{result} ({error})");
    }
    match format {
        2 => format!("{result:#x}"),
        3 => format!("0{result:o}"),
        _ => result.to_string(),
    }
}

/// The first 32 bytes of a socket's address.
fn socket_bytes(words: &[i64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The IP address in a socket's address; empty when it has none.
pub fn socket_ip(words: &[i64]) -> String {
    let bytes = socket_bytes(words);
    match u16::from_le_bytes([bytes[0], bytes[1]]) {
        2 => Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]).to_string(),
        10 => {
            let mut address = [0; 16];
            address.copy_from_slice(&bytes[8..24]);
            Ipv6Addr::from(address).to_string()
        }
        _ => String::new(),
    }
}

/// A socket's address.
pub fn socket_address(address: i64, words: &[i64], path: &str) -> String {
    if address == 0 {
        return "NULL".to_string();
    }
    let bytes = socket_bytes(words);
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match u16::from_le_bytes([bytes[0], bytes[1]]) {
        1 => format!("{{AF_UNIX, {path}}}"),
        2 => format!("{{AF_INET, {}, {port}}}", socket_ip(words)),
        10 => format!("{{AF_INET6, {}, {port}}}", socket_ip(words)),
        16 => {
            let pid = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let groups = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
            format!("{{AF_NETLINK, pid={pid}, groups={groups:08x}}}")
        }
        family => format!("{{unknown address family {family}}}"),
    }
}

/// The names of the signals in a set.
pub fn signal_set(mask: i64, names: &str) -> String {
    let mut out = String::from("[");
    for (at, signal) in (0..64).filter(|bit| mask >> bit & 1 != 0).enumerate() {
        let separator = if at == 0 { "" } else { " " };
        let _ = write!(out, "{separator}{}", name_of(signal + 1, names, "SIG"));
    }
    if mask == 0 {
        out.push_str("EMPTY");
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        const OPEN: &str =
            "O_RDONLY=0/3 O_WRONLY=1/3 O_RDWR=2/3 O_CREAT=0100 O_SYNC=04010000 O_DSYNC=010000";
        for (value, text) in [
            (0, "O_RDONLY"),
            (0o102, "O_RDWR|O_CREAT"),
            (0o4010001, "O_WRONLY|O_SYNC"),
            (0o10003, "O_DSYNC|0x3"),
            (1 << 40, "O_RDONLY|0x10000000000"),
        ] {
            assert_eq!(flags_of(value, OPEN, "0x0"), text);
        }
        assert_eq!(flags_of(0, "A=1", "0x0"), "0x0");
    }

    #[test]
    fn results() {
        assert_eq!(result(1, -2, "ENOENT"), "-2 (ENOENT)");
        assert_eq!(result(1, -5000, ""), "-5000");
        assert_eq!(result(2, 4096, ""), "0x1000");
        assert_eq!(result(3, 8, ""), "010");
    }

    #[test]
    fn buffers() {
        let words = [i64::from_le_bytes(*b"ab\0\n3456"), 0, 0, 0, 0, 0];
        assert_eq!(buffer_quoted(&words, 4, 45, 511), b"\"ab\\000\\n\"");
        assert_eq!(buffer_quoted(&words, 9, 2, 511), b"\"ab\"...");
    }

    #[test]
    fn sockets() {
        let word = i64::from_le_bytes([2, 0, 0, 80, 127, 0, 0, 1]);
        assert_eq!(socket_address(1, &[word, 0, 0, 0], ""), "{AF_INET, 127.0.0.1, 80}");
        assert_eq!(socket_address(0, &[0; 4], ""), "NULL");
        assert_eq!(socket_address(1, &[1, 0, 0, 0], "/a"), "{AF_UNIX, /a}");
    }
}
