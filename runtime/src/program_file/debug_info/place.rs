//! Where variables are: location expressions, the frame of a function, and the calling convention of x86-64.

use gimli::{DebugAddrIndex, Encoding, Expression, Operation};
use ntap_compiler::facts::Architecture;
use ntap_compiler::hir::MarkArgument;
use ntap_compiler::registers::{self, Register};

use super::Slice;
use super::frames::CallFrames;

/// Where a variable is.
pub(super) enum Found {
    /// Here.
    At(MarkArgument),
    /// Of a structure or array: its address is the value here.
    AddressAt(MarkArgument),
    /// In the function's frame, once it has been made; there, as seen from the entry.
    InMemoryLater(Option<MarkArgument>),
    /// Nowhere: optimized away.
    Nowhere,
    /// The debug information does not say.
    Unsaid,
}

/// `DW_AT_frame_base`: what places in a frame are counted from.
#[derive(Clone, Copy)]
pub(super) enum Frame {
    /// The value the stack pointer had before the call.
    BeforeCall,
    /// A register.
    Register(gimli::Register),
    /// Something else.
    Unknown,
}

/// Code whose variables are looked for.
pub(super) struct Code<'a> {
    pub(super) frames: CallFrames<'a>,
    /// How far it runs from where it was linked for; `None` where it is loaded anywhere.
    pub(super) moved: Option<u64>,
}

/// A place in code.
pub(super) struct At<'a> {
    pub(super) code: &'a Code<'a>,
    pub(super) address: u64,
    /// Whether it is behind a function's first instruction.
    pub(super) inside: bool,
    /// Whether the location is said to be that for the whole of the function: it is not so before its frame has
    /// been made.
    pub(super) everywhere: bool,
    pub(super) frame: &'a Frame,
    /// The addresses that units have apart.
    pub(super) listed: &'a dyn Fn(DebugAddrIndex<usize>) -> Option<u64>,
}

/// Understands a frame base.
pub(super) fn frame(expression: Expression<Slice<'_>>, encoding: Encoding) -> Frame {
    match expression.operations(encoding).next() {
        Ok(Some(Operation::CallFrameCFA)) => Frame::BeforeCall,
        Ok(Some(Operation::Register { register })) => Frame::Register(register),
        Ok(Some(Operation::RegisterOffset { register, offset: 0, .. })) => {
            Frame::Register(register)
        }
        _ => Frame::Unknown,
    }
}

/// Understands a location of one step: a register, memory at a register, a constant.
pub(super) fn find(
    expression: Expression<Slice<'_>>,
    encoding: Encoding,
    at: &At<'_>,
) -> gimli::Result<Found> {
    let mut operations = expression.operations(encoding);
    let Some(first) = operations.next()? else { return Ok(Found::Nowhere) };
    let second = operations.next()?;
    let is_value = matches!(second, Some(Operation::StackValue));
    if matches!(second, Some(Operation::Deref { .. })) && operations.next()?.is_none() {
        return Ok(match step(first, false, encoding, at)? {
            Found::At(place @ MarkArgument::Memory { .. }) => Found::AddressAt(place),
            Found::InMemoryLater(_) => Found::InMemoryLater(None),
            _ => Found::Nowhere,
        });
    }
    if second.is_some() && !is_value {
        return Ok(Found::Nowhere);
    }
    step(first, is_value, encoding, at)
}

/// Whether a location says that the address of what is meant is at a place.
pub(super) fn is_by_reference(expression: Expression<Slice<'_>>, encoding: Encoding) -> bool {
    let mut operations = expression.operations(encoding);
    let mut last = None;
    while let Ok(Some(operation)) = operations.next() {
        last = Some(operation);
    }
    matches!(last, Some(Operation::Deref { .. }))
}

/// Understands the first step of a location, which may be the value itself.
fn step(
    first: Operation<Slice<'_>>,
    is_value: bool,
    encoding: Encoding,
    at: &At<'_>,
) -> gimli::Result<Found> {
    let memory = |base: Option<Register>, offset: i64| match base {
        Some(_) => Found::At(MarkArgument::Memory { base, index: None, scale: 1, offset }),
        None => Found::Nowhere,
    };
    let in_register = |register: Option<Register>| match register {
        Some(register) => Found::At(MarkArgument::Register(register)),
        None => Found::Nowhere,
    };
    Ok(match first {
        Operation::Register { register } if !is_value => in_register(of_number(register)),
        Operation::RegisterOffset { register, offset: 0, .. } if is_value => {
            in_register(of_number(register))
        }
        Operation::RegisterOffset { register, offset, .. } if is_value => {
            match of_number(register) {
                Some(register) => Found::At(MarkArgument::Sum { register, offset }),
                None => Found::Nowhere,
            }
        }
        Operation::RegisterOffset { register, offset, .. } => memory(of_number(register), offset),
        Operation::FrameOffset { offset } if !is_value => match at.frame {
            // Below it are the function's own variables, above it what was given to it on the stack.
            Frame::BeforeCall if !at.inside => {
                match memory(Some(registers::stack_pointer(HERE)), offset + 8) {
                    Found::At(later) if at.everywhere && offset < 0 => {
                        Found::InMemoryLater(Some(later))
                    }
                    found => found,
                }
            }
            Frame::BeforeCall => match at.code.frames.before_call(at.address) {
                Some((base, from)) => memory(Some(base), offset + from),
                None => Found::Nowhere,
            },
            // The frame pointer is what the stack pointer will be when the caller's has been stored.
            Frame::Register(register) if !at.inside && is_frame_pointer(*register) => {
                match memory(Some(registers::stack_pointer(HERE)), offset - 8) {
                    Found::At(later) if offset < 0 => Found::InMemoryLater(Some(later)),
                    found => found,
                }
            }
            Frame::Register(_) if !at.inside => Found::InMemoryLater(None),
            Frame::Register(register) => memory(of_number(*register), offset),
            Frame::Unknown => Found::Nowhere,
        },
        // Programs are loaded anywhere: what is told from the instruction holds there, too.
        Operation::Address { address } if !is_value => linked(address, at),
        Operation::AddressIndex { index } if !is_value => {
            (at.listed)(index).map_or(Found::Nowhere, |address| linked(address, at))
        }
        Operation::UnsignedConstant { value } if is_value => {
            Found::At(MarkArgument::Constant(value as i64))
        }
        Operation::SignedConstant { value } if is_value => Found::At(MarkArgument::Constant(value)),
        // What the register held at the entry, where it still does.
        Operation::EntryValue { expression } if is_value && !at.inside => {
            match Expression(expression).operations(encoding).next()? {
                Some(Operation::Register { register }) => in_register(of_number(register)),
                _ => Found::Nowhere,
            }
        }
        _ => Found::Nowhere,
    })
}

/// Memory at an address as it was linked.
fn linked(address: u64, at: &At<'_>) -> Found {
    let (base, offset) = match at.code.moved {
        Some(moved) => (None, address.wrapping_add(moved)),
        None => (Some(registers::instruction_pointer(HERE)), address.wrapping_sub(at.address)),
    };
    Found::At(MarkArgument::Memory { base, index: None, scale: 1, offset: offset as i64 })
}

/// Whether functions store the caller's value of this register first, and then keep their frame's place in it.
fn is_frame_pointer(register: gimli::Register) -> bool {
    const RBP: u16 = 6;
    HERE == Architecture::X86_64 && register.0 == RBP
}

/// The architecture of the programs that are read.
const HERE: Architecture =
    if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };

/// The register with the address of the instruction.
pub(super) fn instruction_pointer() -> Register {
    registers::instruction_pointer(HERE)
}

/// The register of DWARF's number.
pub(super) fn of_number(register: gimli::Register) -> Option<Register> {
    register_of_number(register.0)
}

/// The register that DWARF gives a number.
pub(crate) fn register_of_number(number: u16) -> Option<Register> {
    let number = usize::from(number);
    let name = match HERE {
        Architecture::X86_64 => {
            const NAMES: [&str; 17] = [
                "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11",
                "r12", "r13", "r14", "r15", "rip",
            ];
            NAMES.get(number)?.to_string()
        }
        Architecture::Aarch64 => match number {
            31 => "sp".to_string(),
            0..31 => format!("x{number}"),
            _ => return None,
        },
    };
    registers::named(HERE, &name)
}

/// How a value is given to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// In so many registers for integers.
    Integers(u8),
    /// Its address is in a register for integers.
    ByReference,
    /// In a vector register.
    Float,
    /// On the stack.
    Memory,
    /// It is not known how: nor is it of what follows.
    Unknown,
}

/// The registers for integers that are left for parameters.
pub(super) struct Convention {
    used: usize,
    lost: bool,
}

impl Convention {
    /// At the first parameter. What is returned in memory has its address given first.
    pub(super) fn new(returns_in_memory: bool) -> Convention {
        // arm64 has a register of its own for that.
        let takes_one = returns_in_memory && HERE == Architecture::X86_64;
        Convention { used: usize::from(takes_one), lost: false }
    }

    /// Where the next parameter is at the entry, as far as it is in one register.
    pub(super) fn next(&mut self, class: Class) -> Option<MarkArgument> {
        let all = registers::arguments(HERE);
        match class {
            Class::Integers(count) if !self.lost => {
                let count = usize::from(count);
                // What does not fit as a whole is on the stack.
                let words = all.get(self.used..self.used + count)?;
                self.used += count;
                match words {
                    [word] => Some(MarkArgument::Register(*word)),
                    _ => None,
                }
            }
            Class::ByReference if !self.lost => {
                let base = all.get(self.used).copied();
                self.used += 1;
                base.map(|_| MarkArgument::Memory { base, index: None, scale: 1, offset: 0 })
            }
            Class::Unknown => {
                self.lost = true;
                None
            }
            Class::Integers(_) | Class::ByReference | Class::Float | Class::Memory => None,
        }
    }
}
