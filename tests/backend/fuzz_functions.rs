//! Random CLIF functions: nests of diamonds, loops, tables and all operations on i8..i64.
//!
//! The same seed gives the same function for both sides; they differ only in what has no meaning
//! natively (`pin`, opaque constants) and in where the result goes.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    BlockCall, Function, InstBuilder, JumpTableData, StackSlot, Type, Value, types::*,
};

use crate::clif::{self, Build, trusted};

/// Number of 64-bit inputs.
pub(crate) const INPUTS: usize = 4;

/// Where the function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Takes a pointer to the inputs, returns the result.
    Native,
    /// Takes the context of a raw tracepoint, stores the result in map 0.
    Kernel,
}

/// A small deterministic generator (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..5 {
            random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A constant, mostly near the edges.
    pub(crate) fn constant(&mut self) -> i64 {
        match self.below(6) {
            0 => self.below(4) as i64 - 1,
            1 => 1 << self.below(64),
            2 => self.next() as i64,
            3 => i64::from(self.next() as i32),
            4 => self.below(300) as i64 - 150,
            _ => i64::MIN >> self.below(64),
        }
    }
}

const TYPES: [Type; 4] = [I8, I16, I32, I64];
const CONDITIONS: [IntCC; 10] = [
    IntCC::Equal,
    IntCC::NotEqual,
    IntCC::SignedLessThan,
    IntCC::SignedGreaterThanOrEqual,
    IntCC::SignedGreaterThan,
    IntCC::SignedLessThanOrEqual,
    IntCC::UnsignedLessThan,
    IntCC::UnsignedGreaterThanOrEqual,
    IntCC::UnsignedGreaterThan,
    IntCC::UnsignedLessThanOrEqual,
];

/// The function of a seed.
pub(crate) fn generate(seed: u64, side: Side) -> Function {
    clif::function(1, |build, parameters| {
        let mut random = Random::new(seed);
        let slot = build.slot(32);
        let zero = build.constant(0);
        for word in 0..4 {
            let address = build.slot_address(slot, word * 8);
            build.ins().store(trusted(), zero, address, 0);
        }
        let mut pool: Vec<Value> = (0..INPUTS as i32)
            .map(|word| build.ins().load(I64, trusted(), parameters[0], word * 8))
            .collect();
        let narrow = [
            build.ins().ireduce(I32, pool[0]),
            build.ins().ireduce(I16, pool[1]),
            build.ins().ireduce(I8, pool[2]),
        ];
        pool.extend(narrow);
        let mut generator = Generator { build, random: &mut random, pool, side, slot };
        for _ in 0..3 {
            generator.statements(0);
        }
        let pool = std::mem::take(&mut generator.pool);
        let result = digest(build, &pool);
        match side {
            Side::Native => {
                build.ins().return_(&[result]);
            }
            Side::Kernel => {
                let p = build.lookup(0);
                let out = build.create_block();
                build.guard(p, out);
                build.ins().store(trusted(), result, p, 0);
                build.goto(out);
                build.return_zero();
            }
        }
    })
}

/// Mixes all values into one.
fn digest(build: &mut Build<'_>, pool: &[Value]) -> Value {
    let mut digest = build.constant(0);
    for &value in pool {
        let value =
            if build.type_of(value) == I64 { value } else { build.ins().uextend(I64, value) };
        let factor = build.constant(31);
        digest = build.ins().imul(digest, factor);
        digest = build.ins().bxor(digest, value);
    }
    digest
}

struct Generator<'a, 'b> {
    build: &'a mut Build<'b>,
    random: &'a mut Random,
    /// Values in scope.
    pool: Vec<Value>,
    side: Side,
    slot: StackSlot,
}

impl Generator<'_, '_> {
    fn type_of(&self, value: Value) -> Type {
        self.build.type_of(value)
    }

    fn any_type(&mut self) -> Type {
        self.random.choose(&TYPES)
    }

    fn any(&mut self) -> Value {
        self.random.choose(&self.pool)
    }

    fn iconst(&mut self, value_type: Type, constant: i64) -> Value {
        let bits = value_type.bits();
        let constant = if bits == 64 { constant } else { constant & ((1 << bits) - 1) };
        self.build.ins().iconst(value_type, constant)
    }

    /// A value of the type: a constant, one in scope or a conversion of one.
    fn value(&mut self, value_type: Type) -> Value {
        if self.random.chance(5) {
            let constant = self.random.constant();
            if self.random.chance(6) && value_type == I64 && self.side == Side::Kernel {
                return self.build.opaque(constant);
            }
            return self.iconst(value_type, constant);
        }
        for _ in 0..3 {
            let value = self.any();
            if self.type_of(value) == value_type {
                return value;
            }
        }
        let value = self.any();
        let bits = self.type_of(value).bits();
        if bits == value_type.bits() {
            value
        } else if bits > value_type.bits() {
            self.build.ins().ireduce(value_type, value)
        } else if self.random.chance(2) {
            self.build.ins().uextend(value_type, value)
        } else {
            self.build.ins().sextend(value_type, value)
        }
    }

    fn comparison(&mut self) -> Value {
        let value_type = self.any_type();
        let (left, right) = (self.value(value_type), self.value(value_type));
        let condition = self.random.choose(&CONDITIONS);
        self.build.ins().icmp(condition, left, right)
    }

    fn condition(&mut self) -> Value {
        let first = self.comparison();
        match self.random.below(6) {
            0 => {
                let value_type = self.any_type();
                self.value(value_type)
            }
            1 => {
                let second = self.comparison();
                if self.random.chance(2) {
                    self.build.ins().band(first, second)
                } else {
                    self.build.ins().bor(first, second)
                }
            }
            _ => first,
        }
    }

    /// A divisor that is never 0, nor -1 when signed.
    fn divisor(&mut self, value_type: Type, value: Value, signed: bool) -> Value {
        let positive =
            if value_type == I64 { i64::MAX } else { (1 << (value_type.bits() - 1)) - 1 };
        let mask = if signed || value_type == I64 { positive } else { positive << 1 | 1 };
        if self.random.chance(2) {
            let constant = self.random.constant() & mask;
            return self.iconst(value_type, if constant == 0 { 7 } else { constant });
        }
        let mask = self.iconst(value_type, mask);
        let value = self.build.ins().band(value, mask);
        let one = self.iconst(value_type, 1);
        self.build.ins().bor(value, one)
    }

    fn operation(&mut self) {
        let value_type = self.any_type();
        let (x, y) = (self.value(value_type), self.value(value_type));
        let kind = self.random.below(34);
        let divisor = match kind {
            15 | 16 => Some(self.divisor(value_type, y, false)),
            17 | 18 => Some(self.divisor(value_type, y, true)),
            _ => None,
        };
        let d = divisor.unwrap_or(y);
        let build = &mut *self.build;
        let result = match kind {
            0 | 1 => build.ins().iadd(x, y),
            2 | 3 => build.ins().isub(x, y),
            4 => build.ins().imul(x, y),
            5 => build.ins().band(x, y),
            6 => build.ins().bor(x, y),
            7 => build.ins().bxor(x, y),
            8 => build.ins().bnot(x),
            9 => build.ins().ineg(x),
            10 => build.ins().ishl(x, y),
            11 => build.ins().ushr(x, y),
            12 => build.ins().sshr(x, y),
            13 => build.ins().rotl(x, y),
            14 => build.ins().rotr(x, y),
            15 => build.ins().udiv(x, d),
            16 => build.ins().urem(x, d),
            17 => build.ins().sdiv(x, d),
            18 => build.ins().srem(x, d),
            19 => build.ins().umulhi(x, y),
            20 => build.ins().smulhi(x, y),
            21 => build.ins().iabs(x),
            22 => build.ins().smin(x, y),
            23 => build.ins().smax(x, y),
            24 => build.ins().umin(x, y),
            25 => build.ins().umax(x, y),
            26 => {
                let condition = self.condition();
                self.build.ins().select(condition, x, y)
            }
            27 => {
                let condition = self.condition();
                let wider = self.any_type();
                if self.type_of(condition).bits() < wider.bits() {
                    self.build.ins().uextend(wider, condition)
                } else {
                    condition
                }
            }
            28 => build.ins().clz(x),
            29 => build.ins().ctz(x),
            30 => build.ins().popcnt(x),
            31 if value_type == I8 => x,
            31 => build.ins().bswap(x),
            32 => {
                let condition = self.condition();
                let mask_type = self.any_type();
                self.build.ins().bmask(mask_type, condition)
            }
            _ => self.through_memory(value_type, x),
        };
        self.pool.push(result);
        if self.random.chance(12) {
            let pinned = match self.side {
                Side::Kernel => self.build.pin(result),
                Side::Native => result,
            };
            self.pool.push(pinned);
        }
    }

    /// Stores a value into the slot, or updates the slot atomically, and loads from elsewhere in it.
    fn through_memory(&mut self, value_type: Type, value: Value) -> Value {
        let store_offset = self.random.below(4) as i32 * 8;
        let load_offset = self.random.below(4) as i32 * 8;
        let kind = self.random.below(6);
        let atomic = value_type.bits() >= 32 && self.random.chance(3);
        let build = &mut *self.build;
        let address = build.slot_address(self.slot, store_offset);
        if atomic {
            use cranelift_codegen::ir::AtomicRmwOp::*;
            let operation = self.random.choose(&[Add, Sub, And, Or, Xor, Xchg]);
            // Natively from memory, in the kernel from the stack, which both may do.
            let old = build.ins().atomic_rmw(value_type, trusted(), operation, address, value);
            if kind < 3 {
                return old;
            }
        } else {
            build.ins().store(trusted(), value, address, 0);
        }
        let address = build.slot_address(self.slot, 0);
        match kind {
            0 => build.ins().uload8(I64, trusted(), address, load_offset),
            1 => build.ins().sload8(I32, trusted(), address, load_offset),
            2 => build.ins().sload16(I64, trusted(), address, load_offset),
            3 => build.ins().sload32(trusted(), address, load_offset),
            4 => build.ins().load(value_type, trusted(), address, load_offset),
            _ => build.ins().uload32(trusted(), address, load_offset),
        }
    }

    fn statements(&mut self, depth: usize) {
        for _ in 0..2 + self.random.below(5) {
            match self.random.below(13) {
                0 | 1 if depth < 3 => self.diamond(depth),
                2 if depth < 2 => self.counted_loop(depth),
                3 if depth < 2 => self.table(depth),
                _ => self.operation(),
            }
        }
    }

    /// `if` with or without `else`, joined with two block parameters.
    fn diamond(&mut self, depth: usize) {
        let condition = self.condition();
        let [then, otherwise, join] = std::array::from_fn(|_| self.build.create_block());
        let types = [self.any_type(), self.any_type()];
        let joined = types.map(|value_type| self.build.append_block_param(join, value_type));
        let without_else = self.random.chance(3);
        let direct = types.map(|value_type| self.value(value_type));
        if without_else {
            let arguments = direct.map(Into::into);
            self.build.ins().brif(condition, then, &[], join, &arguments);
        } else {
            self.build.ins().brif(condition, then, &[], otherwise, &[]);
        }
        let scope = self.pool.len();
        let blocks = [then, otherwise];
        for &block in if without_else { &blocks[..1] } else { &blocks[..] } {
            self.build.switch_to_block(block);
            self.statements(depth + 1);
            let arguments = types.map(|value_type| self.value(value_type)).map(Into::into);
            self.build.ins().jump(join, &arguments);
            self.pool.truncate(scope);
        }
        self.build.switch_to_block(join);
        self.pool.extend(joined);
    }

    /// A loop of at most four rounds that carries two values, now and then swapped.
    fn counted_loop(&mut self, depth: usize) {
        let (header, after) = (self.build.create_block(), self.build.create_block());
        let types = [self.any_type(), self.any_type()];
        let counter = self.build.append_block_param(header, I32);
        let carried = types.map(|value_type| self.build.append_block_param(header, value_type));
        let zero = self.iconst(I32, 0);
        let [first, second] = types.map(|value_type| self.value(value_type));
        self.build.ins().jump(header, &[zero.into(), first.into(), second.into()]);
        let scope = self.pool.len();
        self.build.switch_to_block(header);
        self.pool.push(counter);
        self.pool.extend(carried);
        self.statements(depth + 1);
        let [first, second] = types.map(|value_type| self.value(value_type));
        let next = self.build.ins().iadd_imm_s(counter, 1);
        let rounds = 1 + self.random.below(4) as i64;
        let more = self.build.ins().icmp_imm_s(IntCC::SignedLessThan, next, rounds);
        let swap = self.random.chance(3) && types[0] == types[1];
        let [first, second] = if swap { [carried[1], carried[0]] } else { [first, second] };
        let arguments = [next.into(), first.into(), second.into()];
        self.build.ins().brif(more, header, &arguments, after, &[]);
        self.pool.truncate(scope);
        self.build.switch_to_block(after);
        self.pool.push(counter);
        self.pool.extend(carried);
    }

    /// A `switch` of a few cases on a small number.
    fn table(&mut self, depth: usize) {
        let index = self.value(I32);
        let index =
            if self.random.chance(2) { self.build.ins().band_imm_u(index, 3) } else { index };
        let join = self.build.create_block();
        let joined_type = self.any_type();
        let joined = self.build.append_block_param(join, joined_type);
        let direct = self.value(joined_type);
        let cases: Vec<_> = (0..self.random.below(4)).map(|_| self.build.create_block()).collect();
        let lists = &mut self.build.func.dfg.value_lists;
        let otherwise = BlockCall::new(join, [direct.into()], lists);
        let calls: Vec<BlockCall> =
            cases.iter().map(|&case| BlockCall::new(case, [], lists)).collect();
        let table = self.build.create_jump_table(JumpTableData::new(otherwise, &calls));
        self.build.ins().br_table(index, table);
        let scope = self.pool.len();
        for case in cases {
            self.build.switch_to_block(case);
            self.statements(depth + 1);
            let argument = self.value(joined_type);
            self.build.ins().jump(join, &[argument.into()]);
            self.pool.truncate(scope);
        }
        self.build.switch_to_block(join);
        self.pool.push(joined);
    }
}
