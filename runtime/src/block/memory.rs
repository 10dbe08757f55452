//! Reading memory in user blocks: the kernel's, and that of their process, which is this one.

use std::fs::File;
use std::os::unix::fs::FileExt;

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

/// As many of the bytes at an address of this process as can be read.
fn own_memory(address: i64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    // A file reads past its end, and never faults.
    let read = File::open("/proc/self/mem")
        .and_then(|memory| memory.read_at(&mut bytes, address as u64))
        .unwrap_or(0);
    bytes.truncate(read);
    bytes
}

fn own_number(address: i64, bytes: i64, signed: i64) -> Option<i64> {
    let length = bytes.clamp(1, 8) as usize;
    let read = own_memory(address, length);
    let mut word = [0; 8];
    word.get_mut(..length)?.copy_from_slice(read.get(..length)?);
    Some(extended(i64::from_le_bytes(word), bytes, signed))
}

/// The text at an address of this process, up to its end.
fn own_text_at(address: i64) -> Option<Vec<u8>> {
    let mut read = own_memory(address, MAX_STRING as usize - 1);
    let end = read.iter().position(|&byte| byte == 0);
    if end.is_none() && read.len() < MAX_STRING as usize - 1 {
        return None;
    }
    read.truncate(end.unwrap_or(read.len()));
    Some(read)
}

pub(super) extern "C" fn own_integer(
    context: Context<'_>,
    address: i64,
    bytes: i64,
    signed: i64,
    site: i64,
) -> i64 {
    own_number(address, bytes, signed).unwrap_or_else(|| {
        fault(context, site, &ErrorKind::ReadFault, address);
        0
    })
}

pub(super) extern "C" fn own_integer_or_zero(
    _: Context<'_>,
    address: i64,
    bytes: i64,
    signed: i64,
) -> i64 {
    own_number(address, bytes, signed).unwrap_or(0)
}

pub(super) extern "C" fn own_text(context: Context<'_>, address: i64, site: i64) -> i64 {
    let read = own_text_at(address);
    if read.is_none() {
        fault(context, site, &ErrorKind::UserStringFault, address);
    }
    context.state.keep_bytes(&read.unwrap_or_default())
}

pub(super) extern "C" fn own_text_otherwise(context: Context<'_>, address: i64, text: i64) -> i64 {
    match own_text_at(address) {
        Some(read) => context.state.keep_bytes(&read),
        None => text,
    }
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
    extended(number(context, address, bytes, site), bytes, signed)
}

/// A number of so many bytes as one of 8.
fn extended(number: i64, bytes: i64, signed: i64) -> i64 {
    let unused = 64 - 8 * bytes.clamp(1, 8) as u32;
    let number = number << unused;
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
