//! Strings.

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::runtime_functions::RuntimeFunction;

pub(super) const ROWS: &[Builtin] = &[Builtin {
    name: "strlen",
    parameters: &[Parameter { name: "text", kind: Kind::Text(0) }],
    result: Kind::Long,
    summary: "The length of a string in bytes.",
    example: "probe begin { println(strlen(\"four\")); exit() }",
    kernel: Kernel::Deferred,
    user: User::Runtime(RuntimeFunction::TextLength),
}];
