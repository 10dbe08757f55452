//! Probe points of SystemTap that there is no way to: each refused with its reason.

use super::{Argument::*, Family, Request};
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::Point;

const STEPS: &str = "Refused: an instruction at a time can be watched by debuggers only.";
const OTHERS: &str =
    "Refused: methods of Java and functions of Python are no code that the kernel knows.";
const MARKERS: &str =
    "Refused: such marks were taken out of Linux 2.6.32, tracepoints came in their place.";

macro_rules! refused {
    ($($summary:ident, $form:expr => $example:literal, $note:literal, $help:literal;)*) => {
        &[$(Family {
            form: &$form,
            summary: $summary,
            example: concat!("probe ", $example, " ? {} probe begin { exit() }"),
            resolve: |request, diagnostics| refuse(request, diagnostics, $note, $help),
        }),*]
    };
}

pub(super) const FAMILIES: &[Family] = refused![
    STEPS, [("process", Text), ("insn", None), ("block?", None)] => "process(\"/bin/sh\").insn",
        "the kernel has no event for each instruction of a process",
        "single places can be probed: `process(\"PATH\").statement(ADDRESS)`";
    STEPS, [("process", Number), ("insn", None), ("block?", None)] => "process(1).insn",
        "the kernel has no event for each instruction of a process",
        "single places can be probed: `process(PID).statement(ADDRESS)`";
    STEPS, [("process", None), ("insn", None), ("block?", None)] => "process.insn",
        "the kernel has no event for each instruction of a process",
        "single places can be probed: `process.statement(ADDRESS)`";
    OTHERS, [("java", Text), ("class", Text), ("method", Text), ("return?", None)]
        => "java(\"app\").class(\"c\").method(\"m\")",
        "SystemTap has an agent in the Java program do it",
        "marks of the virtual machine: `process(\"/path/libjvm.so\").mark(\"*\")`";
    OTHERS, [("java", Number), ("class", Text), ("method", Text), ("return?", None)]
        => "java(1).class(\"c\").method(\"m\")",
        "SystemTap has an agent in the Java program do it",
        "marks of the virtual machine: `process(\"/path/libjvm.so\").mark(\"*\")`";
    OTHERS, [("python2", None), ("module", Text), ("function", Text), ("call|return?", None)]
        => "python2.module(\"m\").function(\"f\")",
        "SystemTap has a module of its own in the Python program do it",
        "marks of the interpreter: `process(\"python2\").mark(\"function__entry\")`";
    OTHERS, [("python3", None), ("module", Text), ("function", Text), ("call|return?", None)]
        => "python3.module(\"m\").function(\"f\")",
        "SystemTap has a module of its own in the Python program do it",
        "marks of the interpreter: `process(\"python3\").mark(\"function__entry\")`";
    MARKERS, [("kernel", None), ("mark", Text), ("format?", Text)] => "kernel.mark(\"name\")",
        "no kernel that runs eBPF programs has them",
        "tracepoints: `kernel.trace(\"NAME\")`";
];

fn refuse(
    request: &Request<'_>,
    diagnostics: &mut Diagnostics,
    note: &str,
    help: &str,
) -> Vec<Point> {
    let message = format!("`{}` cannot be probed", request.spelling());
    diagnostics.error(codes::NOT_PROBED, request.point.span, message).note(note).help(help);
    vec![]
}
