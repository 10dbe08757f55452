//! Functions of our own that kernel handlers call, mostly on strings.
//!
//! The kernel verifies such a function once and on its own, and a call of it is one instruction
//! without branches: what strings there are, and how long they are, multiplies the verifier's work no
//! more. A function is made for the sizes of the memory its arguments point to, and only if it is called.
//! It gives a number, and it cannot fail.

mod compare;
mod regex;
mod search;
mod stack;
mod text;
mod user_stack;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I64};
use cranelift_codegen::ir::{Block, BlockArg, Function, InstBuilder, UserFuncName, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

pub(super) use compare::{BYTE_AT, COMPARE};
pub(super) use regex::MATCHES;
pub(super) use search::{POSITION, REPLACE, TO_LONG};
pub(super) use stack::STACK_TEXT;
pub(super) use text::{APPEND, APPEND_NUMBER, PART};
pub(in crate::lower) use user_stack::COPY_USER_STACK;

use super::variables;
use crate::backend::names;
use crate::layout::Layout;
use crate::lower::user::{frontend_config, signature};
use crate::lower::{Emitter, KernelFeatures, LoopBound, Tables, emitter::trusted};
use crate::object::SubprogramParameter;

/// A function of ours.
#[derive(Debug)]
pub struct Routine {
    /// Its name.
    pub name: &'static str,
    /// Writes its code.
    code: fn(&mut RoutineCode<'_, '_>),
}

/// A function of ours for certain arguments.
#[derive(Clone, Debug)]
pub struct RoutineUse {
    /// Which.
    pub routine: &'static Routine,
    /// Its parameters.
    pub parameters: Vec<SubprogramParameter>,
    /// A number the code depends on, such as the index of a table.
    pub detail: u32,
}

impl RoutineUse {
    /// The name of the function, a C identifier.
    pub fn name(&self) -> String {
        let sizes = self.parameters.iter().filter_map(|p| match p {
            SubprogramParameter::Memory(bytes) => Some(bytes.to_string()),
            SubprogramParameter::Number => None,
        });
        let parts = [self.routine.name.to_string(), self.detail.to_string()];
        parts.into_iter().chain(sizes).collect::<Vec<_>>().join("_")
    }
}

impl PartialEq for RoutineUse {
    fn eq(&self, other: &RoutineUse) -> bool {
        std::ptr::eq(self.routine, other.routine)
            && self.parameters == other.parameters
            && self.detail == other.detail
    }
}

/// An argument in a call of a routine.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    Number(Value),
    /// An address, and how many bytes there are.
    Memory(Value, u32),
}

/// Calls a routine.
pub(super) fn call(
    emitter: &mut Emitter<'_>,
    tables: &mut Tables,
    routine: &'static Routine,
    arguments: &[Argument],
    detail: u32,
) -> Value {
    let parameters = arguments.iter().map(|a| match a {
        Argument::Number(_) => SubprogramParameter::Number,
        Argument::Memory(_, bytes) => SubprogramParameter::Memory(*bytes),
    });
    let index = tables.routine(RoutineUse { routine, parameters: parameters.collect(), detail });
    let values: Vec<Value> = arguments
        .iter()
        .map(|a| match a {
            Argument::Number(value) | Argument::Memory(value, _) => *value,
        })
        .collect();
    emitter.call(names::SUBPROGRAM, index, &values)
}

/// A routine under construction.
pub(super) struct RoutineCode<'a, 'f> {
    pub(super) emitter: Emitter<'f>,
    tables: &'a mut Tables,
    layout: &'a Layout,
    features: KernelFeatures,
    arguments: Vec<Argument>,
    detail: u32,
}

/// Makes the code of a routine; it may ask for further ones.
pub(in crate::lower) fn function(
    index: u32,
    layout: &Layout,
    tables: &mut Tables,
    features: KernelFeatures,
) -> Function {
    let RoutineUse { routine, parameters, detail } = tables.routines[index as usize].clone();
    let name = UserFuncName::user(names::SUBPROGRAM, index);
    let mut function = Function::with_name_signature(name, signature(parameters.len()));
    let mut builder_context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut builder_context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let values = builder.block_params(entry).to_vec();
    let arguments = values.into_iter().zip(&parameters).map(|(value, p)| match p {
        SubprogramParameter::Number => Argument::Number(value),
        SubprogramParameter::Memory(bytes) => Argument::Memory(value, *bytes),
    });
    let arguments = arguments.collect();
    let emitter = Emitter::new(builder);
    let mut code = RoutineCode { emitter, tables, layout, features, arguments, detail };
    code.test_addresses();
    (routine.code)(&mut code);
    let mut builder = code.emitter.builder;
    builder.seal_all_blocks();
    builder.finalize(frontend_config());
    function
}

impl RoutineCode<'_, '_> {
    /// To the verifier an address may be 0 until it is tested.
    fn test_addresses(&mut self) {
        if !self.arguments.iter().any(|a| matches!(a, Argument::Memory(..))) {
            return;
        }
        let none = self.emitter.block();
        for argument in self.arguments.clone() {
            if let Argument::Memory(address, _) = argument {
                let some = self.emitter.block();
                self.emitter.builder.ins().brif(address, some, &[], none, &[]);
                self.emitter.switch_to(some);
            }
        }
        let here = self.emitter.builder.current_block();
        self.emitter.switch_to(none);
        self.finish_with(0);
        if let Some(here) = here {
            self.emitter.switch_to(here);
        }
    }

    /// An argument that is a number.
    fn number(&self, at: usize) -> Value {
        match self.arguments[at] {
            Argument::Number(value) | Argument::Memory(value, _) => value,
        }
    }

    /// An argument that is an address, and the bytes there.
    fn memory(&self, at: usize) -> (Value, u32) {
        match self.arguments[at] {
            Argument::Memory(address, bytes) => (address, bytes),
            Argument::Number(_) => unreachable!("parameter {at} is an address"),
        }
    }

    /// Ends the function with a result.
    fn finish(&mut self, result: Value) {
        self.emitter.builder.ins().return_(&[result]);
    }

    fn finish_with(&mut self, result: i64) {
        let result = self.emitter.constant(result);
        self.finish(result);
    }

    /// Goes on in a new block when the condition holds, else to `otherwise`.
    fn unless(&mut self, condition: Value, otherwise: Block, arguments: &[Value]) {
        let go_on = self.emitter.block();
        let arguments: Vec<BlockArg> = arguments.iter().map(|&a| a.into()).collect();
        self.emitter.builder.ins().brif(condition, go_on, &[], otherwise, &arguments);
        self.emitter.switch_to(go_on);
    }

    /// Calls another routine.
    fn call(&mut self, routine: &'static Routine, arguments: &[Argument], detail: u32) -> Value {
        call(&mut self.emitter, self.tables, routine, arguments, detail)
    }

    /// The byte of memory at an index less than its size; else control goes to `outside`.
    fn byte(&mut self, (address, bytes): (Value, u32), index: Value, outside: Block) -> Value {
        let at = self.emitter.checked_element(address, index, i64::from(bytes), 1, outside);
        self.emitter.builder.ins().uload8(I64, trusted(), at, 0)
    }

    /// Stores a byte at an index less than `bytes`; else control goes to `outside`.
    fn store_byte(
        &mut self,
        (address, bytes): (Value, u32),
        index: Value,
        byte: Value,
        outside: Block,
    ) {
        let at = self.emitter.checked_element(address, index, i64::from(bytes), 1, outside);
        let byte = self.emitter.builder.ins().ireduce(I8, byte);
        self.emitter.store(byte, at, 0);
    }

    /// 0 or 1.
    fn compare_with(&mut self, code: IntCC, value: Value, constant: i64) -> Value {
        self.emitter.builder.ins().icmp_imm_s(code, value, constant)
    }

    /// A loop of at most so many rounds. Each gets its index and the values from the round before, and
    /// gives those for the next; it may jump to the block, with the same number of values, which ends the
    /// loop. Gives the values at the end, and goes on there.
    ///
    /// With `may_goto` the verifier follows one round, in which the index and the values are any: what it
    /// knows at the start is hidden from it. Without, it follows all.
    fn rounds(
        &mut self,
        most: u32,
        start: &[Value],
        body: impl FnOnce(&mut Self, Value, &[Value], Block) -> Vec<Value>,
    ) -> Vec<Value> {
        let preheader = self.emitter.block();
        let (head, inside, end) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let index = self.emitter.builder.append_block_param(head, I64);
        let append = |k: &mut Self, block| -> Vec<Value> {
            start.iter().map(|_| k.emitter.builder.append_block_param(block, I64)).collect()
        };
        let values = append(self, head);
        let last = append(self, end);
        self.emitter.jump(preheader);
        self.emitter.switch_to(preheader);
        let zero = self.emitter.constant(0);
        let mut first = vec![zero];
        first.extend_from_slice(start);
        if self.features.loops == LoopBound::Budget {
            // Zero, but what is in variables the verifier does not know.
            let zeros = self.emitter.symbol(names::DATA, variables::ZEROS, 0);
            let unknown = self.emitter.load(zeros, 0);
            for value in &mut first {
                *value = self.emitter.builder.ins().iadd(*value, unknown);
            }
        }
        let first: Vec<BlockArg> = first.into_iter().map(BlockArg::from).collect();
        self.emitter.builder.ins().jump(head, &first);

        self.emitter.switch_to(head);
        let most = self.emitter.constant(i64::from(most));
        let more = self.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, index, most);
        let arguments: Vec<BlockArg> = values.iter().map(|&v| v.into()).collect();
        self.emitter.builder.ins().brif(more, inside, &[], end, &arguments);
        self.emitter.switch_to(inside);
        if self.features.loops == LoopBound::Budget {
            let budget = self.emitter.may_goto();
            let go_on = self.emitter.block();
            self.emitter.builder.ins().brif(budget, go_on, &[], end, &arguments);
            self.emitter.switch_to(go_on);
        }
        let next = body(self, index, &values, end);
        let following = self.emitter.builder.ins().iadd_imm_s(index, 1);
        let mut arguments = vec![BlockArg::from(following)];
        arguments.extend(next.into_iter().map(BlockArg::from));
        self.emitter.builder.ins().jump(head, &arguments);
        self.emitter.switch_to(end);
        last
    }
}
