//! Braces in the names of probe points: `syscall.{open,close}.return` is two points.
//!
//! Braces around components with arguments are expanded by the parser; here are those that are left
//! in names.

use crate::syntax::ast::ProbePoint;

/// The points a point with braces stands for, in the order of the shell: the last brace varies
/// fastest. `None` when it has no braces.
pub(super) fn expand(point: &ProbePoint) -> Option<Vec<ProbePoint>> {
    let (at, choices) = point
        .components
        .iter()
        .enumerate()
        .find_map(|(at, component)| Some((at, alternatives(&component.name.text)?)))?;
    let points = choices.into_iter().map(|text| {
        let mut point = point.clone();
        point.components[at].name.text = text;
        point
    });
    Some(points.collect())
}

/// A name with its first outermost braces replaced by each of their parts.
fn alternatives(name: &str) -> Option<Vec<String>> {
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

#[cfg(test)]
mod tests {
    use super::alternatives;

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
