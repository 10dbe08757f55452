//! Expressions: arithmetic, conditions and variables, the same for both halves.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types::I64};

use super::{ErrorKind, ErrorSite, Half, Lower, Operand, Text};
use crate::hir::{
    Arithmetic, AssignOperator, Comparison, EventId, Expr, ExprKind, LocalId, Place, PlaceKind,
    Unary, each_part,
};
use crate::layout::Storage;
use crate::source::Span;
use crate::types::Type;

impl<'f, H: Half<'f>> Lower<'_, 'f, H> {
    pub(super) fn expressions(&mut self, list: &[Expr]) -> Vec<Operand> {
        list.iter().enumerate().map(|(at, e)| self.operand(e, &list[at + 1..])).collect()
    }

    /// Sends the values of expressions in a record. When they are many, numbers wait in memory.
    pub(super) fn emitted(&mut self, event: EventId, list: &[Expr]) {
        let room = self.half.begin_parking(list.len());
        let mut captures = vec![];
        for (at, e) in list.iter().enumerate() {
            let value = match &e.kind {
                ExprKind::Context(index) => Operand::Long(self.half.context(*index)),
                _ => self.operand(e, &list[at + 1..]),
            };
            captures.push(match room {
                Some(room) => self.half.park(room, at, value),
                None => value,
            });
        }
        self.half.emit(event, &captures, room);
    }

    /// The value of an operand. A string is held if one of the later operands may assign to the variable
    /// it is in.
    fn operand<'e>(&mut self, e: &Expr, later: impl IntoIterator<Item = &'e Expr>) -> Operand {
        match self.expression(e) {
            Operand::Text(text) if later.into_iter().any(assigns_text) => self.half.hold(&text),
            value => value,
        }
    }

    pub(super) fn long(&mut self, e: &Expr) -> Value {
        self.expression(e).long()
    }

    pub(super) fn expression(&mut self, e: &Expr) -> Operand {
        match &e.kind {
            ExprKind::Number(n) => Operand::Long(self.half.emitter().constant(*n)),
            ExprKind::Text(text) => Operand::Text(self.half.literal(e.id, text)),
            // Not looked at: the mask of the search says so.
            ExprKind::Wildcard => Operand::Long(self.half.emitter().constant(0)),
            ExprKind::Read(place) => self.read(place),
            ExprKind::Context(index) => Operand::Long(self.half.context_number(*index)),
            ExprKind::Load(load) => {
                let address = match &load.address.kind {
                    ExprKind::Context(index) => self.half.context(*index),
                    _ => self.long(&load.address),
                };
                Operand::Long(self.half.load(load, address, e.span))
            }
            ExprKind::Call { builtin, arguments } => {
                let arguments = self.expressions(arguments);
                self.half.builtin(builtin, &arguments, e.span)
            }
            ExprKind::Invoke { function, arguments } => self.invoke(*function, arguments, e.span),
            ExprKind::Sprint(print) => {
                let arguments = self.expressions(&print.arguments);
                self.half.sprint(print, &arguments)
            }
            ExprKind::Unary { operator, operand } => {
                let value = self.long(operand);
                let e = self.half.emitter();
                Operand::Long(match operator {
                    Unary::Negate => e.builder.ins().ineg(value),
                    Unary::Complement => e.builder.ins().bnot(value),
                    Unary::Not => {
                        let not = e.builder.ins().icmp_imm_s(IntCC::Equal, value, 0);
                        e.builder.ins().uextend(I64, not)
                    }
                })
            }
            ExprKind::Arithmetic { operator, operator_span, left, right } => {
                let left = self.long(left);
                let constant = match right.kind {
                    ExprKind::Number(n) => Some(n),
                    _ => None,
                };
                let right = self.long(right);
                Operand::Long(self.arithmetic(*operator, *operator_span, left, right, constant))
            }
            ExprKind::Compare { operator, left, right } => {
                let left = self.operand(left, [&**right]);
                let right = self.expression(right);
                Operand::Long(match (&left, &right) {
                    (Operand::Text(l), Operand::Text(r)) => {
                        self.half.compare_texts(*operator, l, r)
                    }
                    _ => {
                        let e = self.half.emitter();
                        let is = e.builder.ins().icmp(
                            condition_code(*operator),
                            left.long(),
                            right.long(),
                        );
                        e.builder.ins().uextend(I64, is)
                    }
                })
            }
            ExprKind::Logical { .. } => self.choose(
                Type::Long,
                |lower, then, otherwise| lower.branch(e, then, otherwise),
                |lower| Operand::Long(lower.half.emitter().constant(1)),
                |lower| Operand::Long(lower.half.emitter().constant(0)),
            ),
            ExprKind::Concatenate { left, right } => {
                let left = self.operand(left, [&**right]);
                let right = self.expression(right);
                self.half.concatenate(left.text(), right.text())
            }
            ExprKind::Conditional { condition, then, otherwise } => self.choose(
                self.types.expressions[e.id],
                |lower, on_true, on_false| lower.branch(condition, on_true, on_false),
                |lower| lower.expression(then),
                |lower| lower.expression(otherwise),
            ),
            ExprKind::In { array, keys } => {
                let words = self.expressions(keys);
                let Storage::Array(array) = self.layout.storage[*array] else {
                    unreachable!("`in` makes its operand an array")
                };
                Operand::Long(match compared(keys) {
                    None => self.half.array_contains(array, &words),
                    Some(mask) => self.half.array_contains_matching(array, &words, mask),
                })
            }
            ExprKind::Assign { target, operator, operator_span, value } => {
                self.assignment(target, *operator, *operator_span, value)
            }
            ExprKind::Increment { target, prefix, by } => {
                let keys = self.keys_of(target, None);
                let delta = self.half.emitter().constant(*by);
                let old = self.add(target, &keys, delta);
                if *prefix {
                    let e = self.half.emitter();
                    return Operand::Long(e.builder.ins().iadd(old, delta));
                }
                Operand::Long(old)
            }
            ExprKind::Extract { aggregate, of } => {
                let (array, keys) = self.element(of);
                Operand::Long(self.half.extract(array, &keys, *aggregate, e.span))
            }
            ExprKind::Histogram(of) => {
                let (array, keys) = self.element(of);
                Operand::Text(self.half.histogram(array, &keys, e.span))
            }
            ExprKind::Bucket { of, index } => {
                let (array, keys) = self.element(of);
                let index = self.long(index);
                Operand::Long(self.half.bucket(array, &keys, index, e.span))
            }
            ExprKind::Match { negated, text, regex } => {
                let text = self.expression(text);
                let found = self.half.matches(text.text(), regex);
                let not = i64::from(*negated);
                Operand::Long(self.half.emitter().builder.ins().bxor_imm_u(found, not))
            }
            ExprKind::Captured { event, field } => self.half.captured(*event, *field),
        }
    }

    /// Branches on a condition; `&&`, `||`, `!` and comparisons become control flow.
    pub(super) fn branch(&mut self, e: &Expr, on_true: Block, on_false: Block) {
        match &e.kind {
            ExprKind::Logical { or, left, right } => {
                let right_block = self.half.emitter().block();
                if *or {
                    self.branch(left, on_true, right_block);
                } else {
                    self.branch(left, right_block, on_false);
                }
                self.half.emitter().switch_to(right_block);
                self.branch(right, on_true, on_false);
            }
            ExprKind::Unary { operator: Unary::Not, operand } => {
                self.branch(operand, on_false, on_true);
            }
            ExprKind::Compare { operator, left, right }
                if self.types.expressions[left.id] == Type::Long =>
            {
                let left = self.long(left);
                let right = self.long(right);
                let e = self.half.emitter();
                let is = e.builder.ins().icmp(condition_code(*operator), left, right);
                e.builder.ins().brif(is, on_true, &[], on_false, &[]);
            }
            _ => {
                let value = self.long(e);
                self.half.emitter().builder.ins().brif(value, on_true, &[], on_false, &[]);
            }
        }
    }

    /// One of two values.
    fn choose(
        &mut self,
        ty: Type,
        branch: impl FnOnce(&mut Self, Block, Block),
        then: impl FnOnce(&mut Self) -> Operand,
        otherwise: impl FnOnce(&mut Self) -> Operand,
    ) -> Operand {
        let result = self.half.temporary(ty);
        let e = self.half.emitter();
        let (on_true, on_false, join) = (e.block(), e.block(), e.block());
        branch(self, on_true, on_false);
        self.half.emitter().switch_to(on_true);
        let value = then(self);
        self.half.write_local(result, &value);
        self.half.emitter().jump(join);
        self.half.emitter().switch_to(on_false);
        let value = otherwise(self);
        self.half.write_local(result, &value);
        self.half.emitter().jump(join);
        self.half.emitter().switch_to(join);
        self.half.read_local(result)
    }

    /// Signed 64-bit arithmetic that wraps; division by zero is an error of the script.
    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        span: Span,
        left: Value,
        right: Value,
        constant: Option<i64>,
    ) -> Value {
        if matches!(operator, Arithmetic::Divide | Arithmetic::Modulo) {
            return self.division(operator, span, left, right, constant);
        }
        let ins = self.half.emitter().builder.ins();
        match operator {
            Arithmetic::Add => ins.iadd(left, right),
            Arithmetic::Subtract => ins.isub(left, right),
            Arithmetic::Multiply => ins.imul(left, right),
            Arithmetic::ShiftLeft => ins.ishl(left, right),
            Arithmetic::ShiftRight => ins.sshr(left, right),
            Arithmetic::ShiftRightLogical => ins.ushr(left, right),
            Arithmetic::And => ins.band(left, right),
            Arithmetic::Or => ins.bor(left, right),
            Arithmetic::Xor => ins.bxor(left, right),
            Arithmetic::Divide | Arithmetic::Modulo => unreachable!("handled above"),
        }
    }

    fn division(
        &mut self,
        operator: Arithmetic,
        span: Span,
        left: Value,
        right: Value,
        constant: Option<i64>,
    ) -> Value {
        let modulo = operator == Arithmetic::Modulo;
        if let Some(divisor @ (1.. | ..=-2)) = constant {
            let right = self.half.divisor(divisor);
            let ins = self.half.emitter().builder.ins();
            return if modulo { ins.srem(left, right) } else { ins.sdiv(left, right) };
        }
        let e = self.half.emitter();
        let (zero, not_zero) = (e.block(), e.block());
        e.builder.ins().brif(right, not_zero, &[], zero, &[]);
        e.switch_to(zero);
        self.half.fail(ErrorSite {
            kind: ErrorKind::DivisionByZero,
            span,
            // The operator as it is written: `/` or `/=`.
            near: String::new(),
        });
        // The least number divided by -1 does not fit: it wraps, but traps on most machines.
        let e = self.half.emitter();
        e.switch_to(not_zero);
        let (minus_one, plain, join) = (e.block(), e.block(), e.block());
        let result = e.builder.append_block_param(join, I64);
        let is = e.builder.ins().icmp_imm_s(IntCC::Equal, right, -1);
        e.builder.ins().brif(is, minus_one, &[], plain, &[]);
        e.switch_to(minus_one);
        let value = if modulo { e.constant(0) } else { e.builder.ins().ineg(left) };
        e.builder.ins().jump(join, &[value.into()]);
        e.switch_to(plain);
        let ins = e.builder.ins();
        let value = if modulo { ins.srem(left, right) } else { ins.sdiv(left, right) };
        e.builder.ins().jump(join, &[value.into()]);
        e.switch_to(join);
        result
    }

    fn read(&mut self, place: &Place) -> Operand {
        match &place.kind {
            PlaceKind::Local(id) => match self.locals[*id] {
                Some(place) => self.half.read_local(place),
                None => unreachable!("every local is declared before its body"),
            },
            PlaceKind::Global(id) => match self.layout.storage[*id] {
                Storage::Array(array) => self.half.array_get(array, &[], place.span),
                storage @ (Storage::Cell(_) | Storage::Shared(_)) => {
                    Operand::Long(self.half.read_cell(storage))
                }
            },
            PlaceKind::Element(..) => {
                let (array, keys) = self.element(place);
                self.half.array_get(array, &keys, place.span)
            }
        }
    }

    pub(super) fn write_local(&mut self, id: LocalId, value: &Operand) {
        if let Some(place) = self.locals[id] {
            self.half.write_local(place, value);
        }
    }

    /// Sets a place; `keys` are those of an element, already computed.
    pub(super) fn assign(&mut self, place: &Place, keys: &[Operand], value: &Operand) {
        match &place.kind {
            PlaceKind::Local(id) => self.write_local(*id, value),
            PlaceKind::Global(id) | PlaceKind::Element(id, _) => match self.layout.storage[*id] {
                Storage::Array(array) => self.half.array_set(array, keys, value, place.span),
                storage @ (Storage::Cell(_) | Storage::Shared(_)) => {
                    self.half.write_cell(storage, value.long());
                }
            },
        }
    }

    /// Adds to a numeric place, whose keys are computed already; gives the old value. Globals are added
    /// to atomically.
    fn add(&mut self, place: &Place, keys: &[Operand], delta: Value) -> Value {
        match &place.kind {
            PlaceKind::Local(id) => {
                let old = self.read(place).long();
                let new = self.half.emitter().builder.ins().iadd(old, delta);
                self.write_local(*id, &Operand::Long(new));
                old
            }
            PlaceKind::Global(id) | PlaceKind::Element(id, _) => match self.layout.storage[*id] {
                Storage::Array(array) => self.half.array_add(array, keys, delta, place.span),
                storage @ (Storage::Cell(_) | Storage::Shared(_)) => {
                    self.half.add_cell(storage, delta)
                }
            },
        }
    }

    fn assignment(
        &mut self,
        target: &Place,
        operator: AssignOperator,
        operator_span: Span,
        value: &Expr,
    ) -> Operand {
        let keys = self.keys_of(target, Some(value));
        match operator {
            AssignOperator::Set => {
                let value = self.expression(value);
                self.assign(target, &keys, &value);
                value
            }
            AssignOperator::Arithmetic(operator @ (Arithmetic::Add | Arithmetic::Subtract)) => {
                let value = self.long(value);
                let e = self.half.emitter();
                let delta =
                    if operator == Arithmetic::Add { value } else { e.builder.ins().ineg(value) };
                let old = self.add(target, &keys, delta);
                Operand::Long(self.half.emitter().builder.ins().iadd(old, delta))
            }
            AssignOperator::Arithmetic(operator) => {
                let constant = match value.kind {
                    ExprKind::Number(n) => Some(n),
                    _ => None,
                };
                let value = self.long(value);
                let old = self.read_with(target, &keys).long();
                let new = self.arithmetic(operator, operator_span, old, value, constant);
                let new = Operand::Long(new);
                self.assign(target, &keys, &new);
                new
            }
            AssignOperator::Concatenate => {
                let value = self.expression(value);
                let old = self.read_with(target, &keys);
                let new = self.half.concatenate(old.text(), value.text());
                self.assign(target, &keys, &new);
                new
            }
        }
    }

    /// The keys of a place that is an element, computed once for reading and writing it, and before what
    /// is assigned to it.
    pub(super) fn keys_of(&mut self, place: &Place, value: Option<&Expr>) -> Vec<Operand> {
        match &place.kind {
            PlaceKind::Element(_, keys) => keys
                .iter()
                .enumerate()
                .map(|(at, key)| self.operand(key, keys[at + 1..].iter().chain(value)))
                .collect(),
            PlaceKind::Local(_) | PlaceKind::Global(_) => vec![],
        }
    }

    fn read_with(&mut self, place: &Place, keys: &[Operand]) -> Operand {
        match &place.kind {
            PlaceKind::Element(id, _) => match self.layout.storage[*id] {
                Storage::Array(array) => self.half.array_get(array, keys, place.span),
                Storage::Cell(_) | Storage::Shared(_) => unreachable!("a number has no elements"),
            },
            PlaceKind::Local(_) | PlaceKind::Global(_) => self.read(place),
        }
    }

    /// 0 or the empty string.
    pub(super) fn empty(&mut self, ty: Type) -> Operand {
        match ty {
            Type::Long | Type::Stats => Operand::Long(self.half.emitter().constant(0)),
            Type::Text(_) => Operand::Text(Text::Literal(String::new())),
        }
    }
}

/// Which of the keys of a search are compared, the first in the lowest bit; `None` when none is a wildcard.
pub(super) fn compared(keys: &[Expr]) -> Option<i64> {
    let is_wildcard = |key: &Expr| matches!(key.kind, ExprKind::Wildcard);
    keys.iter().any(is_wildcard).then(|| mask(keys))
}

/// Which of the keys of a search are no wildcards, the first in the lowest bit.
pub(super) fn mask(keys: &[Expr]) -> i64 {
    let bits = keys.iter().enumerate().filter(|(_, k)| !matches!(k.kind, ExprKind::Wildcard));
    bits.fold(0, |mask, (at, _)| mask | 1 << at)
}

/// Whether an expression assigns to a local that holds a string: no other string changes in place.
fn assigns_text(e: &Expr) -> bool {
    let mut found = false;
    each_part(e, &mut |part| {
        found |= matches!(&part.kind, ExprKind::Assign { target, .. }
            if matches!(target.kind, PlaceKind::Local(_)));
    });
    found
}

/// The CLIF condition of a comparison of signed numbers.
pub(super) fn condition_code(operator: Comparison) -> IntCC {
    match operator {
        Comparison::Equal => IntCC::Equal,
        Comparison::NotEqual => IntCC::NotEqual,
        Comparison::Less => IntCC::SignedLessThan,
        Comparison::LessEqual => IntCC::SignedLessThanOrEqual,
        Comparison::Greater => IntCC::SignedGreaterThan,
        Comparison::GreaterEqual => IntCC::SignedGreaterThanOrEqual,
    }
}
