//! Loops as callbacks of `bpf_loop` (kernel 5.17), for kernels whose verifier would walk every round of a loop.
//!
//! In: handlers whose loops test `may_goto` once in each round. Out: handlers without loops, and a function for
//! each loop that does one round of it and is called by `bpf_loop`, which is verified once. Loops in loops are
//! calls of `bpf_loop` in such functions.
//!
//! A round is cut out of the handler's control flow graph: the function is a copy of the handler that begins at
//! the loop's head and ends where the next round would begin (result 0) or where the loop is left (result 1).
//!
//! ```text
//!   handler                                  function
//!     frame:   values from before the loop ──► loaded where they are used
//!     scratch: which way the loop was left ◄── stored when it is left
//!              parameters of the head      ◄─► loaded at the start, stored for the next round
//!              values for behind the loop  ◄── stored where they are made
//! ```
//!
//! What changes from round to round is kept in scratch memory because the verifier knows nothing of what is in
//! there: kernels before 6.8 take what they know of the first round for true in all. What is from before the
//! loop is kept in the caller's frame, where a pointer stays one. Memory on the stack is not carried from round
//! to round: a handler with loops keeps its variables in scratch memory ([`Emitter::keep_off_stack`]).
//!
//! [`Emitter::keep_off_stack`]: crate::lower::Emitter::keep_off_stack

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, ExtFuncData, ExternalName, FuncRef, Function, Inst, InstBuilder,
    InstructionData, Opcode, Signature, SourceLoc, StackSlotData, StackSlotKind, Type,
    UserExternalName, UserFuncName, Value, ValueDef,
};
use cranelift_codegen::isa::CallConv;
use cranelift_codegen::loop_analysis::LoopAnalysis;

use crate::backend::{bpf, names};
use crate::hir::ProbeId;
use crate::lower::{Helper, KernelFunction, emitter::trusted};

/// The most rounds that `bpf_loop` does.
const MOST_ROUNDS: i64 = 1 << 23;

/// One round of a loop of a handler: `fn(index, frame of the caller) -> 1 to leave the loop`.
pub struct LoopFunction {
    /// The probe it belongs to.
    pub probe: ProbeId,
    /// Its code.
    pub function: Function,
}

/// Takes the loops out of a handler. The functions made are called by their place in `functions`, counted from
/// `first`; a loop ends after `rounds` rounds at the latest.
pub(crate) fn take_out_loops(
    handler: &mut KernelFunction,
    first: u32,
    rounds: i64,
    functions: &mut Vec<LoopFunction>,
) -> Result<(), bpf::BackendError> {
    let Some(scratch) = handler.scratch else { return Ok(()) };
    let mut taking = Taking {
        probe: handler.probe,
        first,
        rounds: rounds.saturating_add(2).min(MOST_ROUNDS),
        scratch_bytes: handler.scratch_bytes,
        functions,
    };
    let result = taking.function(&mut handler.function, scratch);
    handler.scratch_bytes = taking.scratch_bytes;
    result
}

struct Taking<'a> {
    probe: ProbeId,
    first: u32,
    rounds: i64,
    scratch_bytes: u32,
    functions: &'a mut Vec<LoopFunction>,
}

/// A loop of a function, and what crosses its border.
struct Cut {
    head: Block,
    blocks: BTreeSet<Block>,
    location: SourceLoc,
    /// Values from before the loop that it uses, the scratch memory first.
    before: Vec<Value>,
    /// Where the loop goes when it is left.
    exits: Vec<Block>,
    /// Values made in the loop that are used behind it, with their offsets in scratch memory; those of the
    /// parameters of the head among them.
    behind: BTreeMap<Value, u32>,
    /// The offsets in scratch memory of the head's parameters.
    carried: Vec<u32>,
    /// The offset in scratch memory of the way out: 0 for none, else the number of the exit from 1.
    way: u32,
    /// The offset in scratch memory of the exit's arguments.
    arguments: u32,
    /// The block that ends in the test of `may_goto`.
    test: Block,
    /// Where that leads when there are too many rounds.
    exhausted: (Block, Vec<Value>),
    /// Where it leads else.
    go_on: Block,
}

impl Taking<'_> {
    fn function(
        &mut self,
        function: &mut Function,
        scratch: Value,
    ) -> Result<(), bpf::BackendError> {
        bpf::simplify(function)?;
        while let Some(cut) = self.outermost(function, scratch) {
            let mut round = function.clone();
            let scratch = cut.write_round(&mut round, scratch);
            let at = self.functions.len();
            self.functions.push(LoopFunction { probe: self.probe, function: Function::new() });
            cut.write_call(function, scratch.outer, self.first + at as u32, self.rounds);
            bpf::simplify(function)?;
            self.function(&mut round, scratch.inner)?;
            self.functions[at].function = round;
        }
        if drop_tests(function) {
            bpf::simplify(function)?;
        }
        Ok(())
    }

    fn scratch(&mut self, words: usize) -> u32 {
        self.scratch_bytes += 8 * words as u32;
        self.scratch_bytes - 8 * words as u32
    }

    /// A loop that is in no other.
    fn outermost(&mut self, function: &Function, scratch: Value) -> Option<Cut> {
        let graph = ControlFlowGraph::with_function(function);
        let dominators = DominatorTree::with_function(function, &graph);
        let mut loops = LoopAnalysis::new();
        loops.compute(function, &graph, &dominators);
        let found = loops.loops().find(|&l| loops.loop_parent(l).is_none())?;
        let head = loops.loop_header(found);
        let blocks: BTreeSet<Block> =
            function.layout.blocks().filter(|&b| loops.is_in_loop(b, found)).collect();
        // Each loop has one test of its own.
        let own = blocks.iter().filter(|&&b| loops.innermost_loop(b) == Some(found));
        let (test, exhausted, go_on) =
            own.copied().find_map(|block| budget_test(function, block))?;

        let is_inside = |value| blocks.contains(&block_of(function, value));
        let (mut before, mut exits) = (vec![scratch], vec![]);
        let mut behind = BTreeSet::new();
        for block in function.layout.blocks() {
            let inside = blocks.contains(&block);
            for inst in function.layout.block_insts(block) {
                for value in function.dfg.inst_values(inst) {
                    if constant(function, value).is_some() || is_inside(value) == inside {
                        continue;
                    }
                    if !inside {
                        behind.insert(value);
                    } else if !before.contains(&value) {
                        before.push(value);
                    }
                }
            }
            let leaves = |to: &Block| inside && !blocks.contains(to);
            for to in function.block_successors(block).filter(leaves) {
                let is_test = block == test && to == exhausted.0;
                if !is_test && !exits.contains(&to) {
                    exits.push(to);
                }
            }
        }
        let parameters = function.dfg.block_params(head);
        let base = self.scratch(parameters.len());
        let carried: Vec<u32> = (0..parameters.len()).map(|at| base + 8 * at as u32).collect();
        let place =
            |value: &Value| parameters.iter().position(|p| p == value).map(|at| carried[at]);
        let behind = behind
            .into_iter()
            .map(|value| (value, place(&value).unwrap_or_else(|| self.scratch(1))))
            .collect();
        let widest = exits.iter().map(|&e| function.dfg.block_params(e).len()).max().unwrap_or(0);
        let (way, arguments) = (self.scratch(1), self.scratch(widest));
        let location =
            function.layout.first_inst(head).map_or(SourceLoc::default(), |i| function.srcloc(i));
        Some(Cut {
            head,
            blocks,
            location,
            before,
            exits,
            behind,
            carried,
            way,
            arguments,
            test,
            exhausted,
            go_on,
        })
    }
}

/// The scratch memory: in the function with the loop, and in that of its rounds.
struct Scratch {
    outer: Value,
    inner: Value,
}

impl Cut {
    /// Makes a round of a copy of the function.
    fn write_round(&self, round: &mut Function, scratch: Value) -> Scratch {
        round.name = UserFuncName::default();
        round.signature = numbers(2);
        let old_entry = round.layout.entry_block().expect("a function has code");
        let entry = round.dfg.make_block();
        round.layout.insert_block(entry, old_entry);
        round.dfg.append_block_param(entry, I64);
        let frame = round.dfg.append_block_param(entry, I64);

        // The next round, and the ways out.
        let types = |f: &Function, block| -> Vec<Type> {
            f.dfg.block_params(block).iter().map(|&p| f.dfg.value_type(p)).collect()
        };
        let inner;
        {
            let mut at = FuncCursor::new(round).at_bottom(entry);
            at.set_srcloc(self.location);
            inner = at.ins().load(I64, trusted(), frame, 0);
            let head_types = types(at.func, self.head);
            let first: Vec<BlockArg> = head_types
                .iter()
                .zip(&self.carried)
                .map(|(&ty, &offset)| at.ins().load(ty, trusted(), inner, offset as i32).into())
                .collect();
            at.ins().jump(self.head, &first);
        }
        let again = self.write_end(round, inner, &types(round, self.head), &self.carried, None);
        let mut stubs = HashMap::from([(self.head, again)]);
        for (number, &exit) in self.exits.iter().enumerate() {
            let types = types(round, exit);
            let offsets: Vec<u32> =
                (0..types.len()).map(|at| self.arguments + 8 * at as u32).collect();
            let stub = self.write_end(round, inner, &types, &offsets, Some(number as i64 + 1));
            stubs.insert(exit, stub);
        }

        // The budget is that of the helper.
        let branch = round.layout.last_inst(self.test).expect("it ends in a test");
        let budget = round.dfg.inst_args(branch)[0];
        if let ValueDef::Result(call, _) = round.dfg.value_def(budget) {
            round.layout.remove_inst(branch);
            round.layout.remove_inst(call);
            let mut at = FuncCursor::new(round).at_bottom(self.test);
            at.set_srcloc(self.location);
            at.ins().jump(self.go_on, &[]);
        }

        for &block in &self.blocks {
            self.store_results(round, block, inner);
            self.bring_in(round, block, frame, (scratch, inner));
            redirect(round, block, &stubs);
        }
        Scratch { outer: scratch, inner }
    }

    /// A block that ends a round: it stores its parameters and, where the loop is left, which way.
    fn write_end(
        &self,
        round: &mut Function,
        scratch: Value,
        types: &[Type],
        offsets: &[u32],
        way: Option<i64>,
    ) -> Block {
        let block = round.dfg.make_block();
        round.layout.append_block(block);
        let parameters: Vec<Value> =
            types.iter().map(|&ty| round.dfg.append_block_param(block, ty)).collect();
        let mut at = FuncCursor::new(round).at_bottom(block);
        at.set_srcloc(self.location);
        for (parameter, &offset) in parameters.into_iter().zip(offsets) {
            at.ins().store(trusted(), parameter, scratch, offset as i32);
        }
        if let Some(way) = way {
            let way = at.ins().iconst(I64, way);
            at.ins().store(trusted(), way, scratch, self.way as i32);
        }
        let result = at.ins().iconst(I64, i64::from(way.is_some()));
        at.ins().return_(&[result]);
        block
    }

    /// Stores what a block makes for code behind the loop.
    fn store_results(&self, round: &mut Function, block: Block, scratch: Value) {
        if block != self.head {
            for parameter in round.dfg.block_params(block).to_vec() {
                if let Some(&offset) = self.behind.get(&parameter) {
                    let mut at = FuncCursor::new(round).at_first_insertion_point(block);
                    at.ins().store(trusted(), parameter, scratch, offset as i32);
                }
            }
        }
        for inst in round.layout.block_insts(block).collect::<Vec<_>>() {
            for result in round.dfg.inst_results(inst).to_vec() {
                if let Some(&offset) = self.behind.get(&result) {
                    let mut at = FuncCursor::new(round).after_inst(inst);
                    at.ins().store(trusted(), result, scratch, offset as i32);
                }
            }
        }
    }

    /// Makes what a block uses from before the loop.
    fn bring_in(
        &self,
        round: &mut Function,
        block: Block,
        frame: Value,
        (outer, inner): (Value, Value),
    ) {
        let mut brought = HashMap::from([(outer, inner)]);
        for inst in round.layout.block_insts(block).collect::<Vec<_>>() {
            let used: Vec<Value> = round.dfg.inst_values(inst).collect();
            for value in used {
                if brought.contains_key(&value) {
                    continue;
                }
                let new =
                    match (constant(round, value), self.before.iter().position(|&v| v == value)) {
                        (Some(definition), _) => {
                            let defined_in = round.layout.inst_block(definition);
                            if defined_in.is_some_and(|b| self.blocks.contains(&b)) {
                                continue;
                            }
                            copy_before(round, definition, inst)
                        }
                        (None, Some(at)) => {
                            let ty = round.dfg.value_type(value);
                            let mut place = FuncCursor::new(round).at_first_insertion_point(block);
                            place.set_srcloc(self.location);
                            place.ins().load(ty, trusted(), frame, 8 * at as i32)
                        }
                        (None, None) => continue,
                    };
                brought.insert(value, new);
            }
            round.dfg.map_inst_values(inst, |v| brought.get(&v).copied().unwrap_or(v));
        }
    }

    /// Puts a call of the function in the place of the loop.
    fn write_call(&self, function: &mut Function, scratch: Value, index: u32, rounds: i64) {
        let call = function.dfg.make_block();
        function.layout.insert_block(call, self.head);
        let types: Vec<Type> = function
            .dfg
            .block_params(self.head)
            .iter()
            .map(|&p| function.dfg.value_type(p))
            .collect();
        let parameters: Vec<Value> =
            types.iter().map(|&ty| function.dfg.append_block_param(call, ty)).collect();
        let outside: Vec<Block> =
            function.layout.blocks().filter(|&b| b != call && !self.blocks.contains(&b)).collect();
        let bytes = 8 * self.before.len() as u32;
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
        let slot = function.create_sized_stack_slot(slot);
        let helper = import(function, names::HELPER, Helper::Loop as u32, 4);
        let callback = import(function, names::SUBPROGRAM, index, 2);

        let mut at = FuncCursor::new(function).at_bottom(call);
        at.set_srcloc(self.location);
        let frame = at.ins().stack_addr(I64, slot, 0);
        for (place, &value) in self.before.iter().enumerate() {
            at.ins().store(trusted(), value, frame, 8 * place as i32);
        }
        for (parameter, &offset) in parameters.into_iter().zip(&self.carried) {
            at.ins().store(trusted(), parameter, scratch, offset as i32);
        }
        let none = at.ins().iconst(I64, 0);
        at.ins().store(trusted(), none, scratch, self.way as i32);
        let rounds = at.ins().iconst(I64, rounds);
        let callback = at.ins().func_addr(I64, callback);
        at.ins().call(helper, &[rounds, callback, frame, none]);
        let mut behind = HashMap::new();
        for (&value, &offset) in &self.behind {
            let ty = at.func.dfg.value_type(value);
            let loaded = at.ins().load(ty, trusted(), scratch, offset as i32);
            behind.insert(value, loaded);
        }
        let way = at.ins().load(I64, trusted(), scratch, self.way as i32);
        let mut current = call;
        for (number, &exit) in self.exits.iter().enumerate() {
            let (this, other) = (at.func.dfg.make_block(), at.func.dfg.make_block());
            at.func.layout.insert_block_after(this, current);
            at.func.layout.insert_block_after(other, this);
            at.goto_bottom(current);
            let is = at.ins().icmp_imm_u(IntCC::Equal, way, number as i64 + 1);
            at.ins().brif(is, this, &[], other, &[]);
            at.goto_bottom(this);
            let parameters = at.func.dfg.block_params(exit).to_vec();
            let arguments: Vec<BlockArg> = parameters
                .into_iter()
                .enumerate()
                .map(|(place, parameter)| {
                    let ty = at.func.dfg.value_type(parameter);
                    let offset = self.arguments as i32 + 8 * place as i32;
                    at.ins().load(ty, trusted(), scratch, offset).into()
                })
                .collect();
            at.ins().jump(exit, &arguments);
            current = other;
        }
        at.goto_bottom(current);
        let jump = at.ins().jump(self.exhausted.0, &[]);
        let arguments: Vec<Value> = self
            .exhausted
            .1
            .iter()
            .map(|&value| match constant(function, value) {
                Some(definition) => copy_before(function, definition, jump),
                None => value,
            })
            .collect();
        let mut at = FuncCursor::new(function).at_inst(jump);
        let arguments: Vec<BlockArg> = arguments.into_iter().map(BlockArg::from).collect();
        at.ins().jump(self.exhausted.0, &arguments);
        function.layout.remove_inst(jump);

        let stubs = HashMap::from([(self.head, call)]);
        for block in outside {
            let mut copies = HashMap::new();
            for inst in function.layout.block_insts(block).collect::<Vec<_>>() {
                let used: Vec<Value> = function.dfg.inst_values(inst).collect();
                for value in used {
                    let Some(definition) = constant(function, value) else { continue };
                    let from = function.layout.inst_block(definition);
                    if from.is_some_and(|b| self.blocks.contains(&b))
                        && !copies.contains_key(&value)
                    {
                        let copy = copy_before(function, definition, inst);
                        copies.insert(value, copy);
                    }
                }
                function.dfg.map_inst_values(inst, |v| {
                    behind.get(&v).or_else(|| copies.get(&v)).copied().unwrap_or(v)
                });
            }
            redirect(function, block, &stubs);
        }
    }
}

/// Where a value is made.
fn block_of(function: &Function, value: Value) -> Block {
    let inst_block = |inst| function.layout.inst_block(inst);
    match function.dfg.value_def(value) {
        ValueDef::Param(block, _) => block,
        ValueDef::Result(inst, _) => inst_block(inst).expect("values are made in the code"),
        ValueDef::Union(..) => unreachable!("only the optimizer makes unions"),
    }
}

/// The instruction that makes a value which can be made anywhere.
fn constant(function: &Function, value: Value) -> Option<Inst> {
    let ValueDef::Result(inst, _) = function.dfg.value_def(value) else { return None };
    let opcode = function.dfg.insts[inst].opcode();
    let anywhere = [Opcode::Iconst, Opcode::SymbolValue, Opcode::StackAddr, Opcode::FuncAddr];
    anywhere.contains(&opcode).then_some(inst)
}

/// A second instruction like one, before another; gives its result.
fn copy_before(function: &mut Function, inst: Inst, before: Inst) -> Value {
    let copy = function.dfg.clone_inst(inst);
    function.layout.insert_inst(copy, before);
    function.dfg.first_result(copy)
}

/// The test of `may_goto` that ends a block: where it leads without a budget, and with.
fn budget_test(function: &Function, block: Block) -> Option<(Block, (Block, Vec<Value>), Block)> {
    let branch = function.layout.last_inst(block)?;
    let InstructionData::Brif { arg, blocks: [go_on, exhausted], .. } = function.dfg.insts[branch]
    else {
        return None;
    };
    if !bpf::is_may_goto(function, arg) {
        return None;
    }
    let pool = &function.dfg.value_lists;
    let arguments = exhausted.args(pool).filter_map(|a| a.as_value()).collect();
    Some((block, (exhausted.block(pool), arguments), go_on.block(pool)))
}

/// Has what is left of the tests of `may_goto` go on: those of loops that never begin a second round, and so are none.
/// Says whether there were any.
fn drop_tests(function: &mut Function) -> bool {
    let blocks: Vec<Block> = function.layout.blocks().collect();
    let mut found = false;
    for block in blocks {
        if budget_test(function, block).is_none() {
            continue;
        }
        let Some(branch) = function.layout.last_inst(block) else { continue };
        let always = FuncCursor::new(function).at_inst(branch).ins().iconst(I64, 1);
        let InstructionData::Brif { arg, .. } = &mut function.dfg.insts[branch] else { continue };
        let test = std::mem::replace(arg, always);
        // Nothing but the branch has the result of the test.
        if let ValueDef::Result(call, _) =
            function.dfg.value_def(function.dfg.resolve_aliases(test))
        {
            function.layout.remove_inst(call);
        }
        found = true;
    }
    found
}

/// Has the branch at the end of a block go elsewhere.
fn redirect(function: &mut Function, block: Block, to: &HashMap<Block, Block>) {
    let Some(last) = function.layout.last_inst(block) else { return };
    let dfg = &mut function.dfg;
    let targets =
        dfg.insts[last].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
    for target in targets {
        if let Some(&new) = to.get(&target.block(&dfg.value_lists)) {
            target.set_block(new, &mut dfg.value_lists);
        }
    }
}

/// The signature of a function of numbers.
fn numbers(parameters: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = vec![AbiParam::new(I64); parameters];
    signature.returns.push(AbiParam::new(I64));
    signature
}

fn import(function: &mut Function, namespace: u32, index: u32, parameters: usize) -> FuncRef {
    let signature = function.import_signature(numbers(parameters));
    let name = UserExternalName::new(namespace, index);
    let name = function.declare_imported_user_function(name);
    function.import_function(ExtFuncData {
        name: ExternalName::user(name),
        signature,
        colocated: false,
        patchable: false,
    })
}
