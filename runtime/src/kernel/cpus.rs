//! Which CPUs there are.

use std::fs;

/// The number of possible CPUs. The kernel packs per-CPU values: numbers missing in the list take no room.
pub(crate) fn possible() -> usize {
    let list = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    parse_cpu_list(&list).map_or(1, |cpus| cpus.len()).max(1)
}

/// The CPUs that are online.
pub(super) fn online() -> Vec<u32> {
    let list = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    parse_cpu_list(&list).unwrap_or_else(|| vec![0])
}

/// The numbers in a list such as `0-3,8,10-11`; `None` when it is not one.
pub fn parse_cpu_list(list: &str) -> Option<Vec<u32>> {
    const MOST_CPUS: u32 = 1 << 16;
    let mut cpus = vec![];
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last >= MOST_CPUS || first > last {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpu_list("0\n"), Some(vec![0]));
        assert_eq!(parse_cpu_list("0-2,5,7-8\n"), Some(vec![0, 1, 2, 5, 7, 8]));
        for wrong in ["", "a", "3-1", "0-4294967295", "1,"] {
            assert_eq!(parse_cpu_list(wrong), None, "{wrong}");
        }
    }
}
