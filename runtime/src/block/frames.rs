//! Stacks as frames: for output formats that show more than text.
//!
//! Scripts have stacks as text. Two forms are recognized: addresses in hexadecimal with spaces between, as
//! `backtrace()` and its like give them, and a line for each frame, as `sprint_backtrace()` does:
//!
//! ```text
//! ffffffff81000010 ffffffff81000020
//! name+0x10 [kernel]
//! ```
//!
//! Any other text is no stack. The first form does not say which process an address of userspace is of. It is the one among those the
//! context names (a key beside the stack, the traced process), or any that is known, that has most of the
//! addresses mapped.

use super::BlockContext;
use super::stack::{addresses, inlined_at, kernel_addresses};
use super::values::{Key, Word};
use crate::kernel::LiveKernel;
use crate::symbols::UserSymbols;

/// Addresses from here on are the kernel's.
const KERNEL: u64 = 1 << 63;

/// A frame of a stack; what is not known is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its address.
    pub address: Option<u64>,
    /// The function.
    pub symbol: Option<String>,
    /// Bytes from the function's first address; without a function, the place in the file.
    pub offset: Option<u64>,
    /// `kernel`, a module, or the file of a process.
    pub module: Option<String>,
    /// Whether the function's code is part of the next one's.
    pub inlined: bool,
}

impl BlockContext {
    /// The frames of a text that is a stack, the innermost first. `beside` are the values it came with.
    pub fn frames(&mut self, text: &[u8], beside: &[Word]) -> Option<Vec<Frame>> {
        let text = std::str::from_utf8(text).ok()?;
        if let Some(frames) = listed(text) {
            return Some(frames);
        }
        if !is_addresses(text) {
            return None;
        }
        let state = &mut self.state;
        if addresses(text).all(|(_, address)| address >= KERNEL) {
            return Some(kernel_frames(&state.kernel, text));
        }
        let numbers = beside.iter().filter_map(|word| match word {
            Word::Long(n) => u32::try_from(*n).ok(),
            Word::Text(_) => None,
        });
        let candidates: Vec<u32> = numbers.chain(u32::try_from(state.target).ok()).collect();
        let list: Vec<u64> = addresses(text).map(|(_, address)| address).collect();
        let process = state.symbols.process_of(&list, &candidates);
        Some(user_frames(&mut state.symbols, text, process))
    }

    /// Those of each key that is a stack.
    pub fn frames_of_key(&mut self, key: &Key) -> Vec<Option<Vec<Frame>>> {
        let frames = |word: &Word| match word {
            Word::Text(text) => self.frames(text.to_bytes(), key),
            Word::Long(_) => None,
        };
        key.iter().map(frames).collect()
    }
}

/// The frames of a kernel stack's addresses.
pub(super) fn kernel_frames(kernel: &LiveKernel, text: &str) -> Vec<Frame> {
    let frame = |(_, address)| {
        let symbol = kernel.kallsyms().lookup(address);
        Frame {
            address: Some(address),
            symbol: symbol.as_ref().map(|s| s.name.to_string()),
            offset: symbol.as_ref().map(|s| address.wrapping_sub(s.start)),
            module: symbol.map(|s| s.module.unwrap_or("kernel").to_string()),
            inlined: false,
        }
    };
    kernel_addresses(kernel, text).map(frame).collect()
}

/// The frames of the addresses of a process, with those of functions that were inlined there.
pub(super) fn user_frames(
    symbols: &mut UserSymbols,
    text: &str,
    process: Option<u32>,
) -> Vec<Frame> {
    let mut frames = vec![];
    for (at, (_, address)) in addresses(text).enumerate() {
        let symbol = process.and_then(|process| symbols.lookup(process, address));
        let frame = Frame {
            address: Some(address),
            offset: symbol.as_ref().map(|s| s.offset),
            module: symbol.as_ref().map(|s| s.path.clone()),
            symbol: symbol.and_then(|s| s.name),
            inlined: false,
        };
        let inlined = process.map(|process| inlined_at(symbols, at, address, process, false));
        frames.extend(inlined.unwrap_or_default().functions.into_iter().map(|function| Frame {
            symbol: Some(function.name),
            offset: None,
            inlined: true,
            ..frame.clone()
        }));
        frames.push(frame);
    }
    frames
}

/// Whether a text is a list of addresses, as functions of stacks give them. A single one has to look like one of the
/// kernel, or of code that is loaded anywhere.
fn is_addresses(text: &str) -> bool {
    let is_address = |word: &str| {
        let digits =
            word.len() >= 6 && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        digits && u64::from_str_radix(word, 16).is_ok()
    };
    let far = |word: &str| match word.len() {
        12 => word.starts_with(['5', '7']),
        16 => word.starts_with("ffff"),
        _ => false,
    };
    let (mut count, mut has_far, mut has_letter) = (0, false, false);
    for word in text.split(' ') {
        if !is_address(word) {
            return false;
        }
        count += 1;
        has_far |= far(word);
        has_letter |= word.bytes().any(|b| b.is_ascii_lowercase());
    }
    has_far || (count > 1 && has_letter)
}

/// The frames of lines such as `name+0x10 [kernel]`, `[file+0x10]` and `0x1234567`.
fn listed(text: &str) -> Option<Vec<Frame>> {
    if !text.contains('\n') {
        return None;
    }
    text.lines().map(listed_frame).collect()
}

fn listed_frame(line: &str) -> Option<Frame> {
    let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    if let Some(address) = hex(line) {
        return Some(Frame { address: Some(address), ..Frame::default() });
    }
    let place = |text: &str| {
        let (name, offset) = text.rsplit_once('+')?;
        Some((name.to_string(), hex(offset)?))
    };
    if let Some(inner) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let (file, offset) = place(inner)?;
        let (module, offset) = (Some(file), Some(offset));
        return Some(Frame { module, offset, ..Frame::default() });
    }
    let (start, module) = match line.strip_suffix(']').and_then(|rest| rest.rsplit_once(" [")) {
        Some((start, module)) => (start, Some(module.to_string())),
        None => (line, None),
    };
    let (symbol, offset) = place(start)?;
    let (symbol, offset) = (Some(symbol), Some(offset));
    Some(Frame { symbol, offset, module, ..Frame::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_addresses() {
        for (text, expected) in [
            ("ffffffff81000010 ffffffff81000020", true),
            ("7f0012345678", true),
            ("401136 40120a", true),
            ("401136", false),
            ("123456 234567", false),
            ("ffffffff81000010 bash", false),
            ("bash", false),
            ("ffffffff81000010  ffffffff81000010", false),
            ("ffffffff810000101 ffffffff81000010", false),
            ("", false),
        ] {
            assert_eq!(is_addresses(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_lines_of_frames() {
        let frames = listed("operator+(int)+0x2 [a b.so]\n[libc.so.6+0x1f]\n0xabcdef\nf+0x0\n");
        let names: Vec<_> = frames.iter().flatten().map(|f| f.symbol.as_deref()).collect();
        assert_eq!(names, [Some("operator+(int)"), None, None, Some("f")]);
        let modules: Vec<_> = frames.iter().flatten().map(|f| f.module.as_deref()).collect();
        assert_eq!(modules, [Some("a b.so"), Some("libc.so.6"), None, None]);
        assert_eq!(listed("one\ntwo\n"), None);
        assert_eq!(listed("f+0x1"), None, "a line ends with a line break");
    }
}
