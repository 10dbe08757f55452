//! Who and where: the task and CPU a probe was hit on. In user blocks they describe ntap itself.

use super::{Builtin, Kernel, Kind, NONE, User};
use crate::lower::{Helper, KernelCode, Operand};
use crate::runtime_functions::RuntimeFunction;

/// Length of a task's `comm`, terminator included.
const TASK_COMM_LEN: u32 = 16;

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "pid",
        parameters: NONE,
        result: Kind::Long,
        summary: "The process id (thread group id) of the current task, in the initial namespace.",
        example: "probe begin { println(pid() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| high_half(k, Helper::GetCurrentPidTgid)),
        user: User::Runtime(RuntimeFunction::Pid),
    },
    Builtin {
        name: "tid",
        parameters: NONE,
        result: Kind::Long,
        summary: "The thread id of the current task.",
        example: "probe begin { println(tid() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| low_half(k, Helper::GetCurrentPidTgid)),
        user: User::Runtime(RuntimeFunction::Tid),
    },
    Builtin {
        name: "uid",
        parameters: NONE,
        result: Kind::Long,
        summary: "The user id of the current task.",
        example: "probe begin { println(uid() >= 0); exit() }",
        kernel: Kernel::Inline(|k, _| low_half(k, Helper::GetCurrentUidGid)),
        user: User::Runtime(RuntimeFunction::Uid),
    },
    Builtin {
        name: "gid",
        parameters: NONE,
        result: Kind::Long,
        summary: "The group id of the current task.",
        example: "probe begin { println(gid() >= 0); exit() }",
        kernel: Kernel::Inline(|k, _| high_half(k, Helper::GetCurrentUidGid)),
        user: User::Runtime(RuntimeFunction::Gid),
    },
    Builtin {
        name: "cpu",
        parameters: NONE,
        result: Kind::Long,
        summary: "The number of the current CPU.",
        example: "probe begin { println(cpu() >= 0); exit() }",
        kernel: Kernel::Inline(|k, _| {
            let cpu = k.emitter.helper(Helper::GetSmpProcessorId, &[]);
            Operand::Long(k.low_half(cpu))
        }),
        user: User::Runtime(RuntimeFunction::Cpu),
    },
    Builtin {
        name: "execname",
        parameters: NONE,
        result: Kind::Text(TASK_COMM_LEN),
        summary: "The command name of the current task, at most 15 bytes.",
        example: "probe begin { println(execname()); exit() }",
        kernel: Kernel::Inline(|k, _| k.task_name(TASK_COMM_LEN)),
        user: User::Runtime(RuntimeFunction::Execname),
    },
    Builtin {
        name: "task_current",
        parameters: NONE,
        result: Kind::Pointer("task_struct"),
        summary: "The address of the structure of the current task, a `struct task_struct`.",
        example: "probe begin { println(task_current()->tgid == pid()); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.emitter.helper(Helper::GetCurrentTask, &[]))),
        user: User::Runtime(RuntimeFunction::CurrentTask),
    },
    Builtin {
        name: "stp_pid",
        parameters: NONE,
        result: Kind::Long,
        summary: "The process id of ntap itself.",
        example: "probe begin { println(stp_pid() == pid()); exit() }",
        kernel: Kernel::Inline(|k, _| {
            Operand::Long(k.control_word(crate::layout::control::OWN_PID))
        }),
        user: User::Runtime(RuntimeFunction::OwnPid),
    },
    Builtin {
        name: "target",
        parameters: NONE,
        result: Kind::Long,
        summary: "The process id given with `-x`, or of the command started with `-c`; else 0.",
        example: "probe begin { println(target()); exit() }",
        kernel: Kernel::Inline(|k, _| {
            Operand::Long(k.control_word(crate::layout::control::TARGET))
        }),
        user: User::Runtime(RuntimeFunction::Target),
    },
];

fn high_half(k: &mut KernelCode<'_, '_>, helper: Helper) -> Operand {
    let both = k.emitter.helper(helper, &[]);
    Operand::Long(k.high_half(both))
}

fn low_half(k: &mut KernelCode<'_, '_>, helper: Helper) -> Operand {
    let both = k.emitter.helper(helper, &[]);
    Operand::Long(k.low_half(both))
}
