//! Ending the session, errors, messages.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::lower::{Helper, Operand};
use crate::runtime_functions::RuntimeFunction;

const MESSAGE: &[Parameter] = &[Parameter { name: "message", kind: Kind::Text(0) }];

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "exit",
        parameters: NONE,
        result: Kind::Nothing,
        summary: "Ends the session: no further handler starts, this one goes on to its end, then \
                  the `end` probes run.",
        example: "probe begin { exit() }",
        kernel: Kernel::Inline(|k, _| {
            k.stop();
            Operand::Nothing
        }),
        user: User::Runtime(RuntimeFunction::Exit),
    },
    Builtin {
        name: "error",
        parameters: MESSAGE,
        result: Kind::Nothing,
        summary: "Raises a run-time error with this text.",
        example: "probe begin { if (pid() == 0) error(\"no pid\"); exit() }",
        kernel: Kernel::Raise(|k, arguments| {
            k.raise(arguments[0].text());
            Operand::Nothing
        }),
        user: User::WithSite(RuntimeFunction::Error),
    },
    Builtin {
        name: "abort",
        parameters: NONE,
        result: Kind::Nothing,
        summary: "Ends the session, and this handler at once.",
        example: "probe begin { abort() }",
        kernel: Kernel::DeferredLast,
        user: User::Runtime(RuntimeFunction::Abort),
    },
    Builtin {
        name: "system",
        parameters: &[Parameter { name: "command", kind: Kind::Text(0) }],
        result: Kind::Nothing,
        summary: "Runs a shell command, whose output comes between what the script prints. Blocks wait for it.",
        example: "probe begin { system(\"echo done\"); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::System),
    },
    Builtin {
        name: "ftrace",
        parameters: MESSAGE,
        result: Kind::Nothing,
        summary: "Writes a line to the kernel's trace buffer.",
        example: "probe begin { ftrace(\"here\"); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TraceMarker),
    },
    Builtin {
        name: "raise",
        parameters: &[Parameter { name: "signal", kind: Kind::Long }],
        result: Kind::Nothing,
        summary: "Sends a signal to the current process; in blocks that no process runs, to ntap.",
        example: "probe never { raise(19) }",
        kernel: Kernel::Inline(|k, arguments| {
            k.emitter.helper(Helper::SendSignal, &[arguments[0].long()]);
            Operand::Nothing
        }),
        user: User::Runtime(RuntimeFunction::SendSignal),
    },
    Builtin {
        name: "printk",
        parameters: &[
            Parameter { name: "level", kind: Kind::Long },
            Parameter { name: "message", kind: Kind::Text(0) },
        ],
        result: Kind::Nothing,
        summary: "Writes a line to the kernel's log, with a level from 0 (emergency) to 7 (debugging).",
        example: "probe never { printk(6, \"here\") }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::KernelLog),
    },
    Builtin {
        name: "__prints_to_terminal",
        parameters: NONE,
        result: Kind::Long,
        summary: "1 where what the script prints goes to a terminal.",
        example: "probe begin { println(__prints_to_terminal()); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::PrintsToTerminal),
    },
    Builtin {
        name: "__load_average",
        parameters: &[Parameter { name: "index", kind: Kind::Long }],
        result: Kind::Long,
        summary: "A load average in hundredths: of one minute (0), five (1), fifteen (2).",
        example: "probe begin { println(__load_average(0) >= 0); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::LoadAverage),
    },
    Builtin {
        name: "__random",
        parameters: NONE,
        result: Kind::Long,
        summary: "A random number of 32 bits.",
        example: "probe begin { println(__random() >= 0); exit() }",
        kernel: Kernel::Inline(|k, _| {
            let number = k.emitter.helper(Helper::GetPrandomU32, &[]);
            Operand::Long(k.low_half(number))
        }),
        user: User::Runtime(RuntimeFunction::Random),
    },
    Builtin {
        name: "log",
        parameters: MESSAGE,
        result: Kind::Nothing,
        summary: "Prints a line to standard error.",
        example: "probe begin { log(\"started\"); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::Log),
    },
    Builtin {
        name: "warn",
        parameters: MESSAGE,
        result: Kind::Nothing,
        summary: "Prints a line to standard error, marked `WARNING: `.",
        example: "probe begin { warn(\"strange\"); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::Warn),
    },
];
