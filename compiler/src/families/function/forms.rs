//! The forms of function probes.

use super::{address, callees, copies, lines, missing, resolve};
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
const INLINE: &str = "Where a function of the kernel was inlined into others; its parameters are `$variables`, as far as \
                      they have a place there. Where the kernel's debug information is installed.";
const LABEL: &str = "When the kernel comes to a label of a function; the function's parameters and variables are \
                     `$variables`. Where the kernel's debug information is installed.";
const CALLEES: &str = "When a function of the kernel is called by another, or was inlined into it: `callee` with its \
                       name, `callees` means all that debug information tells, with a number also those that these \
                       call, so many levels deep. Where the kernel's debug information is installed.";
const NO_FORM: &str = "Refused: take the return from everywhere, `kernel.function(\"NAME\").return`, or the instruction, \
                       `kernel.statement(ADDRESS).absolute`.";
const NO_MODULE_SOURCE: &str = "Refused: inlined copies, calls, labels and lines of modules only their debug information tells.";

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
    family!(INLINE, copies::inline,
        [("kernel", None), ("function", Text), ("inline", None)]
            => "kernel.function(\"vfs_read\").inline ? { println($$parms) }",
    ),
    family!(LABEL, copies::labels,
        [("kernel", None), ("function", Text), ("label", Text)]
            => "kernel.function(\"vfs_read\").label(\"out\") ? { println(pp()) }",
    ),
    family!(CALLEES, callees::named,
        [("kernel", None), ("function", Text), ("callee", Text)]
            => "kernel.function(\"vfs_read\").callee(\"rw_verify_area\") ? { println(pp()) }",
    ),
    family!(CALLEES, callees::all,
        [("kernel", None), ("function", Text), ("callees", None)]
            => "kernel.function(\"vfs_read\").callees ? { println(pp()) }",
        [("kernel", None), ("function", Text), ("callees", Number)]
            => "kernel.function(\"vfs_read\").callees(2) ? { println(pp()) }",
    ),
    family!(NO_FORM, missing::refuse_form,
        [("kernel", None), ("function", Number), ("inline", None)]
            => "kernel.function(0xffffffff81000000).inline ? {}",
        [("kernel", None), ("function", Text), ("callee", Text), ("return", None), ("maxactive?", Number)]
            => "kernel.function(\"vfs_read\").callee(\"rw_verify_area\").return ? {}",
    ),
    family!(NO_MODULE_SOURCE, missing::refuse_module,
        [("module", Text), ("function", Text), ("inline", None)]
            => "module(\"veth\").function(\"veth_xmit\").inline ? {}",
        [("module", Text), ("function", Text), ("callee", Text), ("return?", None), ("maxactive?", Number)]
            => "module(\"veth\").function(\"veth_xmit\").callee(\"veth_poll\") ? {}",
        [("module", Text), ("function", Text), ("callees", None)]
            => "module(\"veth\").function(\"veth_xmit\").callees ? {}",
        [("module", Text), ("function", Text), ("callees", Number)]
            => "module(\"veth\").function(\"veth_xmit\").callees(2) ? {}",
        [("module", Text), ("function", Text), ("label", Text)]
            => "module(\"veth\").function(\"veth_xmit\").label(\"out\") ? {}",
        [("module", Text), ("statement", Text), ("nearest?", None)]
            => "module(\"veth\").statement(\"veth_xmit@drivers/net/veth.c:300\") ? {}",
    ),
];
