//! Programs by which user blocks add to numbers in kernel arrays, and delete them.
//!
//! A system call can read an element or overwrite it; what a handler on another CPU adds in between is gone. So where
//! handlers and user blocks add to the same elements, there is a program for each such array that adds as handlers do,
//! in one step. A user block writes the key behind the exchange word in `.bss` ([`Layout::exchange`]), runs the program
//! with what to add, and finds in the exchange word what the number was before. The program gives 0, and 1 when the
//! array is full.
//!
//! Nor can a system call delete an element without what a handler adds that has just found it. Where handlers ask for
//! elements that user blocks delete, the program does that, too, with the number that the block has seen
//! ([`Removal`]). Where handlers set elements, too, the block says what it has seen when it sets one: what is less has
//! been set since, and stays.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, Function, InstBuilder, MemFlagsData, UserFuncName, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::variables;
use crate::backend::names;
use crate::layout::{ArrayId, KernelMap, Layout, Removal, control};
use crate::lower::user::{frontend_config, signature};
use crate::lower::{Emitter, Helper};

/// `BPF_NOEXIST`.
const NO_EXIST: i64 = 1;
/// How often an element that is missing is looked for: a handler may delete what was just inserted.
const ATTEMPTS: usize = 3;

/// The arrays that user blocks add to by a program.
pub fn arrays(layout: &Layout) -> impl Iterator<Item = (ArrayId, KernelMap)> {
    let arrays = layout.arrays.iter().filter_map(|(id, array)| Some((id, array.map?)));
    arrays.filter(|(_, map)| map.adder)
}

/// The program for an array.
pub(in crate::lower) fn function(layout: &Layout, array: ArrayId, map: KernelMap) -> Function {
    let name = UserFuncName::user(names::SUBPROGRAM, layout.probes + array.as_u32());
    let mut function = Function::with_name_signature(name, signature(1));
    let mut builder_context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut builder_context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let context = builder.block_params(entry)[0];
    let delta = builder.ins().load(I64, MemFlagsData::new(), context, 0);
    let mut argument = |offset| builder.ins().load(I64, MemFlagsData::new(), context, offset);
    let removes = map.removal.map(|_| argument(8));
    let seen = map.raised.then(|| argument(16));
    let mut code = Adder { emitter: Emitter::new(builder), layout, map, delta, removes, seen };
    code.write();
    let mut builder = code.emitter.builder;
    builder.seal_all_blocks();
    builder.finalize(frontend_config());
    function
}

struct Adder<'a, 'f> {
    emitter: Emitter<'f>,
    layout: &'a Layout,
    map: KernelMap,
    /// What is added, or was seen in the element that is deleted.
    delta: Value,
    /// Whether the element is deleted.
    removes: Option<Value>,
    /// What the element has to be at least for anything to be added.
    seen: Option<Value>,
}

impl Adder<'_, '_> {
    fn write(&mut self) {
        let full = self.emitter.block();
        match self.map.bank {
            None => self.change(self.map.index, full),
            Some(bank) => {
                let cell = i64::from(bank.cell) * 8;
                let cell = self.emitter.symbol(names::DATA, variables::CELLS, cell);
                let which = self.emitter.load(cell, 0);
                let (first, second) = (self.emitter.block(), self.emitter.block());
                self.emitter.builder.ins().brif(which, second, &[], first, &[]);
                for (block, index) in [(first, self.map.index), (second, bank.index)] {
                    self.emitter.switch_to(block);
                    self.change(index, full);
                }
            }
        }
        self.emitter.switch_to(full);
        self.leave(1);
    }

    /// Adds to an element of this map, or deletes one.
    fn change(&mut self, map: u32, full: Block) {
        if let (Some(removes), Some(removal)) = (self.removes, self.map.removal) {
            let (add, remove) = (self.emitter.block(), self.emitter.block());
            self.emitter.builder.ins().brif(removes, remove, &[], add, &[]);
            self.emitter.switch_to(remove);
            self.remove_from(map, removal);
            self.emitter.switch_to(add);
        }
        self.add_to(map, full);
    }

    /// Takes the number that was seen from an element of this map, which is gone unless there is more in it; leaves.
    fn remove_from(&mut self, map: u32, removal: Removal) {
        let (found, taken, left) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        let (map_address, key) = (self.emitter.map(map), self.exchange(8));
        let element = self.emitter.helper(Helper::MapLookupElem, &[map_address, key]);
        self.emitter.builder.ins().brif(element, found, &[], left, &[]);
        self.emitter.switch_to(found);
        let seen = self.delta;
        if removal.kernel_adds {
            if !self.map.counted {
                // A handler has set it anew: what is there now is not what was seen and more.
                let add = self.emitter.block();
                let now = self.emitter.load(element, 0);
                let is_less = self.emitter.builder.ins().icmp(IntCC::SignedLessThan, now, seen);
                self.emitter.builder.ins().brif(is_less, left, &[], add, &[]);
                self.emitter.switch_to(add);
            }
            let less = self.emitter.builder.ins().ineg(seen);
            self.emitter.fetch_add(element, less);
            self.emitter.jump(taken);
        } else {
            let zero = self.emitter.constant(0);
            let now = self.emitter.compare_exchange(element, seen, zero);
            let is_same = self.emitter.builder.ins().icmp(IntCC::Equal, now, seen);
            self.emitter.builder.ins().brif(is_same, taken, &[], left, &[]);
        }
        // A handler changes the number before it looks whether the element is gone; here it is noted before the
        // number is looked at. One of both sees the other.
        self.emitter.switch_to(taken);
        let (zero, one) = (self.emitter.constant(0), self.emitter.constant(1));
        self.emitter.store(one, element, removal.gone);
        let now = self.emitter.fetch_add(element, zero);
        let more = self.emitter.block();
        self.emitter.builder.ins().brif(now, more, &[], left, &[]);
        self.emitter.switch_to(more);
        self.emitter.store(zero, element, removal.gone);
        self.emitter.jump(left);
        self.emitter.switch_to(left);
        self.leave(0);
    }

    /// Adds to an element of this map, which is made when missing; leaves, or goes where the array is full.
    fn add_to(&mut self, map: u32, full: Block) {
        let found = self.emitter.block();
        let element = self.emitter.builder.append_block_param(found, I64);
        for attempt in 0..ATTEMPTS {
            let missing = self.emitter.block();
            let (map_address, key) = (self.emitter.map(map), self.exchange(8));
            let there = self.emitter.helper(Helper::MapLookupElem, &[map_address, key]);
            self.emitter.builder.ins().brif(there, found, &[there.into()], missing, &[]);
            self.emitter.switch_to(missing);
            if attempt + 1 < ATTEMPTS {
                self.insert(map);
            }
        }
        self.emitter.jump(full);
        self.emitter.switch_to(found);
        if let Some(seen) = self.seen {
            let (add, left) = (self.emitter.block(), self.emitter.block());
            let now = self.emitter.load(element, 0);
            let is_less = self.emitter.builder.ins().icmp(IntCC::SignedLessThan, now, seen);
            self.emitter.builder.ins().brif(is_less, left, &[], add, &[]);
            self.emitter.switch_to(left);
            self.leave(0);
            self.emitter.switch_to(add);
        }
        let old = self.emitter.fetch_add(element, self.delta);
        if let Some(removal) = self.map.removal {
            let (gone, done) = (self.emitter.block(), self.emitter.block());
            let is_gone = self.emitter.load(element, removal.gone);
            self.emitter.builder.ins().brif(is_gone, gone, &[], done, &[]);
            self.emitter.switch_to(gone);
            self.emitter.bring_back(self.map, removal, element);
            self.emitter.jump(done);
            self.emitter.switch_to(done);
        }
        let exchange = self.exchange(0);
        self.emitter.store(old, exchange, 0);
        self.leave(0);
    }

    /// Inserts a 0 unless there is an element.
    fn insert(&mut self, map: u32) {
        let room = self.emitter.slot(self.map.value_bytes);
        let value = self.emitter.slot_address(room, 0);
        let zero = self.emitter.constant(0);
        self.emitter.store(zero, value, 0);
        if let Some(removal) = self.map.removal {
            self.emitter.store(zero, value, removal.gone);
        }
        if let Some(offset) = self.map.stamp {
            let stamps = i64::from(control::STAMP);
            let stamps = self.emitter.symbol(names::DATA, variables::CONTROL, stamps);
            let one = self.emitter.constant(1);
            let stamp = self.emitter.fetch_add(stamps, one);
            self.emitter.store(stamp, value, offset);
        }
        let (map, key) = (self.emitter.map(map), self.exchange(8));
        let flags = self.emitter.constant(NO_EXIST);
        self.emitter.helper(Helper::MapUpdateElem, &[map, key, value, flags]);
    }

    fn exchange(&mut self, offset: i64) -> Value {
        let cell = i64::from(self.layout.exchange.unwrap_or(0)) * 8;
        self.emitter.symbol(names::DATA, variables::CELLS, cell + offset)
    }

    fn leave(&mut self, result: i64) {
        let result = self.emitter.constant(result);
        self.emitter.builder.ins().return_(&[result]);
    }
}

impl Emitter<'_> {
    /// Notes that an element that was gone is there again, and the last in the order of insertion.
    pub(super) fn bring_back(&mut self, map: KernelMap, removal: Removal, element: Value) {
        let zero = self.constant(0);
        self.store(zero, element, removal.gone);
        if let Some(offset) = map.stamp {
            let stamps = self.symbol(names::DATA, variables::CONTROL, i64::from(control::STAMP));
            let one = self.constant(1);
            let stamp = self.fetch_add(stamps, one);
            self.store(stamp, element, offset);
        }
    }
}
