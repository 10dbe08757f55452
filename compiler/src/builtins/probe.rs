//! Which probe point was hit, as text.

use super::{Builtin, Kernel, Kind, NONE, User};
use crate::hir::HitText;
use crate::runtime_functions::RuntimeFunction;

macro_rules! row {
    ($name:literal, $what:ident, $summary:literal, $example:literal) => {
        Builtin {
            name: $name,
            parameters: NONE,
            result: Kind::Text(HitText::$what.width()),
            summary: $summary,
            example: $example,
            kernel: Kernel::Inline(|k, _| k.hit_text(HitText::$what)),
            user: User::WithNumbers(RuntimeFunction::HitText, &[HitText::$what as i64]),
        }
    };
}

pub(super) const ROWS: &[Builtin] = &[
    row!(
        "pp",
        Point,
        "The probe point that was hit, without wildcards and aliases.",
        "probe begin { println(pp()); exit() }"
    ),
    row!(
        "pn",
        Written,
        "The probe point that was hit as it is written in the script.",
        "probe begin { println(pn()); exit() }"
    ),
    row!(
        "ppfunc",
        Function,
        "The function the probe point that was hit is in; empty where it is in none.",
        "probe kernel.function(\"vfs_{read,write}\") ? { println(ppfunc()) } probe begin { exit() }"
    ),
    row!(
        "probefunc",
        Function,
        "The same as `ppfunc`.",
        "probe kernel.function(\"vfs_{read,write}\") ? { println(probefunc()) } probe begin { exit() }"
    ),
];
