//! Reading memory of the kernel's in user blocks.

use ntap_compiler::lower::ErrorKind;
use ntap_compiler::types::MAX_STRING;

use super::BlockContext;

type Context<'a> = &'a mut BlockContext;

pub(super) extern "C" fn number(context: Context<'_>, address: i64, bytes: i64, site: i64) -> i64 {
    let length = bytes.clamp(1, 8) as usize;
    match context.state.kernel.memory(address as u64, length) {
        Some(read) => {
            let mut word = [0; 8];
            word[..length].copy_from_slice(&read);
            i64::from_le_bytes(word)
        }
        None => {
            fault(context, site, &ErrorKind::ReadFault, address);
            0
        }
    }
}

fn fault(context: Context<'_>, site: i64, kind: &ErrorKind, address: i64) {
    context.raise(site, Some(format!("{kind} at {address:#x}")));
}

/// A number of a process, which a block has none of.
pub(super) extern "C" fn no_number(context: Context<'_>, address: i64, site: i64) -> i64 {
    fault(context, site, &ErrorKind::ReadFault, address);
    0
}

/// A string of a process, which a block has none of.
pub(super) extern "C" fn no_text(context: Context<'_>, address: i64, site: i64) -> i64 {
    fault(context, site, &ErrorKind::UserStringFault, address);
    context.state.keep_bytes(b"")
}

/// A register, which a block has none of.
pub(super) extern "C" fn no_register(context: Context<'_>, _: i64, site: i64) -> i64 {
    context.raise(site, Some("no registers at this probe point".to_string()));
    0
}

pub(super) extern "C" fn integer(
    context: Context<'_>,
    address: i64,
    bytes: i64,
    signed: i64,
    site: i64,
) -> i64 {
    let unused = 64 - 8 * bytes.clamp(1, 8) as u32;
    let number = number(context, address, bytes, site) << unused;
    if signed == 1 { number >> unused } else { (number as u64 >> unused) as i64 }
}

pub(super) extern "C" fn text(context: Context<'_>, address: i64, site: i64) -> i64 {
    let read = context.state.kernel.text(address as u64, MAX_STRING as usize);
    if read.is_none() {
        fault(context, site, &ErrorKind::KernelStringFault, address);
    }
    context.state.keep_bytes(&read.unwrap_or_default())
}

pub(super) extern "C" fn text_otherwise(context: Context<'_>, address: i64, text: i64) -> i64 {
    match context.state.kernel.text(address as u64, MAX_STRING as usize) {
        Some(read) => context.state.keep_bytes(&read),
        None => text,
    }
}

pub(super) extern "C" fn current_task(context: Context<'_>) -> i64 {
    context.state.kernel.current_task().unwrap_or(0) as i64
}
