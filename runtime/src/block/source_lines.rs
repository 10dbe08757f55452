//! Source files and lines of addresses of processes, where debug information has them; elsewhere the address.

use super::stack::{
    Context, addresses, file_name, inlined_at, kernel_addresses, line_of_text, owner,
    record_kernel_stack, record_user_stack, stack_owner, text_of,
};
use crate::symbols::{SourceLine, UserSymbol};

fn source(context: Context<'_>, address: u64, process: i64) -> Option<SourceLine> {
    let process = owner(context, &[address], process);
    context.state.symbols.source_line(process, address)
}

pub(super) extern "C" fn file(context: Context<'_>, address: i64, process: i64) -> i64 {
    let found = source(context, address as u64, process);
    let text = found.map_or_else(|| format!("{address:#x}"), |source| source.file);
    context.state.keep_bytes(text.as_bytes())
}

pub(super) extern "C" fn line(context: Context<'_>, address: i64, process: i64) -> i64 {
    let found = source(context, address as u64, process);
    let text = found.map_or_else(|| format!("{address:#x}"), |source| source.line.to_string());
    context.state.keep_bytes(text.as_bytes())
}

pub(super) extern "C" fn place(context: Context<'_>, address: i64, process: i64) -> i64 {
    let found = source(context, address as u64, process);
    let text = found.map_or_else(|| format!("{address:#x}"), |source| source.to_string());
    context.state.keep_bytes(text.as_bytes())
}

/// A text made of the source file and line of the kernel's code at an address; without them the address.
fn of_kernel(context: Context<'_>, address: i64, text: impl Fn(String, u64) -> String) -> i64 {
    let source = context.state.kernel.source_line(address as u64);
    let text = source.map_or_else(|| format!("{address:#x}"), |(file, line)| text(file, line));
    context.state.keep_bytes(text.as_bytes())
}

pub(super) extern "C" fn kernel_file(context: Context<'_>, address: i64) -> i64 {
    of_kernel(context, address, |file, _| file)
}

pub(super) extern "C" fn kernel_line(context: Context<'_>, address: i64) -> i64 {
    of_kernel(context, address, |_, line| line.to_string())
}

pub(super) extern "C" fn kernel_place(context: Context<'_>, address: i64) -> i64 {
    of_kernel(context, address, |file, line| format!("{file}:{line}"))
}

/// ` at fs/open.c:12` of the n-th address of a stack of the kernel's, as for [`of_frame`]; empty where it is not known.
fn at_kernel_source(context: Context<'_>, at: usize, address: u64) -> String {
    let call = address - u64::from(at > 0 && address > 0);
    let source = context.state.kernel.source_line(call);
    source.map_or(String::new(), |(file, line)| format!(" at {file}:{line}"))
}

/// ` 0xffffffff81000000 : name+0x10/0x20 at fs/open.c:12 [kernel]`.
pub(super) extern "C" fn print_stack(context: Context<'_>, stack: i64) -> i64 {
    let text = text_of(stack);
    let start = context.state.output.len();
    let addresses: Vec<u64> =
        kernel_addresses(&context.state.kernel, &text).map(|(_, address)| address).collect();
    for (at, address) in addresses.into_iter().enumerate() {
        let source = at_kernel_source(context, at, address);
        let line = match context.state.kernel.kallsyms().lookup(address) {
            Some(symbol) => format!(
                " {address:#x} : {}+{:#x}/{:#x}{source} [{}]\n",
                symbol.name,
                address.wrapping_sub(symbol.start),
                symbol.size,
                symbol.module.unwrap_or("kernel")
            ),
            None => format!(" {address:#x}\n"),
        };
        context.state.output.extend_from_slice(line.as_bytes());
    }
    record_kernel_stack(context, start, &text);
    0
}

/// `name+0x10 at fs/open.c:12 [kernel]`, a line for each address.
pub(super) extern "C" fn stack_text(context: Context<'_>, stack: i64) -> i64 {
    let stack = text_of(stack);
    let mut text = String::new();
    let addresses: Vec<u64> =
        kernel_addresses(&context.state.kernel, &stack).map(|(_, address)| address).collect();
    for (at, address) in addresses.into_iter().enumerate() {
        let source = at_kernel_source(context, at, address);
        text.push_str(&line_of_text(&context.state.kernel, address, &source));
    }
    context.state.keep_bytes(text.as_bytes())
}

/// The source line of the n-th address of a stack: behind the first they are those that calls return to, which may be
/// on the line after that of the call.
fn of_frame(context: Context<'_>, at: usize, address: u64, process: u32) -> Option<SourceLine> {
    let call = address - u64::from(at > 0 && address > 0);
    context.state.symbols.source_line(process, call)
}

/// ` 0x401136 : name+0x10/0x20 at /path/of/source.c:12 [/path/of/file]`.
pub(super) extern "C" fn print_user_stack(context: Context<'_>, stack: i64, process: i64) -> i64 {
    let text = text_of(stack);
    let process = stack_owner(context, &text, process);
    let start = context.state.output.len();
    for (at, (_, address)) in addresses(&text).enumerate() {
        let symbol = context.state.symbols.lookup(process, address);
        let inlined = inlined_at(&mut context.state.symbols, at, address, process, true);
        let source = match inlined.functions.is_empty() {
            true => of_frame(context, at, address, process),
            false => inlined.call,
        };
        let place = |source: Option<SourceLine>| source.map(|source| format!(" at {source}"));
        let source = place(source).unwrap_or_default();
        for function in inlined.functions {
            let source = place(function.source).unwrap_or_default();
            let path = symbol.as_ref().map_or("", |symbol| &symbol.path);
            let line = format!(" {address:#x} : {} [inline]{source} [{path}]\n", function.name);
            context.state.output.extend_from_slice(line.as_bytes());
        }
        let line = match symbol {
            Some(UserSymbol { name: Some(name), offset, size, path }) => {
                format!(" {address:#x} : {name}+{offset:#x}/{size:#x}{source} [{path}]\n")
            }
            Some(symbol) => {
                format!(" {address:#x} : [{}+{:#x}]{source}\n", symbol.path, symbol.offset)
            }
            None => format!(" {address:#x}\n"),
        };
        context.state.output.extend_from_slice(line.as_bytes());
    }
    record_user_stack(context, start, &text, process);
    0
}

/// `name+0x10 at source.c:12 [file]`, a line for each address.
pub(super) extern "C" fn user_stack_text(context: Context<'_>, stack: i64, process: i64) -> i64 {
    let mut text = String::new();
    let stack = text_of(stack);
    let process = stack_owner(context, &stack, process);
    for (at, (_, address)) in addresses(&stack).enumerate() {
        let source = of_frame(context, at, address, process).map(|source| format!(" at {source}"));
        let source = source.unwrap_or_default();
        let line = match context.state.symbols.lookup(process, address) {
            Some(UserSymbol { name: Some(name), offset, path, .. }) => {
                format!("{name}+{offset:#x}{source} [{}]\n", file_name(&path))
            }
            Some(symbol) => {
                format!("[{}+{:#x}]{source}\n", file_name(&symbol.path), symbol.offset)
            }
            None => format!("{address:#x}\n"),
        };
        text.push_str(&line);
    }
    context.state.keep_bytes(text.as_bytes())
}
