//! Runtime functions about what a block exchanges with other programs.

use super::functions::Context;
use super::values::text_at;

/// The name of the session.
pub(super) extern "C" fn session_name(context: Context<'_>) -> i64 {
    let name = context.state.session_name.clone();
    context.state.keep_bytes(name.as_bytes())
}

/// As much of the text as a string can hold.
pub(super) extern "C" fn exchanged(context: Context<'_>) -> i64 {
    let most = context.state.limits.string_bytes as usize;
    let bytes = &context.state.exchanged;
    let text = bytes[..bytes.len().min(most)].to_vec();
    context.state.keep_bytes(&text)
}

pub(super) extern "C" fn exchange(context: Context<'_>, text: i64) -> i64 {
    context.state.exchanged.clear();
    exchange_more(context, text)
}

pub(super) extern "C" fn exchange_more(context: Context<'_>, text: i64) -> i64 {
    // SAFETY: a string of compiled code, see `functions`.
    let text = unsafe { text_at(text) }.to_bytes();
    context.state.exchanged.extend_from_slice(text);
    0
}
