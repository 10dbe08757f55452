//! Stacks and symbols as text.
//!
//! A stack is the text `backtrace()` gives: addresses in hexadecimal with spaces between.

use super::BlockContext;
use super::frames::{Frame, kernel_frames, user_frames};
use super::recording::{Part, Printed};
use super::values::text_at;
use crate::kernel::LiveKernel;
use crate::symbols::{InlinedAt, UserSymbol, UserSymbols};

pub(super) type Context<'a> = &'a mut BlockContext;

pub(super) extern "C" fn no_text(context: Context<'_>) -> i64 {
    context.state.keep_bytes(b"")
}

pub(super) extern "C" fn nothing(context: Context<'_>, _: i64) -> i64 {
    context.state.keep_bytes(b"")
}

pub(super) extern "C" fn caller(context: Context<'_>, address: i64) -> i64 {
    let symbol = context.state.kernel.kallsyms().lookup(address as u64);
    let name = symbol.map_or(format!("{address:#x}"), |symbol| symbol.name.to_string());
    context.state.keep_bytes(format!("{name} {address:#x}").as_bytes())
}

pub(super) extern "C" fn module_name(context: Context<'_>, address: i64, site: i64) -> i64 {
    match context.state.kernel.kallsyms().lookup(address as u64) {
        Some(symbol) => {
            let name = symbol.module.unwrap_or("kernel").to_string();
            context.state.keep_bytes(name.as_bytes())
        }
        None => {
            context.raise(site, Some(format!("no module at {address:#x}")));
            0
        }
    }
}

/// The addresses of a stack, as they are written and as numbers.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.split_whitespace().map(|word| {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        (word, u64::from_str_radix(digits, 16).unwrap_or(0))
    })
}

/// The text at an address of compiled code.
pub(super) fn text_of(address: i64) -> String {
    // SAFETY: strings of compiled code, see the documentation of `functions`.
    unsafe { text_at(address) }.to_string_lossy().into_owned()
}

/// ` 0xffffffff81000000 : name+0x10/0x20 [kernel]`.
pub(super) extern "C" fn print_stack(context: Context<'_>, stack: i64) -> i64 {
    let text = text_of(stack);
    let start = context.state.output.len();
    for (_, address) in kernel_addresses(&context.state.kernel, &text) {
        let line = match kernel_symbol(&context.state.kernel, address) {
            Some(symbol) => format!(" {address:#x} : {symbol}\n"),
            None => format!(" {address:#x}\n"),
        };
        context.state.output.extend_from_slice(line.as_bytes());
    }
    record_kernel_stack(context, start, &text);
    0
}

pub(super) extern "C" fn print_symbols(context: Context<'_>, stack: i64) -> i64 {
    let text = text_of(stack);
    let start = context.state.output.len();
    for (word, address) in kernel_addresses(&context.state.kernel, &text) {
        let symbol = kernel_symbol(&context.state.kernel, address);
        let symbol = symbol.unwrap_or_else(|| format!("{address:#x}"));
        context.state.output.extend_from_slice(format!(" {word} : {symbol}\n").as_bytes());
    }
    record_kernel_stack(context, start, &text);
    0
}

/// Notes that a kernel stack was printed, from a place in the output on.
pub(super) fn record_kernel_stack(context: Context<'_>, start: usize, text: &str) {
    if context.state.recording.is_some() {
        let frames = kernel_frames(&context.state.kernel, text);
        record_stack(context, start, frames);
    }
}

/// Notes that a stack of a process was printed.
pub(super) fn record_user_stack(context: Context<'_>, start: usize, text: &str, process: u32) {
    if context.state.recording.is_some() {
        let frames = user_frames(&mut context.state.symbols, text, Some(process));
        record_stack(context, start, frames);
    }
}

fn record_stack(context: Context<'_>, start: usize, frames: Vec<Frame>) {
    let end = context.state.output.len();
    if let Some(recording) = &mut context.state.recording {
        let values = vec![Printed::Stack(frames)];
        recording.parts.push(Part::Print { start, end, format: None, values });
    }
}

/// `name+0x10 [kernel]`, a line for each address.
pub(super) extern "C" fn stack_text(context: Context<'_>, stack: i64) -> i64 {
    let mut text = String::new();
    let stack = text_of(stack);
    for (_, address) in kernel_addresses(&context.state.kernel, &stack) {
        text.push_str(&line_of_text(&context.state.kernel, address, ""));
    }
    context.state.keep_bytes(text.as_bytes())
}

/// The line of an address in the text of a stack, with the place in the source, if there is one, behind the name.
pub(super) fn line_of_text(kernel: &LiveKernel, address: u64, source: &str) -> String {
    match kernel.kallsyms().lookup(address) {
        Some(symbol) => format!(
            "{}+{:#x}{source} [{}]\n",
            symbol.name,
            address.wrapping_sub(symbol.start),
            symbol.module.unwrap_or("kernel")
        ),
        None => format!("{address:#x}\n"),
    }
}

/// The addresses of a kernel stack without those of what runs handlers of tracepoints, which stand first.
pub(super) fn kernel_addresses<'t>(
    kernel: &LiveKernel,
    text: &'t str,
) -> impl Iterator<Item = (&'t str, u64)> {
    const RUNNERS: [&str; 4] = ["__bpf_trace_", "__traceiter_", "bpf_trace_run", "bpf_prog_"];
    addresses(text).skip_while(|&(_, address)| {
        let name = kernel.kallsyms().name(address).unwrap_or_default();
        RUNNERS.iter().any(|runner| name.starts_with(runner))
    })
}

fn kernel_symbol(kernel: &LiveKernel, address: u64) -> Option<String> {
    let symbol = kernel.kallsyms().lookup(address)?;
    let offset = address.wrapping_sub(symbol.start);
    let module = symbol.module.unwrap_or("kernel");
    Some(format!("{}+{offset:#x}/{:#x} [{module}]", symbol.name, symbol.size))
}

/// Of a process: `name+0x10/0x20 [/path/of/file]`; the file with the offset in it when there is no symbol.
fn described(symbol: &UserSymbol) -> String {
    match &symbol.name {
        Some(name) => {
            format!("{name}+{:#x}/{:#x} [{}]", symbol.offset, symbol.size, symbol.path)
        }
        None => format!("[{}+{:#x}]", symbol.path, symbol.offset),
    }
}

/// What was inlined at the n-th address of a stack: behind the first they are those that calls return to, which may be
/// of what comes after the call.
pub(super) fn inlined_at(
    symbols: &mut UserSymbols,
    at: usize,
    address: u64,
    process: u32,
    with_lines: bool,
) -> InlinedAt {
    let call = address - u64::from(at > 0 && address > 0);
    symbols.inlined(process, call, with_lines)
}

/// Prints a line for each function that was inlined there: `name [inline]` between the texts.
fn print_inlined(
    context: Context<'_>,
    (at, address): (usize, u64),
    process: u32,
    before: &str,
    after: &str,
) {
    let inlined = inlined_at(&mut context.state.symbols, at, address, process, false);
    for function in inlined.functions {
        let line = format!("{before}{} [inline]{after}\n", function.name);
        context.state.output.extend_from_slice(line.as_bytes());
    }
}

/// The addresses of a copied stack.
fn copied(context: Context<'_>, copy: i64) -> std::rc::Rc<[u64]> {
    let most = context.state.limits.backtrace as usize;
    context.state.symbols.stack(copy as u64, most)
}

fn keep_addresses(context: Context<'_>, addresses: &[u64]) -> i64 {
    let words: Vec<String> = addresses.iter().map(|address| format!("{address:x}")).collect();
    context.state.keep_bytes(words.join(" ").as_bytes())
}

pub(super) extern "C" fn user_stack(context: Context<'_>, copy: i64) -> i64 {
    let addresses = copied(context, copy);
    keep_addresses(context, &addresses)
}

pub(super) extern "C" fn user_callers(context: Context<'_>, count: i64, copy: i64) -> i64 {
    let addresses = copied(context, copy);
    // A negative number is a large one, as in kernel code.
    let count = usize::try_from(count as u64).unwrap_or(usize::MAX).min(addresses.len());
    keep_addresses(context, &addresses[..count])
}

pub(super) extern "C" fn user_stack_address(context: Context<'_>, n: i64, copy: i64) -> i64 {
    let addresses = copied(context, copy);
    usize::try_from(n).ok().and_then(|n| addresses.get(n)).map_or(0, |&address| address as i64)
}

/// The process whose addresses these are. A block that is no part of a handler has only ntap's own number, and means
/// the process the stack was taken of.
pub(super) fn owner(context: Context<'_>, addresses: &[u64], process: i64) -> u32 {
    let state = &mut context.state;
    let process = process as u32;
    if process != std::process::id() {
        return process;
    }
    let target = u32::try_from(state.target).ok().filter(|&target| target != 0);
    state.symbols.owner_of(addresses, target).unwrap_or(process)
}

/// The same, of the addresses of a stack.
pub(super) fn stack_owner(context: Context<'_>, stack: &str, process: i64) -> u32 {
    let list: Vec<u64> = addresses(stack).map(|(_, address)| address).collect();
    owner(context, &list, process)
}

pub(super) extern "C" fn print_user_stack(context: Context<'_>, stack: i64, process: i64) -> i64 {
    let text = text_of(stack);
    let process = stack_owner(context, &text, process);
    let start = context.state.output.len();
    for (at, (_, address)) in addresses(&text).enumerate() {
        let symbol = context.state.symbols.lookup(process, address);
        if let Some(symbol) = &symbol {
            let (before, file) = (format!(" {address:#x} : "), format!(" [{}]", symbol.path));
            print_inlined(context, (at, address), process, &before, &file);
        }
        let line = match symbol {
            Some(symbol) => format!(" {address:#x} : {}\n", described(&symbol)),
            None => format!(" {address:#x}\n"),
        };
        context.state.output.extend_from_slice(line.as_bytes());
    }
    record_user_stack(context, start, &text, process);
    0
}

pub(super) extern "C" fn print_user_stack_brief(
    context: Context<'_>,
    stack: i64,
    process: i64,
) -> i64 {
    let text = text_of(stack);
    let process = stack_owner(context, &text, process);
    let start = context.state.output.len();
    for (at, (_, address)) in addresses(&text).enumerate() {
        print_inlined(context, (at, address), process, "", "");
        let symbol = context.state.symbols.lookup(process, address);
        let line = match symbol.and_then(|s| Some((s.name?, s.offset))) {
            Some((name, offset)) => format!("{name}+{offset:#x}\n"),
            None => format!("{address:#x}\n"),
        };
        context.state.output.extend_from_slice(line.as_bytes());
    }
    record_user_stack(context, start, &text, process);
    0
}

pub(super) extern "C" fn print_user_symbols(context: Context<'_>, stack: i64, process: i64) -> i64 {
    let text = text_of(stack);
    let process = stack_owner(context, &text, process);
    let start = context.state.output.len();
    for (at, (word, address)) in addresses(&text).enumerate() {
        let symbol = context.state.symbols.lookup(process, address);
        if let Some(symbol) = &symbol {
            let (before, file) = (format!(" {word} : "), format!(" [{}]", symbol.path));
            print_inlined(context, (at, address), process, &before, &file);
        }
        let symbol = symbol.map_or_else(|| format!("{address:#x}"), |s| described(&s));
        context.state.output.extend_from_slice(format!(" {word} : {symbol}\n").as_bytes());
    }
    record_user_stack(context, start, &text, process);
    0
}

/// `name+0x10 [file]`, a line for each address.
pub(super) extern "C" fn user_stack_text(context: Context<'_>, stack: i64, process: i64) -> i64 {
    let mut text = String::new();
    let stack = text_of(stack);
    let process = stack_owner(context, &stack, process);
    for (_, address) in addresses(&stack) {
        let line = match context.state.symbols.lookup(process, address) {
            Some(UserSymbol { name: Some(name), offset, path, .. }) => {
                format!("{name}+{offset:#x} [{}]\n", file_name(&path))
            }
            Some(symbol) => format!("[{}+{:#x}]\n", file_name(&symbol.path), symbol.offset),
            None => format!("{address:#x}\n"),
        };
        text.push_str(&line);
    }
    context.state.keep_bytes(text.as_bytes())
}

pub(super) extern "C" fn user_symbol_name(context: Context<'_>, address: i64, process: i64) -> i64 {
    let process = owner(context, &[address as u64], process);
    let symbol = context.state.symbols.lookup(process, address as u64);
    let name = symbol.and_then(|s| s.name).unwrap_or_else(|| format!("{address:#x}"));
    context.state.keep_bytes(name.as_bytes())
}

pub(super) extern "C" fn user_symbol_data(context: Context<'_>, address: i64, process: i64) -> i64 {
    let process = owner(context, &[address as u64], process);
    let symbol = context.state.symbols.lookup(process, address as u64);
    let text = symbol.map_or_else(|| format!("{address:#x}"), |s| described(&s));
    context.state.keep_bytes(text.as_bytes())
}

pub(super) extern "C" fn user_module_name(context: Context<'_>, address: i64, process: i64) -> i64 {
    let process = owner(context, &[address as u64], process);
    let symbol = context.state.symbols.lookup(process, address as u64);
    let name = symbol.map_or("<unknown>".to_string(), |s| file_name(&s.path).to_string());
    context.state.keep_bytes(name.as_bytes())
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
