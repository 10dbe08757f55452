//! Numbers with a point: 64-bit IEEE 754 values whose bits are kept in a `long`.
//!
//! Kernel code has no floating point; what uses these functions runs in the handler's continuation.

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::runtime_functions::RuntimeFunction;
use crate::types::MAX_STRING;

const fn long(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Long }
}

const ONE: &[Parameter] = &[long("value")];
const TWO: &[Parameter] = &[long("left"), long("right")];

/// What `FloatingPoint` of the runtime does, by its last argument.
pub mod operation {
    /// `left + right`
    pub const ADD: i64 = 0;
    /// `left - right`
    pub const SUBTRACT: i64 = 1;
    /// `left * right`
    pub const MULTIPLY: i64 = 2;
    /// `left / right`
    pub const DIVIDE: i64 = 3;
    /// The IEEE remainder of `left / right`: of the quotient rounded to nearest, ties to even.
    pub const REMAINDER: i64 = 4;
    /// `left == right`
    pub const EQUAL: i64 = 5;
    /// `left <= right`
    pub const AT_MOST: i64 = 6;
    /// `left < right`
    pub const LESS: i64 = 7;
}

macro_rules! of_two {
    ($name:literal, $operation:ident, $summary:literal, $example:literal) => {
        Builtin {
            name: $name,
            parameters: TWO,
            result: Kind::Long,
            summary: $summary,
            example: $example,
            kernel: Kernel::Deferred,
            user: User::WithNumbers(RuntimeFunction::FloatingPoint, &[operation::$operation]),
        }
    };
}

macro_rules! of_one {
    ($name:literal, $function:ident, $summary:literal, $example:literal) => {
        Builtin {
            name: $name,
            parameters: ONE,
            result: Kind::Long,
            summary: $summary,
            example: $example,
            kernel: Kernel::Deferred,
            user: User::Runtime(RuntimeFunction::$function),
        }
    };
}

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "string_to_fp",
        parameters: &[Parameter { name: "text", kind: Kind::Text(0) }],
        result: Kind::Long,
        summary: "The number with a point that a text begins with; 0 without one.",
        example: "probe begin { println(fp_to_string(string_to_fp(\"2.5\"), 3)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::FloatOfText),
    },
    Builtin {
        name: "fp_to_string",
        parameters: &[long("value"), long("precision")],
        result: Kind::Text(MAX_STRING),
        summary: "A number with a point as text, with so many digits behind the point.",
        example: "probe begin { println(fp_to_string(fp_div(long_to_fp(1), long_to_fp(3)), 4)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::FloatText),
    },
    of_one!(
        "long_to_fp",
        FloatOfLong,
        "A whole number as a number with a point.",
        "probe begin { println(fp_to_string(long_to_fp(7), 1)); exit() }"
    ),
    Builtin {
        name: "fp_to_long",
        parameters: &[long("value"), long("rounding"), long("exact")],
        result: Kind::Long,
        summary: "A number with a point as a whole one, rounded to the nearest (0; of two the even one), \
                  towards zero (1), down (2), up (3) or to the nearest (4; of two the greater one). \
                  `exact` has no effect.",
        example: "probe begin { println(fp_to_long(string_to_fp(\"2.7\"), 1, 0)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::FloatToLong),
    },
    of_one!(
        "fp32_to_fp64",
        FloatOfSingle,
        "A 32-bit number with a point (C's `float`) as one of 64 bits.",
        "probe begin { println(fp_to_string(fp32_to_fp64(0x40200000), 2)); exit() }"
    ),
    of_one!(
        "fp_sqrt",
        FloatSquareRoot,
        "The square root of a number with a point.",
        "probe begin { println(fp_to_string(fp_sqrt(long_to_fp(2)), 6)); exit() }"
    ),
    of_two!(
        "fp_add",
        ADD,
        "The sum of two numbers with a point.",
        "probe begin { println(fp_to_string(fp_add(string_to_fp(\"0.5\"), long_to_fp(1)), 1)); exit() }"
    ),
    of_two!(
        "fp_sub",
        SUBTRACT,
        "The difference of two numbers with a point.",
        "probe begin { println(fp_to_string(fp_sub(string_to_fp(\"0.5\"), long_to_fp(1)), 1)); exit() }"
    ),
    of_two!(
        "fp_mul",
        MULTIPLY,
        "The product of two numbers with a point.",
        "probe begin { println(fp_to_string(fp_mul(string_to_fp(\"0.5\"), long_to_fp(3)), 1)); exit() }"
    ),
    of_two!(
        "fp_div",
        DIVIDE,
        "The quotient of two numbers with a point.",
        "probe begin { println(fp_to_string(fp_div(long_to_fp(1), long_to_fp(8)), 3)); exit() }"
    ),
    of_two!(
        "fp_rem",
        REMAINDER,
        "What a division of two numbers with a point leaves, the quotient rounded to the nearest whole number.",
        "probe begin { println(fp_to_string(fp_rem(long_to_fp(7), long_to_fp(4)), 1)); exit() }"
    ),
    of_two!(
        "fp_eq",
        EQUAL,
        "1 when two numbers with a point are equal.",
        "probe begin { println(fp_eq(long_to_fp(2), string_to_fp(\"2.0\"))); exit() }"
    ),
    of_two!(
        "fp_le",
        AT_MOST,
        "1 when a number with a point is not greater than another.",
        "probe begin { println(fp_le(long_to_fp(2), string_to_fp(\"2.5\"))); exit() }"
    ),
    of_two!(
        "fp_lt",
        LESS,
        "1 when a number with a point is less than another.",
        "probe begin { println(fp_lt(long_to_fp(2), string_to_fp(\"2.5\"))); exit() }"
    ),
];
