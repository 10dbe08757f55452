//! Kernel addresses as text.

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::runtime_functions::RuntimeFunction;

const ADDRESS: &[Parameter] = &[Parameter { name: "address", kind: Kind::Long }];

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "symname",
        parameters: ADDRESS,
        result: Kind::Text(512),
        summary: "The kernel symbol an address lies in, or the address in hexadecimal.",
        example: "probe begin { println(symname(0)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::SymbolName),
    },
    Builtin {
        name: "symdata",
        parameters: ADDRESS,
        result: Kind::Text(512),
        summary: "Symbol, offset, size and module of an address: `tcp_v4_rcv+0xaa/0x8d0 [kernel]`.",
        example: "probe begin { println(symdata(0)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::SymbolData),
    },
];
