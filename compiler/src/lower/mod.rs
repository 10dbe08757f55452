//! From the split script to CLIF, for both halves.
//!
//! One lowering of statements and expressions (`statement`, `expression`) writes control flow,
//! arithmetic and variables; everything that differs between kernel code and user blocks (globals,
//! strings, printing, errors) goes through the [`Half`] trait, which [`KernelCode`] and
//! [`UserCode`] implement. The CLIF of kernel handlers keeps the rules that protect it from the
//! optimizer (`emitter`, `kernel`); that of user blocks calls runtime functions.

mod call;
mod emitter;
mod expression;
mod half;
mod kernel;
mod statement;
mod tables;
mod user;

pub(crate) use call::MOST_CALLS;
pub use emitter::{Emitter, Helper, Locations, Room};
pub use half::{Half, Operand, Text};
pub use kernel::adder::arrays as arrays_with_adders;
pub(crate) use kernel::take_out_loops;
pub use kernel::{
    KernelCode, LoopFunction, RoutineUse, call_names, can_format, has_kernel_loops, hit_texts,
    scratch_elements, variables,
};
pub use tables::{ErrorKind, ErrorSite, PrintSite, Tables};
pub use user::UserCode;

use std::marker::PhantomData;

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Value};
use cranelift_frontend::Variable;

use crate::facts::Architecture;
use crate::hir::{Body, EventId, FunctionId, LocalId, ProbeId, Script, used_locals};
use crate::layout::{ArrayId, Layout};
use crate::types::{MAX_STRING, Type, Types, longest};

/// The CLIF of a script.
#[derive(Default)]
pub struct Lowered {
    /// The kernel handlers.
    pub kernel: Vec<KernelFunction>,
    /// The functions of ours that they call, as `tables.routines` lists them.
    pub routines: Vec<Function>,
    /// The rounds of their loops where a helper calls them; their indices go on behind the routines.
    pub loops: Vec<LoopFunction>,
    /// The programs by which user blocks add to elements of arrays.
    pub adders: Vec<(ArrayId, Function)>,
    /// The user blocks.
    pub user: Vec<UserFunction>,
    /// What the code refers to by index.
    pub tables: Tables,
    /// As in the [`KernelFeatures`] it was made for.
    pub large_scratch: bool,
}

/// What kernel code may make use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFeatures {
    /// Which registers there are.
    pub architecture: Architecture,
    /// Where things are in the kernel's tasks. Zeros when no probe asks.
    pub tasks: TaskOffsets,
    /// How the verifier knows that loops end.
    pub loops: LoopBound,
    /// MAXACTION: the most statements in one hit of a probe.
    pub actions: i64,
    /// MAXSTRINGLEN: the most bytes of a string, terminator included.
    pub string_bytes: u32,
    /// MAXNESTING: how deep functions may call each other.
    pub nesting: usize,
    /// Whether the memory of a handler may be more than an element of a per-CPU array has.
    pub large_scratch: bool,
}

impl KernelFeatures {
    /// Bytes of memory that the longest strings take.
    pub fn longest(&self) -> u32 {
        longest(self.string_bytes)
    }

    /// Bytes of memory for a string under construction: a piece is added only below the longest string's length,
    /// and behind that there is room for the longest piece.
    pub fn buffer_bytes(&self) -> u32 {
        2 * self.longest().max(MAX_STRING)
    }
}

/// How the kernel's verifier knows that a loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopBound {
    /// The kernel counts the rounds (`may_goto`, kernel 6.9).
    Budget,
    /// A helper calls a function for each round (`bpf_loop`, kernel 5.17).
    Callback,
    /// The verifier walks all rounds there could be.
    Walked,
}

/// Offsets in the structures of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskOffsets {
    /// On the way to the inode of the program it runs: `mm`, `exe_file`, `f_inode`, `i_ino`.
    pub program: [u32; 4],
    /// `comm`, where the kernel fills it up with zeros.
    pub name: Option<u32>,
    /// `real_parent`.
    pub parent: u32,
    /// `tgid`.
    pub process: u32,
    /// `signal` and in that `live`: how many threads of the process are left.
    pub threads: [u32; 2],
    /// `group_leader` and in that `start_time`: when the process was made.
    pub made: [u32; 2],
    /// What tells how much of a stack there is to be copied.
    pub stack: Option<StackOffsets>,
}

/// Where in tasks is told where user stacks begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackOffsets {
    /// `mm` and in that `start_stack`: where the stack of the first thread began.
    pub first_thread: [u32; 2],
    /// `thread.fsbase`: the data that other threads have at the beginnings of their stacks.
    pub other_threads: Option<u32>,
    /// The return addresses that the kernel has replaced: `utask`, in that `return_instances`, and of each of these
    /// `stack`, `orig_ret_vaddr` and `next`.
    pub returns: Option<[u32; 5]>,
}

/// A kernel handler in CLIF.
pub struct KernelFunction {
    /// The probe it handles.
    pub probe: ProbeId,
    /// Its code: one parameter, the context.
    pub function: Function,
    /// The address of its scratch memory.
    pub scratch: Option<Value>,
    /// Bytes of scratch memory it needs on each CPU.
    pub scratch_bytes: u32,
    /// Whether it calls more functions than there may be copies of in it: it is not complete then.
    pub has_too_many_calls: bool,
}

/// A user block in CLIF.
pub struct UserFunction {
    /// When it runs.
    pub role: Role,
    /// Its code: one parameter, the block context.
    pub function: Function,
}

/// When a user block runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// At a probe point of the user half.
    Probe(ProbeId),
    /// For each record of an event.
    Event(EventId),
    /// When user blocks call it.
    Function(FunctionId),
}

/// Lowers a split script.
pub fn lower(script: &Script, types: &Types, layout: &Layout, features: KernelFeatures) -> Lowered {
    let mut tables = Tables::default();
    let mut kernel_functions = vec![];
    let mut user_functions = vec![];
    for (id, probe) in script.probes.iter() {
        if layout.shared_programs.is_elsewhere(id) {
            continue;
        }
        if probe.point.attach.in_kernel() {
            kernel_functions.push(kernel::function(
                script,
                types,
                layout,
                features,
                &mut tables,
                id,
            ));
        } else {
            let function = user::block(script, types, layout, &mut tables, &probe.body);
            user_functions.push(UserFunction { role: Role::Probe(id), function });
        }
    }
    for (id, event) in layout.events.iter() {
        let function = user::block(script, types, layout, &mut tables, &event.body);
        user_functions.push(UserFunction { role: Role::Event(id), function });
    }
    for id in script.functions.keys() {
        let function = user::function(script, types, layout, &mut tables, id);
        user_functions.push(UserFunction { role: Role::Function(id), function });
    }
    let routines = kernel::routines(layout, features, &mut tables);
    let adders = arrays_with_adders(layout);
    let adders = adders.map(|(id, map)| (id, kernel::adder::function(layout, id, map))).collect();
    let (kernel, user) = (kernel_functions, user_functions);
    let large_scratch = features.large_scratch;
    Lowered { kernel, routines, loops: vec![], adders, user, tables, large_scratch }
}

/// The lowering of code for one half.
struct Lower<'a, 'f, H: Half<'f>> {
    half: H,
    function: PhantomData<&'f ()>,
    script: &'a Script,
    types: &'a Types,
    layout: &'a Layout,
    locals: SecondaryMap<LocalId, Option<LocalPlace>>,
    /// Where `break` and `continue` go, innermost last.
    loops: Vec<LoopTargets>,
    /// Where `return` and `next` go.
    leaving: Leaving,
    /// How many calls of functions surround the code (kernel code has them in place).
    depth: usize,
    /// How many may.
    nesting: usize,
    /// How many calls of functions were written in place.
    calls: usize,
}

/// Where `return` and `next` go.
#[derive(Clone, Copy)]
enum Leaving {
    /// In a handler: `next` leaves it.
    Handler,
    /// In an overload of a function.
    Function {
        /// Where `return` goes.
        end: Block,
        /// Where the result is kept.
        result: LocalPlace,
        /// Where `next` goes: the next overload.
        next: Block,
    },
}

/// Where a local variable is.
#[derive(Clone, Copy, Debug)]
pub enum LocalPlace {
    /// A number, or in user blocks the address of a string.
    Variable(Variable, Type),
    /// A string in kernel code, with its width.
    Memory(Room, u32),
}

struct LoopTargets {
    on_break: Block,
    on_continue: Block,
}

impl<'a, 'f, H: Half<'f>> Lower<'a, 'f, H> {
    fn new(
        half: H,
        script: &'a Script,
        types: &'a Types,
        layout: &'a Layout,
        nesting: usize,
    ) -> Self {
        Lower {
            half,
            function: PhantomData,
            script,
            types,
            layout,
            locals: SecondaryMap::new(),
            loops: vec![],
            leaving: Leaving::Handler,
            depth: 0,
            nesting,
            calls: 0,
        }
    }

    /// Declares the locals of a body that its statements use, and these, 0 or empty.
    fn declare_locals(&mut self, body: &Body, parameters: &[LocalId]) {
        self.locals = SecondaryMap::new();
        let mut used = used_locals(&body.statements);
        used.extend(parameters);
        for id in used {
            let ty = self.types.locals[body.id][id];
            let place = if self.depth == 0 {
                self.half.declare_local(ty)
            } else {
                // The locals of a function in place last as long as the statement that calls it.
                let place = self.half.temporary(ty);
                let empty = self.empty(ty);
                self.half.write_local(place, &empty);
                place
            };
            self.locals[id] = Some(place);
        }
    }

    /// Lowers a handler or continuation, from the entry of the half's function to its exit.
    fn body(mut self, body: &Body) -> Self {
        self.declare_locals(body, &[]);
        self.statements(&body.statements);
        self.half.finish(None);
        self
    }
}
