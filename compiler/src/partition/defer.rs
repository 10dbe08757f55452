//! Kernel handlers: what the kernel can do stays, what only userspace can do is sent there.

use std::collections::BTreeSet;

use cranelift_codegen::entity::PrimaryMap;

use crate::builtins::{Kernel, Kind};
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::*;
use crate::layout::{Event, Field, Layout, record};
use crate::lower::can_format;
use crate::source::Span;
use crate::types::{Type, Types};

/// The most bytes of captured values in one record.
const MAX_PAYLOAD: u32 = 16 * 1024;

/// A text of more values than this is made in userspace.
const MOST_FORMATTED: usize = 24;

/// What is in userspace only, though kernel handlers use it: they go on there from its first use.
#[derive(Clone, Debug, Default)]
pub(super) struct Userspace {
    /// Functions that do what the kernel cannot.
    pub(super) functions: BTreeSet<FunctionId>,
    /// Arrays that drop their oldest elements.
    pub(super) globals: BTreeSet<GlobalId>,
}

/// The state of the pass over one handler or function.
pub(super) struct Deferring<'a> {
    pub(super) userspace: &'a Userspace,
    pub(super) script: &'a mut Script,
    pub(super) types: &'a mut Types,
    pub(super) layout: &'a mut Layout,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) probe: ProbeId,
    /// The body that is being split, and its locals.
    pub(super) body: BodyId,
    pub(super) locals: PrimaryMap<LocalId, Local>,
    /// How many constructs surround the statement that cannot be left for userspace: loops, `try`,
    /// functions.
    pub(super) uncut: usize,
}

/// Why an expression cannot be computed in the kernel.
pub(super) struct Obstacle {
    span: Span,
    what: String,
    /// Whether userspace can compute it from captured values.
    deferrable: bool,
}

impl Deferring<'_> {
    pub(super) fn body_id(&self) -> BodyId {
        self.body
    }

    /// Splits the statements of a handler.
    pub(super) fn handler(&mut self, statements: Vec<Stmt>) -> Vec<Stmt> {
        let statements = match self.uncut {
            0 => self.with_functions_in_place(statements),
            _ => statements,
        };
        self.statements(statements, &[])
    }

    /// Leaves a handler to userspace, but for the tests at its beginning that end it.
    pub(super) fn deferred_handler(&mut self, mut statements: Vec<Stmt>) -> Vec<Stmt> {
        let tests = statements.iter().take_while(|s| self.is_filter(s)).count();
        let rest = statements.split_off(tests);
        if let Some(span) = rest.first().map(|s| s.span) {
            statements.extend(self.cut(rest));
            statements.push(Stmt { kind: StmtKind::Next, span });
        }
        statements
    }

    /// Whether a statement only tests whether the handler is to go on.
    fn is_filter(&self, statement: &Stmt) -> bool {
        let StmtKind::If { condition, then, otherwise } = &statement.kind else { return false };
        let ends = |s: &Stmt| matches!(s.kind, StmtKind::Next);
        self.obstacle(condition).is_none()
            && cannot_fail(condition)
            && then.iter().chain(otherwise).all(ends)
    }

    /// Whether a function does what its callers in the kernel cannot go on from.
    pub(super) fn needs_userspace(&self, id: FunctionId) -> bool {
        let bodies = self.script.functions[id].overloads.iter().map(|o| &o.body.statements);
        let mut ends = false;
        for body in bodies.clone() {
            each_expression(body, &mut |e| {
                ends |= matches!(&e.kind, ExprKind::Call { builtin, .. }
                    if matches!(builtin.kernel, Kernel::DeferredLast));
            });
        }
        ends || bodies.flatten().any(|s| self.needs_cut_inside(s))
    }

    /// Splits statements; `after` is what runs behind them, up to the end of the handler.
    fn statements(&mut self, statements: Vec<Stmt>, after: &[Stmt]) -> Vec<Stmt> {
        let mut out = vec![];
        let mut rest = statements.into_iter();
        while let Some(statement) = rest.next() {
            if self.uncut == 0 && self.needs_cut(&statement) {
                let span = statement.span;
                let mut tail = vec![statement];
                tail.extend(rest);
                tail.extend_from_slice(after);
                out.extend(self.cut(tail));
                out.push(Stmt { kind: StmtKind::Next, span });
                return out;
            }
            let behind = match statement.kind {
                StmtKind::If { .. } => [rest.as_slice(), after].concat(),
                _ => vec![],
            };
            self.statement(statement, &behind, &mut out);
        }
        out
    }

    /// Splits statements that cannot be cut.
    fn uncut_statements(&mut self, statements: Vec<Stmt>) -> Vec<Stmt> {
        self.uncut += 1;
        let statements = self.statements(statements, &[]);
        self.uncut -= 1;
        statements
    }

    /// Whether the kernel can do a statement only by leaving it and the rest to userspace. What is in
    /// its branches does not count: they are cut by themselves.
    pub(super) fn needs_cut(&self, statement: &Stmt) -> bool {
        let cannot = |e: &Expr| self.obstacle(e).is_some();
        match &statement.kind {
            StmtKind::Foreach(_) => true,
            StmtKind::Delete(place) => {
                self.place_obstacle(place).is_some() || self.deletes_whole(place).is_some()
            }
            StmtKind::Print(print) => print.arguments.iter().any(|a| !self.can_capture(a)),
            StmtKind::Expr(e) => match &e.kind {
                ExprKind::Call { builtin, arguments } => match builtin.kernel {
                    Kernel::Deferred | Kernel::DeferredLast | Kernel::Raise(_) => {
                        arguments.iter().any(|a| !self.can_capture(a))
                    }
                    Kernel::Inline(_) | Kernel::Pure(_) => cannot(e),
                },
                _ => cannot(e),
            },
            StmtKind::Record { target, value } => {
                self.place_obstacle(target).is_some() || cannot(value)
            }
            StmtKind::If { condition, .. } => cannot(condition),
            StmtKind::Loop { condition, step, body } => {
                condition.iter().chain(step).any(cannot)
                    || body.iter().any(|s| self.needs_cut_inside(s))
            }
            StmtKind::Try { body, handler, .. } => {
                body.iter().chain(handler).any(|s| self.needs_cut_inside(s))
            }
            StmtKind::Return(value) => value.as_ref().is_some_and(cannot),
            StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt
            | StmtKind::Emit { .. } => false,
        }
    }

    /// As [`Deferring::needs_cut`], with what is in its branches.
    fn needs_cut_inside(&self, statement: &Stmt) -> bool {
        self.needs_cut(statement)
            || match &statement.kind {
                StmtKind::If { then, otherwise, .. } => {
                    then.iter().chain(otherwise).any(|s| self.needs_cut_inside(s))
                }
                // The error of a continuation would not be caught.
                StmtKind::Expr(Expr { kind: ExprKind::Call { builtin, arguments }, .. }) => {
                    builtin.raises() && arguments.iter().any(|a| self.obstacle(a).is_some())
                }
                _ => false,
            }
    }

    /// Whether a continuation can compute a value from what the kernel can.
    fn can_capture(&self, e: &Expr) -> bool {
        let Some(obstacle) = self.obstacle(e) else { return true };
        if !obstacle.deferrable {
            return false;
        }
        match &e.kind {
            ExprKind::Call { arguments, .. } => arguments.iter().all(|a| self.can_capture(a)),
            ExprKind::Sprint(print) => print.arguments.iter().all(|a| self.can_capture(a)),
            ExprKind::Unary { operand, .. } => self.can_capture(operand),
            ExprKind::Match { text, .. } => self.can_capture(text),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Logical { left, right, .. }
            | ExprKind::Concatenate { left, right } => {
                self.can_capture(left) && self.can_capture(right)
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().all(|e| self.can_capture(e))
            }
            _ => false,
        }
    }

    /// What a `delete` empties that a kernel handler cannot: an array, or all CPUs' parts of an
    /// aggregate.
    fn deletes_whole(&self, place: &Place) -> Option<&'static str> {
        let PlaceKind::Global(id) = place.kind else { return None };
        if matches!(self.script.globals[id].shape, Shape::Array(..)) {
            return Some("deleting a whole array");
        }
        (self.types.globals[id].value == Type::Stats).then_some("emptying an aggregate")
    }

    fn statement(&mut self, statement: Stmt, after: &[Stmt], out: &mut Vec<Stmt>) {
        let span = statement.span;
        let kind = match statement.kind {
            StmtKind::Print(print) => {
                out.push(self.defer(span, |pass, event, captures| {
                    StmtKind::Print(pass.capture_print(print, event, captures))
                }));
                return;
            }
            StmtKind::Expr(expr) => {
                let last = match &expr.kind {
                    ExprKind::Call { builtin, .. } => match builtin.kernel {
                        Kernel::Deferred => Some(false),
                        // Within a `try` or a function the kernel has to raise it.
                        Kernel::Raise(_) if self.uncut > 0 && self.obstacle(&expr).is_none() => {
                            None
                        }
                        Kernel::DeferredLast | Kernel::Raise(_) => Some(true),
                        Kernel::Inline(_) | Kernel::Pure(_) => None,
                    },
                    _ => None,
                };
                if let Some(last) = last {
                    out.push(self.defer(span, |pass, event, captures| {
                        StmtKind::Expr(pass.capture_call(expr, event, captures))
                    }));
                    if last {
                        out.push(Stmt { kind: StmtKind::Halt, span });
                        out.push(Stmt { kind: StmtKind::Next, span });
                    }
                    return;
                }
                self.check(&expr);
                StmtKind::Expr(expr)
            }
            StmtKind::Record { target, value } => {
                self.check_place(&target);
                self.check(&value);
                StmtKind::Record { target, value }
            }
            StmtKind::If { condition, then, otherwise } => {
                self.check(&condition);
                let then = self.statements(then, after);
                let otherwise = self.statements(otherwise, after);
                StmtKind::If { condition, then, otherwise }
            }
            StmtKind::Loop { condition, step, body } => {
                for e in condition.iter().chain(&step) {
                    self.check(e);
                }
                StmtKind::Loop { condition, step, body: self.uncut_statements(body) }
            }
            StmtKind::Foreach(foreach) => {
                self.refuse(span, "`foreach`");
                StmtKind::Foreach(foreach)
            }
            StmtKind::Delete(place) => {
                self.check_place(&place);
                if let Some(what) = self.deletes_whole(&place) {
                    self.refuse(span, what);
                }
                StmtKind::Delete(place)
            }
            StmtKind::Return(value) => {
                if let Some(value) = &value {
                    self.check(value);
                }
                StmtKind::Return(value)
            }
            StmtKind::Try { body, variable, handler } => {
                let body = self.uncut_statements(body);
                let handler = self.uncut_statements(handler);
                StmtKind::Try { body, variable, handler }
            }
            kind @ (StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt
            | StmtKind::Emit { .. }) => kind,
        };
        out.push(Stmt { kind, span });
    }

    /// Reports what can be done neither in the kernel nor by leaving the rest of the handler to
    /// userspace.
    fn refuse(&mut self, span: Span, what: &str) {
        let point = self.point().to_string();
        self.diagnostics
            .error(codes::KERNEL_ONLY_PART, span, format!("{what} cannot be done here"))
            .label(format!("inside a function of the handler at `{point}`"))
            .help("do it in the handler itself, or in a `timer` probe");
    }

    fn point(&self) -> &str {
        &self.script.probes[self.probe].point.name
    }

    /// Makes an event whose continuation is the statement that `make` builds from captured values.
    fn defer(
        &mut self,
        span: Span,
        make: impl FnOnce(&mut Self, EventId, &mut Vec<Expr>) -> StmtKind,
    ) -> Stmt {
        let event = self.layout.events.next_key();
        let mut captures = vec![];
        let kind = make(self, event, &mut captures);
        let mut body = self.script.new_body();
        body.statements.push(Stmt { kind, span });
        self.push_event(span, captures, body)
    }

    /// Adds an event with its continuation; gives the statement that sends it.
    pub(super) fn push_event(&mut self, span: Span, captures: Vec<Expr>, body: Body) -> Stmt {
        let mut fields = vec![];
        let mut offset = 0;
        for capture in &captures {
            let ty = self.types.expressions[capture.id];
            fields.push(Field { offset, ty });
            offset += ty.bytes();
        }
        // A few of the longest strings, however long these are.
        let most = MAX_PAYLOAD.max(8 * self.types.string_bytes);
        if offset > most {
            self.diagnostics
                .error(codes::RECORD_SIZE, span, "too much is sent to userspace at once")
                .label(format!("{offset} bytes of values; at most {most} fit"))
                .help("print in several statements");
        }
        let bytes = record::HEADER + offset;
        let event = self.layout.events.push(Event { probe: self.probe, fields, bytes, body, span });
        Stmt { kind: StmtKind::Emit { event, captures }, span }
    }

    fn capture_print(&mut self, print: Print, event: EventId, captures: &mut Vec<Expr>) -> Print {
        let arguments =
            print.arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
        Print { arguments, ..print }
    }

    /// The form of a call that the continuation makes, also where the kernel could: its arguments are captured.
    fn capture_call(&mut self, e: Expr, event: EventId, captures: &mut Vec<Expr>) -> Expr {
        let ExprKind::Call { builtin, arguments } = e.kind else { return e };
        let arguments = arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
        Expr { kind: ExprKind::Call { builtin, arguments }, ..e }
    }

    /// The form of an expression for the continuation: what the kernel can compute becomes a captured
    /// value, the rest is computed from those.
    fn capture(&mut self, e: Expr, event: EventId, captures: &mut Vec<Expr>) -> Expr {
        if matches!(e.kind, ExprKind::Number(_) | ExprKind::Text(_)) {
            return e;
        }
        if let ExprKind::Context(index) = e.kind
            && let Some(value) = self.capture_register(index, e.span, event, captures)
        {
            return value;
        }
        // Text that is only printed is made where it is printed: its parts are shorter.
        let made_of_parts = match &e.kind {
            _ if self.is_made_of_registers(&e) => true,
            ExprKind::Concatenate { .. } | ExprKind::Sprint(_) => true,
            // Both of its texts can be had, whichever it will be.
            ExprKind::Conditional { then, otherwise, .. } => {
                [then, otherwise].iter().any(|e| matches!(e.kind, ExprKind::Sprint(_)))
                    && [then, otherwise].iter().all(|e| cannot_fail(e))
            }
            ExprKind::Call { builtin, .. } => {
                matches!((&builtin.kernel, builtin.result), (Kernel::Pure(_), Kind::Text(_)))
            }
            _ => false,
        };
        let obstacle = self.obstacle(&e);
        if obstacle.is_none() && !made_of_parts {
            let ty = self.types.expressions[e.id];
            let (span, field) = (e.span, captured_field(e, captures));
            let id = self.script.expressions.push(span);
            self.types.expressions[id] = ty;
            return Expr { kind: ExprKind::Captured { event, field }, span, id };
        }
        if let Some(obstacle) = &obstacle
            && !obstacle.deferrable
        {
            self.report(obstacle);
            return e;
        }
        let mut boxed = |pass: &mut Self, e: Box<Expr>| Box::new(pass.capture(*e, event, captures));
        let kind = match e.kind {
            ExprKind::Call { builtin, arguments } => {
                let arguments =
                    arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
                ExprKind::Call { builtin, arguments }
            }
            ExprKind::Sprint(print) => ExprKind::Sprint(self.capture_print(print, event, captures)),
            ExprKind::Match { negated, text, regex } => {
                ExprKind::Match { negated, text: boxed(self, text), regex }
            }
            ExprKind::Unary { operator, operand } => {
                ExprKind::Unary { operator, operand: boxed(self, operand) }
            }
            ExprKind::Arithmetic { operator, operator_span, left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Arithmetic { operator, operator_span, left, right }
            }
            ExprKind::Compare { operator, left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Compare { operator, left, right }
            }
            ExprKind::Logical { or, left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Logical { or, left, right }
            }
            ExprKind::Concatenate { left, right } => {
                let (left, right) = (boxed(self, left), boxed(self, right));
                ExprKind::Concatenate { left, right }
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                let (condition, then) = (boxed(self, condition), boxed(self, then));
                ExprKind::Conditional { condition, then, otherwise: boxed(self, otherwise) }
            }
            kind @ (ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Wildcard
            | ExprKind::Context(_)
            | ExprKind::Captured { .. }) => kind,
            kind @ (ExprKind::Read(_)
            | ExprKind::Invoke { .. }
            | ExprKind::Load(_)
            | ExprKind::In { .. }
            | ExprKind::Assign { .. }
            | ExprKind::Increment { .. }
            | ExprKind::Extract { .. }
            | ExprKind::Histogram(_)
            | ExprKind::Bucket { .. }) => {
                // A variable, key or address that needs userspace: it cannot be had from there.
                if let Some(obstacle) = &obstacle {
                    self.report(obstacle);
                }
                kind
            }
        };
        Expr { kind, ..e }
    }

    /// Reports an expression the kernel has to compute and cannot.
    fn check(&mut self, e: &Expr) {
        if let Some(obstacle) = self.obstacle(e) {
            self.report(&obstacle);
        }
    }

    fn check_place(&mut self, place: &Place) {
        if let Some(obstacle) = self.place_obstacle(place) {
            self.report(&obstacle);
        }
    }

    fn report(&mut self, obstacle: &Obstacle) {
        let point = self.point().to_string();
        let diagnostic = self.diagnostics.error(
            codes::KERNEL_ONLY_PART,
            obstacle.span,
            format!("{} cannot be computed in a kernel probe", obstacle.what),
        );
        diagnostic.label(format!("needed while the handler at `{point}` runs"));
        if obstacle.deferrable {
            diagnostic.help(
                "print it directly, or keep what it is made from (such as the address) and make \
                 the text where it is printed",
            );
        } else {
            diagnostic.help("read it in a `timer` or `end` probe");
        }
    }

    pub(super) fn place_obstacle(&self, place: &Place) -> Option<Obstacle> {
        match &place.kind {
            PlaceKind::Element(id, keys) => self
                .global_obstacle(*id, place.span)
                .or_else(|| keys.iter().find_map(|k| self.obstacle(k))),
            PlaceKind::Global(id) => self.global_obstacle(*id, place.span),
            PlaceKind::Local(_) => None,
        }
    }

    /// Whether a global is in userspace only.
    fn global_obstacle(&self, id: GlobalId, span: Span) -> Option<Obstacle> {
        let what = || format!("`{}`", self.script.globals[id].name);
        let is = self.userspace.globals.contains(&id);
        is.then(|| Obstacle { span, what: what(), deferrable: true })
    }

    /// The first part of an expression that the kernel cannot compute.
    pub(super) fn obstacle(&self, e: &Expr) -> Option<Obstacle> {
        let both = |l: &Expr, r: &Expr| self.obstacle(l).or_else(|| self.obstacle(r));
        match &e.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Context(_)
            | ExprKind::Captured { .. } => None,
            ExprKind::Wildcard => Some(Obstacle {
                span: e.span,
                what: "a search with `*`".to_string(),
                deferrable: false,
            }),
            ExprKind::Read(place) => self.place_obstacle(place),
            ExprKind::Load(load) => self.obstacle(&load.address),
            ExprKind::Call { builtin, arguments } => match builtin.kernel {
                Kernel::Inline(_) | Kernel::Pure(_) | Kernel::Raise(_) => {
                    arguments.iter().find_map(|a| self.obstacle(a))
                }
                Kernel::Deferred | Kernel::DeferredLast => Some(Obstacle {
                    span: e.span,
                    what: format!("`{}`", builtin.name),
                    deferrable: true,
                }),
            },
            ExprKind::Invoke { function, .. } if self.userspace.functions.contains(function) => {
                Some(Obstacle {
                    span: e.span,
                    what: format!("`{}`", self.script.functions[*function].name),
                    deferrable: true,
                })
            }
            ExprKind::Invoke { arguments, .. } => arguments.iter().find_map(|a| self.obstacle(a)),
            ExprKind::Sprint(print) => {
                let formats = print.format.iter().flat_map(|f| f.conversions());
                let many = print.arguments.len() > MOST_FORMATTED;
                if many || formats.into_iter().any(|c| !can_format(c)) {
                    return Some(Obstacle {
                        span: e.span,
                        what: "text of this format".to_string(),
                        deferrable: true,
                    });
                }
                print.arguments.iter().find_map(|a| self.obstacle(a))
            }
            ExprKind::Concatenate { left, right } => both(left, right),
            ExprKind::Extract { aggregate, .. } => Some(Obstacle {
                span: e.span,
                what: format!("`{}`", aggregate_name(*aggregate)),
                deferrable: false,
            }),
            ExprKind::Histogram(_) | ExprKind::Bucket { .. } => {
                Some(Obstacle { span: e.span, what: "a histogram".to_string(), deferrable: false })
            }
            ExprKind::Match { text, regex, .. } => {
                if self.layout.automata.iter().any(|(known, _)| known == regex) {
                    return self.obstacle(text);
                }
                Some(Obstacle {
                    span: e.span,
                    what: "a match of a regular expression".to_string(),
                    deferrable: true,
                })
            }
            ExprKind::Unary { operand, .. } => self.obstacle(operand),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Logical { left, right, .. } => both(left, right),
            ExprKind::Conditional { condition, then, otherwise } => {
                self.obstacle(condition).or_else(|| both(then, otherwise))
            }
            ExprKind::In { array, keys } => self
                .global_obstacle(*array, e.span)
                .or_else(|| keys.iter().find_map(|k| self.obstacle(k))),
            ExprKind::Assign { target, value, .. } => {
                self.place_obstacle(target).or_else(|| self.obstacle(value))
            }
            ExprKind::Increment { target, .. } => self.place_obstacle(target),
        }
    }
}

/// The place of a value among those that are captured. What a builtin function of ours that takes nothing sends or reads
/// is captured once.
pub(super) fn captured_field(e: Expr, captures: &mut Vec<Expr>) -> usize {
    let asks = |e: &Expr| match &e.kind {
        ExprKind::Call { builtin, arguments } if arguments.is_empty() => {
            builtin.is_internal().then_some(builtin.name)
        }
        _ => None,
    };
    let asked = asks(&e);
    let known = captures.iter().position(|other| asked.is_some() && asks(other) == asked);
    known.unwrap_or_else(|| {
        captures.push(e);
        captures.len() - 1
    })
}

/// Whether a value can be computed where it is not asked for: without an error and without effect.
fn cannot_fail(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Context(_) => true,
        ExprKind::Read(place) => matches!(place.kind, PlaceKind::Local(_) | PlaceKind::Global(_)),
        ExprKind::Load(load) => load.or_zero && cannot_fail(&load.address),
        ExprKind::Sprint(print) => print.arguments.iter().all(cannot_fail),
        ExprKind::Call { builtin, arguments } => {
            builtin.never_fails() && arguments.iter().all(cannot_fail)
        }
        ExprKind::Arithmetic { operator, left, right, .. } => {
            !matches!(operator, Arithmetic::Divide | Arithmetic::Modulo)
                && cannot_fail(left)
                && cannot_fail(right)
        }
        ExprKind::Compare { left, right, .. } => cannot_fail(left) && cannot_fail(right),
        ExprKind::Conditional { condition, then, otherwise } => {
            [condition, then, otherwise].into_iter().all(|e| cannot_fail(e))
        }
        _ => false,
    }
}
