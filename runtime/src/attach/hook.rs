//! Hooks of netfilter.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::sys::{self, Result};

/// How many places behind the one wanted are tried.
const TRIES: i32 = 64;

/// Attaches in the network namespace of this process (6.4). The kernel takes one program for each priority: where one
/// is there already, this one comes behind it.
pub(super) fn attach(
    program: BorrowedFd<'_>,
    family: u32,
    hook: u32,
    priority: i32,
) -> Result<Vec<OwnedFd>> {
    let mut tried = priority;
    loop {
        match sys::link_netfilter(program, family, hook, tried) {
            Err(error) if error.errno() == libc::EBUSY && tried - priority < TRIES => {
                tried = tried.saturating_add(1);
            }
            other => return Ok(vec![other?]),
        }
    }
}
