//! Reading memory of the kernel and of processes: numbers and strings at addresses.
//!
//! What cannot be read is a run-time error, or gives the other value where one is given; numbers of
//! processes are 0 then. The current process of a user block is ntap itself.

use super::{Builtin, Kernel, Kind, Parameter, User};
use crate::hir::Scalar;
use crate::lower::{Helper, Operand};
use crate::runtime_functions::RuntimeFunction;
use crate::types::MAX_STRING;

const ADDRESS: &[Parameter] = &[Parameter { name: "address", kind: Kind::Long }];
const ADDRESS_OTHERWISE: &[Parameter] = &[
    Parameter { name: "address", kind: Kind::Long },
    Parameter { name: "otherwise", kind: Kind::Text(0) },
];

const EXAMPLE: &str =
    "probe begin { try { println(kernel_string(0)) } catch (m) { println(m) } exit() }";

macro_rules! text_rows {
    ($name:literal, $helper:ident, $what:literal, $plain:literal, $user:ident, $user2:ident) => {
        [
            Builtin {
                name: $name,
                parameters: ADDRESS,
                result: Kind::Text(MAX_STRING),
                summary: concat!("The string at an address of ", $what, "."),
                example: EXAMPLE,
                kernel: Kernel::Inline(|k, operands| {
                    let address = operands[0].long();
                    k.read_text(Helper::$helper, address, MAX_STRING, None, $name)
                }),
                user: User::WithSite(RuntimeFunction::$user),
            },
            Builtin {
                name: $name,
                parameters: ADDRESS_OTHERWISE,
                result: Kind::Text(MAX_STRING),
                summary: "The same with a string to use in place of one that cannot be read.",
                example: EXAMPLE,
                kernel: Kernel::Inline(|k, operands| {
                    let address = operands[0].long();
                    let otherwise = operands[1].text().clone();
                    k.read_text(Helper::$helper, address, MAX_STRING, Some(&otherwise), $name)
                }),
                user: User::Runtime(RuntimeFunction::$user2),
            },
            Builtin {
                name: concat!($name, $plain),
                parameters: ADDRESS_OTHERWISE,
                result: Kind::Text(MAX_STRING),
                summary: concat!(
                    "The string at an address of ",
                    $what,
                    ", or the other one when it cannot be read."
                ),
                example: EXAMPLE,
                kernel: Kernel::Inline(|k, operands| {
                    let address = operands[0].long();
                    let otherwise = operands[1].text().clone();
                    k.read_text(Helper::$helper, address, MAX_STRING, Some(&otherwise), $name)
                }),
                user: User::Runtime(RuntimeFunction::$user2),
            },
        ]
    };
}

macro_rules! number_row {
    ($name:literal, $helper:ident, $bytes:literal, $signed:literal, $what:literal, $where:literal) => {
        Builtin {
            name: $name,
            parameters: ADDRESS,
            result: Kind::Long,
            summary: concat!("The ", $what, $where),
            example: "probe begin { try { println(kernel_int(0)) } catch (m) { println(m) } exit() }",
            kernel: Kernel::Inline(|k, operands: &[Operand]| {
                let scalar = Scalar { bytes: $bytes, signed: $signed };
                k.read_number(Helper::$helper, operands[0].long(), scalar, $name)
            }),
            user: match Helper::$helper {
                Helper::ProbeReadKernel => {
                    User::WithNumbersAndSite(RuntimeFunction::KernelInteger, &[$bytes, $signed as i64])
                }
                _ => User::WithNumbersAndSite(RuntimeFunction::OwnInteger, &[$bytes, $signed as i64]),
            },
        }
    };
}

macro_rules! user_row {
    ($name:literal, $bytes:literal, $signed:literal, $what:literal) => {
        Builtin {
            name: $name,
            parameters: ADDRESS,
            result: Kind::Long,
            summary: concat!(
                "The ",
                $what,
                " at an address of the current process; 0 when it cannot be read."
            ),
            example: "probe begin { println(user_int(0)) exit() }",
            kernel: Kernel::Inline(|k, operands: &[Operand]| {
                let scalar = Scalar { bytes: $bytes, signed: $signed };
                k.read_number_or_zero(Helper::ProbeReadUser, operands[0].long(), scalar)
            }),
            user: User::WithNumbers(RuntimeFunction::OwnIntegerOrZero, &[$bytes, $signed as i64]),
        }
    };
}

macro_rules! user_error_row {
    ($name:literal, $bytes:literal, $signed:literal, $what:literal) => {
        number_row!(
            $name,
            ProbeReadUser,
            $bytes,
            $signed,
            $what,
            " at an address of the current process; an error when it cannot be read."
        )
    };
}

pub(super) const ROWS: &[Builtin] = {
    const KERNEL: [Builtin; 3] = text_rows!(
        "kernel_string",
        ProbeReadKernelStr,
        "the kernel",
        "2",
        KernelText,
        KernelTextOtherwise
    );
    const USER: [Builtin; 3] = text_rows!(
        "user_string",
        ProbeReadUserStr,
        "the current process",
        "2",
        OwnText,
        OwnTextOtherwise
    );
    let [kernel, kernel_or, kernel2] = KERNEL;
    let [user, user_or, user2] = USER;
    &[
        kernel,
        kernel_or,
        kernel2,
        user,
        user_or,
        user2,
        number_row!(
            "kernel_char",
            ProbeReadKernel,
            1,
            true,
            "signed byte",
            " at an address of the kernel."
        ),
        number_row!(
            "kernel_short",
            ProbeReadKernel,
            2,
            true,
            "signed 16-bit number",
            " at an address of the kernel."
        ),
        number_row!(
            "kernel_int",
            ProbeReadKernel,
            4,
            true,
            "signed 32-bit number",
            " at an address of the kernel."
        ),
        number_row!(
            "kernel_long",
            ProbeReadKernel,
            8,
            true,
            "64-bit number",
            " at an address of the kernel."
        ),
        number_row!(
            "kernel_pointer",
            ProbeReadKernel,
            8,
            false,
            "address",
            " at an address of the kernel."
        ),
        user_row!("user_char", 1, true, "signed byte"),
        user_error_row!("user_char_error", 1, true, "signed byte"),
        user_row!("user_uchar", 1, false, "unsigned byte"),
        user_error_row!("user_uchar_error", 1, false, "unsigned byte"),
        user_row!("user_short", 2, true, "signed 16-bit number"),
        user_error_row!("user_short_error", 2, true, "signed 16-bit number"),
        user_row!("user_ushort", 2, false, "unsigned 16-bit number"),
        user_error_row!("user_ushort_error", 2, false, "unsigned 16-bit number"),
        user_row!("user_int", 4, true, "signed 32-bit number"),
        user_error_row!("user_int_error", 4, true, "signed 32-bit number"),
        user_row!("user_uint", 4, false, "unsigned 32-bit number"),
        user_error_row!("user_uint_error", 4, false, "unsigned 32-bit number"),
        user_row!("user_long", 8, true, "64-bit number"),
        user_error_row!("user_long_error", 8, true, "64-bit number"),
        user_row!("user_ulong", 8, false, "64-bit number"),
        user_error_row!("user_ulong_error", 8, false, "64-bit number"),
        user_row!("user_int8", 1, true, "signed byte"),
        user_error_row!("user_int8_error", 1, true, "signed byte"),
        user_row!("user_uint8", 1, false, "unsigned byte"),
        user_error_row!("user_uint8_error", 1, false, "unsigned byte"),
        user_row!("user_int16", 2, true, "signed 16-bit number"),
        user_error_row!("user_int16_error", 2, true, "signed 16-bit number"),
        user_row!("user_uint16", 2, false, "unsigned 16-bit number"),
        user_error_row!("user_uint16_error", 2, false, "unsigned 16-bit number"),
        user_row!("user_int32", 4, true, "signed 32-bit number"),
        user_error_row!("user_int32_error", 4, true, "signed 32-bit number"),
        user_row!("user_uint32", 4, false, "unsigned 32-bit number"),
        user_error_row!("user_uint32_error", 4, false, "unsigned 32-bit number"),
        user_row!("user_int64", 8, true, "signed 64-bit number"),
        user_error_row!("user_int64_error", 8, true, "signed 64-bit number"),
        user_row!("user_uint64", 8, false, "unsigned 64-bit number"),
        user_error_row!("user_uint64_error", 8, false, "unsigned 64-bit number"),
    ]
};
