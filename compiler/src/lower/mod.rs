//! From the split script to CLIF, for both halves.
//!
//! One lowering of statements and expressions (`statement`, `expression`) writes control flow,
//! arithmetic and variables; everything that differs between kernel code and user blocks (globals,
//! strings, printing, errors) goes through the [`Half`] trait, which [`KernelCode`] and
//! [`UserCode`] implement. The CLIF of kernel handlers keeps the rules that protect it from the
//! optimizer (`emitter`, `kernel`); that of user blocks calls runtime functions.

mod emitter;
mod expression;
mod half;
mod kernel;
mod statement;
mod tables;
mod user;

pub use emitter::{Emitter, Helper, Locations};
pub use half::{Half, Operand, Text};
pub(crate) use kernel::LARGEST_ON_STACK;
pub use kernel::{KernelCode, variables};
pub use tables::{ErrorKind, ErrorSite, PrintSite, Tables};
pub use user::UserCode;

use std::marker::PhantomData;

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, StackSlot};
use cranelift_frontend::Variable;

use crate::hir::{Body, EventId, LocalId, ProbeId, Script};
use crate::layout::Layout;
use crate::types::{Type, Types};

/// The CLIF of a script.
#[derive(Default)]
pub struct Lowered {
    /// The kernel handlers.
    pub kernel: Vec<KernelFunction>,
    /// The user blocks.
    pub user: Vec<UserFunction>,
    /// What the code refers to by index.
    pub tables: Tables,
}

/// A kernel handler in CLIF.
pub struct KernelFunction {
    /// The probe it handles.
    pub probe: ProbeId,
    /// Its code: one parameter, the context.
    pub function: Function,
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
}

/// Lowers a split script.
pub fn lower(script: &Script, types: &Types, layout: &Layout) -> Lowered {
    let mut tables = Tables::default();
    let mut kernel_functions = vec![];
    let mut user_functions = vec![];
    for (id, probe) in script.probes.iter() {
        if probe.point.attach.in_kernel() {
            let function = kernel::function(script, types, layout, &mut tables, id);
            kernel_functions.push(KernelFunction { probe: id, function });
        } else {
            let function =
                user::function(script, types, layout, &mut tables, &probe.body, Some(id));
            user_functions.push(UserFunction { role: Role::Probe(id), function });
        }
    }
    for (id, event) in layout.events.iter() {
        let function = user::function(script, types, layout, &mut tables, &event.body, None);
        user_functions.push(UserFunction { role: Role::Event(id), function });
    }
    Lowered { kernel: kernel_functions, user: user_functions, tables }
}

/// The lowering of one body for one half.
struct Lower<'a, 'f, H: Half<'f>> {
    half: H,
    function: PhantomData<&'f ()>,
    types: &'a Types,
    layout: &'a Layout,
    locals: SecondaryMap<LocalId, Option<LocalPlace>>,
    /// Where `break` and `continue` go, innermost last.
    loops: Vec<LoopTargets>,
}

/// Where a local variable is.
#[derive(Clone, Copy, Debug)]
pub enum LocalPlace {
    /// A number, or in user blocks the address of a string.
    Variable(Variable, Type),
    /// A string in kernel code.
    Slot(StackSlot, u32),
}

struct LoopTargets {
    on_break: Block,
    on_continue: Block,
}

impl<'a, 'f, H: Half<'f>> Lower<'a, 'f, H> {
    /// Lowers a body into the half's function, from its entry to its exit.
    fn body(
        half: H,
        types: &'a Types,
        layout: &'a Layout,
        body: &Body,
        probe: Option<ProbeId>,
    ) -> H {
        let mut lower = Lower {
            half,
            function: PhantomData,
            types,
            layout,
            locals: SecondaryMap::new(),
            loops: vec![],
        };
        for id in body.locals.keys() {
            let ty = probe.map_or(Type::Long, |p| types.locals[p][id]);
            let place = lower.half.declare_local(ty);
            lower.locals[id] = Some(place);
        }
        lower.statements(&body.statements);
        lower.half.finish();
        lower.half
    }
}
