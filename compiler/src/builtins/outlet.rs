//! The text that a block exchanges with other programs: `$value`.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::runtime_functions::RuntimeFunction;
use crate::types::MAX_STRING;

const TEXT: &[Parameter] = &[Parameter { name: "text", kind: Kind::Text(0) }];

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "module_name",
        parameters: NONE,
        result: Kind::Text(MAX_STRING),
        summary: "The name of the session, which its folder has below `/run/ntap`: that of `-m`, or the \
                  number of its process.",
        example: "probe begin { println(module_name()); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::SessionName),
    },
    Builtin {
        name: "__value",
        parameters: NONE,
        result: Kind::Text(MAX_STRING),
        summary: "The text exchanged.",
        example: "",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::ExchangedText),
    },
    Builtin {
        name: "__set_value",
        parameters: TEXT,
        result: Kind::Nothing,
        summary: "Exchanges another text.",
        example: "",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::ExchangeText),
    },
    Builtin {
        name: "__append_value",
        parameters: TEXT,
        result: Kind::Nothing,
        summary: "Adds to the text exchanged, which may get longer than strings can be.",
        example: "",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::ExchangeMoreText),
    },
];

/// What reads the text, sets it and adds to it.
pub(crate) struct Exchanging;

impl Exchanging {
    pub(crate) const READ: &Builtin = &ROWS[1];
    pub(crate) const SET: &Builtin = &ROWS[2];
    pub(crate) const APPEND: &Builtin = &ROWS[3];
}
