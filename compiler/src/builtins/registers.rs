//! Registers, and what the calling convention keeps in them. Where a probe point has no registers (as
//! tracepoints and user blocks), addresses are 0 and the others raise an error.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::lower::{KernelCode, Operand};
use crate::runtime_functions::RuntimeFunction;

const NUMBER: &[Parameter] = &[Parameter { name: "n", kind: Kind::Long }];
const NAME: &[Parameter] = &[Parameter { name: "name", kind: Kind::Text(0) }];

macro_rules! argument_row {
    ($name:literal, $bytes:literal, $signed:literal, $what:literal) => {
        Builtin {
            name: $name,
            parameters: NUMBER,
            result: Kind::Long,
            summary: concat!(
                "The n-th argument (from 1) of the function at whose entry the probe is, ",
                $what,
                "."
            ),
            example: concat!(
                "probe process(\"/bin/sh\").function(\"main\") ? { println(",
                $name,
                "(1)) } probe begin { exit() }"
            ),
            kernel: Kernel::Inline(|k, operands| {
                let word = k.function_argument(operands[0].long()).long();
                Operand::Long(narrow(k, word, $bytes, $signed))
            }),
            user: User::WithSite(RuntimeFunction::NoRegister),
        }
    };
}

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "addr",
        parameters: NONE,
        result: Kind::Long,
        summary: "The instruction address of the probe point; 0 where it has no registers, as in \
                  tracepoints and user blocks.",
        example: "probe begin { println(addr()); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.instruction_address())),
        user: User::Constant(0),
    },
    Builtin {
        name: "uaddr",
        parameters: NONE,
        result: Kind::Long,
        summary: "The address in the current process where it runs, or where it entered the kernel.",
        example: "probe timer.profile { printf(\"%p\\n\", uaddr()); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.user_instruction_address())),
        user: User::Constant(0),
    },
    Builtin {
        name: "user_mode",
        parameters: NONE,
        result: Kind::Long,
        summary: "1 when the probe interrupted code of a process, 0 when it was in the kernel.",
        example: "probe timer.profile { println(user_mode()); exit() }",
        kernel: Kernel::Inline(|k, _| Operand::Long(k.in_user_mode())),
        user: User::Constant(0),
    },
    Builtin {
        name: "registers_valid",
        parameters: NONE,
        result: Kind::Long,
        summary: "1 where `register` works.",
        example: "probe timer.profile { println(registers_valid()); exit() }",
        kernel: Kernel::Inline(|k, _| {
            let has = k.has_registers();
            Operand::Long(k.emitter.constant(i64::from(has)))
        }),
        user: User::Constant(0),
    },
    Builtin {
        name: "register",
        parameters: NAME,
        result: Kind::Long,
        summary: "A register by its name, such as `rdi`, or `edi` for its lower half with its sign.",
        example: "probe timer.profile { printf(\"%p\\n\", register(\"rsp\")); exit() }",
        kernel: Kernel::Inline(|k, operands| k.named_register(operands[0].text(), true)),
        user: User::WithSite(RuntimeFunction::NoRegister),
    },
    Builtin {
        name: "u_register",
        parameters: NAME,
        result: Kind::Long,
        summary: "As `register`; the lower half of a register without its sign.",
        example: "probe timer.profile { printf(\"%x\\n\", u_register(\"eax\")); exit() }",
        kernel: Kernel::Inline(|k, operands| k.named_register(operands[0].text(), false)),
        user: User::WithSite(RuntimeFunction::NoRegister),
    },
    Builtin {
        name: "returnval",
        parameters: NONE,
        result: Kind::Long,
        summary: "What the function returned at whose return the probe is.",
        example: "probe process(\"/bin/sh\").function(\"main\").return ? { println(returnval()) } \
                  probe begin { exit() }",
        kernel: Kernel::Inline(|k, _| k.function_result()),
        user: User::Constant(0),
    },
    argument_row!("int_arg", 4, true, "as a signed 32-bit number"),
    argument_row!("uint_arg", 4, false, "as an unsigned 32-bit number"),
    argument_row!("long_arg", 8, true, "as a 64-bit number"),
    argument_row!("ulong_arg", 8, false, "as a 64-bit number"),
    argument_row!("longlong_arg", 8, true, "as a 64-bit number"),
    argument_row!("ulonglong_arg", 8, false, "as a 64-bit number"),
    argument_row!("pointer_arg", 8, false, "as an address"),
    argument_row!("s32_arg", 4, true, "as a signed 32-bit number"),
    argument_row!("u32_arg", 4, false, "as an unsigned 32-bit number"),
    argument_row!("s64_arg", 8, true, "as a 64-bit number"),
    argument_row!("u64_arg", 8, false, "as a 64-bit number"),
];

fn narrow(
    k: &mut KernelCode<'_, '_>,
    word: cranelift_codegen::ir::Value,
    bytes: u8,
    signed: bool,
) -> cranelift_codegen::ir::Value {
    k.extend(word, crate::hir::Scalar { bytes, signed })
}
