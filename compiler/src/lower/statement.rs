//! Statements: control flow, the same for both halves.

use std::collections::BTreeSet;

use super::expression::{compared, mask};
use super::{ErrorKind, ErrorSite, Half, Leaving, LoopTargets, Lower, Operand};
use crate::hir::{
    ExprKind, Foreach, LocalId, Place, PlaceKind, Stmt, StmtKind, assigned_locals, each_part,
};
use crate::layout::{ArrayId, Storage};

impl<'f, H: Half<'f>> Lower<'_, 'f, H> {
    pub(super) fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            if self.half.emitter().is_terminated() {
                // Behind a `next`, `break` or `continue`: cannot be reached.
                return;
            }
            let mark = self.half.emitter().slot_mark();
            self.half.locate(statement.span);
            self.half.count_statement(statement.span);
            if let Some(near) = branching(&statement.kind) {
                self.half.settle_count(statement.span, near);
            }
            self.statement(statement);
            self.half.emitter().release_slots(mark);
        }
        if let Some(last) = statements.last()
            && !self.half.emitter().is_terminated()
        {
            let near = branching(&last.kind).unwrap_or_default();
            self.half.settle_count(last.span, near);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Expr(e) => {
                self.expression(e);
            }
            StmtKind::Record { target, value } => {
                let keys = self.keys_of(target, Some(value));
                let value = self.long(value);
                let array = self.array_of(target);
                self.half.record(array, &keys, value, target.span);
            }
            StmtKind::Print(print) => {
                let arguments = self.expressions(&print.arguments);
                self.half.print(print, &arguments);
            }
            StmtKind::Emit { event, captures } => {
                self.emitted(*event, captures);
            }
            StmtKind::If { condition, then, otherwise } => {
                let e = self.half.emitter();
                let (then_block, else_block, join) = (e.block(), e.block(), e.block());
                let on_false = if otherwise.is_empty() { join } else { else_block };
                self.branch(condition, then_block, on_false);
                self.half.emitter().switch_to(then_block);
                self.statements(then);
                self.half.emitter().jump(join);
                if !otherwise.is_empty() {
                    self.half.emitter().switch_to(else_block);
                    self.statements(otherwise);
                    self.half.emitter().jump(join);
                }
                self.half.emitter().switch_to(join);
            }
            StmtKind::Loop { condition, step, body } => {
                let e = self.half.emitter();
                // The preheader that keeps loop-invariant code off the block before (design rule 6).
                let (preheader, head, inside) = (e.block(), e.block(), e.block());
                let (next, end) = (e.block(), e.block());
                e.jump(preheader);
                e.switch_to(preheader);
                let mut asked = BTreeSet::new();
                if let Some(condition) = condition {
                    each_part(condition, &mut |e| {
                        if let ExprKind::Read(Place { kind: PlaceKind::Local(id), .. }) = e.kind {
                            asked.insert(id);
                        }
                    });
                }
                let assigned = assigned_locals(std::slice::from_ref(statement));
                self.forget_locals(&assigned, &asked);
                self.half.begin_loop(body.len());
                let e = self.half.emitter();
                e.jump(head);
                e.switch_to(head);
                match condition {
                    Some(condition) => self.branch(condition, inside, end),
                    None => self.half.emitter().jump(inside),
                }
                self.half.emitter().switch_to(inside);
                let word = if step.is_some() || condition.is_none() { "for" } else { "while" };
                self.half.count_round(ErrorSite {
                    kind: ErrorKind::TooManyActions,
                    span: statement.span,
                    near: format!("keyword '{word}'"),
                });
                self.loops.push(LoopTargets { on_break: end, on_continue: next });
                self.statements(body);
                self.loops.pop();
                self.half.emitter().jump(next);
                self.half.emitter().switch_to(next);
                if let Some(step) = step {
                    self.expression(step);
                }
                self.forget_locals(&assigned, &asked);
                self.half.emitter().jump(head);
                self.half.end_loop();
                self.half.emitter().switch_to(end);
            }
            StmtKind::Foreach(foreach) => self.foreach(foreach),
            StmtKind::Break => {
                if let Some(targets) = self.loops.last() {
                    let to = targets.on_break;
                    self.half.emitter().jump(to);
                }
            }
            StmtKind::Continue => {
                if let Some(targets) = self.loops.last() {
                    let to = targets.on_continue;
                    self.half.emitter().jump(to);
                }
            }
            StmtKind::Next => match self.leaving {
                Leaving::Handler => self.half.leave(),
                Leaving::Function { next, .. } => self.half.emitter().jump(next),
            },
            StmtKind::Halt => self.half.halt(),
            StmtKind::Return(value) => {
                if let Leaving::Function { end, result, .. } = self.leaving {
                    if let Some(value) = value {
                        let value = self.expression(value);
                        self.half.write_local(result, &value);
                    }
                    self.half.emitter().jump(end);
                }
            }
            StmtKind::Fail(text) => self.half.fail(ErrorSite {
                kind: ErrorKind::Text(text.clone()),
                span: statement.span,
                near: "identifier 'error'".to_string(),
            }),
            StmtKind::Try { body, variable, handler } => {
                let after = self.half.emitter().block();
                let on_error = self.half.begin_try();
                self.statements(body);
                self.half.end_try();
                self.half.emitter().jump(after);
                self.half.emitter().switch_to(on_error);
                let message = self.half.caught(on_error, variable.is_some());
                if let (Some(variable), Some(message)) = (variable, message) {
                    self.write_local(*variable, &message);
                }
                self.statements(handler);
                self.half.emitter().jump(after);
                self.half.emitter().switch_to(after);
            }
            StmtKind::Delete(place) => self.delete(place),
        }
    }

    /// What is known of locals that a loop assigns is of no use in its next round; of those its condition
    /// asks for it may be.
    fn forget_locals(&mut self, assigned: &BTreeSet<LocalId>, asked: &BTreeSet<LocalId>) {
        for &id in assigned {
            if let Some(place) = self.locals[id] {
                self.half.forget(place, asked.contains(&id));
            }
        }
    }

    fn foreach(&mut self, foreach: &Foreach) {
        let limit = foreach.limit.as_ref().map(|l| self.long(l));
        let Storage::Array(array) = self.layout.storage[foreach.array] else { return };
        let slice = self.expressions(&foreach.slice);
        let slice = (slice.as_slice(), mask(&foreach.slice));
        let handle = self.half.foreach_begin(array, foreach.sort, limit, slice);
        let e = self.half.emitter();
        let (head, end) = (e.block(), e.block());
        e.jump(head);
        e.switch_to(head);
        self.half.foreach_next(handle, end);
        self.half.count_statement(foreach.array_span);
        self.half.settle_count(foreach.array_span, "keyword 'foreach'");
        let ty = &self.types.globals[foreach.array];
        for (at, &local) in foreach.keys.iter().enumerate() {
            let key = self.half.foreach_key(handle, at, ty.keys[at]);
            self.write_local(local, &key);
        }
        if let Some(local) = foreach.value {
            let value = self.half.foreach_value(handle, ty.value);
            self.write_local(local, &value);
        }
        self.loops.push(LoopTargets { on_break: end, on_continue: head });
        self.statements(&foreach.body);
        self.loops.pop();
        let e = self.half.emitter();
        e.jump(head);
        e.switch_to(end);
    }

    fn delete(&mut self, place: &Place) {
        match &place.kind {
            PlaceKind::Local(_) => {
                let ty = self.types.expressions[place.id];
                let empty = self.empty(ty);
                self.assign(place, &[], &empty);
            }
            PlaceKind::Element(_, keys) => {
                let (array, words) = self.element(place);
                match compared(keys) {
                    None => self.half.array_delete(array, &words),
                    Some(mask) => self.half.array_delete_matching(array, &words, mask),
                }
            }
            PlaceKind::Global(id) => match self.layout.storage[*id] {
                Storage::Array(array) => self.half.array_clear(array),
                storage @ (Storage::Cell(_) | Storage::Shared(_)) => {
                    let zero = self.half.emitter().constant(0);
                    self.half.write_cell(storage, zero);
                }
            },
        }
    }

    /// The array and keys of an element, or of a global kept as an array without keys.
    pub(super) fn element(&mut self, place: &Place) -> (ArrayId, Vec<Operand>) {
        let keys = match &place.kind {
            PlaceKind::Element(_, keys) => self.expressions(keys),
            PlaceKind::Global(_) | PlaceKind::Local(_) => vec![],
        };
        (self.array_of(place), keys)
    }

    /// The array of an element.
    fn array_of(&self, place: &Place) -> ArrayId {
        let (PlaceKind::Element(id, _) | PlaceKind::Global(id)) = &place.kind else {
            unreachable!("a local is not an element")
        };
        match self.layout.storage[*id] {
            Storage::Array(array) => array,
            Storage::Cell(_) | Storage::Shared(_) => unreachable!("a number has no elements"),
        }
    }
}

/// The token of a statement behind whose start code may run more or less often than what stands before it.
fn branching(kind: &StmtKind) -> Option<&'static str> {
    match kind {
        StmtKind::If { .. } => Some("keyword 'if'"),
        StmtKind::Loop { .. } => Some("keyword 'for'"),
        StmtKind::Foreach(_) => Some("keyword 'foreach'"),
        StmtKind::Break => Some("keyword 'break'"),
        StmtKind::Continue => Some("keyword 'continue'"),
        StmtKind::Next => Some("keyword 'next'"),
        StmtKind::Return(_) => Some("keyword 'return'"),
        StmtKind::Try { .. } => Some("keyword 'try'"),
        StmtKind::Fail(_) => Some("identifier 'error'"),
        StmtKind::Expr(_)
        | StmtKind::Record { .. }
        | StmtKind::Print(_)
        | StmtKind::Delete(_)
        | StmtKind::Emit { .. }
        | StmtKind::Halt => None,
    }
}
