//! Where the file with the kernel's debug information is.

use std::path::{Path, PathBuf};

use super::Kallsyms;
use crate::program_file::{KernelDebugInfo, TEXT_SYMBOL};

/// Environment variable that names the kernel's file with its debug information, where it is not in the folders of the
/// distribution's package.
const FILE_VARIABLE: &str = "NTAP_VMLINUX";

/// Opens the file that belongs to the running kernel, if there is one.
pub(super) fn open(release: &str, kallsyms: &Kallsyms) -> Option<KernelDebugInfo> {
    let text = kallsyms.address(TEXT_SYMBOL)?;
    let build = build_id(&std::fs::read("/sys/kernel/notes").unwrap_or_default());
    let named = std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
    let installed = [
        format!("/usr/lib/debug/boot/vmlinux-{release}"),
        format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
        format!("/usr/lib/debug/boot/vmlinux-{release}.debug"),
        format!("/lib/modules/{release}/build/vmlinux"),
        format!("/lib/modules/{release}/vmlinux"),
        format!("/boot/vmlinux-{release}"),
    ];
    let all = named.into_iter().chain(installed.map(PathBuf::from));
    all.filter(|path: &PathBuf| Path::new(path).exists())
        .find_map(|path| KernelDebugInfo::open(&path, build.as_deref(), text))
}

/// The build id in ELF notes, as hexadecimal digits.
fn build_id(notes: &[u8]) -> Option<String> {
    const BUILD_ID: u32 = 3;
    let mut rest = notes;
    while rest.len() >= 12 {
        let word = |at: usize| Some(u32::from_ne_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let (name_bytes, bytes, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let name = rest.get(12..12 + name_bytes)?;
        let from = 12 + name_bytes.next_multiple_of(4);
        let description = rest.get(from..from + bytes)?;
        if kind == BUILD_ID && name == b"GNU\0" {
            return Some(description.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        rest = rest.get(from + bytes.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::build_id;

    #[test]
    fn the_build_id_is_one_of_the_notes() {
        let note = |kind: u32, name: &[u8], text: &[u8]| {
            let mut bytes = vec![];
            for word in [name.len() as u32, text.len() as u32, kind] {
                bytes.extend(word.to_ne_bytes());
            }
            for part in [name, text] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let other = note(6, b"Xen\0", &[1, 2, 3]);
        let id = note(3, b"GNU\0", &[0xab, 0xcd, 0x01]);
        assert_eq!(build_id(&[other.clone(), id].concat()).as_deref(), Some("abcd01"));
        assert_eq!(build_id(&other), None);
        assert_eq!(build_id(&other[..10]), None);
        assert_eq!(build_id(&[]), None);
    }
}
