//! Wildcard patterns in probe points: `*`, `?` and `[...]`, as in file names.

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
}
