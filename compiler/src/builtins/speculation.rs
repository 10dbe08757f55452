//! Speculative output: kept until the script decides whether it is to be seen.

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::runtime_functions::RuntimeFunction;

const ID: Parameter = Parameter { name: "id", kind: Kind::Long };

const EXAMPLE: &str =
    "probe begin { id = speculation(); speculate(id, \"kept\\n\"); commit(id); exit() }";

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "speculate",
        parameters: &[ID, Parameter { name: "output", kind: Kind::Text(0) }],
        result: Kind::Nothing,
        summary: "Keeps output under the number of a speculation.",
        example: EXAMPLE,
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::Speculate),
    },
    Builtin {
        name: "commit",
        parameters: &[ID],
        result: Kind::Nothing,
        summary: "Prints the output of a speculation.",
        example: EXAMPLE,
        kernel: Kernel::Deferred,
        user: User::WithNumbers(RuntimeFunction::EndSpeculation, &[1]),
    },
    Builtin {
        name: "discard",
        parameters: &[ID],
        result: Kind::Nothing,
        summary: "Drops the output of a speculation.",
        example: EXAMPLE,
        kernel: Kernel::Deferred,
        user: User::WithNumbers(RuntimeFunction::EndSpeculation, &[0]),
    },
];
