//! Comparing version strings and matching wildcards.

use std::cmp::Ordering;

/// Compares as glibc's `strverscmp` does: runs of digits as numbers, those with leading zeros as
/// fractions, everything else by byte.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let at = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    let digit = |text: &[u8], at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    // The digits that stand before the first difference in both.
    let common = left[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let run = at - common;
    let nonzero = |text: &[u8]| matches!(text.get(run), Some(b'1'..=b'9'));
    if nonzero(left) && nonzero(right) {
        let length = |text: &[u8]| text[run..].iter().take_while(|b| b.is_ascii_digit()).count();
        let by_length = length(left).cmp(&length(right));
        if by_length != Ordering::Equal {
            return by_length;
        }
    } else if common > 0
        && left[run..at].iter().all(|&byte| byte == b'0')
        && (digit(left, at) || digit(right, at))
    {
        // `00` < `0` < `01` is false, `00` < `01` < `0` is true: a fraction is less than none.
        let value = |text: &[u8]| i32::from(text.get(at).copied().unwrap_or(0)) - i32::from(b'0');
        let fraction = |text: &[u8]| digit(text, at);
        return match (fraction(left), fraction(right)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => value(left).cmp(&value(right)),
        };
    }
    left.get(at).cmp(&right.get(at))
}

/// Whether a pattern has wildcards.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether `text` matches a shell pattern with `*`, `?`, `[a-z]` and `[!a]`; `\` takes away the
/// meaning of the next character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on when a match fails: behind the last star, one more character given to it.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(&character) = text.get(t)
            && let Some(next) = match_one(&pattern, p, character)
        {
            p = next;
            t += 1;
            continue;
        }
        match retry {
            Some((star, taken)) if taken < text.len() => {
                retry = Some((star, taken + 1));
                p = star;
                t = taken + 1;
            }
            _ => return false,
        }
    }
    true
}

/// Matches one character; the place behind the matched part of the pattern.
fn match_one(pattern: &[char], at: usize, character: char) -> Option<usize> {
    match *pattern.get(at)? {
        '?' => Some(at + 1),
        '\\' if at + 1 < pattern.len() => (pattern[at + 1] == character).then_some(at + 2),
        '[' => {
            let negated = matches!(pattern.get(at + 1), Some('!' | '^'));
            let first = at + 1 + usize::from(negated);
            let Some(length) = pattern.iter().skip(first + 1).position(|&c| c == ']') else {
                return (character == '[').then_some(at + 1);
            };
            let set = &pattern[first..first + 1 + length];
            let mut found = false;
            let mut i = 0;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == '-' {
                    found |= (set[i]..=set[i + 2]).contains(&character);
                    i += 3;
                } else {
                    found |= set[i] == character;
                    i += 1;
                }
            }
            (found != negated).then_some(first + length + 2)
        }
        plain => (plain == character).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_order() {
        // The order of the examples in strverscmp(3), then kernel releases.
        for row in [
            &["000", "00", "01", "010", "09", "0", "1", "9", "10"][..],
            &["2.6.9", "2.6.18", "2.6.32", "3.0", "3.10", "4.4", "6.1.0", "6.12", "6.12.1", "6.18"],
            &["jan1", "jan2", "jan9", "jan10", "jan11", "jan19", "jan20"],
        ] {
            for (i, left) in row.iter().enumerate() {
                for (j, right) in row.iter().enumerate() {
                    assert_eq!(compare(left, right), i.cmp(&j), "{left} {right}");
                }
            }
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("6.1*", "6.12.1", true),
            ("*.fc3[0-9].*", "5.0.fc38.x", true),
            ("*.fc3[0-9].*", "5.0.fc40.x", false),
            ("?.?", "6.1", true),
            ("?.?", "6.12", false),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "bx", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("", "", true),
            ("*", "", true),
            ("[", "[", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
