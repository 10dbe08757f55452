//! The forms of function probes.

use super::{address, lines, missing, resolve};
use crate::families::{Argument::*, Family};

const ENTRY: &str = "When a function of the kernel is entered; its parameters are `$variables`. The name may \
                     hold wildcards and `{a,b}`, and `@FILE` may follow it. `exported` functions are those that \
                     modules may call.";
const RETURN: &str = "When a function of the kernel returns: `$return` is what it returns, `$parameter` what \
                      the parameter was at the entry, and `@entry(expression)` the value of any expression there. \
                      `maxactive` is taken without effect: how many calls are watched at a time is the kernel's \
                      to say.";
const MODULE_ENTRY: &str = "When a function of a kernel module is entered.";
const MODULE_RETURN: &str = "When a function of a kernel module returns.";
const KPROBE_ENTRY: &str = "As `kernel.function`.";
const KPROBE_RETURN: &str = "As `kernel.function(\"NAME\").return`.";
const BY_ADDRESS: &str = "As with a name, for the function that an address is in; with `module` the address is \
                          counted from where the module's code begins.";
const STATEMENT: &str = "When the kernel comes to the instruction at an address: registers are known there, and at \
                         the first instruction of a function its parameters. `absolute` says that the address is \
                         meant as it is; it always is.";
const LINES: &str = "When the kernel comes to the code of a line of its sources: `FUNCTION@FILE:LINE`, `FILE:10-20`, \
                     `FILE:*`; `nearest` takes the line with code that is nearest. Where the kernel's debug \
                     information is installed.";
const NO_INLINE: &str = "Refused: where a function was inlined only debug information tells.";
const NO_LINES: &str =
    "Refused: which code is of a line, or behind a label, only debug information tells.";
const NO_CALLS: &str = "Refused: which functions a function calls only debug information tells.";

macro_rules! family {
    ($summary:expr, $resolve:path, $($form:expr => $example:literal),* $(,)?) => {
        &[$(Family {
            form: &$form,
            summary: $summary,
            example: concat!("probe ", $example, " probe begin { exit() }"),
            resolve: $resolve,
        }),*]
    };
}

pub(in crate::families) const FAMILIES: &[&[Family]] = &[
    family!(ENTRY, resolve,
        [("kernel", None), ("function", Text), ("exported?", None), ("call?", None)]
            => "kernel.function(\"vfs_{read,write}\").call ? { println($count) }",
    ),
    family!(RETURN, resolve,
        [("kernel", None), ("function", Text), ("exported?", None), ("return", None), ("maxactive?", Number)]
            => "kernel.function(\"vfs_read\").return ? { println($return, \" of \", $count) }",
    ),
    family!(MODULE_ENTRY, resolve,
        [("module", Text), ("function", Text), ("exported?", None), ("call?", None)]
            => "module(\"veth\").function(\"veth_*\").call ? { println(\"hit\") }",
    ),
    family!(MODULE_RETURN, resolve,
        [("module", Text), ("function", Text), ("exported?", None), ("return", None), ("maxactive?", Number)]
            => "module(\"veth\").function(\"veth_xmit\").return ? { println(\"hit\") }",
    ),
    family!(KPROBE_ENTRY, resolve,
        [("kprobe", None), ("function", Text), ("call?", None)]
            => "kprobe.function(\"vfs_read\") ? { println(\"hit\") }",
        [("kprobe", None), ("module", Text), ("function", Text), ("call?", None)]
            => "kprobe.module(\"veth\").function(\"veth_xmit\") ? { println(\"hit\") }",
    ),
    family!(KPROBE_RETURN, resolve,
        [("kprobe", None), ("function", Text), ("return", None), ("maxactive?", Number)]
            => "kprobe.function(\"vfs_read\").return ? { println(\"hit\") }",
        [("kprobe", None), ("module", Text), ("function", Text), ("return", None), ("maxactive?", Number)]
            => "kprobe.module(\"veth\").function(\"veth_xmit\").return ? { println(\"hit\") }",
    ),
    family!(BY_ADDRESS, address::function,
        [("kernel", None), ("function", Number), ("call?", None)]
            => "kernel.function(0xffffffff81000000) ? { println(ppfunc()) }",
        [("kernel", None), ("function", Number), ("return", None), ("maxactive?", Number)]
            => "kernel.function(0xffffffff81000000).return ? { println(ppfunc()) }",
        [("module", Text), ("function", Number), ("call?", None)]
            => "module(\"veth\").function(0x10) ? { println(ppfunc()) }",
        [("module", Text), ("function", Number), ("return", None), ("maxactive?", Number)]
            => "module(\"veth\").function(0x10).return ? { println(ppfunc()) }",
    ),
    family!(STATEMENT, address::statement,
        [("kernel", None), ("statement", Number), ("absolute?", None)]
            => "kernel.statement(0xffffffff81000000).absolute ? { println(ppfunc()) }",
        [("module", Text), ("statement", Number), ("absolute?", None)]
            => "module(\"veth\").statement(0x10) ? { println(ppfunc()) }",
        [("kprobe", None), ("statement", Number), ("absolute", None)]
            => "kprobe.statement(0xffffffff81000000).absolute ? { println(ppfunc()) }",
    ),
    family!(LINES, lines::statement,
        [("kernel", None), ("statement", Text), ("nearest?", None)]
            => "kernel.statement(\"vfs_read@fs/read_write.c:450\") ? {}",
    ),
    family!(NO_INLINE, missing::refuse,
        [("kernel", None), ("function", Text), ("inline", None)]
            => "kernel.function(\"vfs_read\").inline ? {}",
        [("module", Text), ("function", Text), ("inline", None)]
            => "module(\"veth\").function(\"veth_xmit\").inline ? {}",
        [("kernel", None), ("function", Number), ("inline", None)]
            => "kernel.function(0xffffffff81000000).inline ? {}",
    ),
    family!(NO_CALLS, missing::refuse,
        [("kernel", None), ("function", Text), ("callee", Text), ("return?", None), ("maxactive?", Number)]
            => "kernel.function(\"vfs_read\").callee(\"rw_verify_area\") ? {}",
        [("kernel", None), ("function", Text), ("callees", None)]
            => "kernel.function(\"vfs_read\").callees ? {}",
        [("kernel", None), ("function", Text), ("callees", Number)]
            => "kernel.function(\"vfs_read\").callees(2) ? {}",
        [("module", Text), ("function", Text), ("callee", Text), ("return?", None), ("maxactive?", Number)]
            => "module(\"veth\").function(\"veth_xmit\").callee(\"veth_poll\") ? {}",
        [("module", Text), ("function", Text), ("callees", None)]
            => "module(\"veth\").function(\"veth_xmit\").callees ? {}",
        [("module", Text), ("function", Text), ("callees", Number)]
            => "module(\"veth\").function(\"veth_xmit\").callees(2) ? {}",
    ),
    family!(NO_LINES, missing::refuse,
        [("kernel", None), ("function", Text), ("label", Text)]
            => "kernel.function(\"vfs_read\").label(\"out\") ? {}",
        [("module", Text), ("function", Text), ("label", Text)]
            => "module(\"veth\").function(\"veth_xmit\").label(\"out\") ? {}",
        [("module", Text), ("statement", Text), ("nearest?", None)]
            => "module(\"veth\").statement(\"veth_xmit@drivers/net/veth.c:300\") ? {}",
    ),
];
