//! `process.begin`, `process.end` and their like: moments in the lives of processes and threads, and all of
//! their system calls.

use super::{Argument::*, Family, Request};
use crate::btf;
use crate::diagnostic::{Diagnostics, codes};
use crate::glob;
use crate::hir::{Attach, ContextSource, ContextVariable, Lifetime, Moment, OnlyIn, Point, Scalar};
use crate::program_file::ProgramName;
use crate::syntax::ast::LiteralValue;
use crate::syscalls;

/// The system calls that make processes and threads.
const MAKERS: [&str; 4] = ["clone", "clone3", "fork", "vfork"];

macro_rules! families {
    ($(($argument:ident, $example:literal)),*) => {
        &[$(
            Family {
                form: &[("process", $argument), ("begin", None)],
                summary: "When a process begins: another made it, or it starts to run a program; of those that \
                          run already when the script starts, when they next come back from a system call. Without \
                          a name it is one of all processes, with `-c` or `-x` that process or one made by it; without \
                          either those that run already do not count.",
                example: concat!("probe process", $example, ".begin ? { println(execname()) exit() } \
                          probe begin { exit() }"),
                resolve: |request, diagnostics| {
                    moments(
                        request,
                        diagnostics,
                        &[Moment::Exec, Moment::NewProcess, Moment::Running],
                    )
                },
            },
            Family {
                form: &[("process", $argument), ("end", None)],
                summary: "When a process ends.",
                example: concat!("probe process", $example, ".end ? { println(execname()) exit() } \
                          probe begin { exit() }"),
                resolve: |request, diagnostics| {
                    moments(request, diagnostics, &[Moment::ProcessEnd])
                },
            },
            Family {
                form: &[("process", $argument), ("thread", None), ("begin", None)],
                summary: "When a further thread of a process begins.",
                example: concat!("probe process", $example, ".thread.begin ? { println(tid()) exit() } \
                          probe begin { exit() }"),
                resolve: |request, diagnostics| moments(request, diagnostics, &[Moment::NewThread]),
            },
            Family {
                form: &[("process", $argument), ("thread", None), ("end", None)],
                summary: "When a thread ends that is not the first of its process.",
                example: concat!("probe process", $example, ".thread.end ? { println(tid()) exit() } \
                          probe begin { exit() }"),
                resolve: |request, diagnostics| moments(request, diagnostics, &[Moment::ThreadEnd]),
            },
            Family {
                form: &[("process", $argument), ("syscall", None)],
                summary: "When a process makes a system call: `$syscall` is its number, `$arg1` to `$arg6` its \
                          arguments.",
                example: concat!("probe process", $example, ".syscall ? { println($syscall) exit() } \
                          probe begin { exit() }"),
                resolve: |request, diagnostics| moments(request, diagnostics, &[Moment::Call]),
            },
            Family {
                form: &[("process", $argument), ("syscall", None), ("return", None)],
                summary: "When a system call of a process returns: `$return` is the result, `$syscall` the \
                          number.",
                example: concat!("probe process", $example, ".syscall.return ? { println($return) exit() } \
                          probe begin { exit() }"),
                resolve: |request, diagnostics| {
                    moments(request, diagnostics, &[Moment::CallReturn])
                },
            },
        )*]
    };
}

pub(super) const FAMILIES: &[Family] =
    families![(Text, "(\"/bin/sh\")"), (Number, "(1)"), (None, "")];

fn moments(request: &Request<'_>, diagnostics: &mut Diagnostics, moments: &[Moment]) -> Vec<Point> {
    if let Some((pattern, span)) = request.text(0)
        && glob::is_pattern(pattern)
    {
        let programs = request.facts.programs_matching(pattern);
        if programs.is_empty() {
            let message = format!("no program matches `{pattern}`");
            diagnostics.error(codes::NO_PROGRAM, span, message);
        }
        let mut points = vec![];
        for program in programs {
            let mut named = request.point.clone();
            let path = LiteralValue::String(program.path.clone());
            if let Some(argument) = &mut named.components[0].argument {
                argument.value = path;
            }
            let request = Request { point: &named, ..*request };
            points.extend(self::moments(&request, diagnostics, moments));
        }
        return points;
    }
    let span = request.point.span;
    let only_in = match (request.text(0), request.number(0)) {
        (Some((name, span)), _) => match request.facts.program_file(ProgramName::File(name)) {
            Ok(program) => OnlyIn::Program { inode: program.inode },
            Err(missing) => {
                let diagnostic = diagnostics.error(codes::NO_PROGRAM, span, missing.reason);
                if let Some(help) = missing.help {
                    diagnostic.help(help);
                }
                return vec![];
            }
        },
        (_, Some((pid, span))) => match u32::try_from(pid) {
            Ok(pid) if request.facts.has_process(pid) => OnlyIn::Process(pid),
            _ => {
                diagnostics
                    .error(codes::NO_PROGRAM, span, format!("there is no process {pid}"))
                    .label("it has ended, or never was");
                return vec![];
            }
        },
        _ => OnlyIn::Target,
    };
    let btf = match request.facts.btf() {
        Ok(btf) => btf,
        Err(missing) => {
            diagnostics.error(codes::NO_BTF, span, format!("no kernel types: {missing}"));
            return vec![];
        }
    };
    let Some(table) = syscalls::table(request.facts.architecture()) else {
        diagnostics.error(codes::UNSUPPORTED, span, "system calls of this architecture");
        return vec![];
    };
    let makers: Vec<u32> =
        MAKERS.iter().filter_map(|name| Some(table.find(name)?.number)).collect();
    let mut points = vec![];
    let is_all = only_in == OnlyIn::Target && request.facts.target_process().is_none();
    for &moment in moments {
        if moment == Moment::Running && is_all {
            continue;
        }
        let name = moment.tracepoint();
        let Some(tracepoint) = btf::tracepoint(btf, name) else {
            let message = format!("this kernel has no tracepoint {name}");
            diagnostics.error(codes::UNKNOWN_TRACEPOINT, span, message);
            return vec![];
        };
        let variable = |name: String, source| {
            let value = Scalar { bytes: 8, signed: true };
            ContextVariable { name, ty: 0, source, value, trusted: false }
        };
        let number = table.registers.number;
        let context = match moment {
            Moment::Call => {
                let arguments =
                    table.registers.arguments.iter().enumerate().map(|(at, &offset)| {
                        variable(format!("arg{}", at + 1), ContextSource::Register(offset))
                    });
                let syscall = variable("syscall".to_string(), ContextSource::Word(1));
                [syscall].into_iter().chain(arguments).collect()
            }
            Moment::CallReturn => vec![
                variable("return".to_string(), ContextSource::Word(1)),
                variable("syscall".to_string(), ContextSource::Register(number)),
            ],
            _ => vec![],
        };
        let attach = Attach::Lifetime(Lifetime {
            moment,
            only_in,
            btf_typedef: tracepoint.typedef_id.0,
            number_offset: number,
            tells_last: moment == Moment::ProcessEnd && tracepoint.arguments.len() > 1,
            makers: makers.clone(),
        });
        points.push(Point { context, ..Point::new(request.spelling(), attach) });
    }
    points
}
