//! Functions that are put in place of their calls, statement by statement.
//!
//! A function that reads memory of the process at an address it is given, and does what only userspace can, runs in
//! neither half as a whole: the one cannot do the text, the other comes too late for the memory. In place of its call
//! its statements are split like those of the handler: what is read is read in the kernel.
//!
//! That is done where a call is evaluated before anything with an effect, and where the function returns at its end or
//! at the ends of its branches, not out of a loop. Other calls stay as they are. A call that is not always evaluated, as
//! in `p ? f(p) : "none"`, makes an `if` of the choice.

use std::collections::{BTreeMap, BTreeSet};

use super::defer::Deferring;
use super::effects::changed_globals;
use super::tail::{belongs_to_the_kernel, is_readable_later};
use crate::builtins::{Kernel, Kind};
use crate::hir::*;
use crate::source::Span;
use crate::types::Type;

/// The most calls that are replaced in one handler.
const MOST_CALLS: usize = 32;

/// Where the walk over a handler is.
struct Walk {
    /// How many calls more may be replaced.
    left: usize,
    /// Whether userspace may have gone on with the handler before it comes here.
    behind: bool,
    in_loop: bool,
}

/// What a statement evaluates before a place in it.
#[derive(Default)]
struct Before {
    /// Whether userspace may have gone on with the handler before the statement.
    behind: bool,
    /// Something that may have an effect.
    effect: bool,
    /// The globals that are read.
    globals: BTreeSet<GlobalId>,
}

/// What is taken out of a statement, to be done before it; the statement reads the result from a variable.
enum Taken {
    Call {
        function: FunctionId,
        arguments: Vec<Expr>,
        result: LocalId,
        span: Span,
    },
    /// `?:`, `&&` or `||` with such a call in a part that is not always evaluated.
    Choice(Stmt),
}

/// What stands in place of a function's variables.
#[derive(Default)]
struct Others {
    locals: BTreeMap<LocalId, LocalId>,
    /// Arguments that are the same wherever they are computed.
    values: BTreeMap<LocalId, Expr>,
}

impl InPlaceOfLocals for Others {
    fn local(&self, local: LocalId) -> LocalId {
        self.locals[&local]
    }

    fn value(&self, local: LocalId) -> Option<Expr> {
        self.values.get(&local).cloned()
    }
}

impl Deferring<'_> {
    /// The statements of a handler with such functions in place of their calls.
    pub(super) fn with_functions_in_place(&mut self, statements: Vec<Stmt>) -> Vec<Stmt> {
        self.in_place(statements, &mut Walk { left: MOST_CALLS, behind: false, in_loop: false })
    }

    fn in_place(&mut self, statements: Vec<Stmt>, walk: &mut Walk) -> Vec<Stmt> {
        let mut out = vec![];
        for mut statement in statements {
            let is_whole = matches!(
                statement.kind,
                StmtKind::Loop { .. } | StmtKind::Foreach(_) | StmtKind::Try { .. }
            );
            walk.behind |= is_whole && self.needs_cut(&statement);
            while walk.left > 0
                && let Some(taken) = self.take(&mut statement, walk.behind)
            {
                walk.left -= 1;
                let before = match taken {
                    Taken::Call { function, arguments, result, span } => {
                        self.body_in_place(function, arguments, result, span, walk.in_loop)
                    }
                    Taken::Choice(choice) => vec![choice],
                };
                out.extend(self.in_place(before, walk));
            }
            walk.behind |= self.needs_cut(&statement);
            match &mut statement.kind {
                StmtKind::If { then, otherwise, .. } => {
                    let before = walk.behind;
                    *then = self.in_place(std::mem::take(then), walk);
                    let behind = std::mem::replace(&mut walk.behind, before);
                    *otherwise = self.in_place(std::mem::take(otherwise), walk);
                    walk.behind |= behind;
                }
                StmtKind::Try { body, handler, .. } => {
                    *body = self.in_place(std::mem::take(body), walk);
                    *handler = self.in_place(std::mem::take(handler), walk);
                }
                StmtKind::Loop { body, .. } => {
                    let outside = std::mem::replace(&mut walk.in_loop, true);
                    *body = self.in_place(std::mem::take(body), walk);
                    walk.in_loop = outside;
                }
                StmtKind::Foreach(foreach) => {
                    let outside = std::mem::replace(&mut walk.in_loop, true);
                    foreach.body = self.in_place(std::mem::take(&mut foreach.body), walk);
                    walk.in_loop = outside;
                }
                _ => {}
            }
            out.push(statement);
        }
        out
    }

    /// The call of a statement that can be replaced first; what is left of the statement reads its result.
    fn take(&mut self, statement: &mut Stmt, behind: bool) -> Option<Taken> {
        let before = &mut Before { behind, ..Before::default() };
        match &mut statement.kind {
            StmtKind::Expr(e) | StmtKind::If { condition: e, .. } => self.take_of(e, before),
            StmtKind::Record { target, value } => {
                self.take_of_place(target, before).or_else(|| self.take_of(value, before))
            }
            StmtKind::Print(print) => self.take_of_list(&mut print.arguments, before),
            StmtKind::Delete(target) => self.take_of_place(target, before),
            StmtKind::Loop { .. }
            | StmtKind::Foreach(_)
            | StmtKind::Try { .. }
            | StmtKind::Return(_)
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt
            | StmtKind::Emit { .. } => None,
        }
    }

    fn take_of_list(&mut self, list: &mut [Expr], before: &mut Before) -> Option<Taken> {
        list.iter_mut().find_map(|e| self.take_of(e, before))
    }

    fn take_of_place(&mut self, place: &mut Place, before: &mut Before) -> Option<Taken> {
        match &mut place.kind {
            PlaceKind::Local(_) => None,
            PlaceKind::Global(id) => {
                before.globals.insert(*id);
                None
            }
            PlaceKind::Element(id, keys) => {
                let id = *id;
                let taken = self.take_of_list(keys, before);
                before.globals.insert(id);
                taken
            }
        }
    }

    fn take_of(&mut self, e: &mut Expr, before: &mut Before) -> Option<Taken> {
        match &mut e.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Wildcard
            | ExprKind::Context(_)
            | ExprKind::Captured { .. } => None,
            ExprKind::Read(place) => self.take_of_place(place, before),
            ExprKind::Load(load) => self.take_of(&mut load.address, before),
            ExprKind::Call { builtin, arguments } => {
                let taken = self.take_of_list(arguments, before);
                before.effect |= builtin.result == Kind::Nothing
                    || !matches!(builtin.kernel, Kernel::Inline(_) | Kernel::Pure(_));
                taken
            }
            ExprKind::Invoke { function, arguments } => {
                let function = *function;
                if let Some(taken) = self.take_of_list(arguments, before) {
                    return Some(taken);
                }
                if before.effect || !self.belongs_in_place(function, before) {
                    before.effect = true;
                    return None;
                }
                let arguments = std::mem::take(arguments);
                let span = e.span;
                let result = self.result_of(e, self.types.results[function]);
                Some(Taken::Call { function, arguments, result, span })
            }
            ExprKind::Sprint(print) => self.take_of_list(&mut print.arguments, before),
            ExprKind::Unary { operand, .. } => self.take_of(operand, before),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Concatenate { left, right } => {
                self.take_of(left, before).or_else(|| self.take_of(right, before))
            }
            ExprKind::Logical { left, right, .. } => {
                if let Some(taken) = self.take_of(left, before) {
                    return Some(taken);
                }
                let chosen = self.chooses(&[right], before);
                before.effect |= has_effect(right);
                chosen.then(|| self.choice(e))
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                if let Some(taken) = self.take_of(condition, before) {
                    return Some(taken);
                }
                let chosen = self.chooses(&[then, otherwise], before);
                before.effect |= has_effect(then) || has_effect(otherwise);
                chosen.then(|| self.choice(e))
            }
            ExprKind::In { array, keys } => {
                let array = *array;
                let taken = self.take_of_list(keys, before);
                before.globals.insert(array);
                taken
            }
            ExprKind::Assign { target, value, .. } => {
                let taken =
                    self.take_of_place(target, before).or_else(|| self.take_of(value, before));
                before.effect = true;
                taken
            }
            ExprKind::Increment { target, .. } => {
                let taken = self.take_of_place(target, before);
                before.effect = true;
                taken
            }
            ExprKind::Extract { of, .. } | ExprKind::Histogram(of) => {
                self.take_of_place(of, before)
            }
            ExprKind::Bucket { of, index } => {
                self.take_of_place(of, before).or_else(|| self.take_of(index, before))
            }
            ExprKind::Match { text, .. } => self.take_of(text, before),
        }
    }

    /// Puts a new variable in place of a value.
    fn result_of(&mut self, e: &mut Expr, ty: Type) -> LocalId {
        let result = self.new_local(ty, e.span);
        let place = self.place_of(result, ty, e.span);
        let read = self.typed(ExprKind::Read(place), ty, e.span);
        *e = read;
        result
    }

    /// Whether parts that are not always evaluated have a call that is to be replaced.
    fn chooses(&self, parts: &[&Expr], before: &Before) -> bool {
        let mut found = false;
        let mut others = false;
        for part in parts {
            each_part(part, &mut |e| match &e.kind {
                ExprKind::Invoke { function, .. } => {
                    let belongs = self.belongs_in_place(*function, before);
                    found |= belongs;
                    others |= !belongs && !before.globals.is_empty();
                }
                ExprKind::Assign { .. } | ExprKind::Increment { .. } => {
                    others |= !before.globals.is_empty();
                }
                _ => {}
            });
        }
        found && !others && !before.effect
    }

    /// Takes out a choice: an `if` that sets a variable.
    fn choice(&mut self, e: &mut Expr) -> Taken {
        let (span, ty) = (e.span, self.types.expressions[e.id]);
        let mut taken = e.clone();
        let result = self.result_of(e, ty);
        let mut number = |value| {
            let number = self.typed(ExprKind::Number(value), Type::Long, span);
            vec![self.assignment(result, number)]
        };
        let kind = match taken.kind {
            ExprKind::Logical { or, left, right } => {
                let (yes, no) = (number(1), number(0));
                let kind = StmtKind::If { condition: *right, then: yes, otherwise: no };
                let second = vec![Stmt { kind, span }];
                let (then, otherwise) = if or { (number(1), second) } else { (second, number(0)) };
                StmtKind::If { condition: *left, then, otherwise }
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                let then = vec![self.assignment(result, *then)];
                let otherwise = vec![self.assignment(result, *otherwise)];
                StmtKind::If { condition: *condition, then, otherwise }
            }
            kind => {
                taken.kind = kind;
                StmtKind::Expr(taken)
            }
        };
        Taken::Choice(Stmt { kind, span })
    }

    /// Whether a function has to be put in place of its call, and can be.
    fn belongs_in_place(&self, id: FunctionId, before: &Before) -> bool {
        let is_in_userspace = before.behind || self.userspace.functions.contains(&id);
        is_in_userspace && self.reads_where_told(id) && {
            let [overload] = &self.script.functions[id].overloads[..] else { return false };
            let statements = &overload.body.statements;
            let changed = changed_globals(statements, self.script);
            changed.is_disjoint(&before.globals) && returns_at_ends(statements)
        }
    }

    /// Whether a function, or one it calls, reads what only the kernel can, at an address that it computes.
    fn reads_where_told(&self, id: FunctionId) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
        let mut reads = false;
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            for overload in &self.script.functions[id].overloads {
                each_expression(&overload.body.statements, &mut |e| {
                    let depends = match &e.kind {
                        ExprKind::Call { arguments, .. } => !arguments.is_empty(),
                        _ => true,
                    };
                    reads |= depends && belongs_to_the_kernel(e) && !is_readable_later(e);
                    if let ExprKind::Invoke { function, .. } = e.kind {
                        open.push(function);
                    }
                });
            }
        }
        reads
    }

    /// The statements of a called function, with variables of the handler.
    fn body_in_place(
        &mut self,
        function: FunctionId,
        arguments: Vec<Expr>,
        result: LocalId,
        span: Span,
        in_loop: bool,
    ) -> Vec<Stmt> {
        let overload = self.script.functions[function].overloads[0].clone();
        let mut others = Others::default();
        for local in overload.body.locals.keys() {
            let ty = self.types.locals[overload.body.id][local];
            others.locals.insert(local, self.new_local(ty, span));
        }
        let mut statements = overload.body.statements;
        let assigned = assigned_locals(&statements);
        let mut out = vec![];
        if in_loop {
            // They have the values of the round before.
            let own = overload.body.locals.keys().filter(|l| !overload.parameters.contains(l));
            for local in own.map(|local| others.locals[&local]).chain([result]) {
                let ty = self.types.locals[self.body_id()][local];
                let nothing = match ty {
                    Type::Text(_) => ExprKind::Text(String::new()),
                    Type::Long | Type::Stats => ExprKind::Number(0),
                };
                let nothing = self.typed(nothing, ty, span);
                out.push(self.assignment(local, nothing));
            }
        }
        for (parameter, argument) in overload.parameters.iter().zip(arguments) {
            if is_plain(&argument) && !assigned.contains(parameter) {
                others.values.insert(*parameter, argument);
            } else {
                out.push(self.assignment(others.locals[parameter], argument));
            }
        }
        rename_locals(&mut statements, &others);
        self.return_to(result, statements, &mut out);
        out
    }

    /// Adds statements whose `return` sets a variable.
    fn return_to(&mut self, result: LocalId, statements: Vec<Stmt>, out: &mut Vec<Stmt>) {
        let mut rest = statements.into_iter();
        while let Some(statement) = rest.next() {
            match statement.kind {
                StmtKind::Return(value) => {
                    out.extend(value.map(|value| self.assignment(result, value)));
                    return;
                }
                StmtKind::If { condition, then, otherwise }
                    if has_return(&then) || has_return(&otherwise) =>
                {
                    let behind: Vec<Stmt> = rest.collect();
                    let mut branch = |statements: Vec<Stmt>| {
                        let all = if ends(&statements) {
                            statements
                        } else {
                            [statements, behind.clone()].concat()
                        };
                        let mut branch = vec![];
                        self.return_to(result, all, &mut branch);
                        branch
                    };
                    let (then, otherwise) = (branch(then), branch(otherwise));
                    let kind = StmtKind::If { condition, then, otherwise };
                    out.push(Stmt { kind, span: statement.span });
                    return;
                }
                _ => out.push(statement),
            }
        }
    }

    /// Sets a variable of the handler.
    fn assignment(&mut self, local: LocalId, value: Expr) -> Stmt {
        let (span, ty) = (value.span, self.types.locals[self.body_id()][local]);
        let target = Box::new(self.place_of(local, ty, span));
        let operator = AssignOperator::Set;
        let kind =
            ExprKind::Assign { target, operator, operator_span: span, value: Box::new(value) };
        Stmt { kind: StmtKind::Expr(self.typed(kind, ty, span)), span }
    }
}

/// Whether a value is the same wherever the function computes it.
fn is_plain(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Context(_) => true,
        ExprKind::Read(place) => matches!(place.kind, PlaceKind::Local(_)),
        _ => false,
    }
}

/// Whether evaluating a value may have an effect.
fn has_effect(e: &Expr) -> bool {
    let mut effect = false;
    each_part(e, &mut |e| {
        effect |= match &e.kind {
            ExprKind::Invoke { .. } | ExprKind::Assign { .. } | ExprKind::Increment { .. } => true,
            ExprKind::Call { builtin, .. } => builtin.result == Kind::Nothing,
            _ => false,
        };
    });
    effect
}

fn has_return(statements: &[Stmt]) -> bool {
    let mut found = false;
    each_statement(statements, &mut |s| found |= matches!(s.kind, StmtKind::Return(_)));
    found
}

/// Whether statements always come to a `return`.
fn ends(statements: &[Stmt]) -> bool {
    statements.iter().any(|statement| match &statement.kind {
        StmtKind::Return(_) => true,
        StmtKind::If { then, otherwise, .. } => ends(then) && ends(otherwise),
        _ => false,
    })
}

/// Whether no `return` is within a loop or `try`, at most one branch of those that may return goes on behind its
/// construct, and no `next` goes on to another function.
fn returns_at_ends(statements: &[Stmt]) -> bool {
    statements.iter().enumerate().all(|(at, statement)| match &statement.kind {
        StmtKind::Next => false,
        StmtKind::If { then, otherwise, .. } => {
            let is_last = at + 1 == statements.len();
            let once = !has_return(then) && !has_return(otherwise)
                || is_last
                || ends(then)
                || ends(otherwise);
            once && returns_at_ends(then) && returns_at_ends(otherwise)
        }
        StmtKind::Loop { body, .. } => !has_return(body) && !has_next(body),
        StmtKind::Foreach(foreach) => !has_return(&foreach.body) && !has_next(&foreach.body),
        StmtKind::Try { body, handler, .. } => {
            [body, handler].into_iter().all(|part| !has_return(part) && !has_next(part))
        }
        _ => true,
    })
}

fn has_next(statements: &[Stmt]) -> bool {
    let mut found = false;
    each_statement(statements, &mut |s| found |= matches!(s.kind, StmtKind::Next));
    found
}
