//! Clocks and dates.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::layout::control;
use crate::lower::{Helper, KernelCode, Operand};
use crate::runtime_functions::RuntimeFunction;
use cranelift_codegen::ir::InstBuilder;

const SECONDS: &[Parameter] = &[Parameter { name: "seconds", kind: Kind::Long }];

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "gettimeofday_ns",
        parameters: NONE,
        result: Kind::Long,
        summary: "Nanoseconds since the start of 1970.",
        example: "probe begin { println(gettimeofday_ns() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| real_time(k, 1)),
        user: User::Runtime(RuntimeFunction::RealTimeNs),
    },
    Builtin {
        name: "gettimeofday_us",
        parameters: NONE,
        result: Kind::Long,
        summary: "Microseconds since the start of 1970.",
        example: "probe begin { println(gettimeofday_us() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| real_time(k, 1_000)),
        user: User::Divided(RuntimeFunction::RealTimeNs, 1_000),
    },
    Builtin {
        name: "gettimeofday_ms",
        parameters: NONE,
        result: Kind::Long,
        summary: "Milliseconds since the start of 1970.",
        example: "probe begin { println(gettimeofday_ms() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| real_time(k, 1_000_000)),
        user: User::Divided(RuntimeFunction::RealTimeNs, 1_000_000),
    },
    Builtin {
        name: "gettimeofday_s",
        parameters: NONE,
        result: Kind::Long,
        summary: "Seconds since the start of 1970.",
        example: "probe begin { println(gettimeofday_s() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| real_time(k, 1_000_000_000)),
        user: User::Divided(RuntimeFunction::RealTimeNs, 1_000_000_000),
    },
    Builtin {
        name: "ktime_get_ns",
        parameters: NONE,
        result: Kind::Long,
        summary: "Nanoseconds of the monotonic clock: for measuring how long something takes.",
        example: "probe begin { println(ktime_get_ns() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.emitter.helper(Helper::KtimeGetNs, &[]))),
        user: User::Runtime(RuntimeFunction::MonotonicNs),
    },
    Builtin {
        name: "ctime",
        parameters: SECONDS,
        result: Kind::Text(32),
        summary: "Seconds since the start of 1970 as a date in UTC: `Wed Jun 30 21:49:08 1993`.",
        example: "probe begin { println(ctime(741476948)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::Ctime),
    },
    Builtin {
        name: "tz_gmtoff",
        parameters: NONE,
        result: Kind::Long,
        summary: "Seconds from the local time to that of Greenwich: positive west of it.",
        example: "probe begin { println(tz_gmtoff() % 900); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::ZoneOffset),
    },
    Builtin {
        name: "tz_name",
        parameters: NONE,
        result: Kind::Text(16),
        summary: "The name of the local time zone.",
        example: "probe begin { println(tz_name()); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::ZoneName),
    },
    Builtin {
        name: "jiffies",
        parameters: NONE,
        result: Kind::Long,
        summary: "The kernel's count of timer ticks. In user blocks it is made from the time since the \
                  machine started, as if it ticked 1000 times a second.",
        example: "probe begin { println(jiffies() > 0); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.emitter.helper(Helper::Jiffies64, &[]))),
        user: User::Divided(RuntimeFunction::MonotonicNs, 1_000_000),
    },
    Builtin {
        name: "tz_ctime",
        parameters: SECONDS,
        result: Kind::Text(40),
        summary: "As `ctime`, in the local time zone, whose name is appended.",
        example: "probe begin { println(tz_ctime(gettimeofday_s())); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TzCtime),
    },
];

/// The real-time clock in units of so many nanoseconds: the monotonic clock plus the offset the
/// runtime keeps in the control block.
fn real_time(k: &mut KernelCode<'_, '_>, unit_ns: i64) -> Operand {
    let monotonic = k.emitter.helper(Helper::KtimeGetNs, &[]);
    let offset = k.control_word(control::REAL_TIME_OFFSET_NS);
    let now = k.emitter.builder.ins().iadd(monotonic, offset);
    if unit_ns == 1 {
        return Operand::Long(now);
    }
    let unit = k.emitter.opaque(unit_ns);
    Operand::Long(k.emitter.builder.ins().udiv(now, unit))
}
