//! Runtime functions beyond values and strings: commands, the kernel's trace buffer, speculative output,
//! the depth of calls.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};

use ntap_compiler::runtime_functions::context;

use super::functions::Context;
use super::recording::MessageKind;
use super::values::text_at;

/// What these functions keep between their calls.
#[derive(Default)]
pub struct Services {
    speculations: HashMap<i64, Vec<u8>>,
    /// By the number of a thread: how deep its calls are, and when the outermost one came.
    indents: HashMap<i64, (i64, i64)>,
    depths: HashMap<i64, i64>,
}

/// Ends the block and the session.
pub(super) extern "C" fn abort(context: Context<'_>) -> i64 {
    context.state.exiting = true;
    // No error is told, for none was raised.
    context.error = context::FINAL;
    0
}

/// Runs a command and waits for it; what it prints is part of the script's output.
pub(super) extern "C" fn system(context: Context<'_>, command: i64) -> i64 {
    // SAFETY: a string of compiled code, see `functions`.
    let command = unsafe { text_at(command) }.to_bytes();
    match crate::sys::run_shell(command) {
        Ok(mut printed) => context.state.output.append(&mut printed),
        Err(error) => {
            context.state.message(MessageKind::Warning, format!("system: {error}"));
        }
    }
    0
}

/// Writes a line to the kernel's trace buffer.
pub(super) extern "C" fn trace_marker(_: Context<'_>, text: i64) -> i64 {
    // SAFETY: as in `system`.
    let text = unsafe { text_at(text) }.to_bytes();
    let folders = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    for folder in folders {
        let file = std::fs::OpenOptions::new().write(true).open(format!("{folder}/trace_marker"));
        // A buffer that cannot be written to is as good as one nobody reads.
        if file.is_ok_and(|mut file| file.write_all(text).is_ok()) {
            break;
        }
    }
    0
}

pub(super) extern "C" fn speculate(context: Context<'_>, id: i64, text: i64) -> i64 {
    // SAFETY: as in `system`.
    let text = unsafe { text_at(text) }.to_bytes();
    let kept = context.state.services.speculations.entry(id).or_default();
    kept.extend_from_slice(text);
    0
}

pub(super) extern "C" fn end_speculation(context: Context<'_>, id: i64, print: i64) -> i64 {
    let kept = context.state.services.speculations.remove(&id).unwrap_or_default();
    if print != 0 {
        context.state.output.extend_from_slice(&kept);
    }
    0
}

/// `    12 name(5):  `: microseconds since the outermost call, a description, a space for each call around.
pub(super) extern "C" fn indent(
    context: Context<'_>,
    index: i64,
    description: i64,
    now: i64,
    delta: i64,
) -> i64 {
    let (depth, start) = context.state.services.indents.entry(index).or_default();
    if *depth == 0 {
        *start = now;
    }
    *depth += delta;
    // Those before a call is entered, and after it is left.
    let shown = usize::try_from(*depth - delta.max(0)).unwrap_or(0).min(512);
    let since = now.wrapping_sub(*start);
    // SAFETY: as in `system`.
    let description = unsafe { text_at(description) };
    let mut text = format!("{since:6} ").into_bytes();
    text.extend_from_slice(description.to_bytes());
    text.push(b':');
    text.resize(text.len() + shown, b' ');
    context.state.keep_bytes(&text)
}

pub(super) extern "C" fn indent_depth(context: Context<'_>, index: i64, delta: i64) -> i64 {
    let depth = context.state.services.depths.entry(index).or_default();
    let before = *depth;
    *depth = depth.wrapping_add(delta);
    before.max(*depth)
}

/// Whether what is printed can be refreshed in place.
pub(super) extern "C" fn prints_to_terminal(_: Context<'_>) -> i64 {
    i64::from(std::io::stdout().is_terminal())
}

/// A number from 0 to 2^32 - 1.
pub(super) extern "C" fn random(_: Context<'_>) -> i64 {
    let mut bytes = [0u8; 4];
    // SAFETY: the buffer is valid for the call and as long as is said.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    i64::from(u32::from_ne_bytes(bytes))
}
