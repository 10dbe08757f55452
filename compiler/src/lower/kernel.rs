//! Kernel handlers: CLIF that the eBPF back end compiles and the kernel's verifier accepts.
//!
//! The shape of a handler: leave at once unless the session runs; the statements; one exit block, and
//! one block that reports an error by the index of its site. A helper's result is tested for null in
//! the branch right behind the call; kernel memory is touched at constant offsets only.

mod arrays;
mod half;
mod memory;
mod records;
mod stats;

pub(crate) use arrays::LARGEST_ON_STACK;

use cranelift_codegen::ir::{
    Block, Function, InstBuilder, StackSlot, UserFuncName, Value, types::I32, types::I64,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

use super::{
    Emitter, Lower, Operand, Tables, Text,
    emitter::trusted,
    user::{frontend_config, signature},
};
use crate::backend::names;
use crate::hir::{Body, ExprKind, Point, ProbeId, Script, StmtKind};
use crate::layout::{Layout, control};
use crate::types::Types;

/// The variables in `.bss` by their index in the CLIF namespace.
pub mod variables {
    /// The control block.
    pub const CONTROL: u32 = 0;
    /// The counters of the probes.
    pub const COUNTERS: u32 = 1;
    /// The shared cells.
    pub const CELLS: u32 = 2;
    /// Zeros for new elements with large values; only there when some array has those.
    pub const ZEROS: u32 = 3;
}

/// The most rounds of loops in one hit of a probe: MAXACTION.
const MAX_ROUNDS: i64 = 1000;

/// The index of the ring buffer map.
pub(crate) const RING_BUFFER: u32 = 0;

/// A kernel handler under construction.
pub struct KernelCode<'a, 'f> {
    /// The function.
    pub emitter: Emitter<'f>,
    tables: &'a mut Tables,
    layout: &'a Layout,
    point: &'a Point,
    probe: ProbeId,
    /// The program's context.
    context: Value,
    /// Context variables that are used more than once are loaded once, at the start: the optimizer
    /// takes every helper call for a change of the context.
    cached: Vec<Option<Value>>,
    exit: Block,
    /// Reports the error whose site is its parameter; made when first needed.
    failure: Option<Block>,
    /// Where errors lead, innermost `try` last.
    handlers: Vec<Handler>,
    /// The errors that can lead to the `try` that ended last.
    caught_sites: Vec<u32>,
    /// Counts rounds of loops; made when first needed.
    rounds: Option<Variable>,
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
    tables: &mut Tables,
    id: ProbeId,
) -> Function {
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
        probe: id,
        context,
        cached: vec![None; probe.point.context.len()],
        exit,
        failure: None,
        handlers: vec![],
        caught_sites: vec![],
        rounds: None,
    };
    code.prologue(probe.span, &probe.body);
    let code = Lower::new(code, script, types, layout).body(&probe.body);
    let mut builder = code.emitter.builder;
    builder.seal_all_blocks();
    builder.finalize(frontend_config());
    function
}

impl KernelCode<'_, '_> {
    fn prologue(&mut self, span: crate::source::Span, body: &Body) {
        let location = self.tables.locations.intern(span);
        self.emitter.locate(location);
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        let stopped =
            self.emitter.builder.ins().load(I32, trusted(), control, control::STOPPED as i32);
        let run = self.emitter.block();
        self.emitter.builder.ins().brif(stopped, self.exit, &[], run, &[]);
        self.emitter.switch_to(run);
        let mut uses = vec![0usize; self.point.context.len()];
        count_context(&body.statements, &mut uses);
        for (at, &count) in uses.iter().enumerate() {
            if count > 1 {
                self.cached[at] = Some(self.context_variable(at));
            }
        }
        let functions = self.layout.kernel_functions.values().flatten();
        if uses_loops(&body.statements) || functions.into_iter().any(|b| uses_loops(&b.statements))
        {
            let rounds = self.emitter.builder.declare_var(I64);
            let zero = self.emitter.constant(0);
            self.emitter.builder.def_var(rounds, zero);
            self.rounds = Some(rounds);
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

    /// Room for a string, with the operand that stands for it. The caller must fill all of it.
    pub fn text_slot(&mut self, width: u32) -> (StackSlot, Operand) {
        let width = width.next_multiple_of(8);
        let slot = self.emitter.slot(width);
        let address = self.emitter.slot_address(slot, 0);
        (slot, Operand::Text(Text::Memory { address, width }))
    }

    /// `exit()`: no handler starts any more, and userspace is told.
    pub fn stop(&mut self) {
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        let one = self.emitter.constant(1);
        self.emitter.store(one, control, control::EXIT);
        let one = self.emitter.builder.ins().iconst(I32, 1);
        self.emitter.store(one, control, control::STOPPED);
        self.send_exit();
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

fn uses_loops(statements: &[crate::hir::Stmt]) -> bool {
    let mut found = false;
    crate::hir::each_statement(statements, &mut |s| {
        found |= matches!(s.kind, StmtKind::Loop { .. });
    });
    found
}
