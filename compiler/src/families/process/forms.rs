//! The forms of probes of programs.

use super::{callees, copies, functions, marks, plt, statement};
use crate::families::{Argument::*, Family};

const FUNCTION: &str = "When a function of a program (or of a library it uses) is entered, or returns. \
                        Without a name the program of `-c` or `-x` is meant, with a number that of a \
                        process. The names of program and function may hold wildcards; `exported` functions are those \
                        other files can call. With debug information (`cc -g`) the parameters are \
                        `$variables` of the program's types, at returns with their values at the entry, \
                        `$return` has the type of the function, and `@FILE` may follow the name; the places where \
                        a function was inlined belong to it, `call` leaves them out, `inline` means them alone.";
const LABEL: &str =
    "When a program comes to a label of a function: known by its debug information (`cc -g`).";
const CALLEES: &str = "When a function is called by another, or was inlined into it: `callee` with its name, `callees` \
                       means all that debug information tells (`cc -g -O1` or more), with a number also those that \
                       these call, so many levels deep.";
const BY_ADDRESS: &str = "As with a name, for the function that an address is in: addresses are those the file was \
                          linked for.";
const LINE: &str = "When a program comes to the code of a line, `FUNCTION@FILE:LINE`, of lines (`:FIRST-LAST`, `:*`), of \
                    a line counted from that of the function (`@FILE+LINES`), or with `nearest` of the line with \
                    code that is nearest: known by its debug information (`cc -g`). Parameters and variables of \
                    the function are `$variables`. Without a line it is the function's entry.";
const ADDRESS: &str = "When a program comes to the instruction at an address, one of those the file was linked for, or \
                       with `absolute` (of a process by its number) one in its memory.";
const PLT: &str = "When a program (or a library it uses) calls a function of a library by its procedure linkage \
                   table, or such a call returns: `$$name` is the function. The name may hold wildcards.";
const MARK: &str = "When a program passes a mark (a statically defined probe point, USDT); its \
                    arguments are `$arg1`, `$arg2` and so on, its names `$$name` and `$$provider`.";

macro_rules! family {
    ($summary:ident, $resolve:path, $argument:ident, $process:literal, $example:literal, $body:literal,
     [$($part:expr),*]) => {
        Family {
            form: &[("process", $argument), ("library?", Text), $($part),*],
            summary: $summary,
            example: concat!("probe process", $process, $example, " ? { ", $body, " } probe begin { exit() }"),
            resolve: $resolve,
        }
    };
}

macro_rules! families {
    ($($argument:ident $process:literal),*) => {
        &[$(&[
            family!(FUNCTION, functions, $argument, $process, ".function(\"main\")", "println(int_arg(1))",
                [("function", Text), ("call|exported|inline?", None)]),
            family!(FUNCTION, functions, $argument, $process, ".function(\"main\").return", "println($return)",
                [("function", Text), ("return", None), ("maxactive?", Number)]),
            family!(BY_ADDRESS, statement::address, $argument, $process, ".function(0x1000)", "println(ppfunc())",
                [("function", Number), ("call?", None)]),
            family!(BY_ADDRESS, statement::address, $argument, $process, ".function(0x1000).return", "println(ppfunc())",
                [("function", Number), ("return", None)]),
            family!(LABEL, copies::labels, $argument, $process, ".function(\"main\").label(\"out\")", "println(pp())",
                [("function", Text), ("label", Text)]),
            family!(CALLEES, callees::named, $argument, $process, ".function(\"main\").callee(\"f\")", "println(pp())",
                [("function", Text), ("callee", Text)]),
            family!(CALLEES, callees::all, $argument, $process, ".function(\"main\").callees", "println(pp())",
                [("function", Text), ("callees", None)]),
            family!(CALLEES, callees::all, $argument, $process, ".function(\"main\").callees(2)", "println(pp())",
                [("function", Text), ("callees", Number)]),
            family!(LINE, statement::lines, $argument, $process, ".statement(\"main@main.c:1\")", "println(pp())",
                [("statement", Text), ("nearest?", None)]),
            family!(ADDRESS, statement::address, $argument, $process, ".statement(0x1000)", "println(pp())",
                [("statement", Number), ("absolute?", None)]),
            family!(PLT, plt::calls, $argument, $process, ".plt", "println($$name)",
                [("plt", None), ("return?", None)]),
            family!(PLT, plt::calls, $argument, $process, ".plt(\"malloc\").return", "println($return)",
                [("plt", Text), ("return?", None)]),
            family!(MARK, marks::marks, $argument, $process, ".mark(\"*\")", "println($$name)",
                [("provider?", Text), ("mark", Text)]),
        ]),*]
    };
}

pub(in crate::families) const FAMILIES: &[&[Family]] =
    families![Text "(\"/bin/sh\")", Number "(1)", None ""];
