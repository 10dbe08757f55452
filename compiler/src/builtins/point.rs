//! The catalogue of functions about the probe point whose handler runs: texts known when it is resolved.

use crate::hir::{Attach, Point};

/// A function without parameters whose text is another for each probe point.
pub struct PointFunction {
    /// The name scripts use.
    pub name: &'static str,
    /// One sentence: what it gives.
    pub summary: &'static str,
    /// A script that uses it.
    pub example: &'static str,
    /// Its text at a point, which the script names as the second parameter says.
    pub text: fn(&Point, &str) -> String,
}

/// All of them.
pub const POINT_FUNCTIONS: &[PointFunction] = &[
    PointFunction {
        name: "pp",
        summary: "The probe point in full, aliases and wildcards resolved.",
        example: "probe begin { println(pp()) exit() }",
        text: |point, _| point.name.clone(),
    },
    PointFunction {
        name: "pn",
        summary: "The name of the probe point as the script has it: that of an alias, not what it \
                  stands for.",
        example: "probe start = begin { } probe start { println(pn()) exit() }",
        text: |_, written| written.to_string(),
    },
    PointFunction {
        name: "ppfunc",
        summary: "The name of the function the probe point is in; empty where it is in none.",
        example: "probe begin { println(ppfunc()) exit() }",
        text: |point, _| point.identity.function.clone(),
    },
    PointFunction {
        name: "probe_type",
        summary: "What kind of probe point it is, in a word: `begin`, `timer`, `tracepoint`, `kprobe`, \
                  `kretprobe`, `uprobe`, `uretprobe`, `perf` and the like.",
        example: "probe begin { println(probe_type()) exit() }",
        text: |point, _| probe_type(&point.attach).to_string(),
    },
];

/// The function of a name.
pub fn point_function(name: &str) -> Option<&'static PointFunction> {
    POINT_FUNCTIONS.iter().find(|function| function.name == name)
}

fn probe_type(attach: &Attach) -> &'static str {
    match attach {
        Attach::Begin(_) => "begin",
        Attach::End(_) => "end",
        Attach::Error(_) => "error",
        Attach::Never => "never",
        Attach::Timer { .. } => "timer",
        Attach::Tracepoint { .. } | Attach::Syscall(_) => "tracepoint",
        Attach::Function(function) if function.returns => "kretprobe",
        Attach::Function(_) => "kprobe",
        Attach::Counted { .. } => "perf",
        Attach::Instruction(instruction) if instruction.returns => "uretprobe",
        Attach::Instruction(_) => "uprobe",
        Attach::Lifetime(_) => "utrace",
    }
}
