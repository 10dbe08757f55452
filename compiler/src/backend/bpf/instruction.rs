//! The eBPF instruction set: one 8-byte instruction and the parts its encoding is made of.
//!
//! Only what the back end emits is here. The numbers are those of the kernel's `linux/bpf.h`.

use cranelift_codegen::ir::condcodes::IntCC;

/// The frame pointer, read-only and never allocated.
pub(crate) const FRAME_POINTER: u8 = 10;

/// One instruction slot. A 64-bit constant or an address takes two slots.
///
/// ```text
/// | code: 8 | destination: 4 | source: 4 | offset: 16 | immediate: 32 |
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instruction {
    /// Class, operation and addressing mode.
    pub code: u8,
    /// The register written.
    pub destination: u8,
    /// The register read, or what an immediate stands for ([`PSEUDO_MAP_FD`] and its kin).
    pub source: u8,
    /// A branch distance, the offset of a memory access, or a variant of the operation.
    pub offset: i16,
    /// The constant operand.
    pub immediate: i32,
}

/// Source field of a 64-bit load: the immediate is a map's file descriptor.
pub const PSEUDO_MAP_FD: u8 = 1;
/// Source field of a 64-bit load: the address of one of our own functions.
pub const PSEUDO_FUNC: u8 = 4;
/// Source field of a call to one of our own functions.
pub const PSEUDO_CALL: u8 = 1;
/// Source field of a call to a kernel function; the immediate is its BTF id.
pub const PSEUDO_KFUNC_CALL: u8 = 2;

pub(crate) const CLASS_LD: u8 = 0x00;
pub(crate) const CLASS_LDX: u8 = 0x01;
pub(crate) const CLASS_ST: u8 = 0x02;
pub(crate) const CLASS_STX: u8 = 0x03;
pub(crate) const CLASS_ALU: u8 = 0x04;
const CLASS_JMP: u8 = 0x05;
pub(crate) const CLASS_JMP32: u8 = 0x06;
pub(crate) const CLASS_ALU64: u8 = 0x07;

const MODE_IMM: u8 = 0x00;
const MODE_MEM: u8 = 0x60;
pub(crate) const MODE_MEM_SIGNED: u8 = 0x80;
pub(crate) const MODE_ATOMIC: u8 = 0xc0;

/// The second operand is a register.
pub(crate) const SOURCE_REGISTER: u8 = 0x08;
pub(crate) const ALU_NEGATE: u8 = 0x80;
pub(crate) const ALU_MOVE: u8 = 0xb0;
pub(crate) const ALU_BYTE_ORDER: u8 = 0xd0;
pub(crate) const JUMP_CALL: u8 = 0x80;
pub(crate) const JUMP_EXIT: u8 = 0x90;
pub(crate) const JUMP_MAY: u8 = 0xe0;

/// An atomic operation that returns the old value.
pub(crate) const ATOMIC_FETCH: i32 = 0x01;
pub(crate) const ATOMIC_EXCHANGE: i32 = 0xe1;
pub(crate) const ATOMIC_COMPARE_EXCHANGE: i32 = 0xf1;

/// Whether an operation works on 32 bits (and clears the upper half of its result) or on all 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 32 bits: the ALU and JMP32 classes.
    Word,
    /// 64 bits: the ALU64 and JMP classes.
    Double,
}

impl Width {
    /// The width that computes on values of `bits` bits.
    pub(crate) fn of(bits: u32) -> Self {
        if bits <= 32 { Width::Word } else { Width::Double }
    }

    pub(crate) fn bits(self) -> u32 {
        match self {
            Width::Word => 32,
            Width::Double => 64,
        }
    }

    fn alu_class(self) -> u8 {
        match self {
            Width::Word => CLASS_ALU,
            Width::Double => CLASS_ALU64,
        }
    }

    fn jump_class(self) -> u8 {
        match self {
            Width::Word => CLASS_JMP32,
            Width::Double => CLASS_JMP,
        }
    }
}

/// The size of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Size {
    /// 8 bits.
    Byte = 0x10,
    /// 16 bits.
    Half = 0x08,
    /// 32 bits.
    Word = 0x00,
    /// 64 bits.
    Double = 0x18,
}

impl Size {
    /// The size of a value of `bits` bits (8, 16, 32 or 64).
    pub(crate) fn of(bits: u32) -> Self {
        match bits {
            8 => Size::Byte,
            16 => Size::Half,
            32 => Size::Word,
            _ => Size::Double,
        }
    }
}

/// A two-operand operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0x00,
    Subtract = 0x10,
    Multiply = 0x20,
    Divide = 0x30,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Modulo = 0x90,
    Xor = 0xa0,
    ShiftRightSigned = 0xc0,
}

/// The condition of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Comparison {
    Equal = 0x10,
    Greater = 0x20,
    GreaterOrEqual = 0x30,
    /// `left & right` is not zero.
    Test = 0x40,
    NotEqual = 0x50,
    SignedGreater = 0x60,
    SignedGreaterOrEqual = 0x70,
    Less = 0xa0,
    LessOrEqual = 0xb0,
    SignedLess = 0xc0,
    SignedLessOrEqual = 0xd0,
}

impl Comparison {
    pub(crate) fn from_clif(condition: IntCC) -> Self {
        match condition {
            IntCC::Equal => Comparison::Equal,
            IntCC::NotEqual => Comparison::NotEqual,
            IntCC::SignedLessThan => Comparison::SignedLess,
            IntCC::SignedGreaterThanOrEqual => Comparison::SignedGreaterOrEqual,
            IntCC::SignedGreaterThan => Comparison::SignedGreater,
            IntCC::SignedLessThanOrEqual => Comparison::SignedLessOrEqual,
            IntCC::UnsignedLessThan => Comparison::Less,
            IntCC::UnsignedGreaterThanOrEqual => Comparison::GreaterOrEqual,
            IntCC::UnsignedGreaterThan => Comparison::Greater,
            IntCC::UnsignedLessThanOrEqual => Comparison::LessOrEqual,
        }
    }

    /// The comparison that holds exactly when this one does not; [`Comparison::Test`] has none.
    pub(crate) fn inverse(self) -> Option<Self> {
        Some(match self {
            Comparison::Equal => Comparison::NotEqual,
            Comparison::NotEqual => Comparison::Equal,
            Comparison::Greater => Comparison::LessOrEqual,
            Comparison::LessOrEqual => Comparison::Greater,
            Comparison::GreaterOrEqual => Comparison::Less,
            Comparison::Less => Comparison::GreaterOrEqual,
            Comparison::SignedGreater => Comparison::SignedLessOrEqual,
            Comparison::SignedLessOrEqual => Comparison::SignedGreater,
            Comparison::SignedGreaterOrEqual => Comparison::SignedLess,
            Comparison::SignedLess => Comparison::SignedGreaterOrEqual,
            Comparison::Test => return None,
        })
    }

    pub(crate) fn is_signed(self) -> bool {
        match self {
            Comparison::SignedGreater
            | Comparison::SignedGreaterOrEqual
            | Comparison::SignedLess
            | Comparison::SignedLessOrEqual => true,
            Comparison::Equal
            | Comparison::NotEqual
            | Comparison::Test
            | Comparison::Greater
            | Comparison::GreaterOrEqual
            | Comparison::Less
            | Comparison::LessOrEqual => false,
        }
    }
}

/// The second operand of an operation, over virtual registers before allocation and machine
/// registers after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<R> {
    /// A register.
    Register(R),
    /// A constant, sign-extended to the width of the operation.
    Immediate(i32),
}

/// A test a branch can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition<R> {
    pub(crate) comparison: Comparison,
    pub(crate) width: Width,
    pub(crate) left: R,
    pub(crate) right: Source<R>,
}

impl Instruction {
    /// The slot as the kernel reads it, little endian.
    pub fn bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[0] = self.code;
        bytes[1] = self.source << 4 | self.destination & 0x0f;
        bytes[2..4].copy_from_slice(&self.offset.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.immediate.to_le_bytes());
        bytes
    }

    /// Whether this is the first slot of a two-slot 64-bit constant.
    pub fn is_wide(self) -> bool {
        self.code == CLASS_LD | MODE_IMM | Size::Double as u8
    }

    fn with_source(mut self, source: Source<u8>) -> Self {
        match source {
            Source::Register(register) => {
                self.code |= SOURCE_REGISTER;
                self.source = register;
            }
            Source::Immediate(immediate) => self.immediate = immediate,
        }
        self
    }

    pub(crate) fn alu(operation: Alu, width: Width, destination: u8, source: Source<u8>) -> Self {
        let code = width.alu_class() | operation as u8;
        Instruction { code, destination, ..Default::default() }.with_source(source)
    }

    pub(crate) fn mov(width: Width, destination: u8, source: Source<u8>) -> Self {
        let code = width.alu_class() | ALU_MOVE;
        Instruction { code, destination, ..Default::default() }.with_source(source)
    }

    pub(crate) fn negate(width: Width, destination: u8) -> Self {
        Instruction { code: width.alu_class() | ALU_NEGATE, destination, ..Default::default() }
    }

    /// Byte swap of the low `bits`, as a conversion to big endian on our little-endian machines.
    pub(crate) fn swap_bytes(destination: u8, bits: u32) -> Self {
        let code = CLASS_ALU | ALU_BYTE_ORDER | SOURCE_REGISTER;
        Instruction { code, destination, immediate: bits as i32, ..Default::default() }
    }

    pub(crate) fn jump_if(condition: Condition<u8>, offset: i16) -> Self {
        let code = condition.width.jump_class() | condition.comparison as u8;
        Instruction { code, destination: condition.left, offset, ..Default::default() }
            .with_source(condition.right)
    }

    pub(crate) fn jump() -> Self {
        Instruction { code: CLASS_JMP, ..Default::default() }
    }

    pub(crate) fn may_goto() -> Self {
        Instruction { code: CLASS_JMP | JUMP_MAY, ..Default::default() }
    }

    pub(crate) fn call(pseudo: u8, immediate: i32) -> Self {
        let code = CLASS_JMP | JUMP_CALL;
        Instruction { code, source: pseudo, immediate, ..Default::default() }
    }

    pub(crate) fn exit() -> Self {
        Instruction { code: CLASS_JMP | JUMP_EXIT, ..Default::default() }
    }

    pub(crate) fn load(size: Size, signed: bool, destination: u8, base: u8, offset: i16) -> Self {
        let mode = if signed { MODE_MEM_SIGNED } else { MODE_MEM };
        let code = CLASS_LDX | mode | size as u8;
        Instruction { code, destination, source: base, offset, immediate: 0 }
    }

    pub(crate) fn store(size: Size, base: u8, offset: i16, value: Source<u8>) -> Self {
        match value {
            Source::Register(source) => Instruction {
                code: CLASS_STX | MODE_MEM | size as u8,
                destination: base,
                source,
                offset,
                immediate: 0,
            },
            Source::Immediate(immediate) => Instruction {
                code: CLASS_ST | MODE_MEM | size as u8,
                destination: base,
                source: 0,
                offset,
                immediate,
            },
        }
    }

    pub(crate) fn atomic(operation: i32, size: Size, base: u8, offset: i16, source: u8) -> Self {
        let code = CLASS_STX | MODE_ATOMIC | size as u8;
        Instruction { code, destination: base, source, offset, immediate: operation }
    }

    /// The two slots of a 64-bit constant.
    pub(crate) fn wide(destination: u8, constant: i64) -> [Self; 2] {
        let code = CLASS_LD | MODE_IMM | Size::Double as u8;
        [
            Instruction { code, destination, immediate: constant as i32, ..Default::default() },
            Instruction { immediate: (constant >> 32) as i32, ..Default::default() },
        ]
    }
}
