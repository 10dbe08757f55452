//! What the library's functions for indented call graphs are made of.

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::runtime_functions::RuntimeFunction;

const INDEX: Parameter = Parameter { name: "index", kind: Kind::Long };
const DELTA: Parameter = Parameter { name: "delta", kind: Kind::Long };

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "__indent",
        parameters: &[
            INDEX,
            Parameter { name: "description", kind: Kind::Text(0) },
            Parameter { name: "now", kind: Kind::Long },
            DELTA,
        ],
        result: Kind::Text(512),
        summary: "The time since the outermost call, a description, and spaces for the depth of calls.",
        example: "probe begin { println(__indent(1, \"x\", 5, 1)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::Indent),
    },
    Builtin {
        name: "__indent_depth",
        parameters: &[INDEX, DELTA],
        result: Kind::Long,
        summary: "The depth of calls, the outermost being 1.",
        example: "probe begin { println(__indent_depth(1, 1)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::IndentDepth),
    },
];
