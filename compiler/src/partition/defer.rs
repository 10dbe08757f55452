//! Kernel handlers: what the kernel can do stays, what only userspace can do is sent there.

use std::collections::BTreeSet;

use cranelift_codegen::entity::PrimaryMap;

use crate::builtins::Kernel;
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::*;
use crate::layout::{Event, Field, Layout, record};
use crate::source::Span;
use crate::types::Types;

/// The most bytes of captured values in one record.
const MAX_PAYLOAD: u32 = 16 * 1024;

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

    pub(super) fn point(&self) -> &str {
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
}

/// Whether a value can be computed where it is not asked for: without an error and without effect.
pub(super) fn cannot_fail(e: &Expr) -> bool {
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
