//! The catalogue of builtin functions: one row each, grouped by subject.
//!
//! A row says what a function takes and gives, what it is for, and how it is lowered in either half.
//! No pass knows a builtin by name; to add one, add a row (and a runtime function where the user
//! half needs new native code).

mod context;
mod control;
mod decode;
mod memory;
mod registers;
mod symbol;
mod text;
mod time;

use crate::lower::{KernelCode, Operand};
use crate::runtime_functions::RuntimeFunction;

/// A builtin function.
#[derive(Debug)]
pub struct Builtin {
    /// The name scripts use.
    pub name: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// What it gives.
    pub result: Kind,
    /// One sentence: what it gives or does.
    pub summary: &'static str,
    /// A script that uses it.
    pub example: &'static str,
    /// How kernel code does it.
    pub kernel: Kernel,
    /// How user blocks do it.
    pub user: User,
}

/// A parameter of a builtin function.
#[derive(Debug)]
pub struct Parameter {
    /// The name in documentation.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// The types in signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed 64-bit number.
    Long,
    /// A string of at most so many bytes with its terminator; in parameters any string.
    Text(u32),
    /// No value: the call is a statement.
    Nothing,
}

/// How kernel code runs a builtin.
pub enum Kernel {
    /// By emitting code.
    Inline(fn(&mut KernelCode<'_, '_>, &[Operand]) -> Operand),
    /// It cannot; the call is made by the handler's continuation in userspace.
    Deferred,
    /// The same, and the kernel handler ends there.
    DeferredLast,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kernel::Inline(_) => "Inline",
            Kernel::Deferred => "Deferred",
            Kernel::DeferredLast => "DeferredLast",
        })
    }
}

/// How user blocks run a builtin.
#[derive(Clone, Copy, Debug)]
pub enum User {
    /// A runtime function with the call's arguments.
    Runtime(RuntimeFunction),
    /// The same, whose result is divided by a constant (units of time).
    Divided(RuntimeFunction, i64),
    /// The same, with these numbers as last arguments.
    WithNumbers(RuntimeFunction, &'static [i64]),
    /// The same, with the error site of the call as a last argument.
    WithSite(RuntimeFunction),
    /// A constant.
    Constant(i64),
}

/// Every builtin.
pub fn all() -> impl Iterator<Item = &'static Builtin> {
    [
        context::ROWS,
        registers::ROWS,
        time::ROWS,
        control::ROWS,
        decode::ROWS,
        decode::ROWS,
        memory::ROWS,
        symbol::ROWS,
        text::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The builtins that scripts may call.
pub fn public() -> impl Iterator<Item = &'static Builtin> {
    all().filter(|builtin| !is_internal(builtin))
}

/// Whether a builtin is for the library: not documented, and without any effect but its result.
pub fn is_internal(builtin: &Builtin) -> bool {
    builtin.name.starts_with("__")
}

impl Builtin {
    /// Whether a call can raise an error.
    pub fn can_fail(&self) -> bool {
        matches!(self.user, User::WithSite(_))
    }
}

/// The builtin of a name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    all().find(|b| b.name == name)
}

/// No parameters.
const NONE: &[Parameter] = &[];
