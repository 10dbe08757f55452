//! `struct pt_regs` of each architecture: where a register is, and what the calling convention keeps where.
//!
//! The layouts are the kernel's `user_regs_struct` (x86-64) and `user_pt_regs` (arm64), with which the
//! contexts of perf event, kprobe and uprobe programs begin. They are part of the kernel's interface.

use crate::facts::Architecture;

/// A register, or the lower half of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Where it is in `pt_regs`, in bytes.
    pub offset: u32,
    /// 8, or 4, 2, 1 for a lower part.
    pub bytes: u8,
    /// The lowest bit: 8 for `%ah` and its like.
    pub shift: u8,
}

const fn whole(offset: u32) -> Register {
    Register { offset, bytes: 8, shift: 0 }
}

/// Kernel's name, 64, 32, 16 and 8 bit names, byte offset.
const X86_64: [([&str; 5], u32); 21] = [
    (["r15", "", "r15d", "r15w", "r15b"], 0),
    (["r14", "", "r14d", "r14w", "r14b"], 8),
    (["r13", "", "r13d", "r13w", "r13b"], 16),
    (["r12", "", "r12d", "r12w", "r12b"], 24),
    (["bp", "rbp", "ebp", "", "bpl"], 32),
    (["bx", "rbx", "ebx", "", "bl"], 40),
    (["r11", "", "r11d", "r11w", "r11b"], 48),
    (["r10", "", "r10d", "r10w", "r10b"], 56),
    (["r9", "", "r9d", "r9w", "r9b"], 64),
    (["r8", "", "r8d", "r8w", "r8b"], 72),
    (["ax", "rax", "eax", "", "al"], 80),
    (["cx", "rcx", "ecx", "", "cl"], 88),
    (["dx", "rdx", "edx", "", "dl"], 96),
    (["si", "rsi", "esi", "", "sil"], 104),
    (["di", "rdi", "edi", "", "dil"], 112),
    (["orig_ax", "orig_rax", "orig_eax", "", ""], 120),
    (["ip", "rip", "eip", "", ""], X86_64_IP),
    (["cs", "xcs", "", "", ""], X86_64_CS),
    (["flags", "rflags", "eflags", "", ""], 144),
    (["sp", "rsp", "esp", "", "spl"], X86_64_SP),
    (["ss", "xss", "", "", ""], 160),
];

const X86_64_IP: u32 = 128;
const X86_64_CS: u32 = 136;
const X86_64_SP: u32 = 152;
const ARM64_SP: u32 = 248;
const ARM64_PC: u32 = 256;
const ARM64_STATE: u32 = 264;

/// The register of a name as scripts give it: `rax`, `eax`, `ax` (the kernel's short name is the whole
/// register), `x0`.
pub fn named(architecture: Architecture, name: &str) -> Option<Register> {
    if name.is_empty() {
        return None;
    }
    match architecture {
        Architecture::X86_64 => X86_64.iter().find_map(|(names, offset)| {
            let at = names.iter().position(|&n| n == name)?;
            Some(Register { offset: *offset, bytes: [8, 8, 4, 2, 1][at], shift: 0 })
        }),
        Architecture::Aarch64 => match name {
            "sp" => Some(whole(ARM64_SP)),
            "pc" => Some(whole(ARM64_PC)),
            "pstate" => Some(whole(ARM64_STATE)),
            "lr" => Some(whole(8 * 30)),
            "fp" => Some(whole(8 * 29)),
            _ => {
                let (letter, number) = name.split_at_checked(1)?;
                let number = number.parse::<u32>().ok().filter(|&n| n < 31)?;
                match letter {
                    "x" => Some(whole(8 * number)),
                    "w" => Some(Register { offset: 8 * number, bytes: 4, shift: 0 }),
                    _ => None,
                }
            }
        },
    }
}

/// A register as the assembler names it in operands, where `ax` is the lower half of `eax`.
pub fn operand(architecture: Architecture, name: &str) -> Option<Register> {
    if architecture == Architecture::X86_64 {
        let high = match name {
            "ah" => Some("ax"),
            "bh" => Some("bx"),
            "ch" => Some("cx"),
            "dh" => Some("dx"),
            _ => None,
        };
        if let Some(whole) = high {
            return named(architecture, whole).map(|r| Register { bytes: 1, shift: 8, ..r });
        }
        if matches!(name, "ax" | "bx" | "cx" | "dx" | "si" | "di" | "bp" | "sp") {
            return named(architecture, name).map(|r| Register { bytes: 2, ..r });
        }
    }
    named(architecture, name)
}

/// The address of the instruction.
pub fn instruction_pointer(architecture: Architecture) -> Register {
    match architecture {
        Architecture::X86_64 => whole(X86_64_IP),
        Architecture::Aarch64 => whole(ARM64_PC),
    }
}

/// Bytes of all registers.
pub fn all_bytes(architecture: Architecture) -> u32 {
    match architecture {
        Architecture::X86_64 => 8 * X86_64.len() as u32,
        Architecture::Aarch64 => ARM64_STATE + 8,
    }
}

/// The stack pointer.
pub fn stack_pointer(architecture: Architecture) -> Register {
    match architecture {
        Architecture::X86_64 => whole(X86_64_SP),
        Architecture::Aarch64 => whole(ARM64_SP),
    }
}

/// The registers of a function's first arguments.
pub fn arguments(architecture: Architecture) -> Vec<Register> {
    match architecture {
        Architecture::X86_64 => [112, 104, 96, 88, 72, 64].map(whole).to_vec(),
        Architecture::Aarch64 => (0..8).map(|n| whole(8 * n)).collect(),
    }
}

/// Bytes between the stack pointer at a function's entry and its first argument there.
pub fn stack_arguments(architecture: Architecture) -> i64 {
    match architecture {
        // The return address is in between.
        Architecture::X86_64 => 8,
        Architecture::Aarch64 => 0,
    }
}

/// What a function returns.
pub fn result(architecture: Architecture) -> Register {
    match architecture {
        Architecture::X86_64 => whole(80),
        Architecture::Aarch64 => whole(0),
    }
}

/// The register that tells user from kernel mode, the bits that count, and their value in user mode.
pub fn mode(architecture: Architecture) -> (Register, i64, i64) {
    match architecture {
        // The privilege level in the code segment's selector.
        Architecture::X86_64 => (whole(X86_64_CS), 3, 3),
        // PSR_MODE_EL0t.
        Architecture::Aarch64 => (whole(ARM64_STATE), 0xf, 0),
    }
}

/// Where a function finds, at its entry, the address it returns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnAddress {
    /// In the word that the stack pointer points to.
    OnStack,
    /// In a register.
    Register(Register),
}

/// Where a function finds, at its entry, the address it returns to.
pub fn return_address(architecture: Architecture) -> ReturnAddress {
    match architecture {
        Architecture::X86_64 => ReturnAddress::OnStack,
        Architecture::Aarch64 => {
            ReturnAddress::Register(operand(architecture, "x30").expect("the link register"))
        }
    }
}
