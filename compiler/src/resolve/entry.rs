//! Values from a function's entry, in the handler of its return.
//!
//! `@entry(e)`, and a parameter by its name, are computed by a hidden probe at the entry, which keeps them
//! for the thread until the return. Calls nest, so each thread counts how deep it is:
//!
//! ```text
//! entry:   depth[tid()]++
//!          kept[tid(), depth[tid()]] = e
//! return:  d = depth[tid()]
//!          v = kept[tid(), d]; delete kept[tid(), d]
//!          if (d > 1) depth[tid()] = d - 1 else delete depth[tid()]
//! ```
//!
//! A call that was entered before the session finds nothing kept: the value is 0 or empty then.

use super::{Resolver, Scope, pointer::Holder};
use crate::builtins;
use crate::diagnostic::codes;
use crate::hir::{
    AssignOperator, Attach, Body, Comparison, Direction, Expr, ExprKind, FunctionPoints, Global,
    GlobalId, Instruction, LocalId, Place, PlaceKind, Point, Probe, Shape, Stmt, StmtKind,
};
use crate::source::Span;
use crate::syntax::ast::{Access, Expression, ExpressionKind, Literal, LiteralValue};
use crate::syntax::print_expression;

/// How many calls can be under way at a time.
const CALLS: u32 = 8192;

/// What the handler of a return wants from the entry.
#[derive(Clone)]
pub(super) struct EntryState {
    /// The context at the entry.
    point: Point,
    /// The hidden handler so far.
    body: Body,
    depth: GlobalId,
    /// Each expression with the array that keeps it and the handler's local that gets it.
    kept: Vec<(Expression, GlobalId, LocalId)>,
}

/// The point at the entry of the functions at whose return another is; `None` for others.
pub(super) fn entry_point(point: &Point) -> Option<Point> {
    if let Attach::Syscall(of) = &point.attach {
        return of.at_entry(&point.name);
    }
    if let Attach::Instruction(instruction) = &point.attach {
        let at_entry = Instruction { returns: false, entry: vec![], ..instruction.clone() };
        return instruction.returns.then(|| Point {
            name: point.name.clone(),
            attach: Attach::Instruction(at_entry),
            context: instruction.entry.clone(),
            first_local: instruction.first_entry_local,
            identity: point.identity.clone(),
            optional: point.optional,
        });
    }
    let Attach::Function(functions) = &point.attach else { return None };
    functions.returns.then(|| Point {
        name: point.name.clone(),
        attach: Attach::Function(FunctionPoints {
            targets: functions.targets.clone(),
            returns: false,
            entry: vec![],
            inside: false,
            called_from: vec![],
        }),
        context: functions.entry.clone(),
        first_local: None,
        identity: point.identity.clone(),
        optional: point.optional,
    })
}

impl Resolver<'_> {
    /// `@entry(expression)`.
    pub(super) fn entry_value(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
        span: Span,
    ) -> Option<Expr> {
        let Some(point) = scope.point.and_then(entry_point) else {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "`@entry` outside of a return probe")
                .label("only the return of a function has an entry before it")
                .help("use it in `kernel.function(\"NAME\").return`");
            return None;
        };
        let of_call = matches!(point.attach, Attach::Syscall(_));
        if scope.entry.is_none() {
            let depth = self.array_of_entry("depth", 1, span, of_call);
            let body = self.script.new_body();
            scope.entry = Some(EntryState { point, body, depth, kept: vec![] });
        }
        let state = scope.entry.as_mut()?;
        let known = state.kept.iter().find(|(e, ..)| same(e, expression)).map(|&(.., local)| local);
        let local = match known {
            Some(local) => local,
            None => {
                let number = state.kept.len();
                let kept = self.array_of_entry(&format!("entry {number}"), 2, span, of_call);
                let local = scope.local(&format!("@entry {number}"), span);
                self.keep(scope, expression, kept, local)?;
                local
            }
        };
        let place = self.place(span, PlaceKind::Local(local));
        let value = self.expr(span, ExprKind::Read(place));
        self.derive_pointee(scope, &value);
        Some(value)
    }

    /// The value at the entry of a chain that begins at a parameter, in the handler of a return.
    pub(super) fn implicit_entry(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Option<Expr>> {
        let point = scope.point?;
        let entry = match &point.attach {
            Attach::Function(functions) if functions.returns => &functions.entry,
            Attach::Instruction(instruction) if instruction.returns => &instruction.entry,
            Attach::Syscall(of) if of.direction == Direction::Return => &of.entry,
            _ => return None,
        };
        let root = root(expression)?;
        let name = root.trim_start_matches('$');
        let is_all = matches!(root, "$$parms" | "$$vars" | "$$locals");
        let here = point.context.iter().any(|v| v.name == name);
        // What belongs to no function is kept from the entry, too: a handler sees the program as it was there.
        let there = entry.iter().any(|v| v.name == name) || self.has_variable(point, name);
        if here || !(there || is_all) {
            return None;
        }
        self.uses.all |= is_all;
        self.uses.names.insert(name.to_string());
        Some(self.entry_value(scope, expression, expression.span))
    }

    /// Resolves an expression at the entry and adds the statement that keeps its value.
    fn keep(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
        kept: GlobalId,
        local: LocalId,
    ) -> Option<()> {
        let span = expression.span;
        let state = scope.entry.as_mut()?;
        let depth = state.depth;
        let point = state.point.clone();
        let body = std::mem::replace(&mut state.body, self.script.new_body());
        let mut entry_scope = Scope::new(Some(&point), body, span);
        entry_scope.takes_more = true;
        let of_return = std::mem::take(&mut self.more_context);
        let value = self.expression(&mut entry_scope, expression);
        let mut of_entry = std::mem::replace(&mut self.more_context, of_return);
        let mut body = entry_scope.body;
        if value.is_some() && !entry_scope.locals.is_empty() {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "a local variable in `@entry`")
                .label("its value at the entry is not known")
                .help("use `$variables` and globals only");
        }
        let local_name = scope.body.locals[local].name.clone();
        for variable in &mut of_entry {
            // Nothing else finds it: what the context has is its address.
            variable.name.insert(0, '&');
        }
        scope.entry.as_mut()?.point.context.append(&mut of_entry);
        if let Some(value) = value {
            let pointee = self.pointee(&value);
            let keys = vec![self.tid(span), self.depth(depth, span)];
            let target = self.place(span, PlaceKind::Element(kept, keys));
            let kind = ExprKind::Assign {
                target: Box::new(target),
                operator: AssignOperator::Set,
                operator_span: span,
                value: Box::new(value),
            };
            let assign = self.expr(span, kind);
            if let Some(pointee) = pointee {
                self.learn_pointee(Holder::Local(scope.owner.clone(), local_name), pointee);
            }
            body.statements.push(Stmt { kind: StmtKind::Expr(assign), span });
            let state = scope.entry.as_mut()?;
            state.body = body;
            state.kept.push((expression.clone(), kept, local));
            return Some(());
        }
        scope.entry.as_mut()?.body = body;
        None
    }

    /// The hidden probe at the entry, and what the handler of the return does before all else.
    pub(super) fn finish_entry(&mut self, state: EntryState, span: Span, body: &mut Body) -> Probe {
        let EntryState { point, body: mut entry, depth, kept } = state;
        let mut before = vec![];
        let own = body.locals.push(crate::hir::Local { name: "@depth".to_string(), span });
        let read = self.depth(depth, span);
        before.push(self.set(PlaceKind::Local(own), read, span));
        for (_, array, local) in kept {
            let keys = vec![self.tid(span), self.read(own, span)];
            let element = self.place(span, PlaceKind::Element(array, keys));
            let value = self.expr(span, ExprKind::Read(element));
            before.push(self.set(PlaceKind::Local(local), value, span));
            let keys = vec![self.tid(span), self.read(own, span)];
            let element = self.place(span, PlaceKind::Element(array, keys));
            before.push(Stmt { kind: StmtKind::Delete(element), span });
        }
        let one = self.expr(span, ExprKind::Number(1));
        let condition = ExprKind::Compare {
            operator: Comparison::Greater,
            left: Box::new(self.read(own, span)),
            right: Box::new(one),
        };
        let condition = self.expr(span, condition);
        let (read, one) = (self.read(own, span), self.expr(span, ExprKind::Number(1)));
        let less = self.arithmetic(span, crate::hir::Arithmetic::Subtract, read, one);
        let key = self.tid(span);
        let then = vec![self.set(PlaceKind::Element(depth, vec![key]), less, span)];
        let key = self.tid(span);
        let element = self.place(span, PlaceKind::Element(depth, vec![key]));
        let otherwise = vec![Stmt { kind: StmtKind::Delete(element), span }];
        before.push(Stmt { kind: StmtKind::If { condition, then, otherwise }, span });
        body.statements.splice(0..0, before);

        let key = self.tid(span);
        let element = self.place(span, PlaceKind::Element(depth, vec![key]));
        let deeper = ExprKind::Increment { target: Box::new(element), prefix: true, by: 1 };
        let deeper = self.expr(span, deeper);
        entry.statements.insert(0, Stmt { kind: StmtKind::Expr(deeper), span });
        Probe { written: point.name.clone(), point, span, arming: vec![], body: entry }
    }

    /// An array that keeps values from the entry. A thread is in one system call at a time: the handlers that a probe
    /// point with wildcards has for many of them share theirs.
    fn array_of_entry(&mut self, name: &str, keys: usize, span: Span, shared: bool) -> GlobalId {
        let key = (name.to_string(), span);
        if let Some(&known) = self.arrays_of_entries.get(&key).filter(|_| shared) {
            return known;
        }
        let array = self.hidden_array(name, keys, span);
        if shared {
            self.arrays_of_entries.insert(key, array);
        }
        array
    }

    /// An array of numbers to values that no script can name.
    pub(super) fn hidden_array(&mut self, name: &str, keys: usize, span: Span) -> GlobalId {
        let number = self.script.globals.len();
        self.script.globals.push(Global {
            name: format!("ntap_{}_{number}", name.replace(' ', "_")),
            span,
            size: Some(CALLS),
            wrap: false,
            initial: None,
            shape: Shape::Array(keys, span),
            variance_shift: None,
            histogram: None,
            library: true,
            pointer: false,
        })
    }

    fn tid(&mut self, span: Span) -> Expr {
        let builtin = builtins::find("tid").expect("the catalogue has the thread's number");
        self.expr(span, ExprKind::Call { builtin, arguments: vec![] })
    }

    fn depth(&mut self, depth: GlobalId, span: Span) -> Expr {
        let key = self.tid(span);
        let element = self.place(span, PlaceKind::Element(depth, vec![key]));
        self.expr(span, ExprKind::Read(element))
    }

    fn read(&mut self, local: LocalId, span: Span) -> Expr {
        let place = self.place(span, PlaceKind::Local(local));
        self.expr(span, ExprKind::Read(place))
    }

    fn set(&mut self, kind: PlaceKind, value: Expr, span: Span) -> Stmt {
        let target: Place = self.place(span, kind);
        let kind = ExprKind::Assign {
            target: Box::new(target),
            operator: AssignOperator::Set,
            operator_span: span,
            value: Box::new(value),
        };
        Stmt { kind: StmtKind::Expr(self.expr(span, kind)), span }
    }
}

/// The variable at which a chain of members begins.
fn root(expression: &Expression) -> Option<&str> {
    match &expression.kind {
        ExpressionKind::Context(name) => Some(name),
        // One of a file is read where the handler runs.
        ExpressionKind::Var {
            name: Literal { value: LiteralValue::String(name), .. },
            module: None,
        } => (!name.contains('@')).then_some(name),
        ExpressionKind::Member {
            base,
            access: Access::Field(_) | Access::Index(_) | Access::Pretty { .. },
        } => root(base),
        _ => None,
    }
}

/// Whether two expressions are written alike, wherever they stand.
fn same(a: &Expression, b: &Expression) -> bool {
    print_expression(a) == print_expression(b)
}
