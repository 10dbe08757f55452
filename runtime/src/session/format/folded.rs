//! Folded stacks: a line for each stack, its frames from the outermost to the innermost with semicolons between, and
//! how much fell on it. Flame graph tools read them.
//!
//! ```text
//! curl;main;do_syscall_64_[k];ksys_write_[k] 12
//! ```

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::block::{Frame, Key, Value, Word};

/// Stacks with how much fell on each: events, or the sum of what was recorded.
#[derive(Default)]
pub(crate) struct FoldedStacks {
    weights: HashMap<String, i64>,
    /// The arrays they come from.
    sources: Vec<String>,
}

impl FoldedStacks {
    /// Whether none was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The array all of them come from.
    pub(crate) fn source(&self) -> Option<&str> {
        match self.sources.as_slice() {
            [source] => Some(source),
            _ => None,
        }
    }

    /// Notes that an array adds to them.
    pub(crate) fn add_source(&mut self, array: &str) {
        self.sources.push(array.to_string());
    }

    /// Adds an element of an array. `frames` are those of the keys that are stacks. The other keys come first, then the
    /// stacks of processes, then those of the kernel.
    pub(crate) fn add(&mut self, key: &Key, frames: &[Option<Vec<Frame>>], value: &Value) {
        let weight = match value {
            Value::Word(Word::Long(count)) => *count,
            Value::Stats(stats) => stats.sum,
            Value::Word(Word::Text(_)) => return,
        };
        let mut names: Vec<String> = vec![];
        for (word, _) in key.iter().zip(frames).filter(|(_, frames)| frames.is_none()) {
            names.push(match word {
                Word::Long(number) => number.to_string(),
                // A stack without frames, such as that of the kernel while a process runs its own code.
                Word::Text(text) if text.to_bytes().is_empty() => continue,
                Word::Text(text) => String::from_utf8_lossy(text.to_bytes()).into_owned(),
            });
        }
        let stacks = || frames.iter().flatten();
        for stack in stacks().filter(|s| !is_kernel(s)).chain(stacks().filter(|s| is_kernel(s))) {
            names.extend(stack.iter().rev().map(frame_name));
        }
        self.add_line(
            names.iter().map(|name| one_word(name)).collect::<Vec<_>>().join(";"),
            weight,
        );
    }

    fn add_line(&mut self, stack: String, weight: i64) {
        if weight > 0 && !stack.is_empty() {
            *self.weights.entry(stack).or_default() += weight;
        }
    }

    /// Takes the lines that are folded stacks out of printed text; gives what remains.
    pub(crate) fn take_printed(&mut self, text: &[u8]) -> Vec<u8> {
        let mut rest = vec![];
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            match printed(line) {
                Some((stack, weight)) => self.add_line(stack.to_string(), weight),
                None => rest.extend_from_slice(line),
            }
        }
        rest
    }

    /// A line for each, without line break, the heaviest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut all: Vec<_> = self.weights.iter().collect();
        all.sort_by_key(|&(stack, weight)| (Reverse(*weight), stack));
        all.into_iter().map(|(stack, weight)| format!("{stack} {weight}")).collect()
    }
}

fn is_kernel(stack: &[Frame]) -> bool {
    stack.first().is_some_and(|frame| match frame.address {
        Some(address) => address >> 63 == 1,
        // Modules of the kernel have no path.
        None => frame.module.as_deref().is_some_and(|module| !module.contains(['/', '.'])),
    })
}

/// The function; of the kernel's with the mark `_[k]`, inlined ones with `_[i]`, as is usual. Without a name the file it is of.
fn frame_name(frame: &Frame) -> String {
    let kernel = is_kernel(std::slice::from_ref(frame));
    match (&frame.symbol, &frame.module, frame.address) {
        (Some(symbol), ..) if kernel => format!("{symbol}_[k]"),
        (Some(symbol), ..) if frame.inlined => format!("{symbol}_[i]"),
        (Some(symbol), ..) => symbol.clone(),
        (None, Some(file), _) => {
            format!("[{}]", file.rsplit_once('/').map_or(file.as_str(), |(_, name)| name))
        }
        (None, None, Some(address)) => format!("{address:#x}"),
        (None, None, None) => "[unknown]".to_string(),
    }
}

/// Without what ends a frame or a line.
fn one_word(name: &str) -> String {
    name.replace(';', ":").replace('\n', " ")
}

/// What a printed line says: at least two frames, and a number.
fn printed(line: &[u8]) -> Option<(&str, i64)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (stack, weight) = line.rsplit_once(' ')?;
    let is_stack = stack.contains(';') && stack.split(';').all(|frame| !frame.trim().is_empty());
    Some((stack, weight.parse().ok()?)).filter(|_| is_stack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_folded_lines_only() {
        let mut stacks = FoldedStacks::default();
        let text = b"sh;main;f 3\nstacks: a; b\na;;b 1\nsh;main;f 2\nx;y 9\nx;y";
        assert_eq!(stacks.take_printed(text), b"stacks: a; b\na;;b 1\nx;y");
        assert_eq!(stacks.lines(), ["x;y 9", "sh;main;f 5"]);
    }
}
