//! Did-you-mean: the candidates nearest to a mistyped name.

/// ``did you mean `a`, `b` or `c`?``, or nothing when no candidate is near enough.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let near = nearest(name, candidates, 3);
    let (last, rest) = near.split_last()?;
    let quote = |s: &&str| format!("`{s}`");
    Some(match rest {
        [] => format!("did you mean {}?", quote(last)),
        rest => {
            let list: Vec<String> = rest.iter().map(quote).collect();
            format!("did you mean {} or {}?", list.join(", "), quote(last))
        }
    })
}

/// Up to `most` candidates within an edit distance of a third of the name (at least 1), nearest first.
pub fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|c| c.len().abs_diff(name.len()) <= limit && *c != name)
        .map(|c| (distance(name, c), c))
        .filter(|&(d, c)| d <= limit && d < c.chars().count().max(2))
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(most).map(|(_, c)| c).collect()
}

/// Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = vec![];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitute = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitute.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_near_names_only() {
        let names = ["kfree_skb", "kfree_skb_list", "consume_skb", "sys_enter"];
        assert_eq!(did_you_mean("kfre_skb", names).unwrap(), "did you mean `kfree_skb`?");
        assert_eq!(did_you_mean("sys_enetr", names).unwrap(), "did you mean `sys_enter`?");
        assert_eq!(did_you_mean("xyz", names), None);
    }
}
