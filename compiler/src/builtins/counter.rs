//! Counters of perf events, for the library: what `@perf` gives is made of them.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::lower::Operand;

const COUNTER: &[Parameter] = &[Parameter { name: "counter", kind: Kind::Long }];

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "__counters",
        parameters: NONE,
        result: Kind::Long,
        summary: "How many counters the script has.",
        example: "probe begin { println(__counters()); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.counters())),
        user: User::Constant(0),
    },
    Builtin {
        name: "__counter",
        parameters: COUNTER,
        result: Kind::Long,
        summary: "What a counter of this CPU has counted, by its number; less than 0 where it cannot be read.",
        example: "probe begin { println(__counter(0)); exit() }",
        kernel: Kernel::Inline(|k, operands| Operand::Long(k.read_counter(operands[0].long()))),
        user: User::Constant(-1),
    },
    Builtin {
        name: "__counts",
        parameters: COUNTER,
        result: Kind::Long,
        summary: "Whether a counter counts in the process that runs.",
        example: "probe begin { println(__counts(0)); exit() }",
        kernel: Kernel::Inline(|k, operands| Operand::Long(k.counts_here(operands[0].long()))),
        user: User::Constant(0),
    },
];
