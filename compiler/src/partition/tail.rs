//! The deferred tail: a kernel handler that comes to something only userspace can do (a loop over an
//! array, reading an aggregate, text made of symbols) is cut there.
//!
//! In the kernel the cut sends one record and leaves the handler. Userspace goes on from it with the
//! rest of the handler: its local variables start with the values they had at the cut, and what it
//! wants of the kernel's context (`$arguments`, `execname()`, clocks) was computed at the cut. What
//! cannot be computed there, because it depends on what the rest does, or may fail although the rest
//! would not come to it, is reported. Of a function that wants something of the kernel's context the rest
//! calls a copy, which takes it from the record.

use std::collections::{BTreeMap, BTreeSet};

use super::capture::captured_field;
use super::defer::Deferring;
use super::effects::{changed_globals, may_leave, mentions};
use crate::builtins::{Kernel, Kind};
use crate::diagnostic::codes;
use crate::hir::*;
use crate::source::Span;
use crate::types::Type;

/// The rest of a handler on its way to userspace.
struct Tail<'p, 'a> {
    pass: &'p mut Deferring<'a>,
    event: EventId,
    captures: Vec<Expr>,
    /// The locals that the rest assigns up to where it is looked at: their values at the cut are not those it works
    /// with.
    assigned: BTreeSet<LocalId>,
    /// The globals that the rest changes up to there, likewise.
    changed: BTreeSet<GlobalId>,
    /// The functions that want something of the kernel's context, with the copies the rest calls.
    copies: BTreeMap<FunctionId, FunctionId>,
    /// Whether the code is that of a function: nothing is known of its variables at the cut.
    in_function: bool,
    /// The statements at the cut that read what the rest may come to: where it cannot be read, it is the rest that
    /// fails.
    attempts: Vec<Stmt>,
}

/// The most attempts at one cut.
const MOST_ATTEMPTS: usize = 8;

impl Deferring<'_> {
    /// A local of the handler that the script does not name.
    pub(super) fn new_local(&mut self, ty: Type, span: Span) -> LocalId {
        let local = self.locals.push(Local { name: String::new(), span });
        let body = self.body_id();
        self.types.locals[body][local] = ty;
        local
    }

    pub(super) fn place_of(&mut self, local: LocalId, ty: Type, span: Span) -> Place {
        let id = self.script.expressions.push(span);
        self.types.expressions[id] = ty;
        Place { kind: PlaceKind::Local(local), span, id }
    }

    pub(super) fn typed(&mut self, kind: ExprKind, ty: Type, span: Span) -> Expr {
        let id = self.script.expressions.push(span);
        self.types.expressions[id] = ty;
        Expr { kind, span, id }
    }

    /// Makes the statements, the rest of the handler from the first one's place on, an event; gives the
    /// statements that send it.
    pub(super) fn cut(&mut self, mut rest: Vec<Stmt>) -> Vec<Stmt> {
        let span = rest[0].span;
        let event = self.layout.events.next_key();
        let assigned = assigned_locals(&rest);
        let changed = changed_globals(&rest, self.script);
        let mut tail = Tail {
            pass: self,
            event,
            captures: vec![],
            assigned,
            changed,
            copies: BTreeMap::new(),
            in_function: false,
            attempts: vec![],
        };
        let mut sending = tail.take_assignments(&mut rest);
        // Up to what a statement changes, all is as it was at the cut.
        (tail.assigned, tail.changed) = (BTreeSet::new(), BTreeSet::new());
        let mut deletions = vec![];
        for (at, statement) in rest.iter_mut().enumerate() {
            let one = std::slice::from_ref(statement);
            tail.assigned.extend(assigned_locals(one));
            if tail.deletes_as_at_the_cut(statement) {
                deletions.push((at, statement.clone()));
            }
            let one = std::slice::from_ref(statement);
            tail.changed.extend(changed_globals(one, tail.pass.script));
            tail.statement(statement, false);
        }
        let deleted = take_deletions(&mut rest, deletions, tail.pass.script);
        let live = live_locals(&rest);
        let mut prelude = vec![];
        for local in live {
            prelude.push(tail.restore(local, span));
        }
        let captures = tail.captures;
        sending.extend(tail.attempts);
        let mut body = self.script.new_body();
        let handler = self.body_id();
        body.locals = self.locals.clone();
        self.types.locals[body.id] = self.types.locals[handler].clone();
        body.statements = prelude;
        body.statements.extend(rest);
        sending.push(self.push_event(span, captures, body));
        sending.extend(deleted);
        sending
    }
}

impl Tail<'_, '_> {
    /// Whether a statement deletes an element that the kernel can delete as well, and whose keys are what they were
    /// at the cut.
    fn deletes_as_at_the_cut(&self, statement: &Stmt) -> bool {
        let StmtKind::Delete(place) = &statement.kind else { return false };
        let PlaceKind::Element(_, keys) = &place.kind else { return false };
        self.pass.place_obstacle(place).is_none() && keys.iter().all(|k| self.can_hoist(k, true))
    }

    /// Takes out the assignments to locals that can as well be made at the cut, where the handler's context is.
    fn take_assignments(&mut self, rest: &mut Vec<Stmt>) -> Vec<Stmt> {
        let mut taken = vec![];
        let mut at = 0;
        while at < rest.len() {
            self.assigned = assigned_locals(&rest[..at]);
            let may_take = match &rest[at].kind {
                StmtKind::Expr(Expr {
                    kind: ExprKind::Assign { target, operator: AssignOperator::Set, value, .. },
                    ..
                }) => match target.kind {
                    PlaceKind::Local(id) => {
                        !used_locals(&rest[..at]).contains(&id)
                            && self.pass.obstacle(value).is_none()
                            && self.can_hoist(value, false)
                    }
                    PlaceKind::Global(_) | PlaceKind::Element(..) => false,
                },
                _ => false,
            };
            match may_take {
                true => taken.push(rest.remove(at)),
                false => at += 1,
            }
        }
        taken
    }

    /// A statement that gives a local the value it had at the cut.
    fn restore(&mut self, local: LocalId, span: Span) -> Stmt {
        let place = |id| Place { kind: PlaceKind::Local(local), span, id };
        let handler = self.pass.body_id();
        let ty = self.pass.types.locals[handler][local];
        let mut new_id = || {
            let id = self.pass.script.expressions.push(span);
            self.pass.types.expressions[id] = ty;
            id
        };
        let read = Expr { kind: ExprKind::Read(place(new_id())), span, id: new_id() };
        let (target, assignment, value) = (place(new_id()), new_id(), new_id());
        let field = self.captures.len();
        self.captures.push(read);
        let captured = ExprKind::Captured { event: self.event, field };
        let kind = ExprKind::Assign {
            target: Box::new(target),
            operator: AssignOperator::Set,
            operator_span: span,
            value: Box::new(Expr { kind: captured, span, id: value }),
        };
        Stmt { kind: StmtKind::Expr(Expr { kind, span, id: assignment }), span }
    }

    fn statements(&mut self, statements: &mut [Stmt], conditional: bool) {
        for statement in statements {
            self.statement(statement, conditional);
        }
    }

    fn statement(&mut self, statement: &mut Stmt, conditional: bool) {
        match &mut statement.kind {
            StmtKind::Expr(e) => self.expression(e, conditional),
            StmtKind::Record { target, value } => {
                self.place(target, conditional);
                self.expression(value, conditional);
            }
            StmtKind::Print(print) => self.list(&mut print.arguments, conditional),
            StmtKind::If { condition, then, otherwise } => {
                self.expression(condition, conditional);
                self.statements(then, true);
                self.statements(otherwise, true);
            }
            StmtKind::Loop { condition, step, body } => {
                for e in condition.iter_mut().chain(step) {
                    self.expression(e, true);
                }
                self.statements(body, true);
            }
            StmtKind::Foreach(foreach) => {
                for e in foreach.limit.iter_mut().chain(&mut foreach.slice) {
                    self.expression(e, conditional);
                }
                self.statements(&mut foreach.body, true);
            }
            StmtKind::Delete(place) => self.place(place, conditional),
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    self.expression(value, conditional);
                }
            }
            StmtKind::Try { body, handler, .. } => {
                self.statements(body, true);
                self.statements(handler, true);
            }
            StmtKind::Emit { .. }
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt => {}
        }
    }

    fn place(&mut self, place: &mut Place, conditional: bool) {
        if let PlaceKind::Element(_, keys) = &mut place.kind {
            self.list(keys, conditional);
        }
    }

    fn list(&mut self, list: &mut [Expr], conditional: bool) {
        for e in list {
            self.expression(e, conditional);
        }
    }

    fn expression(&mut self, e: &mut Expr, conditional: bool) {
        if belongs_to_the_kernel(e) {
            if self.can_hoist(e, conditional) {
                return self.hoist(e);
            }
            if self.attempts.len() < MOST_ATTEMPTS && self.can_hoist(e, false) {
                return self.attempt(e, conditional);
            }
            if !is_readable_later(e) {
                return self.report(e);
            }
        }
        if let ExprKind::Invoke { function, .. } = e.kind
            && !self.in_function
            && self.wants_context(function)
        {
            if self.can_hoist(e, conditional) {
                return self.hoist(e);
            }
            if self.attempts.len() < MOST_ATTEMPTS && self.can_hoist(e, false) {
                return self.attempt(e, conditional);
            }
        }
        if !self.in_function && self.is_of_the_moment(e) && self.can_hoist(e, conditional) {
            return self.hoist(e);
        }
        match &mut e.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Wildcard
            | ExprKind::Context(_)
            | ExprKind::Captured { .. } => {}
            ExprKind::Read(place) => self.place(place, conditional),
            ExprKind::Load(load) => self.expression(&mut load.address, conditional),
            ExprKind::Call { arguments, .. } => self.list(arguments, conditional),
            ExprKind::Invoke { function, arguments } => {
                self.list(arguments, conditional);
                *function = self.called(*function);
            }
            ExprKind::Sprint(print) => self.list(&mut print.arguments, conditional),
            ExprKind::Unary { operand, .. } => self.expression(operand, conditional),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Concatenate { left, right } => {
                self.expression(left, conditional);
                self.expression(right, conditional);
            }
            ExprKind::Logical { left, right, .. } => {
                self.expression(left, conditional);
                self.expression(right, true);
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                self.expression(condition, conditional);
                self.expression(then, true);
                self.expression(otherwise, true);
            }
            ExprKind::In { keys, .. } => self.list(keys, conditional),
            ExprKind::Assign { target, value, .. } => {
                self.place(target, conditional);
                self.expression(value, conditional);
            }
            ExprKind::Increment { target, .. } => self.place(target, conditional),
            ExprKind::Extract { of, .. } | ExprKind::Histogram(of) => self.place(of, conditional),
            ExprKind::Bucket { of, index } => {
                self.place(of, conditional);
                self.expression(index, conditional);
            }
            ExprKind::Match { text, .. } => self.expression(text, conditional),
        }
    }

    /// The function to be called in place of one: a copy, if it wants something of the kernel's context.
    fn called(&mut self, id: FunctionId) -> FunctionId {
        if let Some(&copy) = self.copies.get(&id) {
            return copy;
        }
        if !self.wants_context(id) {
            return id;
        }
        let result = self.pass.types.results[id];
        let function = self.pass.script.functions[id].clone();
        let copy = self.pass.script.functions.push(function);
        self.pass.types.results.push(result);
        // Known before its body is looked at: it may call itself.
        self.copies.insert(id, copy);
        let overloads = self.pass.script.functions[copy].overloads.len();
        let outside = std::mem::replace(&mut self.in_function, true);
        for at in 0..overloads {
            let overload = &mut self.pass.script.functions[copy].overloads[at];
            let mut statements = std::mem::take(&mut overload.body.statements);
            self.statements(&mut statements, true);
            self.pass.script.functions[copy].overloads[at].body.statements = statements;
        }
        self.in_function = outside;
        copy
    }

    /// Whether a function, or one it calls, wants something of the kernel's context.
    fn wants_context(&self, id: FunctionId) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
        let mut wants = false;
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            for overload in &self.pass.script.functions[id].overloads {
                each_expression(&overload.body.statements, &mut |e| {
                    wants |= belongs_to_the_kernel(e);
                    if let ExprKind::Invoke { function, .. } = e.kind {
                        open.push(function);
                    }
                });
            }
        }
        wants
    }

    /// Whether a value is that of a global, which other handlers may have changed when userspace comes to
    /// it: the one at the cut is meant.
    fn is_of_the_moment(&self, e: &Expr) -> bool {
        match &e.kind {
            ExprKind::Read(place) => !matches!(place.kind, PlaceKind::Local(_)),
            ExprKind::In { .. } => true,
            _ => false,
        }
    }

    /// Whether a value can be computed at the cut, before what the rest does, with the same result.
    fn can_hoist(&self, e: &Expr, conditional: bool) -> bool {
        if self.in_function {
            // Of the handler's context only what depends on nothing.
            return matches!(&e.kind, ExprKind::Call { arguments, .. } if arguments.is_empty());
        }
        match &e.kind {
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Context(_) => true,
            ExprKind::Read(place) => match &place.kind {
                PlaceKind::Local(id) => !self.assigned.contains(id),
                PlaceKind::Global(id) => self.keeps(*id),
                PlaceKind::Element(id, keys) => {
                    self.keeps(*id) && keys.iter().all(|k| self.can_hoist(k, conditional))
                }
            },
            ExprKind::In { array, keys } => {
                self.keeps(*array) && keys.iter().all(|k| self.can_hoist(k, conditional))
            }
            // May fail: only where the rest would fail as well.
            ExprKind::Load(load) => !conditional && self.can_hoist(&load.address, conditional),
            ExprKind::Call { builtin, arguments } => {
                matches!(builtin.kernel, Kernel::Inline(_) | Kernel::Pure(_))
                    && arguments.iter().all(|a| self.can_hoist(a, conditional))
                    && (arguments.is_empty() || !conditional || !builtin.can_fail())
            }
            // As above.
            ExprKind::Invoke { function, arguments } => {
                !conditional
                    && arguments.iter().all(|a| self.can_hoist(a, conditional))
                    && super::pure::only_computes(self.pass.script, *function)
            }
            ExprKind::Unary { operand, .. } => self.can_hoist(operand, conditional),
            ExprKind::Arithmetic { left, right, .. } | ExprKind::Compare { left, right, .. } => {
                self.can_hoist(left, conditional) && self.can_hoist(right, conditional)
            }
            _ => false,
        }
    }

    /// Whether the kernel knows a global, and the rest of the handler does not change it.
    fn keeps(&self, id: GlobalId) -> bool {
        !self.changed.contains(&id) && !self.pass.userspace.globals.contains(&id)
    }

    fn hoist(&mut self, e: &mut Expr) {
        let ty = self.pass.types.expressions[e.id];
        let id = self.pass.script.expressions.push(e.span);
        self.pass.types.expressions[id] = ty;
        let span = e.span;
        let wildcard = Expr { kind: ExprKind::Wildcard, span, id };
        let field = captured_field(std::mem::replace(e, wildcard), &mut self.captures);
        e.kind = ExprKind::Captured { event: self.event, field };
    }

    /// Reads a value at the cut. When that fails, the rest tries again, and fails if it comes to it.
    fn attempt(&mut self, e: &mut Expr, conditional: bool) {
        let span = e.span;
        let ty = self.pass.types.expressions[e.id];
        let (value, failed) =
            (self.pass.new_local(ty, span), self.pass.new_local(Type::Long, span));
        let assign = |tail: &mut Self, local, ty, value| {
            let target = Box::new(tail.pass.place_of(local, ty, span));
            let operator = AssignOperator::Set;
            let value = Box::new(value);
            let kind = ExprKind::Assign { target, operator, operator_span: span, value };
            Stmt { kind: StmtKind::Expr(tail.pass.typed(kind, ty, span)), span }
        };
        let body = vec![assign(self, value, ty, e.clone())];
        let one = self.pass.typed(ExprKind::Number(1), Type::Long, span);
        let handler = vec![assign(self, failed, Type::Long, one)];
        let kind = StmtKind::Try { body, variable: None, handler };
        self.attempts.push(Stmt { kind, span });
        match &mut e.kind {
            ExprKind::Load(load) => self.expression(&mut load.address, conditional),
            ExprKind::Call { arguments, .. } => self.list(arguments, conditional),
            ExprKind::Invoke { function, arguments } => {
                self.list(arguments, conditional);
                *function = self.called(*function);
            }
            _ => {}
        }
        let read = |tail: &mut Self, local, ty| {
            let place = tail.pass.place_of(local, ty, span);
            let mut read = tail.pass.typed(ExprKind::Read(place), ty, span);
            tail.hoist(&mut read);
            Box::new(read)
        };
        let (condition, otherwise) = (read(self, failed, Type::Long), read(self, value, ty));
        let then = Box::new(e.clone());
        e.kind = ExprKind::Conditional { condition, then, otherwise };
        e.id = self.pass.script.expressions.push(span);
        self.pass.types.expressions[e.id] = ty;
    }

    fn report(&mut self, e: &Expr) {
        // A function is looked at once for each of its callers.
        let diagnostics = &self.pass.diagnostics;
        if diagnostics.iter().any(|d| d.code == codes::KERNEL_ONLY_PART && d.primary.span == e.span)
        {
            return;
        }
        self.pass
            .diagnostics
            .error(
                codes::KERNEL_ONLY_PART,
                e.span,
                "this can be read only while the kernel handler runs",
            )
            .label("the handler is continued in userspace before it comes here")
            .help("read it into a variable at the start of the handler");
    }
}

/// Whether only the kernel handler can compute a value: it is of its context.
pub(super) fn belongs_to_the_kernel(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Context(_) | ExprKind::Load(_) => true,
        ExprKind::Call { builtin, .. } => {
            matches!(builtin.kernel, Kernel::Inline(_)) && builtin.result != Kind::Nothing
        }
        _ => false,
    }
}

/// Whether userspace can read it, too, if a little later: memory of the kernel.
pub(super) fn is_readable_later(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Load(_) => true,
        ExprKind::Call { builtin, .. } => builtin.reads_kernel_memory(),
        _ => false,
    }
}

/// Takes out of the rest the deletions that the kernel can do at once: nothing else in the rest asks for the array,
/// and nothing before them leaves the handler.
fn take_deletions(
    rest: &mut Vec<Stmt>,
    deletions: Vec<(usize, Stmt)>,
    script: &Script,
) -> Vec<Stmt> {
    let mut taken = vec![];
    for (at, statement) in deletions.into_iter().rev() {
        let StmtKind::Delete(Place { kind: PlaceKind::Element(id, _), .. }) = &statement.kind
        else {
            continue;
        };
        let others = [&rest[..at], &rest[at + 1..]].concat();
        if !mentions(&others, *id, script) && !may_leave(&rest[..at]) {
            rest.remove(at);
            taken.push(statement);
        }
    }
    taken
}
