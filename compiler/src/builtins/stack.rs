//! Stacks, and addresses of processes as text. In user blocks stacks are empty.
//!
//! Text of symbols is made in userspace. Rows whose names begin with `__` are what others stand for: they take
//! the process as a further argument, which is captured in the kernel.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::lower::{KernelCode, Operand};
use crate::runtime_functions::RuntimeFunction as F;
use crate::types::MAX_STRING;

const DEPTH: &[Parameter] = &[Parameter { name: "n", kind: Kind::Long }];
const ADDRESS: &[Parameter] = &[Parameter { name: "address", kind: Kind::Long }];
const STACK: &[Parameter] = &[Parameter { name: "stack", kind: Kind::Text(0) }];
const ADDRESS_OF: &[Parameter] = &[
    Parameter { name: "address", kind: Kind::Long },
    Parameter { name: "process", kind: Kind::Long },
];
const STACK_OF: &[Parameter] = &[
    Parameter { name: "stack", kind: Kind::Text(0) },
    Parameter { name: "process", kind: Kind::Long },
];
const COPY: &[Parameter] = &[Parameter { name: "copy", kind: Kind::Long }];
const DEPTH_OF_COPY: &[Parameter] =
    &[Parameter { name: "n", kind: Kind::Long }, Parameter { name: "copy", kind: Kind::Long }];
const TEXT: Kind = Kind::Text(MAX_STRING);

macro_rules! row {
    ($name:literal, $parameters:expr, $result:expr, $kernel:expr, $user:expr, $summary:literal, $example:literal) => {
        Builtin {
            name: $name,
            parameters: $parameters,
            result: $result,
            summary: $summary,
            example: $example,
            kernel: $kernel,
            user: $user,
        }
    };
}

/// A row that is there for others.
macro_rules! hidden {
    ($name:literal, $parameters:expr, $result:expr, $user:expr) => {
        row!(
            $name,
            $parameters,
            $result,
            Kernel::Deferred,
            User::Runtime($user),
            "What the function of this name without `__` stands for.",
            "probe begin { exit() }"
        )
    };
}

pub(super) const ROWS: &[Builtin] = &[
    row!(
        "backtrace",
        NONE,
        TEXT,
        Kernel::Inline(|k, _| k.stack_text(None)),
        User::Runtime(F::NoText),
        "The addresses of the kernel's stack, at most 20, in hexadecimal with spaces between.",
        "probe timer.profile { println(backtrace()); exit() }"
    ),
    row!(
        "callers",
        DEPTH,
        TEXT,
        Kernel::Inline(|k, operands| k.stack_text(Some(operands[0].long()))),
        User::Runtime(F::Nothing),
        "The first N addresses of the kernel's stack, as `backtrace` gives them.",
        "probe timer.profile { println(callers(3)); exit() }"
    ),
    row!(
        "stack",
        DEPTH,
        Kind::Long,
        Kernel::Inline(frame),
        User::Constant(0),
        "The address N calls up the kernel's stack; 0 is the probe's own, and behind the end.",
        "probe timer.profile { printf(\"%p\\n\", stack(1)); exit() }"
    ),
    row!(
        "caller_addr",
        NONE,
        Kind::Long,
        Kernel::Inline(|k, _| {
            let one = k.emitter.constant(1);
            Operand::Long(k.stack_frame(one))
        }),
        User::Constant(0),
        "The address in the kernel where the function of the probe was called.",
        "probe timer.profile { printf(\"%p\\n\", caller_addr()); exit() }"
    ),
    row!(
        "caller",
        NONE,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__caller", &["caller_addr"]),
        "The name of the function that called that of the probe, and the address.",
        "probe timer.profile { println(caller()); exit() }"
    ),
    hidden!("__caller", ADDRESS, TEXT, F::Caller),
    row!(
        "print_stack",
        STACK,
        Kind::Nothing,
        Kernel::Deferred,
        User::Runtime(F::PrintStack),
        "Prints a line for each address of a kernel stack: address, symbol, offset, size and module.",
        "probe timer.profile { print_stack(backtrace()); exit() }"
    ),
    row!(
        "print_syms",
        STACK,
        Kind::Nothing,
        Kernel::Deferred,
        User::Runtime(F::PrintSymbols),
        "Prints a line for each address in a text: as it is there, and its symbol.",
        "probe timer.profile { print_syms(callers(2)); exit() }"
    ),
    row!(
        "sprint_stack",
        STACK,
        TEXT,
        Kernel::Deferred,
        User::Runtime(F::StackText),
        "A line for each address of a kernel stack: symbol, offset and module.",
        "probe timer.profile { print(sprint_stack(backtrace())); exit() }"
    ),
    row!(
        "sprint_syms",
        STACK,
        TEXT,
        Kernel::Deferred,
        User::Runtime(F::StackText),
        "A line for each address in a text: symbol, offset and module.",
        "probe timer.profile { print(sprint_syms(callers(2))); exit() }"
    ),
    row!(
        "print_backtrace",
        NONE,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("print_stack", &["backtrace"]),
        "Prints the kernel's stack, a line for each address.",
        "probe timer.profile { print_backtrace(); exit() }"
    ),
    row!(
        "sprint_backtrace",
        NONE,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("sprint_stack", &["backtrace"]),
        "The kernel's stack as text, a line for each address.",
        "probe timer.profile { print(sprint_backtrace()); exit() }"
    ),
    row!(
        "print_backtrace_fileline",
        NONE,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_stack_fileline", &["backtrace"]),
        "Prints the kernel's stack with source files and lines, where its debug information is installed.",
        "probe timer.profile { print_backtrace_fileline(); exit() }"
    ),
    row!(
        "sprint_backtrace_fileline",
        NONE,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__sprint_stack_fileline", &["backtrace"]),
        "The kernel's stack as text, with source files and lines where its debug information is installed.",
        "probe timer.profile { print(sprint_backtrace_fileline()); exit() }"
    ),
    row!(
        "modname",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::WithSite(F::ModuleName),
        "The kernel module an address is in, or `kernel`; elsewhere an error.",
        "probe timer.profile { if (!user_mode()) println(modname(addr())); exit() }"
    ),
    row!(
        "symfile",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::Runtime(F::SourceFile),
        "The source file of the kernel's code at an address, where its debug information is installed; else the address in hexadecimal.",
        "probe begin { println(symfile(4096)); exit() }"
    ),
    row!(
        "symline",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::Runtime(F::SourceLine),
        "The source line of the kernel's code at an address, where its debug information is installed; else the address in hexadecimal.",
        "probe begin { println(symline(4096)); exit() }"
    ),
    row!(
        "symfileline",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::Runtime(F::SourcePlace),
        "The source file and line of the kernel's code at an address, as `FILE:LINE`, where its debug information is installed; else the address in hexadecimal.",
        "probe begin { println(symfileline(4096)); exit() }"
    ),
];

/// Of processes.
pub(super) const USER_ROWS: &[Builtin] = &[
    row!(
        "ubacktrace",
        NONE,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__ubacktrace", &["__user_stack"]),
        "The addresses of the process's stack, as `backtrace`: all callers that the unwind tables of programs know, elsewhere those of frame pointers.",
        "probe timer.profile { println(ubacktrace()); exit() }"
    ),
    row!(
        "ucallers",
        DEPTH,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__ucallers", &["__user_stack"]),
        "The first N addresses of the process's stack.",
        "probe timer.profile { println(ucallers(3)); exit() }"
    ),
    row!(
        "ustack",
        DEPTH,
        Kind::Long,
        Kernel::Deferred,
        User::StandsFor("__ustack", &["__user_stack"]),
        "The address N calls up the process's stack; 0 is where it runs, and behind the end.",
        "probe timer.profile { printf(\"%p\\n\", ustack(1)); exit() }"
    ),
    row!(
        "__user_stack",
        NONE,
        Kind::Long,
        Kernel::Inline(|k, _| Operand::Long(k.copied_user_stack())),
        User::Constant(0),
        "The number of a copy of the process's stack, which is sent to userspace.",
        "probe begin { exit() }"
    ),
    hidden!("__ubacktrace", COPY, TEXT, F::UserStack),
    hidden!("__ucallers", DEPTH_OF_COPY, TEXT, F::UserCallers),
    hidden!("__ustack", DEPTH_OF_COPY, Kind::Long, F::UserStackAddress),
    hidden!("__print_ustack", STACK_OF, Kind::Nothing, F::PrintUserStack),
    hidden!("__print_ustack_brief", STACK_OF, Kind::Nothing, F::PrintUserStackBrief),
    hidden!("__print_usyms", STACK_OF, Kind::Nothing, F::PrintUserSymbols),
    hidden!("__sprint_ustack", STACK_OF, TEXT, F::UserStackText),
    hidden!("__usymname", ADDRESS_OF, TEXT, F::UserSymbolName),
    hidden!("__usymdata", ADDRESS_OF, TEXT, F::UserSymbolData),
    hidden!("__umodname", ADDRESS_OF, TEXT, F::UserModuleName),
    hidden!("__usymfile", ADDRESS_OF, TEXT, F::UserSourceFile),
    hidden!("__usymline", ADDRESS_OF, TEXT, F::UserSourceLine),
    hidden!("__usymfileline", ADDRESS_OF, TEXT, F::UserSourcePlace),
    hidden!("__print_stack_fileline", STACK, Kind::Nothing, F::PrintStackPlaces),
    hidden!("__sprint_stack_fileline", STACK, TEXT, F::StackPlaces),
    hidden!("__print_ustack_fileline", STACK_OF, Kind::Nothing, F::PrintUserStackPlaces),
    hidden!("__sprint_ustack_fileline", STACK_OF, TEXT, F::UserStackPlaces),
    row!(
        "print_ustack",
        STACK,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_ustack", &["pid"]),
        "Prints a line for each address of a stack of the current process: address, symbol, offset, size and file.",
        "probe timer.profile { print_ustack(ubacktrace()); exit() }"
    ),
    row!(
        "print_usyms",
        STACK,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_usyms", &["pid"]),
        "Prints a line for each address of the current process in a text: as it is there, and its symbol.",
        "probe timer.profile { print_usyms(ucallers(2)); exit() }"
    ),
    row!(
        "sprint_ustack",
        STACK,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__sprint_ustack", &["pid"]),
        "A line for each address of a stack of the current process: symbol, offset and file.",
        "probe timer.profile { print(sprint_ustack(ubacktrace())); exit() }"
    ),
    row!(
        "sprint_usyms",
        STACK,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__sprint_ustack", &["pid"]),
        "A line for each address of the current process in a text: symbol, offset and file.",
        "probe timer.profile { print(sprint_usyms(ucallers(2))); exit() }"
    ),
    row!(
        "print_ubacktrace",
        NONE,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_ustack", &["ubacktrace", "pid"]),
        "Prints the process's stack, a line for each address, and one before it for each function that debug information says is inlined there.",
        "probe timer.profile { print_ubacktrace(); exit() }"
    ),
    row!(
        "print_ubacktrace_brief",
        NONE,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_ustack_brief", &["ubacktrace", "pid"]),
        "Prints the process's stack, a line of symbol and offset for each address.",
        "probe timer.profile { print_ubacktrace_brief(); exit() }"
    ),
    row!(
        "sprint_ubacktrace",
        NONE,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__sprint_ustack", &["ubacktrace", "pid"]),
        "The process's stack as text, a line of symbol, offset and file for each address.",
        "probe timer.profile { print(sprint_ubacktrace()); exit() }"
    ),
    row!(
        "print_ubacktrace_fileline",
        NONE,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_ustack_fileline", &["ubacktrace", "pid"]),
        "Prints the process's stack with source files and lines, where debug information has them.",
        "probe timer.profile { print_ubacktrace_fileline(); exit() }"
    ),
    row!(
        "print_ustack_fileline",
        STACK,
        Kind::Nothing,
        Kernel::Deferred,
        User::StandsFor("__print_ustack_fileline", &["pid"]),
        "As `print_ustack`, with source files and lines, where debug information has them.",
        "probe timer.profile { print_ustack_fileline(ubacktrace()); exit() }"
    ),
    row!(
        "sprint_ubacktrace_fileline",
        NONE,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__sprint_ustack_fileline", &["ubacktrace", "pid"]),
        "As `sprint_ubacktrace`, with source files and lines, where debug information has them.",
        "probe timer.profile { print(sprint_ubacktrace_fileline()); exit() }"
    ),
    row!(
        "usymname",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__usymname", &["pid"]),
        "The symbol of the current process an address is in, or the address in hexadecimal.",
        "probe timer.profile { println(usymname(uaddr())); exit() }"
    ),
    row!(
        "usymdata",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__usymdata", &["pid"]),
        "Symbol, offset, size and file of an address of the current process: `main+0x1c/0x40 [/bin/cat]`.",
        "probe timer.profile { println(usymdata(uaddr())); exit() }"
    ),
    row!(
        "umodname",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__umodname", &["pid"]),
        "The name of the program or library an address of the current process is in, or `<unknown>`.",
        "probe timer.profile { println(umodname(uaddr())); exit() }"
    ),
    row!(
        "usymfile",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__usymfile", &["pid"]),
        "The source file of an address of the current process, where debug information has it; else the address in hexadecimal.",
        "probe timer.profile { println(usymfile(uaddr())); exit() }"
    ),
    row!(
        "usymline",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__usymline", &["pid"]),
        "The source line of an address of the current process, as text, where debug information has it; else the address in hexadecimal.",
        "probe timer.profile { println(usymline(uaddr())); exit() }"
    ),
    row!(
        "usymfileline",
        ADDRESS,
        TEXT,
        Kernel::Deferred,
        User::StandsFor("__usymfileline", &["pid"]),
        "Source file and line of an address of the current process, `/src/server.c:12`, where debug information has them; else the address in hexadecimal.",
        "probe timer.profile { println(usymfileline(uaddr())); exit() }"
    ),
];

fn frame(k: &mut KernelCode<'_, '_>, operands: &[Operand]) -> Operand {
    Operand::Long(k.stack_frame(operands[0].long()))
}
