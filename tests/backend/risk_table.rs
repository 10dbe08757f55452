//! Forms of code whose acceptance depends on what the optimizer does to them.
//!
//! Map 0 is a hash of 64-byte values; the context is a tracepoint's.

use cranelift_codegen::ir::condcodes::IntCC::*;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types::*};

use crate::clif::{Build, CONTEXT, trusted};

/// Which way a case is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As one would without thinking of the verifier.
    Naive,
    /// With `pin` before a range check, `elem` in the guarded block, no `can_move`.
    ByTheRules,
}

/// What the verifier says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Rejected,
}
use Verdict::{Accepted, Rejected};

/// One case.
pub(crate) struct Risk {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The verdict of Linux 6.18 on the naive form, optimized.
    pub(crate) naive: Verdict,
    /// The verdict by the rules, optimized or not.
    pub(crate) by_the_rules: Verdict,
    pub(crate) build: fn(&mut Build<'_>, Value, Form),
}

const fn risk(
    name: &'static str,
    what: &'static str,
    naive: Verdict,
    build: fn(&mut Build<'_>, Value, Form),
) -> Risk {
    Risk { name, what, naive, by_the_rules: Accepted, build }
}

pub(crate) const RISKS: &[Risk] = &[
    risk("licm-null", "null check before a loop, p + x*8 invariant", Rejected, |b, ctx, form| {
        let x = field(b, ctx);
        let x = b.ins().band_imm_u(x, 7);
        let p = b.lookup(0);
        let (header, out) = (b.create_block(), b.create_block());
        let zero = b.constant(0);
        match form {
            Form::Naive => {
                b.ins().brif(p, header, &[zero.into()], out, &[]);
            }
            Form::ByTheRules => {
                b.guard(p, out);
                b.ins().jump(header, &[zero.into()]);
            }
        }
        four_times(b, header, |b, _| increment(b, p, x, form));
        finish(b, out);
    }),
    risk("licm-bound", "loop { if (x < 8) p[x]++ }, x invariant", Rejected, |b, ctx, form| {
        let x = field(b, ctx);
        let p = b.lookup(0);
        let out = b.create_block();
        b.guard(p, out);
        let header = enter_loop(b);
        four_times(b, header, |b, _| {
            let join = b.create_block();
            let below = b.ins().icmp_imm_u(UnsignedLessThan, x, 8);
            b.guard(below, join);
            increment(b, p, x, form);
            b.goto(join);
        });
        finish(b, out);
    }),
    risk("licm-null-in-loop", "loop { if (p) p[x]++ }", Rejected, |b, ctx, form| {
        let x = field(b, ctx);
        let x = b.ins().band_imm_u(x, 7);
        let p = b.lookup(0);
        let header = enter_loop(b);
        four_times(b, header, |b, _| {
            let join = b.create_block();
            b.guard(p, join);
            increment(b, p, x, form);
            b.goto(join);
        });
        b.return_zero();
    }),
    risk("can-move-load", "loop { if (p) s += *p }, load may move", Rejected, |b, _, form| {
        let p = b.lookup(0);
        let flags = match form {
            Form::Naive => trusted().with_readonly().with_can_move(),
            Form::ByTheRules => trusted().with_readonly(),
        };
        let header = enter_loop(b);
        four_times(b, header, |b, i| {
            let join = b.create_block();
            b.guard(p, join);
            let value = b.ins().load(I64, flags, p, 8);
            let value = b.ins().iadd(value, i);
            sink(b, value);
            b.goto(join);
        });
        b.return_zero();
    }),
    risk(
        "shared-extension",
        "e = zext(x) used before if (x < 8) p[e]",
        Rejected,
        |b, ctx, form| {
            let x = b.ins().load(I32, CONTEXT, ctx, 8);
            let x = b.ins().iadd_imm_s(x, 3);
            let extended = b.ins().uextend(I64, x);
            sink(b, extended);
            let x = pinned(b, x, form);
            let (p, out) = checked_lookup(b);
            let below = b.ins().icmp_imm_u(UnsignedLessThan, x, 8);
            b.guard(below, out);
            let extended = b.ins().uextend(I64, x);
            read(b, p, extended, form);
            finish(b, out);
        },
    ),
    risk("low-half", "if (low32(x) < 8) p[zext(low32(x))]", Accepted, |b, ctx, form| {
        let x = field(b, ctx);
        let low = b.ins().ireduce(I32, x);
        let (p, out) = checked_lookup(b);
        let below = b.ins().icmp_imm_u(UnsignedLessThan, low, 8);
        b.guard(below, out);
        let index = b.ins().uextend(I64, low);
        read(b, p, index, form);
        finish(b, out);
    }),
    risk("null-test-as-value", "c = (p != 0), stored and branched on", Accepted, |b, _, _| {
        let p = b.lookup(0);
        let test = b.ins().icmp_imm_u(NotEqual, p, 0);
        let value = b.ins().uextend(I64, test);
        sink(b, value);
        let out = b.create_block();
        b.guard(test, out);
        read_at(b, p, 0);
        finish(b, out);
    }),
    risk("null-test-as-parameter", "t = x ? (p != 0) : 0; if (t) *p", Accepted, |b, ctx, form| {
        let x = field(b, ctx);
        let p = b.lookup(0);
        let out = b.create_block();
        match form {
            Form::Naive => {
                let (right, join) = (b.create_block(), b.create_block());
                let test = b.append_block_param(join, I8);
                let zero = b.ins().iconst(I8, 0);
                b.ins().brif(x, right, &[], join, &[zero.into()]);
                b.switch_to_block(right);
                let not_null = b.ins().icmp_imm_u(NotEqual, p, 0);
                b.ins().jump(join, &[not_null.into()]);
                b.switch_to_block(join);
                b.guard(test, out);
            }
            Form::ByTheRules => {
                b.guard(x, out);
                b.guard(p, out);
            }
        }
        read_at(b, p, 0);
        finish(b, out);
    }),
    risk("null-and-bound", "if ((p != 0) & (x < 8)) p[x]", Accepted, |b, ctx, form| {
        let x = field(b, ctx);
        let p = b.lookup(0);
        let not_null = b.ins().icmp_imm_u(NotEqual, p, 0);
        let below = b.ins().icmp_imm_u(UnsignedLessThan, x, 8);
        let both = b.ins().band(not_null, below);
        let out = b.create_block();
        b.guard(both, out);
        read(b, p, x, form);
        finish(b, out);
    }),
    risk("shifted-null-test", "if (p + 8 != 8) p[1]", Accepted, |b, _, form| {
        let p = b.lookup(0);
        let out = b.create_block();
        let test = match form {
            Form::Naive => {
                let shifted = b.ins().iadd_imm_s(p, 8);
                b.ins().icmp_imm_s(NotEqual, shifted, 8)
            }
            Form::ByTheRules => p,
        };
        b.guard(test, out);
        read_at(b, p, 8);
        finish(b, out);
    }),
    risk("selected-pointer", "*(c ? &slot : p)", Accepted, |b, ctx, _| {
        let x = field(b, ctx);
        let (p, out) = checked_lookup(b);
        let slot = b.new_slot(8);
        b.ins().store(trusted(), x, slot, 0);
        let large = b.ins().icmp_imm_u(UnsignedGreaterThan, x, 100);
        let pointer = b.ins().select(large, slot, p);
        read_at(b, pointer, 0);
        finish(b, out);
    }),
    risk("minimum-index", "p[x < 7 ? x : 7]", Accepted, |b, ctx, form| {
        let x = field(b, ctx);
        let (p, out) = checked_lookup(b);
        let seven = b.constant(7);
        let below = b.ins().icmp(UnsignedLessThan, x, seven);
        let index = b.ins().select(below, x, seven);
        read(b, p, index, form);
        finish(b, out);
    }),
    risk(
        "modulo-index",
        "p[x % 7]: the verifier does not bound a modulo",
        Rejected,
        |b, ctx, form| {
            let x = field(b, ctx);
            let (p, out) = checked_lookup(b);
            let seven = b.opaque(7);
            let index = b.ins().urem(x, seven);
            if form == Form::ByTheRules {
                let below = b.ins().icmp_imm_u(UnsignedLessThan, index, 7);
                b.guard(below, out);
            }
            read(b, p, index, form);
            finish(b, out);
        },
    ),
    risk("signed-range", "if (0 <= i && i < 8) p[i], 32 bits", Accepted, |b, ctx, form| {
        let x = b.ins().load(I32, CONTEXT, ctx, 8);
        let (p, out) = checked_lookup(b);
        let inside = inside_signed(b, x);
        b.guard(inside, out);
        let index = match form {
            Form::Naive => b.ins().sextend(I64, x),
            Form::ByTheRules => b.ins().uextend(I64, x),
        };
        read(b, p, index, form);
        finish(b, out);
    }),
    risk("narrowed-check", "e = sext(i); if (0 <= e && e < 8) p[e]", Rejected, |b, ctx, form| {
        let x = b.ins().load(I32, CONTEXT, ctx, 8);
        let extended = b.ins().sextend(I64, x);
        let extended = pinned(b, extended, form);
        let (p, out) = checked_lookup(b);
        let inside = inside_signed(b, extended);
        b.guard(inside, out);
        read(b, p, extended, form);
        finish(b, out);
    }),
    risk(
        "shared-offset",
        "o = x << 3 used before if (x < 8) *(p + o)",
        Rejected,
        |b, ctx, form| {
            let x = field(b, ctx);
            let offset = b.ins().ishl_imm_u(x, 3);
            sink(b, offset);
            let (p, out) = checked_lookup(b);
            let below = b.ins().icmp_imm_u(UnsignedLessThan, x, 8);
            b.guard(below, out);
            read(b, p, x, form);
            finish(b, out);
        },
    ),
    risk("remade-add", "j = i + 4; if (j < 8) p[j]", Accepted, |b, ctx, form| {
        let i = field(b, ctx);
        let j = b.ins().iadd_imm_s(i, 4);
        read_below_eight(b, j, form);
    }),
    risk("remade-or", "j = i | 1; if (j < 8) p[j]", Rejected, |b, ctx, form| {
        let i = field(b, ctx);
        let j = b.ins().bor_imm_u(i, 1);
        read_below_eight(b, j, form);
    }),
    risk(
        "string-end",
        "n = read_str(p, 16, u); if (n - 1 < 16) p[n - 1] = 65",
        Accepted,
        |b, ctx, form| {
            let user = field(b, ctx);
            let (p, out) = checked_lookup(b);
            let sixteen = b.constant(16);
            let length = b.helper(114, &[p, sixteen, user]);
            let length = pinned(b, length, form);
            let last = b.ins().iadd_imm_s(length, -1);
            let last = pinned(b, last, form);
            let below = b.ins().icmp_imm_u(UnsignedLessThan, last, 16);
            b.guard(below, out);
            let address = match form {
                Form::Naive => b.ins().iadd(p, last),
                Form::ByTheRules => b.elem(p, last, 1),
            };
            let letter = b.ins().iconst(I8, 65);
            b.ins().store(trusted(), letter, address, 0);
            finish(b, out);
        },
    ),
    risk("context-offset", "*((ctx + 8) + 0)", Accepted, |b, ctx, _| {
        let address = b.ins().iadd_imm_s(ctx, 8);
        read_at(b, address, 0);
        b.return_zero();
    }),
    Risk {
        name: "context-index",
        what: "*(ctx + i * 8): no verifier allows it",
        naive: Rejected,
        by_the_rules: Rejected,
        build: |b, ctx, _| {
            let i = field(b, ctx);
            let i = b.ins().band_imm_u(i, 3);
            let offset = b.ins().ishl_imm_u(i, 3);
            let address = b.ins().iadd(ctx, offset);
            let value = b.ins().load(I64, CONTEXT, address, 16);
            sink(b, value);
            b.return_zero();
        },
    },
    risk("slot-and-helper", "store slot; helper(&slot); load slot", Accepted, |b, _, _| {
        let slot = b.new_slot(16);
        let zero = b.constant(0);
        b.ins().store(trusted(), zero, slot, 0);
        b.ins().store(trusted(), zero, slot, 8);
        let size = b.constant(16);
        b.helper(16, &[slot, size]);
        read_at(b, slot, 0);
        b.return_zero();
    }),
    risk("slot-by-helper", "a slot only a helper has written", Accepted, |b, _, _| {
        let slot = b.new_slot(16);
        let size = b.constant(16);
        b.helper(16, &[slot, size]);
        read_at(b, slot, 8);
        b.return_zero();
    }),
    risk("pressure", "13 values and a pointer live across a call", Accepted, |b, ctx, form| {
        let (p, out) = checked_lookup(b);
        let values: Vec<Value> =
            (0..13).map(|number| b.ins().load(I64, CONTEXT, ctx, 8 + number % 7 * 8)).collect();
        let index = b.ins().band_imm_u(values[0], 7);
        let mut sum = b.helper(5, &[]);
        for (number, &value) in values.iter().enumerate() {
            let factor = b.constant(number as i64 + 3);
            let product = b.ins().imul(value, factor);
            sum = b.ins().bxor(sum, product);
        }
        let address = element(b, p, index, form);
        b.ins().store(trusted(), sum, address, 0);
        finish(b, out);
    }),
];

/// An argument of the event.
fn field(b: &mut Build<'_>, ctx: Value) -> Value {
    b.ins().load(I64, CONTEXT, ctx, 8)
}

fn checked_lookup(b: &mut Build<'_>) -> (Value, Block) {
    let p = b.lookup(0);
    let out = b.create_block();
    b.guard(p, out);
    (p, out)
}

fn finish(b: &mut Build<'_>, out: Block) {
    b.goto(out);
    b.return_zero();
}

/// Jumps to a new loop header with the counter at 0.
fn enter_loop(b: &mut Build<'_>) -> Block {
    let header = b.create_block();
    let zero = b.constant(0);
    b.ins().jump(header, &[zero.into()]);
    header
}

/// `for (i = 0; i < 4; i++) body(i)`, from a header that is jumped to with 0.
fn four_times(b: &mut Build<'_>, header: Block, body: impl FnOnce(&mut Build<'_>, Value)) {
    let after = b.create_block();
    let i = b.append_block_param(header, I64);
    b.switch_to_block(header);
    body(b, i);
    let next = b.ins().iadd_imm_s(i, 1);
    let more = b.ins().icmp_imm_u(UnsignedLessThan, next, 4);
    b.ins().brif(more, header, &[next.into()], after, &[]);
    b.switch_to_block(after);
}

fn pinned(b: &mut Build<'_>, value: Value, form: Form) -> Value {
    match form {
        Form::Naive => value,
        Form::ByTheRules => b.pin(value),
    }
}

/// The address of `p[index]`, elements of 8 bytes.
fn element(b: &mut Build<'_>, p: Value, index: Value, form: Form) -> Value {
    match form {
        Form::Naive => {
            let offset = b.ins().ishl_imm_u(index, 3);
            b.ins().iadd(p, offset)
        }
        Form::ByTheRules => b.elem(p, index, 8),
    }
}

fn read(b: &mut Build<'_>, p: Value, index: Value, form: Form) {
    let address = element(b, p, index, form);
    read_at(b, address, 0);
}

fn read_at(b: &mut Build<'_>, address: Value, offset: i32) {
    let value = b.ins().load(I64, trusted(), address, offset);
    sink(b, value);
}

fn increment(b: &mut Build<'_>, p: Value, index: Value, form: Form) {
    let address = element(b, p, index, form);
    let value = b.ins().load(I64, trusted(), address, 0);
    let value = b.ins().iadd_imm_s(value, 1);
    b.ins().store(trusted(), value, address, 0);
}

fn inside_signed(b: &mut Build<'_>, value: Value) -> Value {
    let not_negative = b.ins().icmp_imm_s(SignedGreaterThanOrEqual, value, 0);
    let below = b.ins().icmp_imm_s(SignedLessThan, value, 8);
    b.ins().band(not_negative, below)
}

fn read_below_eight(b: &mut Build<'_>, index: Value, form: Form) {
    let index = pinned(b, index, form);
    let (p, out) = checked_lookup(b);
    let below = b.ins().icmp_imm_u(UnsignedLessThan, index, 8);
    b.guard(below, out);
    read(b, p, index, form);
    finish(b, out);
}

/// An observable use: the value goes to a helper through memory.
fn sink(b: &mut Build<'_>, value: Value) {
    let slot = b.new_slot(8);
    b.ins().store(trusted(), value, slot, 0);
    let size = b.constant(4);
    b.helper(6, &[slot, size]);
}
