//! `kernel.syscall`: the begin and the end of system calls, from which the library's `syscall.*` are
//! made.
//!
//! They are seen at the tracepoints `sys_enter` and `sys_exit`; how many probes share a program there,
//! see [`crate::syscalls::Routes`]. Calls of the 32-bit architecture have other numbers and are not
//! seen. A process or thread that is made ends, in itself, the call that made it: that end is not seen
//! either, except at probes of any call.

use super::{Argument::*, Family, Request};
use crate::btf::{self, Kind};
use crate::diagnostic::{Diagnostics, codes};
use crate::facts::Facts;
use crate::hir::{
    Attach, CompatTest, ContextSource, ContextVariable, Direction, Point, Scalar, SyscallPoint,
};
use crate::source::Span;
use crate::syscalls::{self, SystemCall, Table};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        form: &[("kernel", None), ("syscall", Text)],
        summary: "When a process makes this system call; its parameters are `$variables` with the \
                  kernel's names.",
        example: "probe kernel.syscall(\"getppid\") { exit() }",
        resolve: |request, diagnostics| one(request, Direction::Entry, diagnostics),
    },
    Family {
        form: &[("kernel", None), ("syscall", Text), ("return", None)],
        summary: "When this system call returns: `$return`, and the parameters as they were given.",
        example: "probe kernel.syscall(\"getppid\").return { println($return); exit() }",
        resolve: |request, diagnostics| one(request, Direction::Return, diagnostics),
    },
    Family {
        form: &[("kernel", None), ("syscall", None)],
        summary: "When a process makes any system call: `$nr` is its number.",
        example: "probe kernel.syscall { println($nr >= 0); exit() }",
        resolve: |request, diagnostics| any(request, Direction::Entry, diagnostics),
    },
    Family {
        form: &[("kernel", None), ("syscall", None), ("return", None)],
        summary: "When any system call returns: `$nr` is its number, `$return` its result.",
        example: "probe kernel.syscall.return { println($nr >= 0); exit() }",
        resolve: |request, diagnostics| any(request, Direction::Return, diagnostics),
    },
];

/// The calls that replace the program, and the registers with the arguments.
const REPLACERS: [&str; 2] = ["execve", "execveat"];

/// The calls that end twice, once in the process or thread they make.
const MAKERS: [&str; 4] = ["fork", "vfork", "clone", "clone3"];

fn one(request: &Request<'_>, direction: Direction, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((name, span)) = request.text(1) else { return vec![] };
    let Some(table) = table(request.facts, span, diagnostics) else { return vec![] };
    let call = table.find(name).filter(|call| exists(request.facts, table, call));
    let Some(call) = call else {
        let known = table.calls.iter().map(|c| c.name);
        diagnostics
            .error(codes::UNKNOWN_SYSCALL, span, format!("unknown system call `{name}`"))
            .label("this kernel does not have it")
            .suggest(name, known);
        return vec![];
    };
    let mut context: Vec<ContextVariable> = call
        .parameters
        .iter()
        .zip(table.registers.arguments)
        .map(|(parameter, offset)| ContextVariable {
            name: parameter.name.to_string(),
            // What it points to is memory of the process.
            ty: 0,
            source: ContextSource::Register(offset),
            value: parameter.scalar(),
            trusted: false,
        })
        .collect();
    let mut point = syscall_point(request.facts, table, direction);
    if direction == Direction::Return {
        point.entry = context.clone();
        if REPLACERS.contains(&call.name) {
            // What they were called with is gone with the program.
            context.clear();
        }
        context.push(result());
    }
    point.number = Some(call.number);
    point.ends_twice = MAKERS.contains(&call.name);
    vec![Point { context, ..Point::new(request.spelling(), Attach::Syscall(point)) }]
}

fn any(request: &Request<'_>, direction: Direction, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let span = request.point.span;
    let Some(table) = table(request.facts, span, diagnostics) else { return vec![] };
    let number = ContextVariable {
        name: "nr".to_string(),
        ty: 0,
        source: match direction {
            Direction::Entry => ContextSource::Word(1),
            Direction::Return => ContextSource::Register(table.registers.number),
        },
        value: Scalar { bytes: 8, signed: true },
        trusted: false,
    };
    let mut context = vec![number];
    let mut point = syscall_point(request.facts, table, direction);
    if direction == Direction::Return {
        point.entry = context.clone();
        context.push(result());
    }
    vec![Point { context, ..Point::new(request.spelling(), Attach::Syscall(point)) }]
}

fn result() -> ContextVariable {
    ContextVariable {
        name: "return".to_string(),
        ty: 0,
        source: ContextSource::Word(1),
        value: Scalar { bytes: 8, signed: true },
        trusted: false,
    }
}

/// The point of any system call in this direction.
fn syscall_point(facts: &dyn Facts, table: &Table, direction: Direction) -> SyscallPoint {
    let btf = facts.btf().ok();
    let status = btf.and_then(|btf| {
        let task = btf.find("task_struct", Kind::Struct)?;
        let info = btf.field(task, "thread_info")?;
        let status = btf.field(btf.strip(info.ty), "status")?;
        Some((info.bit_offset + status.bit_offset) / 8)
    });
    let compat = match status {
        Some(offset) => CompatTest::Status { offset, bit: table.compat_status },
        Option::None => {
            let (offset, value) = table.registers.compat;
            CompatTest::Register { offset, value }
        }
    };
    let mut point = SyscallPoint {
        direction,
        number: Option::None,
        btf_typedef: Option::None,
        number_offset: table.registers.number,
        compat,
        ends_twice: false,
        other_typedef: Option::None,
        entry: vec![],
        root_of: Option::None,
    };
    let typedef = |name: &str| {
        let tracepoint = btf.and_then(|btf| btf::tracepoint(btf, name));
        tracepoint.map(|tracepoint| tracepoint.typedef_id.0)
    };
    let other = match direction {
        Direction::Entry => Direction::Return,
        Direction::Return => Direction::Entry,
    };
    point.btf_typedef = typedef(point.tracepoint());
    point.other_typedef = typedef(other.tracepoint());
    point
}

fn table(facts: &dyn Facts, span: Span, diagnostics: &mut Diagnostics) -> Option<&'static Table> {
    let table = syscalls::table(facts.architecture());
    if table.is_none() {
        let architecture = facts.architecture().name();
        diagnostics
            .error(codes::UNSUPPORTED, span, format!("no system calls of {architecture} yet"))
            .help("`kernel.trace(\"sys_enter\")` has the number in `$id`");
    }
    table
}

/// Whether the kernel has a system call.
fn exists(facts: &dyn Facts, table: &Table, call: &SystemCall) -> bool {
    // Every kernel has those, and its types leave out functions without parameters.
    if call.parameters.is_empty() {
        return true;
    }
    let function = format!("{}{}", table.prefix, call.function);
    let is_typed =
        |btf: &btf::Btf, name: &str| btf.function(&format!("{}{name}", table.prefix)).is_some();
    match facts.btf() {
        Ok(btf) if is_typed(btf, call.function) => true,
        // Kernels without some calls have two functions of those they could be without, one of which does nothing.
        // Types of some makers leave out both. This one is there, for we use it: types that have it have all.
        Ok(btf) if is_typed(btf, "bpf") => false,
        // Reading the symbols takes longer than all else: they are asked last.
        Ok(btf) if is_typed(btf, "read") => facts.symbol_address(&function).is_some(),
        // Nothing says that it does not.
        Ok(_) | Err(_) => true,
    }
}
