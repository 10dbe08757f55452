//! From registers and a copy of the stack to the addresses of the functions that were entered and not left.
//!
//! At each instruction the unwind tables of its file say where the caller's registers are. Code without them (made while
//! the program runs, or assembled by hand) is taken to have frame pointers. What lies beyond the copy is read from the
//! process while that lives: a stack changes at its end, and this is far from it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use gimli::{EvaluationResult, LittleEndian, Value};
use ntap_compiler::facts::Architecture;
use ntap_compiler::registers;

use super::copied_stack::CopiedStack;
use crate::program_file::{FrameAddress, FrameRules, Rule, Rules, register_of_number};

/// The architecture of the processes.
const HERE: Architecture =
    if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };

/// DWARF's numbers of the frame pointer and of the stack pointer, and how many registers there are.
const FRAME_POINTER: u16 = if cfg!(target_arch = "aarch64") { 29 } else { 6 };
const STACK_POINTER: u16 = if cfg!(target_arch = "aarch64") { 31 } else { 7 };
const REGISTERS: usize = 33;

/// The bits that tell programs of 32 bits from others, in the register that tells the mode, and their value there: the
/// code segment's selector on x86-64, of arm64 the state of the processor.
const MODE: u64 = if cfg!(target_arch = "aarch64") { 0x10 } else { 0xffff };
const MODE_OF_32_BITS: u64 = if cfg!(target_arch = "aarch64") { 0x10 } else { 0x23 };

/// The bits of addresses of processes on arm64.
const USER: u64 = (1 << 48) - 1;

/// Code of a process.
pub(super) struct Code {
    /// The file's tables.
    pub(super) rules: Rc<FrameRules>,
    /// The address that it was linked for.
    pub(super) address: u64,
    /// Where the function begins that it is in, linked.
    pub(super) function: Option<u64>,
}

/// A walked stack.
pub(super) struct Walked {
    /// The addresses, the innermost first.
    pub(super) frames: Vec<u64>,
    /// Whether there are more that could not be seen.
    pub(super) is_cut: bool,
}

/// Walks a stack up to so many frames. `code` tells about the code at an address.
pub(super) fn walk(
    copy: &CopiedStack,
    most: usize,
    mut code: impl FnMut(u64) -> Option<Code>,
) -> Walked {
    let mut walk = Walk { copy, word_bytes: 8, beyond: None, is_cut: false };
    let mut frames = vec![];
    let Some(mut at) = walk.first() else { return Walked { frames, is_cut: false } };
    let mut is_exact = true;
    while frames.len() < most {
        frames.push(at.instruction);
        // An address that a call returns to may be behind the last instruction of what is about the call.
        let within = at.instruction.wrapping_sub(u64::from(!is_exact));
        let found = code(within);
        let rules = found.as_ref().and_then(|code| code.rules.at(code.address));
        let next = match rules {
            Some(rules) => {
                let next = walk.caller(&at, &rules);
                walk.is_cut |= next.is_none() && rules.has_caller();
                next.map(|next| (next, rules.is_signal))
            }
            None => {
                let is_entry =
                    is_exact && found.is_some_and(|code| code.function == Some(code.address));
                walk.caller_by_frame_pointer(&at, is_entry).map(|next| (next, false))
            }
        };
        let Some((next, is_signal)) = next else { break };
        // A stack grows downwards, but a signal may be handled on another one.
        let goes_on =
            is_signal || next.stack() > at.stack() || (is_exact && next.stack() == at.stack());
        if next.instruction == 0 || !goes_on {
            break;
        }
        is_exact = is_signal;
        at = next;
    }
    Walked { is_cut: walk.is_cut, frames }
}

/// The registers in one function.
#[derive(Clone)]
struct Frame {
    instruction: u64,
    registers: [Option<u64>; REGISTERS],
}

impl Frame {
    fn register(&self, number: u16) -> Option<u64> {
        self.registers.get(usize::from(number)).copied().flatten()
    }

    fn stack(&self) -> u64 {
        self.register(STACK_POINTER).unwrap_or(0)
    }
}

struct Walk<'c> {
    copy: &'c CopiedStack,
    /// Bytes of an address: 4 in programs of 32 bits.
    word_bytes: u64,
    /// The memory of the process, once it was needed.
    beyond: Option<Option<File>>,
    /// Whether there is a caller that could not be seen.
    is_cut: bool,
}

impl Walk<'_> {
    /// The innermost frame; `None` when there is no user code.
    fn first(&mut self) -> Option<Frame> {
        let copy = self.copy;
        let word = |offset: u32| {
            let offset = offset as usize;
            let bytes = copy.registers.get(offset..offset + 8)?;
            Some(u64::from_ne_bytes(bytes.try_into().ok()?))
        };
        let (mode, bits, user) = registers::mode(HERE);
        if word(mode.offset)? & bits as u64 != user as u64 {
            return None;
        }
        if word(mode.offset)? & MODE == MODE_OF_32_BITS {
            self.word_bytes = 4;
        }
        let mut all = [None; REGISTERS];
        for (number, value) in all.iter_mut().enumerate() {
            *value = register_of_number(number as u16).and_then(|register| word(register.offset));
        }
        let instruction = word(registers::instruction_pointer(HERE).offset)?;
        Some(Frame { instruction, registers: all })
    }

    /// A word of the process's memory.
    fn word(&mut self, address: u64) -> Option<u64> {
        let found = self.copy.word(address);
        if self.word_bytes == 8 {
            return found.or_else(|| self.beyond(address));
        }
        // The last one may be the upper half of the last eight bytes.
        let upper = || Some(self.copy.word(address.checked_sub(4)?)? >> 32);
        let found = found.or_else(upper).or_else(|| self.beyond(address))?;
        Some(found & u64::from(u32::MAX))
    }

    fn beyond(&mut self, address: u64) -> Option<u64> {
        let process = self.copy.process;
        let open = || File::open(format!("/proc/{process}/mem")).ok();
        let memory = self.beyond.get_or_insert_with(open).as_ref()?;
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, address).ok()?;
        Some(u64::from_ne_bytes(bytes))
    }

    /// The caller's registers by the rules of the instruction.
    fn caller(&mut self, at: &Frame, rules: &Rules) -> Option<Frame> {
        let frame = match &rules.frame {
            FrameAddress::Register(register, offset) => {
                at.register(*register)?.wrapping_add_signed(*offset)
            }
            FrameAddress::Expression(expression) => self.evaluate(at, expression, None)?,
        };
        let mut caller = at.clone();
        caller.registers[usize::from(STACK_POINTER)] = Some(frame);
        for (register, rule) in &rules.registers {
            let value = match rule {
                Rule::Same => at.register(*register),
                Rule::AtFrame(offset) => self.word(frame.wrapping_add_signed(*offset)),
                Rule::Frame(offset) => Some(frame.wrapping_add_signed(*offset)),
                Rule::Register(other) => at.register(*other),
                Rule::AtExpression(expression) => {
                    let address = self.evaluate(at, expression, Some(frame));
                    address.and_then(|address| self.word(address))
                }
                Rule::Expression(expression) => self.evaluate(at, expression, Some(frame)),
                Rule::Constant(value) => Some(*value),
            };
            if let Some(place) = caller.registers.get_mut(usize::from(*register)) {
                *place = value;
            }
        }
        let address = caller.register(rules.return_address).filter(|_| rules.has_caller())?;
        // The processors of arm64 may sign an address in the bits above it.
        caller.instruction = if cfg!(target_arch = "aarch64") { address & USER } else { address };
        Some(caller)
    }

    /// The caller's registers where the function keeps a frame pointer, or has only just been called.
    fn caller_by_frame_pointer(&mut self, at: &Frame, is_entry: bool) -> Option<Frame> {
        let mut caller = at.clone();
        let set = |caller: &mut Frame, number: u16, value| {
            caller.registers[usize::from(number)] = Some(value);
        };
        let bytes = self.word_bytes;
        if is_entry && HERE == Architecture::X86_64 {
            caller.instruction = self.word(at.stack())?;
            set(&mut caller, STACK_POINTER, at.stack() + bytes);
            return Some(caller);
        }
        let pointer = at.register(FRAME_POINTER)?;
        // Anything else is no frame pointer.
        if pointer < at.stack() || !pointer.is_multiple_of(bytes) {
            return None;
        }
        let before = self.word(pointer)?;
        caller.instruction = self.word(pointer.checked_add(bytes)?)?;
        set(&mut caller, FRAME_POINTER, before);
        set(&mut caller, STACK_POINTER, pointer.checked_add(2 * bytes)?);
        Some(caller)
    }

    /// The value of an expression; `frame` is what is on its stack at the start.
    fn evaluate(&mut self, at: &Frame, expression: &[u8], frame: Option<u64>) -> Option<u64> {
        let encoding =
            gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
        let expression = gimli::Expression(gimli::EndianSlice::new(expression, LittleEndian));
        let mut evaluation = expression.evaluation(encoding);
        evaluation.set_max_iterations(1000);
        if let Some(frame) = frame {
            evaluation.set_initial_value(frame);
        }
        let mut state = evaluation.evaluate().ok()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = match register_of_number(register.0) {
                        Some(known) if known == registers::instruction_pointer(HERE) => {
                            at.instruction
                        }
                        _ => at.register(register.0)?,
                    };
                    evaluation.resume_with_register(Value::Generic(value)).ok()?
                }
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let word = self.word(address)?;
                    let kept = if size >= 8 { u64::MAX } else { (1 << (8 * u32::from(size))) - 1 };
                    evaluation.resume_with_memory(Value::Generic(word & kept)).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result().first()?.location {
            gimli::Location::Address { address } => Some(address),
            gimli::Location::Value { value } => value.to_u64(u64::MAX).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program_file;

    /// A copy with these registers and this memory at 0x1000, of a process that is no more.
    fn copy(instruction: u64, registers: &[(u16, u64)], memory: &[u64]) -> CopiedStack {
        let mut bytes = vec![0; registers::all_bytes(HERE) as usize];
        let mut set = |offset: u32, value: u64| {
            bytes[offset as usize..offset as usize + 8].copy_from_slice(&value.to_ne_bytes());
        };
        let (mode, _, user) = registers::mode(HERE);
        set(mode.offset, user as u64);
        set(registers::instruction_pointer(HERE).offset, instruction);
        for &(number, value) in registers {
            set(register_of_number(number).expect("a register").offset, value);
        }
        let memory = memory.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let (process, time_ns, frames) = (u32::MAX, 0, None);
        let returns = vec![(0x1028, 0x7000)];
        CopiedStack { process, time_ns, returns, registers: bytes, start: 0x1000, memory, frames }
    }

    #[test]
    fn code_without_tables_is_walked_by_frame_pointers() {
        let memory = [7, 0x1020, 0x5000, 8, 0, 0x6000];
        let registers = [(FRAME_POINTER, 0x1008), (STACK_POINTER, 0x1000)];
        let walked = walk(&copy(0x4000, &registers, &memory), 20, |_| None);
        assert_eq!(walked.frames, [0x4000, 0x5000, 0x7000], "the last was replaced");
        assert!(!walked.is_cut);
        let walked = walk(&copy(0x4000, &registers, &memory), 2, |_| None);
        assert_eq!(walked.frames, [0x4000, 0x5000]);
        let kernel = CopiedStack { registers: vec![0; 400], ..copy(0, &[], &[]) };
        assert_eq!(walk(&kernel, 20, |_| None).frames, [], "there is no user code");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn programs_of_32_bits_are_walked_by_frame_pointers() {
        let registers = [(FRAME_POINTER, 0x1008), (STACK_POINTER, 0x1000)];
        let memory = [7, 0x5000_0000_1010, 0x6000_0000_0000];
        let mut copy = copy(0x4000, &registers, &memory);
        let mode = registers::mode(HERE).0.offset as usize;
        copy.registers[mode] = 0x23;
        assert_eq!(walk(&copy, 20, |_| None).frames, [0x4000, 0x5000, 0x6000]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let path = std::env::current_exe().expect("a path");
        let rules = Rc::new(FrameRules::read(&path));
        let program = program_file::read(&path).expect("a program");
        let known = program.functions.iter().filter(|function| {
            let rules = rules.at(function.address);
            function.size > 0 && rules.is_some_and(|rules| rules.has_caller())
        });
        let function = known.take(1).next().expect("functions have tables");
        let address = function.address;
        let code = |at| Some(Code { rules: rules.clone(), address: at, function: Some(address) });
        let walked = walk(&copy(address, &[(STACK_POINTER, 0x1000)], &[]), 20, code);
        assert_eq!(walked.frames, [address]);
        assert!(walked.is_cut);
    }
}
