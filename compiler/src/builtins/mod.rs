//! The catalogue of builtin functions: one row each, grouped by subject.
//!
//! A row says what a function takes and gives, what it is for, and how it is lowered in either half.
//! No pass knows a builtin by name; to add one, add a row (and a runtime function where the user
//! half needs new native code).

mod context;
mod control;
mod counter;
mod decode;
mod floating;
mod indentation;
mod memory;
mod outlet;
mod probe;
mod registers;
mod speculation;
mod stack;
mod symbol;
mod text;
mod time;

use std::collections::HashMap;
use std::sync::OnceLock;

pub use floating::operation as floating_operation;
pub(crate) use outlet::Exchanging;

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
    /// A number that is the address of a structure of the kernel's: its members follow with `->`.
    Pointer(&'static str),
    /// A string of at most so many bytes with its terminator; in parameters any string.
    Text(u32),
    /// No value: the call is a statement.
    Nothing,
}

/// How kernel code runs a builtin.
pub enum Kernel {
    /// By emitting code.
    Inline(fn(&mut KernelCode<'_, '_>, &[Operand]) -> Operand),
    /// The same; what it gives depends on its arguments alone, so that userspace may as well compute it.
    Pure(fn(&mut KernelCode<'_, '_>, &[Operand]) -> Operand),
    /// By emitting code that raises an error. Where the error would end the handler, or an argument needs
    /// userspace, the call is made by the continuation, and the kernel handler ends there.
    Raise(fn(&mut KernelCode<'_, '_>, &[Operand]) -> Operand),
    /// It cannot; the call is made by the handler's continuation in userspace.
    Deferred,
    /// The same, and the kernel handler ends there.
    DeferredLast,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kernel::Inline(_) => "Inline",
            Kernel::Pure(_) => "Pure",
            Kernel::Raise(_) => "Raise",
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
    /// The same, with these numbers and then the error site of the call as last arguments.
    WithNumbersAndSite(RuntimeFunction, &'static [i64]),
    /// A constant.
    Constant(i64),
    /// Another builtin, with calls of these as further arguments: in both halves.
    StandsFor(&'static str, &'static [&'static str]),
}

impl Builtin {
    /// Whether it raises an error with a text made at run time.
    pub fn raises(&self) -> bool {
        matches!(self.kernel, Kernel::Raise(_))
    }
}

/// Every builtin.
pub fn all() -> impl Iterator<Item = &'static Builtin> {
    [
        indentation::ROWS,
        speculation::ROWS,
        context::ROWS,
        probe::ROWS,
        registers::ROWS,
        time::ROWS,
        control::ROWS,
        counter::ROWS,
        outlet::ROWS,
        decode::ROWS,
        floating::ROWS,
        memory::ROWS,
        symbol::ROWS,
        stack::ROWS,
        stack::USER_ROWS,
        text::ROWS,
    ]
    .into_iter()
    .flatten()
}

impl Builtin {
    /// Whether it is there for the library only.
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("__")
    }

    /// Whether a call can raise an error.
    pub fn can_fail(&self) -> bool {
        self.raises() || matches!(self.user, User::WithSite(_) | User::WithNumbersAndSite(..))
    }

    /// Whether userspace can have what it gives as well, if a little later: it is in the memory of the kernel.
    pub(crate) fn reads_kernel_memory(&self) -> bool {
        matches!(
            self.user,
            User::WithSite(RuntimeFunction::KernelText)
                | User::Runtime(RuntimeFunction::KernelTextOtherwise)
                | User::WithNumbersAndSite(RuntimeFunction::KernelInteger, _)
        )
    }

    /// Whether it tells about the probe point that was hit.
    pub(crate) fn asks_for_the_point(&self) -> bool {
        matches!(self.user, User::WithNumbers(RuntimeFunction::HitText, _))
    }

    /// Whether a call only reads something, which is the same each time, and never fails.
    pub fn is_reading(&self) -> bool {
        matches!(self.kernel, Kernel::Inline(_))
            && !self.can_fail()
            && matches!(self.result, Kind::Long | Kind::Pointer(_))
    }
}

/// The builtin of a name with this many parameters.
pub fn with_arity(name: &str, arity: usize) -> Option<&'static Builtin> {
    // Most names have one.
    let first = find(name)?;
    if first.parameters.len() == arity {
        return Some(first);
    }
    all().find(|b| b.name == name && b.parameters.len() == arity)
}

/// The builtin of a name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    static BY_NAME: OnceLock<HashMap<&str, &Builtin>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| {
        let mut by_name = HashMap::new();
        for builtin in all() {
            by_name.entry(builtin.name).or_insert(builtin);
        }
        by_name
    });
    by_name.get(name).copied()
}

impl Builtin {
    /// Whether a call gives a value and neither fails nor does anything else.
    pub(crate) fn never_fails(&self) -> bool {
        std::ptr::eq(self, text_of_kernel())
    }
}

/// What reads a string of the kernel's, or gives another one.
pub(crate) fn text_of_kernel() -> &'static Builtin {
    &memory::ROWS[1]
}

/// No parameters.
const NONE: &[Parameter] = &[];
