//! `.callees(N)`: what functions call, what these call, and so on.

use std::collections::BTreeSet;

use super::Request;

/// More levels than this are not followed.
const MOST_LEVELS: i64 = 64;

/// Goes to the functions of the first level, and to those that each leads to, as many levels as the request's
/// `callees` says, one without a number. Each function is gone to once, by its address.
pub(super) fn each_caller<F>(
    request: &Request<'_>,
    first: Vec<F>,
    address: impl Fn(&F) -> u64,
    mut go_to: impl FnMut(&F) -> Vec<F>,
) {
    let levels = request.number_of("callees").map_or(1, |(levels, _)| levels.clamp(1, MOST_LEVELS));
    let mut done = BTreeSet::new();
    let mut now = first;
    for _ in 0..levels {
        let mut next = vec![];
        for caller in now {
            if done.insert(address(&caller)) {
                next.extend(go_to(&caller));
            }
        }
        now = next;
    }
}
