//! Kernel functions, by their addresses: names of static functions are not unique.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::perf::bind_with_cookie;
use crate::sys::{self, PerfEvent, Result, SysError};

/// A function, and what its program reads as cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, for messages.
    pub name: String,
    /// Where its code begins.
    pub address: u64,
}

/// Whether an address is in one of the functions that the kernel does not let anybody probe, as far as it tells.
pub(super) fn is_forbidden(address: u64) -> bool {
    let list = std::fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    is_listed(&list, address)
}

/// A line is `0xffffffff81000000-0xffffffff81000020\tname`.
fn is_listed(list: &str, address: u64) -> bool {
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    list.lines().any(|line| {
        let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
        let range = range.and_then(|(from, to)| Some(number(from)?..number(to)?));
        range.is_some_and(|range| range.contains(&address))
    })
}

/// What was attached of many functions.
pub(super) struct Attached {
    pub(super) descriptors: Vec<OwnedFd>,
    /// The functions that could not be, with the reason of the first.
    pub(super) failed: Vec<(usize, SysError)>,
}

/// Each by a perf event of its own (4.17).
pub(super) fn attach_each(
    program: BorrowedFd<'_>,
    functions: &[Function],
    returns: bool,
) -> Attached {
    let mut attached = Attached { descriptors: vec![], failed: vec![] };
    for (at, function) in functions.iter().enumerate() {
        match attach_one(program, function, at as u64, returns) {
            Ok(descriptor) => attached.descriptors.push(descriptor),
            Err(error) => attached.failed.push((at, error)),
        }
    }
    attached
}

fn attach_one(
    program: BorrowedFd<'_>,
    function: &Function,
    cookie: u64,
    returns: bool,
) -> Result<OwnedFd> {
    let kind = PerfEvent::Function { address: function.address, returns };
    bind_with_cookie(program, sys::open_perf_event(kind)?, cookie)
}

/// All by one link; where the kernel refuses some of them, the others by several. The kernel sorts functions that have
/// cookies and looks for the function's at each hit: it is spared that where the program does not ask.
pub(super) fn attach_together(
    program: BorrowedFd<'_>,
    functions: &[Function],
    returns: bool,
    with_places: bool,
) -> Attached {
    let addresses: Vec<u64> = functions.iter().map(|function| function.address).collect();
    let cookies: Vec<u64> = (0..functions.len() as u64).collect();
    let mut attached = Attached { descriptors: vec![], failed: vec![] };
    let mut ranges = vec![(0, functions.len())];
    while let Some((from, to)) = ranges.pop() {
        let (some, their) = (&addresses[from..to], with_places.then(|| &cookies[from..to]));
        match sys::link_functions(program, some, their, returns) {
            Ok(link) => attached.descriptors.push(link),
            Err(error) if to - from == 1 => attached.failed.push((from, error)),
            Err(_) => {
                let middle = from + (to - from) / 2;
                ranges.extend([(from, middle), (middle, to)]);
            }
        }
    }
    attached
}

#[cfg(test)]
mod tests {
    #[test]
    fn forbidden_functions() {
        let list = "0xffffffff81000000-0xffffffff81000020\tdo_int3\n0x10-0x20\tother\n";
        assert!(super::is_listed(list, 0xffff_ffff_8100_0010));
        assert!(!super::is_listed(list, 0xffff_ffff_8100_0020));
        assert!(super::is_listed(list, 0x10));
        assert!(!super::is_listed("", 0x10));
    }
}
