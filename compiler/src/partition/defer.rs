//! Kernel handlers: what the kernel can do stays, what only userspace can do is sent there.

use crate::builtins::Kernel;
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::*;
use crate::layout::{Event, Field, Layout, record};
use crate::source::Span;
use crate::types::{Type, Types};

/// The most bytes of captured values in one record.
const MAX_PAYLOAD: u32 = 16 * 1024;

/// The state of the pass over one handler.
pub(super) struct Deferring<'a> {
    pub(super) script: &'a mut Script,
    pub(super) types: &'a mut Types,
    pub(super) layout: &'a mut Layout,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) probe: ProbeId,
}

/// Why an expression cannot be computed in the kernel.
struct Obstacle {
    span: Span,
    what: String,
    /// Whether userspace can compute it from captured values.
    deferrable: bool,
}

impl Deferring<'_> {
    pub(super) fn statements(&mut self, statements: Vec<Stmt>) -> Vec<Stmt> {
        let mut out = vec![];
        for statement in statements {
            self.statement(statement, &mut out);
        }
        out
    }

    fn statement(&mut self, statement: Stmt, out: &mut Vec<Stmt>) {
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
                        Kernel::DeferredLast => Some(true),
                        Kernel::Inline(_) => None,
                    },
                    _ => None,
                };
                if let Some(last) = last {
                    out.push(self.defer(span, |pass, event, captures| {
                        StmtKind::Expr(pass.capture(expr, event, captures))
                    }));
                    if last {
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
                let then = self.statements(then);
                let otherwise = self.statements(otherwise);
                StmtKind::If { condition, then, otherwise }
            }
            StmtKind::Loop { condition, step, body } => {
                for e in condition.iter().chain(&step) {
                    self.check(e);
                }
                StmtKind::Loop { condition, step, body: self.statements(body) }
            }
            StmtKind::Foreach(foreach) => {
                let point = self.point().to_string();
                self.diagnostics
                    .error(
                        codes::KERNEL_ONLY_PART,
                        span,
                        "`foreach` cannot run in a kernel probe yet",
                    )
                    .label(format!("this handler runs at `{point}`"))
                    .help("move the loop into a `timer` or `end` probe");
                StmtKind::Foreach(foreach)
            }
            StmtKind::Delete(place) => {
                self.check_place(&place);
                if let PlaceKind::Global(id) = place.kind
                    && matches!(self.script.globals[id].shape, Shape::Array(..))
                {
                    self.diagnostics
                        .error(
                            codes::KERNEL_ONLY_PART,
                            span,
                            "deleting a whole array cannot be done in a kernel probe yet",
                        )
                        .help("delete its elements by key, or the array in a `timer` probe");
                }
                if let PlaceKind::Global(id) = place.kind
                    && self.types.globals[id].value == Type::Stats
                    && !matches!(self.script.globals[id].shape, Shape::Array(..))
                {
                    self.diagnostics
                        .error(
                            codes::KERNEL_ONLY_PART,
                            span,
                            "an aggregate cannot be emptied in a kernel probe yet",
                        )
                        .note("each CPU has its own part of it, and a handler reaches only one")
                        .help("delete it in a `timer` or `end` probe");
                }
                StmtKind::Delete(place)
            }
            kind @ (StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Emit { .. }) => kind,
        };
        out.push(Stmt { kind, span });
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
        let mut fields = vec![];
        let mut offset = 0;
        for capture in &captures {
            let ty = self.types.expressions[capture.id];
            fields.push(Field { offset, ty });
            offset += ty.bytes();
        }
        if offset > MAX_PAYLOAD {
            self.diagnostics
                .error(codes::RECORD_SIZE, span, "too much is printed at once")
                .label(format!("{offset} bytes of values; at most {MAX_PAYLOAD} fit"))
                .help("print in several statements");
        }
        let body = Body { statements: vec![Stmt { kind, span }], ..Body::default() };
        let bytes = record::HEADER + offset;
        self.layout.events.push(Event { probe: self.probe, fields, bytes, body, span });
        Stmt { kind: StmtKind::Emit { event, captures }, span }
    }

    fn capture_print(&mut self, print: Print, event: EventId, captures: &mut Vec<Expr>) -> Print {
        let arguments =
            print.arguments.into_iter().map(|a| self.capture(a, event, captures)).collect();
        Print { arguments, ..print }
    }

    /// The form of an expression for the continuation: what the kernel can compute becomes a captured
    /// value, the rest is computed from those.
    fn capture(&mut self, e: Expr, event: EventId, captures: &mut Vec<Expr>) -> Expr {
        if matches!(e.kind, ExprKind::Number(_) | ExprKind::Text(_)) {
            return e;
        }
        let Some(obstacle) = self.obstacle(&e) else {
            let ty = self.types.expressions[e.id];
            let (span, field) = (e.span, captures.len());
            captures.push(e);
            let id = self.script.expressions.push(span);
            self.types.expressions[id] = ty;
            return Expr { kind: ExprKind::Captured { event, field }, span, id };
        };
        if !obstacle.deferrable {
            self.report(&obstacle);
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
            | ExprKind::Context(_)
            | ExprKind::Captured { .. }) => kind,
            kind @ (ExprKind::Read(_)
            | ExprKind::Load(_)
            | ExprKind::In { .. }
            | ExprKind::Assign { .. }
            | ExprKind::Increment { .. }
            | ExprKind::Extract { .. }
            | ExprKind::Histogram(_)
            | ExprKind::Bucket { .. }) => {
                // A variable, key or address that needs userspace: it cannot be had from there.
                self.report(&obstacle);
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

    fn place_obstacle(&self, place: &Place) -> Option<Obstacle> {
        match &place.kind {
            PlaceKind::Element(_, keys) => keys.iter().find_map(|k| self.obstacle(k)),
            PlaceKind::Local(_) | PlaceKind::Global(_) => None,
        }
    }

    /// The first part of an expression that the kernel cannot compute.
    fn obstacle(&self, e: &Expr) -> Option<Obstacle> {
        let both = |l: &Expr, r: &Expr| self.obstacle(l).or_else(|| self.obstacle(r));
        match &e.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Context(_)
            | ExprKind::Captured { .. } => None,
            ExprKind::Read(place) => self.place_obstacle(place),
            ExprKind::Load(load) => self.obstacle(&load.address),
            ExprKind::Call { builtin, arguments } => match builtin.kernel {
                Kernel::Inline(_) => arguments.iter().find_map(|a| self.obstacle(a)),
                Kernel::Deferred | Kernel::DeferredLast => Some(Obstacle {
                    span: e.span,
                    what: format!("`{}`", builtin.name),
                    deferrable: true,
                }),
            },
            ExprKind::Sprint(_) => Some(Obstacle {
                span: e.span,
                what: "formatted text".to_string(),
                deferrable: true,
            }),
            ExprKind::Concatenate { .. } => {
                Some(Obstacle { span: e.span, what: "joined text".to_string(), deferrable: true })
            }
            ExprKind::Extract { aggregate, .. } => Some(Obstacle {
                span: e.span,
                what: format!("`{}`", aggregate_name(*aggregate)),
                deferrable: false,
            }),
            ExprKind::Histogram(_) | ExprKind::Bucket { .. } => {
                Some(Obstacle { span: e.span, what: "a histogram".to_string(), deferrable: false })
            }
            ExprKind::Match { .. } => Some(Obstacle {
                span: e.span,
                what: "a match of a regular expression".to_string(),
                deferrable: true,
            }),
            ExprKind::Unary { operand, .. } => self.obstacle(operand),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Logical { left, right, .. } => both(left, right),
            ExprKind::Conditional { condition, then, otherwise } => self
                .obstacle(condition)
                .or_else(|| both(then, otherwise))
                .or_else(|| self.wide_text(e)),
            ExprKind::In { keys, .. } => keys.iter().find_map(|k| self.obstacle(k)),
            ExprKind::Assign { target, operator, value, .. } => {
                if *operator == AssignOperator::Concatenate {
                    return Some(Obstacle {
                        span: e.span,
                        what: "joined text".to_string(),
                        deferrable: false,
                    });
                }
                self.place_obstacle(target).or_else(|| self.obstacle(value))
            }
            ExprKind::Increment { target, .. } => self.place_obstacle(target),
        }
    }

    /// Texts chosen by a condition are copied; only narrow ones have room on the kernel's stack.
    fn wide_text(&self, e: &Expr) -> Option<Obstacle> {
        match self.types.expressions[e.id] {
            Type::Text(width) if width > 128 => Some(Obstacle {
                span: e.span,
                what: "a choice between long texts".to_string(),
                deferrable: true,
            }),
            Type::Text(_) | Type::Long | Type::Stats => None,
        }
    }
}
