//! The kernel's build configuration.

use std::io::Read;

/// The options are about 250 KiB; anything near this limit is something else.
const LARGEST_CONFIG: usize = 8 << 20;

/// The configuration file of the running kernel, from where distributions and the kernel put it.
pub(super) fn read(release: &str) -> Option<Vec<u8>> {
    let plain = [
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
        format!("/lib/modules/{release}/build/.config"),
    ];
    if let Some(text) = plain.iter().find_map(|path| std::fs::read(path).ok()) {
        return Some(text);
    }
    let mut packed = vec![];
    std::fs::File::open("/proc/config.gz").ok()?.read_to_end(&mut packed).ok()?;
    gunzip(&packed)
}

/// The value of an option without its quotes; `None` when it is not set.
pub(super) fn option(config: &[u8], name: &str) -> Option<String> {
    let line = config
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    let value = String::from_utf8_lossy(line).trim_end().to_owned();
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Some(inner.replace("\\\"", "\"").replace("\\\\", "\\")),
        None => Some(value),
    }
}

/// Unpacks the first member of a gzip file (RFC 1952); the checksum is not looked at.
fn gunzip(packed: &[u8]) -> Option<Vec<u8>> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const HEADER_CHECKSUM: u8 = 2;
    let flags = match packed {
        [0x1f, 0x8b, 8, flags, ..] => *flags,
        _ => return None,
    };
    let mut rest = packed.get(10..)?;
    if flags & EXTRA != 0 {
        let length = u16::from_le_bytes([*rest.first()?, *rest.get(1)?]);
        rest = rest.get(2 + usize::from(length)..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    miniz_oxide::inflate::decompress_to_vec_with_limit(rest, LARGEST_CONFIG).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &[u8] = b"# comment\nCONFIG_NET=y\nCONFIG_HZ=250\n# CONFIG_XEN is not set\n\
        CONFIG_NETFILTER=m\nCONFIG_LOCALVERSION=\"-a \\\"b\\\"\"\n";

    #[test]
    fn options() {
        let rows = [
            ("CONFIG_NET", Some("y")),
            ("CONFIG_NETFILTER", Some("m")),
            ("CONFIG_HZ", Some("250")),
            ("CONFIG_LOCALVERSION", Some("-a \"b\"")),
            ("CONFIG_XEN", None),
            ("CONFIG_NE", None),
        ];
        for (name, value) in rows {
            assert_eq!(option(CONFIG, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn unpacks_gzip() {
        // A stored (uncompressed) block, with and without a file name in the header.
        let stored = b"\x01\x02\x00\xfd\xffhi";
        let plain = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".as_slice(), stored].concat();
        assert_eq!(gunzip(&plain).as_deref(), Some(b"hi".as_slice()));
        let named = [b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name\0".as_slice(), stored].concat();
        assert_eq!(gunzip(&named).as_deref(), Some(b"hi".as_slice()));
        for broken in [&plain[..5], &plain[..12], b"hello".as_slice(), b""] {
            assert_eq!(gunzip(broken), None);
        }
    }
}
