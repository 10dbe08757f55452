//! Wildcard patterns in probe points: `*`, `?` and `[...]`, as in file names, and braces, as in the shell.

/// Whether the text has a wildcard.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the text after the last `*` does not fit.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, t));
            p += 1;
            continue;
        }
        if let Some(next) = one(pattern, p, text[t]) {
            p = next;
            t += 1;
            continue;
        }
        let Some((star, from)) = retry else { return false };
        retry = Some((star, from + 1));
        p = star + 1;
        t = from + 1;
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// If the element of the pattern at `p` matches the byte, where the next one starts.
fn one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => {
            let end = p + 2 + pattern.get(p + 2..)?.iter().position(|&c| c == b']')?;
            let set = &pattern[p + 1..end];
            let (negated, set) = match set.first() {
                Some(b'!' | b'^') if set.len() > 1 => (true, &set[1..]),
                _ => (false, set),
            };
            let mut found = false;
            let mut i = 0;
            while i < set.len() {
                if set.get(i + 1) == Some(&b'-') && i + 2 < set.len() {
                    found |= (set[i]..=set[i + 2]).contains(&byte);
                    i += 3;
                } else {
                    found |= set[i] == byte;
                    i += 1;
                }
            }
            (found != negated).then_some(end + 1)
        }
        c => (c == byte).then_some(p + 1),
    }
}

/// The patterns a text with braces stands for; the text itself when it has none.
pub fn without_braces(text: &str) -> Vec<String> {
    match alternatives(text) {
        Some(parts) => parts.iter().flat_map(|part| without_braces(part)).collect(),
        None => vec![text.to_string()],
    }
}

/// A name with its first outermost braces replaced by each of their parts; `None` when it has none.
pub fn alternatives(name: &str) -> Option<Vec<String>> {
    let open = name.find('{')?;
    let (mut depth, mut start, mut parts) = (0, open + 1, vec![]);
    for (at, letter) in name.bytes().enumerate().skip(open) {
        match letter {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                parts.push(&name[start..at]);
                start = at + 1;
            }
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            parts.push(&name[start..at]);
            let whole = |part: &str| format!("{}{part}{}", &name[..open], &name[at + 1..]);
            return Some(parts.into_iter().map(whole).collect());
        }
    }
    None
}

/// Whether a dotted name matches a pattern in which `*` stays inside of a component and `**` does not.
pub(crate) fn matches_path(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Whether what has been read of the pattern matches the name up to each place.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut pattern = pattern.chars().peekable();
    while let Some(letter) = pattern.next() {
        let mut next = vec![false; name.len() + 1];
        if letter == '*' {
            let crosses_dots = pattern.next_if_eq(&'*').is_some();
            let mut matches = false;
            for at in 0..=name.len() {
                matches |= reached[at];
                next[at] = matches;
                matches &= crosses_dots || name.get(at) != Some(&'.');
            }
        } else {
            for (at, &other) in name.iter().enumerate() {
                next[at + 1] = reached[at] && (letter == '?' || letter == other);
            }
        }
        reached = next;
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_like_file_names() {
        for (pattern, text, expected) in [
            ("kfree_skb", "kfree_skb", true),
            ("kfree*", "kfree_skb", true),
            ("*skb*", "kfree_skb_list", true),
            ("*b", "kfree_skb_list", false),
            ("sys_?nter", "sys_enter", true),
            ("sys_[a-f]nter", "sys_enter", true),
            ("sys_[!e]nter", "sys_enter", false),
            ("a*b*c", "aXbXbXc", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn alternatives_of_names() {
        for (name, wanted) in [
            ("a{b,c}d", &["abd", "acd"][..]),
            ("{a,b}{c,d}", &["a{c,d}", "b{c,d}"]),
            ("{a{1,2},b}", &["a{1,2}", "b"]),
            ("{a,}", &["a", ""]),
        ] {
            let found = alternatives(name).unwrap_or_default();
            assert_eq!(found, wanted, "{name}");
        }
        assert_eq!(alternatives("plain*"), None);
    }
}
