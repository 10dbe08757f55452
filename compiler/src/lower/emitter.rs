//! What both halves use to write CLIF: a function under construction with the few constructs that
//! carry meaning across the back-end boundary (`crate::backend::names`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, AtomicRmwOp, Block, ExtFuncData, ExternalName, FuncRef, GlobalValueData, InstBuilder,
    MemFlagsData, Signature, SourceLoc, StackSlot, StackSlotData, StackSlotKind, Type,
    UserExternalName, Value, types::I64,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;

use crate::backend::names;
use crate::source::Span;

/// Line information of one compilation: CLIF's source locations are indices into it, 0 is none.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    spans: Vec<Span>,
}

impl Locations {
    /// The CLIF source location of a span.
    pub fn intern(&mut self, span: Span) -> SourceLoc {
        // Neighbouring statements come in order: the last one is the likely hit.
        let at = match self.spans.iter().rposition(|&s| s == span) {
            Some(at) => at,
            None => {
                self.spans.push(span);
                self.spans.len() - 1
            }
        };
        SourceLoc::new(at as u32 + 1)
    }

    /// The span of the bits of a CLIF source location; `None` for 0 and unknown ones.
    pub fn span(&self, bits: u32) -> Option<Span> {
        self.spans.get((bits as usize).checked_sub(1)?).copied()
    }

    /// All spans; the location bits of the first are 1.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}

/// Memory of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// On the stack.
    Stack(StackSlot),
    /// At an offset of the function's scratch memory.
    Scratch(u32),
}

/// What is larger than this is kept off the kernel's stack.
const SMALL: u32 = 64;

/// Bytes of the stack that variables may take; the rest is for temporaries and spills.
const STACK_SHARE: u32 = 192;

/// Bytes of the stack that variables and temporaries may take while there is scratch memory.
const STACK_MOST: u32 = 288;

/// A CLIF function under construction.
pub struct Emitter<'f> {
    /// The builder.
    pub builder: FunctionBuilder<'f>,
    free: Vec<(u32, Room)>,
    used: Vec<(u32, Room)>,
    /// Bytes of stack taken so far, and of scratch memory.
    stack_bytes: u32,
    scratch_bytes: u32,
    /// Whether rooms are in scratch memory wherever there is any.
    off_stack: bool,
}

impl<'f> Emitter<'f> {
    /// Wraps a builder whose entry block is current.
    pub fn new(builder: FunctionBuilder<'f>) -> Emitter<'f> {
        Emitter {
            builder,
            free: vec![],
            used: vec![],
            stack_bytes: 0,
            scratch_bytes: 0,
            off_stack: false,
        }
    }

    /// A 64-bit constant.
    pub fn constant(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(I64, value)
    }

    /// A 64-bit constant the optimizer cannot see (design rule 5).
    pub fn opaque(&mut self, value: i64) -> Value {
        self.symbol(names::CONSTANT, 0, value)
    }

    /// The address (or value) of a symbol plus an offset.
    pub fn symbol(&mut self, namespace: u32, index: u32, offset: i64) -> Value {
        let name = UserExternalName::new(namespace, index);
        let name = self.builder.func.declare_imported_user_function(name);
        let symbol = self.builder.create_global_value(GlobalValueData::Symbol {
            name: ExternalName::user(name),
            offset: offset.into(),
            colocated: false,
            tls: false,
        });
        self.builder.ins().symbol_value(I64, symbol)
    }

    /// The address of a map, as helpers take it.
    pub fn map(&mut self, index: u32) -> Value {
        self.symbol(names::MAP, index, 0)
    }

    fn import(&mut self, namespace: u32, index: u32, parameters: &[Type], result: Type) -> FuncRef {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend(parameters.iter().map(|&t| AbiParam::new(t)));
        signature.returns.push(AbiParam::new(result));
        let signature = self.builder.import_signature(signature);
        let name = UserExternalName::new(namespace, index);
        let name = self.builder.func.declare_imported_user_function(name);
        self.builder.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: false,
            patchable: false,
        })
    }

    /// Calls an external function of 64-bit arguments and result.
    pub fn call(&mut self, namespace: u32, index: u32, arguments: &[Value]) -> Value {
        let parameters = vec![I64; arguments.len()];
        let function = self.import(namespace, index, &parameters, I64);
        let call = self.builder.ins().call(function, arguments);
        self.builder.inst_results(call)[0]
    }

    /// Calls an eBPF helper by its number.
    pub fn helper(&mut self, helper: Helper, arguments: &[Value]) -> Value {
        self.call(names::HELPER, helper as u32, arguments)
    }

    /// `pin`: an identity the optimizer cannot look through.
    pub fn pin(&mut self, value: Value) -> Value {
        let ty = self.builder.func.dfg.value_type(value);
        let function = self.import(names::INTRINSIC, names::INTRINSIC_PIN, &[ty], ty);
        let call = self.builder.ins().call(function, &[value]);
        self.builder.inst_results(call)[0]
    }

    /// `may_goto`: not zero while the kernel lets loops go on; only for the branch right behind it.
    pub fn may_goto(&mut self) -> Value {
        self.call(names::INTRINSIC, names::INTRINSIC_MAY_GOTO, &[])
    }

    /// `base + index * scale` where `index` is less than `length`, else control goes to `outside`.
    /// The optimizer can separate neither the check nor the address from the other.
    pub fn checked_element(
        &mut self,
        base: Value,
        index: Value,
        length: i64,
        scale: i64,
        outside: Block,
    ) -> Value {
        let index = self.pin(index);
        let inside = self.builder.create_block();
        let below = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, length);
        self.builder.ins().brif(below, inside, &[], outside, &[]);
        self.builder.switch_to_block(inside);
        let scale = self.constant(scale);
        self.call(names::INTRINSIC, names::INTRINSIC_ELEM, &[base, index, scale])
    }

    /// Marks the code that follows as coming from a location.
    pub fn locate(&mut self, location: SourceLoc) {
        self.builder.set_srcloc(location);
    }

    /// A stack slot of at least `bytes`, free for other uses after [`Emitter::release_slots`].
    pub fn slot(&mut self, bytes: u32) -> StackSlot {
        let bytes = bytes.next_multiple_of(8);
        let free = self
            .free
            .iter()
            .position(|&(size, room)| size == bytes && matches!(room, Room::Stack(_)));
        let slot = match free.map(|at| self.free.swap_remove(at).1) {
            Some(Room::Stack(slot)) => slot,
            Some(Room::Scratch(_)) | None => self.permanent_slot(bytes),
        };
        self.used.push((bytes, Room::Stack(slot)));
        slot
    }

    /// A stack slot that is never reused: for variables.
    pub fn permanent_slot(&mut self, bytes: u32) -> StackSlot {
        let bytes = bytes.next_multiple_of(8);
        self.stack_bytes += bytes;
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
        self.builder.create_sized_stack_slot(data)
    }

    /// Has small rooms in scratch memory, too, where there is any: what is in them outlives the frame of a
    /// function that does one round of a loop.
    pub fn keep_off_stack(&mut self) {
        self.off_stack = true;
    }

    /// Room for a variable: on the stack while it is small and there is enough, else in the scratch
    /// memory, if the function has any.
    pub fn permanent_room(&mut self, bytes: u32, scratch: bool) -> Room {
        let bytes = bytes.next_multiple_of(8);
        let small = bytes <= SMALL && !self.off_stack;
        if !scratch || (small && self.stack_bytes + bytes <= STACK_SHARE) {
            return Room::Stack(self.permanent_slot(bytes));
        }
        self.scratch_bytes += bytes;
        Room::Scratch(self.scratch_bytes - bytes)
    }

    /// Room for a variable in the scratch memory.
    pub fn permanent_scratch(&mut self, bytes: u32) -> Room {
        self.scratch_bytes += bytes;
        Room::Scratch(self.scratch_bytes - bytes)
    }

    /// Room for a temporary, free for other uses after [`Emitter::release_slots`].
    pub fn room(&mut self, bytes: u32, scratch: bool) -> Room {
        let bytes = bytes.next_multiple_of(8);
        let is_free = |&(size, room): &(u32, Room)| size == bytes && matches!(room, Room::Stack(_));
        let fits = self.stack_bytes + bytes <= STACK_MOST || self.free.iter().any(is_free);
        if !scratch || (bytes <= SMALL && !self.off_stack && fits) {
            return Room::Stack(self.slot(bytes));
        }
        self.scratch_room(bytes)
    }

    /// Room for a temporary in the scratch memory.
    pub fn scratch_room(&mut self, bytes: u32) -> Room {
        let bytes = bytes.next_multiple_of(8);
        let free = self
            .free
            .iter()
            .position(|&(size, room)| size == bytes && matches!(room, Room::Scratch(_)));
        let room = match free {
            Some(at) => self.free.swap_remove(at).1,
            None => {
                self.scratch_bytes += bytes;
                Room::Scratch(self.scratch_bytes - bytes)
            }
        };
        self.used.push((bytes, room));
        room
    }

    /// How much scratch memory the function needs.
    pub fn scratch_bytes(&self) -> u32 {
        self.scratch_bytes
    }

    /// How many temporaries are in use; give it to [`Emitter::release_slots`].
    pub fn slot_mark(&self) -> usize {
        self.used.len()
    }

    /// Frees the temporaries taken since `mark`: the statement that took them is done.
    pub fn release_slots(&mut self, mark: usize) {
        let freed = self.used.drain(mark..);
        self.free.extend(freed);
    }

    /// The address of a slot plus an offset.
    pub fn slot_address(&mut self, slot: StackSlot, offset: u32) -> Value {
        self.builder.ins().stack_addr(I64, slot, offset as i32)
    }

    /// Loads a 64-bit word from memory known to be readable.
    pub fn load(&mut self, address: Value, offset: u32) -> Value {
        self.builder.ins().load(I64, trusted(), address, offset as i32)
    }

    /// A number of 4 or 8 bytes in the kernel's memory; 0 when it cannot be read.
    pub fn kernel_word(&mut self, address: Value, offset: u32, bytes: u8) -> Value {
        let slot = self.slot(8);
        let to = self.slot_address(slot, 0);
        let zero = self.constant(0);
        self.store(zero, to, 0);
        let size = self.constant(i64::from(bytes));
        let from = self.builder.ins().iadd_imm_s(address, i64::from(offset));
        self.helper(Helper::ProbeReadKernel, &[to, size, from]);
        let from = self.slot_address(slot, 0);
        match bytes {
            4 => self.builder.ins().uload32(trusted(), from, 0),
            _ => self.load(from, 0),
        }
    }

    /// Stores a value (of any width) to memory known to be writable.
    pub fn store(&mut self, value: Value, address: Value, offset: u32) {
        self.builder.ins().store(trusted(), value, address, offset as i32);
    }

    /// Adds to a 64-bit word that other CPUs write, too; gives the old value.
    pub fn fetch_add(&mut self, address: Value, delta: Value) -> Value {
        self.builder.ins().atomic_rmw(I64, trusted(), AtomicRmwOp::Add, address, delta)
    }

    /// Puts a 64-bit word in the place of the one that is expected there, unless it is another; gives what was there.
    pub fn compare_exchange(&mut self, address: Value, expected: Value, new: Value) -> Value {
        self.builder.ins().atomic_cas(trusted(), address, expected, new)
    }

    /// Whether the current block already ends in a jump, branch or return.
    pub fn is_terminated(&self) -> bool {
        let current = self.builder.current_block();
        current.is_some_and(|block| {
            let last = self.builder.func.layout.last_inst(block);
            last.is_some_and(|inst| self.builder.func.dfg.insts[inst].opcode().is_terminator())
        })
    }

    /// Jumps to `block` unless the current block has ended.
    pub fn jump(&mut self, block: Block) {
        if !self.is_terminated() {
            self.builder.ins().jump(block, &[]);
        }
    }

    /// Makes `block` current.
    pub fn switch_to(&mut self, block: Block) {
        self.builder.switch_to_block(block);
    }

    /// A new block.
    pub fn block(&mut self) -> Block {
        self.builder.create_block()
    }
}

/// Flags of an access that cannot fault. Never `can_move`: design rule 3.
pub fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// The eBPF helpers the compiler emits, by their numbers in `enum bpf_func_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Their names are the kernel's.
#[repr(u32)]
pub enum Helper {
    MapLookupElem = 1,
    MapUpdateElem = 2,
    MapDeleteElem = 3,
    KtimeGetNs = 5,
    GetPrandomU32 = 7,
    GetSmpProcessorId = 8,
    TailCall = 12,
    GetCurrentPidTgid = 14,
    GetCurrentUidGid = 15,
    GetCurrentComm = 16,
    GetCurrentTask = 35,
    PerfEventReadValue = 55,
    GetStack = 67,
    SendSignal = 109,
    ProbeReadUser = 112,
    ProbeReadKernel = 113,
    ProbeReadUserStr = 114,
    ProbeReadKernelStr = 115,
    Jiffies64 = 118,
    RingbufReserve = 131,
    RingbufSubmit = 132,
    RingbufDiscard = 133,
    RingbufQuery = 134,
    GetCurrentTaskBtf = 158,
    GetAttachCookie = 174,
    TaskPtRegs = 175,
    Loop = 181,
}
