//! Kernel handlers: CLIF that the eBPF back end compiles and the kernel's verifier accepts.
//!
//! The shape of a handler: leave at once unless the session runs; the statements; one exit block, and
//! one block that reports an error by the index of its site. A helper's result is tested for null in
//! the branch right behind the call; kernel memory is touched at constant offsets only.

pub mod adder;
mod arrays;
mod call_name;
mod callback;
mod context;
mod counter;
mod failure;
mod half;
mod hit;
mod memory;
mod process;
mod records;
mod registers;
mod routine;
mod stack;
mod stats;
mod syscall;
mod task;
mod text;
mod timing;
mod together;

pub use call_name::call_names;
pub use callback::LoopFunction;
pub(crate) use callback::take_out_loops;
pub use hit::hit_texts;
pub(super) use routine::COPY_USER_STACK;
pub use routine::RoutineUse;
pub use text::can_format;

use std::collections::BTreeMap;

use cranelift_codegen::ir::{
    Block, Function, InstBuilder, StackSlot, UserFuncName, Value, types::I32, types::I64,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

use super::call::MOST_CALLS;
use super::{
    Emitter, Helper, KernelFeatures, KernelFunction, LoopBound, Lower, Operand, Room, Tables,
    TaskOffsets, Text,
    emitter::trusted,
    user::{frontend_config, signature},
};
use crate::backend::names;
use crate::facts::Architecture;
use crate::hir::{
    Body, Comparison, Expr, ExprKind, GlobalId, Place, PlaceKind, Point, ProbeId, Script, StmtKind,
};
use crate::layout::{Layout, control, counters};
use crate::source::Span;
use crate::types::{Type, Types};

/// The variables in `.bss` by their index in the CLIF namespace.
pub mod variables {
    /// The control block.
    pub const CONTROL: u32 = 0;
    /// The counters of the probes.
    pub const COUNTERS: u32 = 1;
    /// The shared cells.
    pub const CELLS: u32 = 2;
    /// Zeros, to fill memory from.
    pub const ZEROS: u32 = 3;
    /// The tables of regular expressions, constant.
    pub const TABLES: u32 = 4;

    /// What is different in handlers of system calls that are one program, constant; behind the tables where there
    /// are any.
    pub fn calls(layout: &super::Layout) -> u32 {
        if layout.automata.is_empty() { TABLES } else { TABLES + 1 }
    }

    /// The texts about probe points, constant; behind all others that there are.
    pub fn hit_texts(layout: &super::Layout) -> u32 {
        calls(layout) + u32::from(!layout.shared_programs.table.is_empty())
    }

    /// The names of system calls, constant; behind the texts about probe points, which are there then.
    pub fn call_names(layout: &super::Layout) -> u32 {
        hit_texts(layout) + 1
    }
}

/// The index of the ring buffer map.
pub(crate) const RING_BUFFER: u32 = 0;

/// More captured numbers than this wait in scratch memory for their record.
const FEW_CAPTURES: usize = 24;

/// How many elements the scratch map has for each CPU.
pub fn scratch_elements(script: &Script, layout: &Layout) -> u32 {
    let in_process = script.probes.values().any(|p| p.point.attach.in_process());
    layout.scratch_slots() * if in_process { SCRATCH_CLAIMS } else { 1 }
}

/// How many threads on one CPU can be in the same handler of a process at a time.
const SCRATCH_CLAIMS: u32 = 4;

/// A kernel handler under construction.
pub struct KernelCode<'a, 'f> {
    /// The function.
    pub emitter: Emitter<'f>,
    tables: &'a mut Tables,
    layout: &'a Layout,
    point: &'a Point,
    architecture: Architecture,
    /// Where things are in tasks.
    tasks: TaskOffsets,
    script: &'a Script,
    probe: ProbeId,
    /// The program's context.
    context: Value,
    /// Context variables that are used more than once are loaded once, at the start: the optimizer
    /// takes every helper call for a change of the context.
    cached: Vec<Option<Value>>,
    /// What is different for the system call that was made, where the program is for several.
    row: Option<Value>,
    /// Where memory is read to that is loaded at once.
    load_slot: Option<StackSlot>,
    exit: Block,
    /// Where the builtin that is being lowered is called.
    call_span: Span,
    /// The scratch memory, when the handler has any.
    scratch: Option<Value>,
    /// The scratch memory that has to be given back, and where the handler is left without.
    claimed: Option<(Value, Block)>,
    /// When the handler began, where handlers are measured.
    measured: Option<timing::Measured>,
    /// Where errors lead that nothing catches, by the counter that counts them; made when first needed. The
    /// parameter is the site.
    failures: BTreeMap<u32, Block>,
    /// Where errors lead, innermost `try` last.
    handlers: Vec<Handler>,
    /// The errors that can lead to the `try` that ended last.
    caught_sites: Vec<u32>,
    /// Where the text of an error is kept that was made at run time, when the handler raises one.
    message: Option<Room>,
    features: KernelFeatures,
    /// Statements that were not counted yet.
    uncounted: i64,
    /// Where statements are counted; made when there are loops.
    statements: Option<Room>,
    /// The loops around the code, innermost last, where the verifier has to follow their rounds.
    loops: Vec<LoopRounds>,
    /// Whether a copy of a stack found no room in this hit, which is 0 at its start; declared with the first copy.
    missing_stacks: Option<Variable>,
}

/// How many rounds of a loop the verifier knows there to have been.
///
/// Statements are counted in memory, where the verifier does not follow the count: all that comes behind a
/// loop looks the same to it after any number of rounds. That loops end it knows by `may_goto` or `bpf_loop`,
/// or where there is neither by a count of the rounds of each loop, which it follows.
#[derive(Clone, Copy)]
struct LoopRounds {
    /// The count.
    rounds: Variable,
    /// The most there can be before too many statements were run.
    most: i64,
}

/// The handler of a `try`: its parameter is the site of the error.
struct Handler {
    block: Block,
    /// The errors that can lead there.
    sites: Vec<u32>,
}

/// Lowers the handler of a kernel probe.
pub(super) fn function(
    script: &Script,
    types: &Types,
    layout: &Layout,
    features: KernelFeatures,
    tables: &mut Tables,
    id: ProbeId,
) -> KernelFunction {
    let probe = &script.probes[id];
    let name = UserFuncName::user(names::SUBPROGRAM, id.as_u32());
    let mut function = Function::with_name_signature(name, signature(1));
    let mut builder_context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut builder_context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let context = builder.block_params(entry)[0];
    let exit = builder.create_block();
    let mut code = KernelCode {
        emitter: Emitter::new(builder),
        tables,
        layout,
        point: &probe.point,
        architecture: features.architecture,
        tasks: features.tasks,
        script,
        probe: id,
        context,
        cached: vec![None; probe.point.context.len()],
        row: None,
        load_slot: None,
        exit,
        call_span: probe.span,
        scratch: None,
        claimed: None,
        measured: None,
        failures: BTreeMap::new(),
        handlers: vec![],
        caught_sites: vec![],
        statements: None,
        missing_stacks: None,
        loops: vec![],
        message: None,
        features,
        uncounted: 0,
    };
    code.prologue(probe.span, &probe.body, types);
    let lower = Lower::new(code, script, types, layout, features.nesting).body(&probe.body);
    let has_too_many_calls = lower.calls > MOST_CALLS;
    let code = lower.half;
    // A handler that looks its scratch memory up has some, even if it makes no use of it.
    let scratch = code.scratch;
    let least = if scratch.is_some() { 8 } else { 0 };
    let scratch_bytes = code.emitter.scratch_bytes().max(least);
    let mut builder = code.emitter.builder;
    builder.seal_all_blocks();
    builder.finalize(frontend_config());
    KernelFunction { probe: id, function, scratch, scratch_bytes, has_too_many_calls }
}

/// Makes the functions of ours that handlers call, and that those call.
pub(super) fn routines(
    layout: &Layout,
    features: KernelFeatures,
    tables: &mut Tables,
) -> Vec<Function> {
    let mut functions = vec![];
    while functions.len() < tables.routines.len() {
        functions.push(routine::function(functions.len() as u32, layout, tables, features));
    }
    functions
}

impl KernelCode<'_, '_> {
    fn prologue(&mut self, span: Span, body: &Body, types: &Types) {
        let location = self.tables.locations.intern(span);
        self.emitter.locate(location);
        self.only_its_system_calls();
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        let stopped =
            self.emitter.builder.ins().load(I32, trusted(), control, control::STOPPED as i32);
        let run = self.emitter.block();
        self.emitter.builder.ins().brif(stopped, self.exit, &[], run, &[]);
        self.emitter.switch_to(run);
        self.find_row();
        self.test_process();
        let start = self.start_of_hit();
        let layout = self.layout;
        let functions = || layout.kernel_functions.values().flatten();
        let loops = uses_loops(&body.statements) || functions().any(|b| uses_loops(&b.statements));
        if loops || needs_scratch(body, types) || functions().any(|b| needs_scratch(b, types)) {
            self.find_scratch();
        }
        self.measure_hit(start);
        if loops && self.features.loops == LoopBound::Callback {
            self.emitter.keep_off_stack();
        }
        let mut uses = vec![0usize; self.point.context.len()];
        count_context(&body.statements, &mut uses);
        for (at, &count) in uses.iter().enumerate() {
            if count > 1 {
                self.cached[at] = Some(self.context_variable(at));
            }
        }
        if loops {
            let zero = self.emitter.constant(0);
            let room = self.emitter.permanent_scratch(8);
            let address = self.room_address(room, 0);
            self.emitter.store(zero, address, 0);
            self.statements = Some(room);
        }
    }

    /// A 64-bit word of the control block.
    pub fn control_word(&mut self, offset: u32) -> Value {
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        self.emitter.load(control, offset)
    }

    /// The upper 32 bits of a value, zero-extended.
    pub fn high_half(&mut self, value: Value) -> Value {
        self.emitter.builder.ins().ushr_imm_u(value, 32)
    }

    /// The lower 32 bits of a value, zero-extended.
    pub fn low_half(&mut self, value: Value) -> Value {
        let low = self.emitter.builder.ins().ireduce(I32, value);
        self.emitter.builder.ins().uextend(I64, low)
    }

    /// Looks up the handler's scratch memory: an element of its own in a per-CPU array. A handler is not
    /// entered again while it runs on a CPU, so nobody else uses it.
    fn find_scratch(&mut self) {
        if self.point.attach.in_process() {
            return self.claim_scratch();
        }
        let key = self.emitter.permanent_slot(8);
        let key = self.emitter.slot_address(key, 0);
        let index = self.scratch_index(self.layout.scratch_slot(self.probe));
        self.emitter.store(index, key, 0);
        let map = self.emitter.map(self.layout.scratch_map);
        let scratch = self.emitter.helper(Helper::MapLookupElem, &[map, key]);
        let found = self.emitter.block();
        self.emitter.builder.ins().brif(scratch, found, &[], self.exit, &[]);
        self.emitter.switch_to(found);
        self.scratch = Some(scratch);
    }

    /// The index of an element of the scratch map that is this CPU's: where an element is too large for a per-CPU
    /// array, the map has the elements of all CPUs.
    fn scratch_index(&mut self, slot: u32) -> Value {
        let slot = self.emitter.constant(i64::from(slot));
        if !self.features.large_scratch {
            return slot;
        }
        let cpu = self.emitter.helper(Helper::GetSmpProcessorId, &[]);
        let cpu = self.low_half(cpu);
        let elements = i64::from(scratch_elements(self.script, self.layout));
        let before = self.emitter.builder.ins().imul_imm_s(cpu, elements);
        self.emitter.builder.ins().iadd(before, slot)
    }

    /// Takes an element of the scratch map for as long as the handler runs. A handler that runs in a process may be
    /// interrupted, and entered by another thread on the same CPU: each element begins with a word that says how
    /// many want it, and there are some for each probe. A hit that finds none is counted.
    fn claim_scratch(&mut self) {
        let outer = self.exit;
        let claimed = self.emitter.block();
        let scratch = self.emitter.builder.append_block_param(claimed, I64);
        let key = self.emitter.permanent_slot(8);
        for level in 0..SCRATCH_CLAIMS {
            let slot = self.layout.scratch_slot(self.probe) + level * self.layout.scratch_slots();
            let index = self.scratch_index(slot);
            let address = self.emitter.slot_address(key, 0);
            self.emitter.store(index, address, 0);
            let map = self.emitter.map(self.layout.scratch_map);
            let element = self.emitter.helper(Helper::MapLookupElem, &[map, address]);
            let (found, busy) = (self.emitter.block(), self.emitter.block());
            self.emitter.builder.ins().brif(element, found, &[], outer, &[]);
            self.emitter.switch_to(found);
            let one = self.emitter.constant(1);
            let before = self.emitter.fetch_add(element, one);
            self.emitter.builder.ins().brif(before, busy, &[], claimed, &[element.into()]);
            self.emitter.switch_to(busy);
            let back = self.emitter.constant(-1);
            self.emitter.fetch_add(element, back);
        }
        self.count(counters::SKIPPED);
        self.emitter.jump(outer);
        self.emitter.switch_to(claimed);
        // The word of the claim.
        self.emitter.permanent_scratch(8);
        self.scratch = Some(scratch);
        self.claimed = Some((scratch, outer));
        self.exit = self.emitter.block();
    }

    /// Gives back what was claimed; goes on where the handler is left.
    fn give_back_scratch(&mut self) {
        let Some((scratch, outer)) = self.claimed else { return };
        let back = self.emitter.constant(-1);
        self.emitter.fetch_add(scratch, back);
        self.emitter.jump(outer);
        self.emitter.switch_to(outer);
    }

    /// Room for a temporary.
    fn room(&mut self, bytes: u32) -> Room {
        self.emitter.room(bytes, self.scratch.is_some())
    }

    /// The address of a room plus an offset.
    fn room_address(&mut self, room: Room, offset: u32) -> Value {
        match (room, self.scratch) {
            (Room::Stack(slot), _) => self.emitter.slot_address(slot, offset),
            (Room::Scratch(at), Some(scratch)) => {
                self.emitter.builder.ins().iadd_imm_s(scratch, i64::from(at + offset))
            }
            (Room::Scratch(_), None) => unreachable!("rooms are given where there is memory"),
        }
    }

    /// Room for a string: its address, with the operand that stands for it. The caller must fill all
    /// of it.
    pub fn text_room(&mut self, width: u32) -> (Value, Operand) {
        let width = width.next_multiple_of(8);
        let room = self.room(width);
        let address = self.room_address(room, 0);
        (address, Operand::Text(Text::Memory { address, width }))
    }

    /// `exit()`: no handler starts any more, and userspace is told.
    pub fn stop(&mut self) {
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        let one = self.emitter.constant(1);
        self.emitter.store(one, control, control::EXIT);
        self.set_stopped();
        self.send_exit();
    }

    /// Lets no handler start any more.
    fn set_stopped(&mut self) {
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        let one = self.emitter.builder.ins().iconst(I32, 1);
        self.emitter.store(one, control, control::STOPPED);
    }
}

/// Counts the reads of each context variable.
fn count_context(statements: &[crate::hir::Stmt], uses: &mut [usize]) {
    crate::hir::each_expression(statements, &mut |e| {
        if let ExprKind::Context(at) = e.kind {
            uses[at] += 1;
        }
    });
}

/// Whether code makes strings that are long, or whose length is known only when it runs.
fn needs_scratch(body: &Body, types: &Types) -> bool {
    let long = |ty: Type| matches!(ty, Type::Text(width) if width > 16);
    let used = crate::hir::used_locals(&body.statements);
    let mut found = used.into_iter().any(|id| long(types.locals[body.id][id]));
    // A short key takes as much room as the longest.
    let keyed = |id: GlobalId| types.globals[id].keys.iter().any(|&key| long(key));
    let place = |place: &Place| matches!(place.kind, PlaceKind::Element(id, _) if keyed(id));
    crate::hir::each_expression(&body.statements, &mut |e| {
        found |= long(types.expressions[e.id])
            || match &e.kind {
                ExprKind::Concatenate { .. } | ExprKind::Sprint(_) => true,
                ExprKind::Read(target) => place(target),
                ExprKind::Assign { target, .. } | ExprKind::Increment { target, .. } => {
                    place(target)
                }
                ExprKind::In { array, .. } => keyed(*array),
                ExprKind::Call { builtin, .. } => builtin.raises(),
                _ => false,
            };
    });
    crate::hir::each_statement(&body.statements, &mut |s| match &s.kind {
        StmtKind::Record { target, .. } | StmtKind::Delete(target) => found |= place(target),
        StmtKind::Emit { captures, .. } => found |= captures.len() > FEW_CAPTURES,
        _ => {}
    });
    found
}

/// Whether kernel handlers have loops, in their own code or in functions of ours that they call.
pub fn has_kernel_loops(script: &Script, types: &Types, layout: &Layout) -> bool {
    let handlers = script.probes.values().filter(|p| p.point.attach.in_kernel()).map(|p| &p.body);
    let mut bodies = handlers.chain(layout.kernel_functions.values().flatten());
    bodies.any(|b| uses_loops(&b.statements) || uses_routines(b, types))
}

fn uses_loops(statements: &[crate::hir::Stmt]) -> bool {
    let mut found = false;
    crate::hir::each_statement(statements, &mut |s| {
        found |= matches!(s.kind, StmtKind::Loop { .. });
    });
    found
}

/// Whether code does with strings what may need a function of ours.
fn uses_routines(body: &Body, types: &Types) -> bool {
    let is_text = |e: &Expr| matches!(types.expressions[e.id], Type::Text(_));
    let mut found = false;
    crate::hir::each_expression(&body.statements, &mut |e| {
        found |= match &e.kind {
            ExprKind::Compare { left, operator, .. } => {
                let order = !matches!(operator, Comparison::Equal | Comparison::NotEqual);
                is_text(left) && (order || types.expressions[left.id].bytes() > 64)
            }
            ExprKind::Sprint(_) | ExprKind::Match { .. } => true,
            ExprKind::Call { arguments, .. } => {
                arguments.iter().any(is_text) || types.expressions[e.id].bytes() > 64
            }
            _ => false,
        }
    });
    found
}
