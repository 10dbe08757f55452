//! Reading the verifier's log.
//!
//! With line records loaded, the verifier writes the source line before the instructions made from
//! it: `; counts[pid()]++ @ script.nt:3` (the part after `@` since kernel 6.9).

use std::fmt;

/// A source line the verifier has mentioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLocation {
    /// The line's text as the object has it.
    pub text: String,
    /// The script's file name, where the kernel tells it.
    pub file: Option<String>,
    /// The line number, from 1, where the kernel tells it.
    pub line: Option<u32>,
}

impl fmt::Display for LogLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: `{}`", self.text),
            _ => write!(f, "`{}`", self.text),
        }
    }
}

/// The last source line in a log.
pub(super) fn last_location(log: &str) -> Option<LogLocation> {
    let comment = log.lines().rev().find_map(|line| line.strip_prefix("; "))?;
    let place = comment.rsplit_once(" @ ").and_then(|(text, place)| {
        let (file, line) = place.rsplit_once(':')?;
        Some((text, file, line.trim().parse().ok()?))
    });
    Some(match place {
        Some((text, file, line)) => {
            LogLocation { text: text.into(), file: Some(file.into()), line: Some(line) }
        }
        None => LogLocation { text: comment.into(), file: None, line: None },
    })
}

/// The end of a log, without the statistics that follow the reason.
pub(super) fn last_lines(log: &str, most: usize) -> String {
    const STATISTICS: [&str; 4] =
        ["processed ", "verification time ", "stack depth ", "max_states"];
    let mut lines: Vec<&str> = log.lines().collect();
    while lines.last().is_some_and(|line| {
        line.trim().is_empty() || STATISTICS.iter().any(|prefix| line.starts_with(prefix))
    }) {
        lines.pop();
    }
    let dropped = lines.len().saturating_sub(most);
    lines[dropped..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
; a = 1 @ dir/x.nt:1
0: (b7) r1 = 1
; email = \"a @ b\" @ dir/x.nt:12
1: (79) r0 = *(u64 *)(r2 +0)
R2 invalid mem access 'scalar'
processed 2 insns (limit 1000000) max_states_per_insn 0
";

    #[test]
    fn finds_the_last_source_line() {
        let location = last_location(LOG).unwrap();
        assert_eq!(location.text, "email = \"a @ b\"");
        assert_eq!((location.file.as_deref(), location.line), (Some("dir/x.nt"), Some(12)));
        assert_eq!(location.to_string(), "dir/x.nt:12: `email = \"a @ b\"`");
        let old = last_location("; a = 1\n0: (b7) r1 = 1\n").unwrap();
        assert_eq!((old.text.as_str(), old.file, old.line), ("a = 1", None, None));
        assert_eq!(last_location("0: (95) exit\n"), None);
    }

    #[test]
    fn keeps_the_reason() {
        let end = last_lines(LOG, 2);
        assert_eq!(end, "1: (79) r0 = *(u64 *)(r2 +0)\nR2 invalid mem access 'scalar'");
    }
}
