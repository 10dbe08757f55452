//! The functions of this module as compiled user blocks call them.

use ntap_compiler::facts::Facts;
use ntap_compiler::syscalls;

use crate::block::BlockContext;
use crate::block::values::text_at;

type Context<'a> = &'a mut BlockContext;

/// A text as Rust's; names are ASCII.
///
/// # Safety
///
/// As of `text_at`.
unsafe fn string_at(text: i64) -> String {
    // SAFETY: as the caller says.
    let text = unsafe { text_at(text) };
    String::from_utf8_lossy(text.to_bytes()).into_owned()
}

pub extern "C" fn name_of(context: Context<'_>, value: i64, names: i64, otherwise: i64) -> i64 {
    // SAFETY: compiled code hands over strings that live until the block ends.
    let (names, otherwise) = unsafe { (string_at(names), string_at(otherwise)) };
    context.state.keep_bytes(super::name_of(value, &names, &otherwise).as_bytes())
}

pub extern "C" fn call_name(context: Context<'_>, number: i64) -> i64 {
    let name = syscalls::name_of_number(context.state.kernel.architecture(), number);
    context.state.keep_bytes(name.as_bytes())
}

pub extern "C" fn flags_of(context: Context<'_>, value: i64, names: i64, none: i64) -> i64 {
    // SAFETY: as in `name_of`.
    let (names, none) = unsafe { (string_at(names), string_at(none)) };
    context.state.keep_bytes(super::flags_of(value, &names, &none).as_bytes())
}

#[allow(clippy::too_many_arguments)] // The words that can be captured are numbers.
pub extern "C" fn buffer_quoted(
    context: Context<'_>,
    address: i64,
    length: i64,
    shown: i64,
    can_read: i64,
    a: i64,
    b: i64,
    c: i64,
    d: i64,
    e: i64,
    f: i64,
) -> i64 {
    let most = context.state.limits.string_bytes as usize - 1;
    let text = if can_read != 0 || length == 0 && address != 0 {
        super::buffer_quoted(&[a, b, c, d, e, f], length, shown, most)
    } else {
        format!("{address:#x}").into_bytes()
    };
    context.state.keep_bytes(&text)
}

pub extern "C" fn result_text(context: Context<'_>, format: i64, result: i64, error: i64) -> i64 {
    // SAFETY: as in `name_of`.
    let error = unsafe { string_at(error) };
    context.state.keep_bytes(super::result(format, result, &error).as_bytes())
}

pub extern "C" fn socket_address(
    context: Context<'_>,
    address: i64,
    a: i64,
    b: i64,
    c: i64,
    d: i64,
    path: i64,
) -> i64 {
    // SAFETY: as in `name_of`.
    let path = unsafe { string_at(path) };
    let text = super::socket_address(address, &[a, b, c, d], &path);
    context.state.keep_bytes(text.as_bytes())
}

pub extern "C" fn socket_ip(context: Context<'_>, a: i64, b: i64, c: i64) -> i64 {
    context.state.keep_bytes(super::socket_ip(&[a, b, c]).as_bytes())
}

pub extern "C" fn signal_set(context: Context<'_>, mask: i64, names: i64) -> i64 {
    // SAFETY: as in `name_of`.
    let names = unsafe { string_at(names) };
    context.state.keep_bytes(super::signal_set(mask, &names).as_bytes())
}
