//! What of an alias of the program's library has to be parsed: the variables that a script mentions, and those that
//! these are made of.
//!
//! Such an alias stands for one point of the kernel, and defines each variable on a line of its own:
//!
//! ```text
//! probe syscall.read = kernel.syscall("read")
//! {
//!   name = "read"
//!   fd = __signed($fd)
//!   argstr = sprintf("%d, %#x, %u", fd, buf_uaddr, count)
//! }
//! ```
//!
//! A variable that nothing reads has no effect, so that its line can be left out.

use std::collections::HashSet;
use std::ops::Range;

/// Whether a piece is an alias that can be parsed in part: one for a point of a family, not for another alias.
pub(super) fn is_alias_of_a_point(text: &str) -> bool {
    let Some((head, body)) = text.split_once('\n') else { return false };
    let target = head.strip_prefix("probe ").and_then(|head| head.split_once(" = "));
    target.is_some_and(|(_, target)| target.starts_with("kernel.") && !target.contains([',', '?']))
        && body.starts_with("{\n")
}

/// The parts of an alias that are to be parsed, where these variables are wanted. `text` is that of the file, `piece`
/// where the alias is in it.
pub(super) fn kept(text: &str, piece: Range<usize>, wanted: &HashSet<String>) -> Vec<Range<usize>> {
    let definitions = definitions(text, piece.clone());
    let mut keep: Vec<bool> = definitions
        .iter()
        .map(|definition| match definition.name {
            Some(name) => wanted.contains(name),
            None => true,
        })
        .collect();
    // What is kept wants others, further above or below.
    loop {
        let mentioned: HashSet<&str> = definitions
            .iter()
            .zip(&keep)
            .filter(|(_, keep)| **keep)
            .flat_map(|(definition, _)| names(&text[definition.range.clone()]))
            .collect();
        let mut changed = false;
        for (definition, keep) in definitions.iter().zip(&mut keep) {
            if !*keep && definition.name.is_some_and(|name| mentioned.contains(name)) {
                *keep = true;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let mut parts: Vec<Range<usize>> = vec![];
    for (definition, _) in definitions.iter().zip(keep).filter(|(_, keep)| *keep) {
        match parts.last_mut() {
            Some(last) if last.end == definition.range.start => last.end = definition.range.end,
            _ => parts.push(definition.range.clone()),
        }
    }
    parts
}

/// A line with those that go on with it.
struct Lines<'t> {
    range: Range<usize>,
    /// The variable it defines; none of other lines.
    name: Option<&'t str>,
}

fn definitions(text: &str, piece: Range<usize>) -> Vec<Lines<'_>> {
    let mut found: Vec<Lines<'_>> = vec![];
    let mut start = piece.start;
    for line in text[piece].split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        match found.last_mut() {
            Some(last) if line.starts_with("   ") => last.range.end = range.end,
            _ => found.push(Lines { range, name: defined(line) }),
        }
    }
    found
}

/// The variable that a line defines.
fn defined(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("  ")?.split_once(" = ")?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && !name.is_empty()).then_some(name)
}

/// The words of a code that may be names of variables: not those in texts, and not `$variables`.
fn names(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = code.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let byte = *bytes.get(at)?;
            let start = at;
            at += 1;
            if byte == b'"' {
                while bytes.get(at).is_some_and(|&byte| byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            } else if is_part(byte) || byte == b'$' {
                while bytes.get(at).is_some_and(|&byte| is_part(byte)) {
                    at += 1;
                }
                if byte != b'$' {
                    return code.get(start..at);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIAS: &str = "\
probe syscall.open = kernel.syscall(\"open\")
{
  name = \"open\"
  filename = user_string_quoted($filename)
  filename_unquoted = user_string2($filename, \"filename\")
  flags = $flags
  mode = $mode
  argstr = sprintf(\"%s, mode %s\", filename,
    __open_flags(flags))
}
// What follows.
";

    fn kept_of(wanted: &[&str]) -> String {
        let wanted = wanted.iter().map(|name| name.to_string()).collect();
        let parts = kept(ALIAS, 0..ALIAS.len(), &wanted);
        parts.into_iter().map(|part| &ALIAS[part]).collect()
    }

    #[test]
    fn what_is_wanted_is_kept_with_what_it_is_made_of() {
        assert!(is_alias_of_a_point(ALIAS));
        assert!(!is_alias_of_a_point("probe nd_syscall.open = syscall.open { }\n"));
        let head = "probe syscall.open = kernel.syscall(\"open\")\n{\n";
        let end = "}\n// What follows.\n";
        assert_eq!(kept_of(&[]), format!("{head}{end}"));
        assert_eq!(kept_of(&["name", "fd"]), format!("{head}  name = \"open\"\n{end}"));
        let argstr = kept_of(&["argstr"]);
        assert!(argstr.contains("  filename = ") && argstr.contains("  flags = "), "{argstr}");
        assert!(!argstr.contains("  mode = ") && !argstr.contains("_unquoted = "), "{argstr}");
    }
}
