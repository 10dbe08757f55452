//! The order of the elements of an array, as loops leave it.
//!
//! An array is a list. New elements come last; a sorted loop leaves the list as it has sorted it, which
//! a later loop without a sort mark, the order of equal elements in a later sorted one, and the element
//! that a wrapping array drops all show.

use std::cmp::Ordering;

/// A limit above this sorts the whole list, like none.
const MOST_SELECTED: i64 = 30;

/// Sorts a list for a loop with a limit; equal elements keep their order.
///
/// A small limit only selects: the list begins with the least elements in order, those they displaced stand
/// right behind them, the last displaced first, and the rest is left as it was.
pub fn sort<T>(list: &mut Vec<T>, limit: Option<i64>, compare: impl Fn(&T, &T) -> Ordering) {
    match limit {
        Some(limit) if limit != 0 && limit <= MOST_SELECTED => {
            select(list, limit.max(1) as usize, compare);
        }
        _ => list.sort_by(compare),
    }
}

/// Leaves the first elements of a list, sorted, and drops the others, which are not sorted.
pub fn first<T>(list: &mut Vec<T>, count: usize, compare: impl Fn(&T, &T) -> Ordering) {
    if count < list.len() {
        list.select_nth_unstable_by(count, &compare);
        list.truncate(count);
    }
    list.sort_unstable_by(compare);
}

fn select<T>(list: &mut Vec<T>, count: usize, compare: impl Fn(&T, &T) -> Ordering) {
    let rest = list.split_off(count.min(list.len()));
    list.sort_by(&compare);
    let (mut displaced, mut kept) = (vec![], vec![]);
    for element in rest {
        // Behind the elements that are equal to it.
        let at = list.partition_point(|other| compare(other, &element) != Ordering::Greater);
        if at == list.len() {
            kept.push(element);
            continue;
        }
        list.insert(at, element);
        displaced.extend(list.pop());
    }
    list.extend(displaced.into_iter().rev());
    list.append(&mut kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_or_sorts() {
        for (list, limit, expected) in [
            ("dcba", None, "abcd"),
            ("dcba", Some(0), "abcd"),
            ("dcba", Some(31), "abcd"),
            ("dcba", Some(4), "abcd"),
            ("dcba", Some(9), "abcd"),
            ("dcba", Some(2), "abcd"),
            ("cdba", Some(1), "abcd"),
            ("bdca", Some(1), "abdc"),
            ("ecdab", Some(2), "abcde"),
            ("cabed", Some(2), "abced"),
            ("cabed", Some(-3), "acbed"),
            ("", Some(3), ""),
        ] {
            let mut sorted: Vec<char> = list.chars().collect();
            sort(&mut sorted, limit, char::cmp);
            assert_eq!(sorted.into_iter().collect::<String>(), expected, "{list} {limit:?}");
        }
    }

    #[test]
    fn the_first_are_those_of_the_sorted_list() {
        for count in [0, 1, 3, 7, 8, 20] {
            let mut list = vec![5, 3, 8, 1, 9, 2, 7, 4];
            let mut sorted = list.clone();
            sorted.sort_unstable();
            first(&mut list, count, i32::cmp);
            assert_eq!(list, sorted[..count.min(8)], "{count}");
        }
    }

    #[test]
    fn equal_elements_keep_their_order() {
        let pairs = [(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (1, 'e')];
        for limit in [None, Some(2), Some(3), Some(5)] {
            let mut sorted = pairs.to_vec();
            sort(&mut sorted, limit, |a, b| a.0.cmp(&b.0));
            assert_eq!(sorted[..2], [(1, 'b'), (1, 'd')], "{limit:?}");
        }
    }
}
