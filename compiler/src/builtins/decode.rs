//! What the library's descriptions of system calls are made of: memory of the process as numbers, and
//! numbers as text.
//!
//! Memory is read in the kernel, at the moment; what cannot be read is 0. Text is made in userspace, of
//! what was read. Memory of the kernel is read for buffers that are shown. The names of numbers come in tables: texts of `NAME=VALUE` between spaces, in C's
//! notation. In user blocks there is no memory of a process to be read.

use cranelift_codegen::ir::Value;

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::hir::Scalar;
use crate::lower::{Helper, KernelCode, Operand};
use crate::runtime_functions::RuntimeFunction;
use crate::syscalls::NAME_BYTES;
use crate::types::MAX_STRING;

const fn text(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text(0) }
}

const fn long(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Long }
}

const TEXT: Kind = Kind::Text(MAX_STRING);

macro_rules! user_number {
    ($name:literal, $bytes:literal, $signed:literal) => {
        Builtin {
            name: $name,
            parameters: &[long("address")],
            result: Kind::Long,
            summary: "The number at an address of the current process; 0 when it cannot be read.",
            example: "",
            kernel: Kernel::Inline(|k, operands| {
                let bytes = k.emitter.constant($bytes);
                let scalar = Scalar { bytes: $bytes, signed: $signed };
                user_number(k, operands, bytes, scalar)
            }),
            user: User::Constant(0),
        }
    };
}

macro_rules! made_of {
    ($name:literal, $parameters:expr, $function:ident, $summary:literal) => {
        Builtin {
            name: $name,
            parameters: $parameters,
            result: TEXT,
            summary: $summary,
            example: "",
            kernel: Kernel::Deferred,
            user: User::Runtime(RuntimeFunction::$function),
        }
    };
}

pub(super) const ROWS: &[Builtin] = &[
    user_number!("__user_u8", 1, false),
    user_number!("__user_u16", 2, false),
    user_number!("__user_u32", 4, false),
    user_number!("__user_s32", 4, true),
    user_number!("__user_s64", 8, true),
    Builtin {
        name: "__user_bytes",
        parameters: &[long("address"), long("count")],
        result: Kind::Long,
        summary: "At most 8 bytes at an address of the current process, the first one the lowest.",
        example: "",
        kernel: Kernel::Inline(|k, operands| {
            let count = k.at_most(operands[1].long(), 8);
            let scalar = Scalar { bytes: 8, signed: false };
            user_number(k, operands, count, scalar)
        }),
        user: User::Constant(0),
    },
    Builtin {
        name: "__user_can_read",
        parameters: &[long("address")],
        result: Kind::Long,
        summary: "1 when an address of the current process can be read.",
        example: "",
        kernel: Kernel::Inline(|k, operands| {
            let bytes = k.emitter.constant(1);
            let status = read(k, Helper::ProbeReadUser, operands[0].long(), bytes).1;
            Operand::Long(k.is_zero(status))
        }),
        user: User::Constant(0),
    },
    Builtin {
        name: "__kernel_bytes",
        parameters: &[long("address"), long("count")],
        result: Kind::Long,
        summary: "At most 8 bytes at an address of the kernel, the first one the lowest.",
        example: "",
        kernel: Kernel::Inline(|k, operands| {
            let count = k.at_most(operands[1].long(), 8);
            let scalar = Scalar { bytes: 8, signed: false };
            number(k, Helper::ProbeReadKernel, operands, count, scalar)
        }),
        user: User::Constant(0),
    },
    Builtin {
        name: "__kernel_can_read",
        parameters: &[long("address")],
        result: Kind::Long,
        summary: "1 when an address of the kernel can be read.",
        example: "",
        kernel: Kernel::Inline(|k, operands| {
            let bytes = k.emitter.constant(1);
            let status = read(k, Helper::ProbeReadKernel, operands[0].long(), bytes).1;
            Operand::Long(k.is_zero(status))
        }),
        user: User::Constant(0),
    },
    made_of!(
        "__name_of",
        &[long("value"), text("names"), text("otherwise")],
        NameOf,
        "The name of a number; of one without, the number, behind a text (`#x` before it: in hexadecimal)."
    ),
    Builtin {
        name: "__system_call",
        parameters: &[long("number")],
        result: Kind::Text(NAME_BYTES),
        summary: "The name of the system call of a number; the number itself where there is none.",
        example: "",
        kernel: Kernel::Pure(|k, operands| k.call_name(operands[0].long())),
        user: User::Runtime(RuntimeFunction::CallName),
    },
    made_of!(
        "__flags_of",
        &[long("value"), text("names"), text("none")],
        FlagsOf,
        "The names of the bits of a number, between bars. `NAME=VALUE/MASK` is one of several values."
    ),
    made_of!(
        "__buffer_quoted",
        &[
            long("address"),
            long("length"),
            long("shown"),
            long("can_read"),
            long("word"),
            long("word"),
            long("word"),
            long("word"),
            long("word"),
            long("word")
        ],
        BufferQuoted,
        "The first bytes of a buffer in quotes."
    ),
    made_of!(
        "__result",
        &[long("format"), long("result"), text("error")],
        ResultText,
        "The result of a system call: decimal (1), hexadecimal (2) or octal (3); an error with its name."
    ),
    made_of!(
        "__address_of_socket",
        &[long("address"), long("word"), long("word"), long("word"), long("word"), text("path")],
        SocketAddress,
        "A socket's address, given as its first bytes in words, and as a path."
    ),
    made_of!(
        "__ip_of",
        &[long("word"), long("word"), long("word")],
        SocketIp,
        "The IP address in a socket's address, given as its first bytes in words."
    ),
    made_of!(
        "__signal_set",
        &[long("mask"), text("names")],
        SignalSet,
        "The names of the signals in a set."
    ),
];

fn user_number(
    k: &mut KernelCode<'_, '_>,
    operands: &[Operand],
    bytes: Value,
    scalar: Scalar,
) -> Operand {
    number(k, Helper::ProbeReadUser, operands, bytes, scalar)
}

fn number(
    k: &mut KernelCode<'_, '_>,
    helper: Helper,
    operands: &[Operand],
    bytes: Value,
    scalar: Scalar,
) -> Operand {
    let (to, _) = read(k, helper, operands[0].long(), bytes);
    Operand::Long(k.load_scalar(to, 0, scalar))
}

/// Reads so many bytes to memory that was zero; gives the memory and the helper's result.
fn read(k: &mut KernelCode<'_, '_>, helper: Helper, from: Value, bytes: Value) -> (Value, Value) {
    let slot = k.emitter.slot(8);
    let to = k.emitter.slot_address(slot, 0);
    let zero = k.emitter.constant(0);
    k.emitter.store(zero, to, 0);
    let status = k.emitter.helper(helper, &[to, bytes, from]);
    (k.emitter.slot_address(slot, 0), status)
}
