//! The forms of function probes.

use super::{missing, resolve};
use crate::families::{Argument::*, Family};

const ENTRY: &str = "When a function of the kernel is entered; its parameters are `$variables`. The name may \
                     hold wildcards and `{a,b}`.";
const RETURN: &str = "When a function of the kernel returns: `$return` is what it returns, `$parameter` what \
                      the parameter was at the entry, and `@entry(expression)` the value of any expression there.";
const EXPORTED: &str = "When a function is entered that the kernel exports to its modules.";
const MODULE_ENTRY: &str = "When a function of a kernel module is entered.";
const MODULE_RETURN: &str = "When a function of a kernel module returns.";
const MAXACTIVE: &str =
    "As without `.maxactive(N)`: how many calls are watched at a time is the kernel's to say.";
const KPROBE_ENTRY: &str = "As `kernel.function`.";
const KPROBE_RETURN: &str = "As `kernel.function(\"NAME\").return`.";
const NO_INLINE: &str = "Refused: where a function was inlined only debug information tells.";
const NO_LINES: &str =
    "Refused: which code is of a line, or behind a label, only debug information tells.";

macro_rules! family {
    ($summary:expr, $example:literal, $form:expr) => {
        Family { form: $form, summary: $summary, example: $example, resolve }
    };
}
macro_rules! refused {
    ($summary:expr, $example:literal, $form:expr) => {
        Family { form: $form, summary: $summary, example: $example, resolve: missing::refuse }
    };
}

pub(in crate::families) const FAMILIES: &[Family] = &[
    family!(
        ENTRY,
        "probe kernel.function(\"vfs_read\") ? { println($count) } probe begin { exit() }",
        &[("kernel", None), ("function", Text)]
    ),
    family!(
        ENTRY,
        "probe kernel.function(\"vfs_{read,write}\").call ? { println($count) } probe begin { exit() }",
        &[("kernel", None), ("function", Text), ("call", None)]
    ),
    family!(
        RETURN,
        "probe kernel.function(\"vfs_read\").return ? { println($return, \" of \", $count) } \
         probe begin { exit() }",
        &[("kernel", None), ("function", Text), ("return", None)]
    ),
    family!(
        MAXACTIVE,
        "probe kernel.function(\"vfs_read\").return.maxactive(100) ? { println($return) } \
         probe begin { exit() }",
        &[("kernel", None), ("function", Text), ("return", None), ("maxactive", Number)]
    ),
    family!(
        EXPORTED,
        "probe kernel.function(\"vfs_*\").exported ? { println(\"hit\") } probe begin { exit() }",
        &[("kernel", None), ("function", Text), ("exported", None)]
    ),
    family!(
        MODULE_ENTRY,
        "probe module(\"veth\").function(\"veth_xmit\") ? { println(\"hit\") } probe begin { exit() }",
        &[("module", Text), ("function", Text)]
    ),
    family!(
        MODULE_ENTRY,
        "probe module(\"veth\").function(\"veth_*\").call ? { println(\"hit\") } probe begin { exit() }",
        &[("module", Text), ("function", Text), ("call", None)]
    ),
    family!(
        MODULE_RETURN,
        "probe module(\"veth\").function(\"veth_xmit\").return ? { println(\"hit\") } \
         probe begin { exit() }",
        &[("module", Text), ("function", Text), ("return", None)]
    ),
    family!(
        MAXACTIVE,
        "probe module(\"veth\").function(\"veth_xmit\").return.maxactive(9) ? { println(\"hit\") } \
         probe begin { exit() }",
        &[("module", Text), ("function", Text), ("return", None), ("maxactive", Number)]
    ),
    family!(
        KPROBE_ENTRY,
        "probe kprobe.function(\"vfs_read\") ? { println(\"hit\") } probe begin { exit() }",
        &[("kprobe", None), ("function", Text)]
    ),
    family!(
        KPROBE_ENTRY,
        "probe kprobe.function(\"vfs_read\").call ? { println(\"hit\") } probe begin { exit() }",
        &[("kprobe", None), ("function", Text), ("call", None)]
    ),
    family!(
        KPROBE_RETURN,
        "probe kprobe.function(\"vfs_read\").return ? { println(\"hit\") } probe begin { exit() }",
        &[("kprobe", None), ("function", Text), ("return", None)]
    ),
    family!(
        MAXACTIVE,
        "probe kprobe.function(\"vfs_read\").return.maxactive(9) ? { println(\"hit\") } \
         probe begin { exit() }",
        &[("kprobe", None), ("function", Text), ("return", None), ("maxactive", Number)]
    ),
    family!(
        MODULE_ENTRY,
        "probe kprobe.module(\"veth\").function(\"veth_xmit\") ? { println(\"hit\") } \
         probe begin { exit() }",
        &[("kprobe", None), ("module", Text), ("function", Text)]
    ),
    family!(
        MODULE_RETURN,
        "probe kprobe.module(\"veth\").function(\"veth_xmit\").return ? { println(\"hit\") } \
         probe begin { exit() }",
        &[("kprobe", None), ("module", Text), ("function", Text), ("return", None)]
    ),
    refused!(
        NO_INLINE,
        "probe kernel.function(\"vfs_read\").inline ? {} probe begin { exit() }",
        &[("kernel", None), ("function", Text), ("inline", None)]
    ),
    refused!(
        NO_INLINE,
        "probe module(\"veth\").function(\"veth_xmit\").inline ? {} probe begin { exit() }",
        &[("module", Text), ("function", Text), ("inline", None)]
    ),
    refused!(
        NO_LINES,
        "probe kernel.function(\"vfs_read\").label(\"out\") ? {} probe begin { exit() }",
        &[("kernel", None), ("function", Text), ("label", Text)]
    ),
    refused!(
        NO_LINES,
        "probe kernel.statement(\"vfs_read@fs/read_write.c:450\") ? {} probe begin { exit() }",
        &[("kernel", None), ("statement", Text)]
    ),
    refused!(
        NO_LINES,
        "probe module(\"veth\").statement(\"veth_xmit@drivers/net/veth.c:300\") ? {} \
         probe begin { exit() }",
        &[("module", Text), ("statement", Text)]
    ),
];
