//! What each statement and expression says about types.

use super::{Base, Inference, Reading, Term};
use crate::builtins::Kind;
use crate::hir::*;

impl Inference<'_> {
    pub(super) fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Expr(e) => {
                let reads = self.read.len();
                self.expression(e);
                self.forget_read(e, reads);
            }
            StmtKind::Record { target, value } => {
                let target_term = self.place(target);
                self.expect(target_term, Base::Stats, target.span);
                self.long(value);
            }
            StmtKind::Print(print) => self.print(print),
            StmtKind::If { condition, then, otherwise } => {
                self.condition(condition);
                self.statements(then);
                self.statements(otherwise);
            }
            StmtKind::Loop { condition, step, body } => {
                if let Some(condition) = condition {
                    self.condition(condition);
                }
                self.statements(body);
                if let Some(step) = step {
                    self.expression(step);
                }
            }
            StmtKind::Foreach(foreach) => self.foreach(foreach),
            StmtKind::Delete(place) => {
                if !matches!(place.kind, PlaceKind::Global(_)) {
                    self.place(place);
                }
            }
            StmtKind::Return(value) => {
                if let (Some(value), Some(function)) = (value, self.function) {
                    let term = self.expression(value);
                    let result = self.functions[function].result;
                    self.unify(Term::Var(result), term, value.span);
                }
            }
            StmtKind::Try { body, variable, handler } => {
                self.statements(body);
                if let Some(variable) = variable {
                    self.assigned[*variable] = true;
                    let local = self.local(*variable);
                    self.expect(local, Base::Text, statement.span);
                }
                self.statements(handler);
            }
            StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Next
            | StmtKind::Fail(_)
            | StmtKind::Halt => {}
            StmtKind::Emit { captures, .. } => {
                for capture in captures {
                    self.expression(capture);
                }
            }
        }
    }

    fn foreach(&mut self, foreach: &Foreach) {
        let keys = self.globals[foreach.array].keys.clone();
        let value = self.globals[foreach.array].value;
        let loop_variables = foreach.keys.iter().zip(keys).map(|(&l, k)| (l, k));
        for (local, var) in loop_variables.chain(foreach.value.map(|l| (l, value))) {
            self.assigned[local] = true;
            let local = self.local(local);
            self.unify(Term::Var(var), local, foreach.array_span);
        }
        if let Some(Sort { by: SortBy::Aggregate(aggregate), .. }) = foreach.sort {
            self.expect(Term::Var(value), Base::Stats, foreach.array_span);
            self.types.globals[foreach.array].aggregates.insert(aggregate);
        }
        if foreach.sort.is_some_and(|s| s.by == SortBy::Value) {
            // What sorts an array of aggregates by value is their count.
            self.types.globals[foreach.array].aggregates.insert(Aggregate::Count);
        }
        if let Some(limit) = &foreach.limit {
            self.long(limit);
        }
        if foreach.slice.len() == self.globals[foreach.array].keys.len() {
            self.keys(foreach.array, &foreach.slice);
        }
        self.statements(&foreach.body);
    }

    fn print(&mut self, print: &Print) {
        let kinds = print.format.as_ref().map(|f| f.argument_kinds());
        for (at, argument) in print.arguments.iter().enumerate() {
            let term = self.expression(argument);
            if let Some(kinds) = &kinds {
                let wanted = if kinds[at] { Base::Text } else { Base::Long };
                let reported = self.diagnostics.len();
                self.expect(term, wanted, argument.span);
                if self.diagnostics.len() > reported && self.base(term) != Some(Base::Stats) {
                    let help = match wanted {
                        Base::Text => "`%s` takes a string; print numbers with `%d`, `%x`, ...",
                        Base::Long | Base::Stats => "print strings with `%s`",
                    };
                    self.diagnostics.help_last(help);
                }
            } else if self.base(term) == Some(Base::Stats) {
                self.mismatch(Base::Long, Base::Stats, argument.span, None);
            }
        }
    }

    /// A condition: a number, or a string, which is true when it is not empty.
    pub(super) fn condition(&mut self, e: &Expr) {
        let term = self.expression(e);
        match self.base(term) {
            Some(Base::Text) => self.mismatch(Base::Long, Base::Text, e.span, None),
            Some(Base::Stats) => self.mismatch(Base::Long, Base::Stats, e.span, None),
            Some(Base::Long) => {}
            None => self.expect(term, Base::Long, e.span),
        }
    }

    fn long(&mut self, e: &Expr) {
        let term = self.expression(e);
        self.expect(term, Base::Long, e.span);
    }

    fn text(&mut self, e: &Expr) {
        let term = self.expression(e);
        self.expect(term, Base::Text, e.span);
    }

    pub(super) fn expression(&mut self, e: &Expr) -> Term {
        let term = self.term(e);
        self.terms[e.id] = Some(term);
        term
    }

    fn term(&mut self, e: &Expr) -> Term {
        let long = Term::Base(Base::Long);
        let text = Term::Base(Base::Text);
        match &e.kind {
            ExprKind::Number(_) | ExprKind::Context(_) => long,
            ExprKind::Text(_) => text,
            ExprKind::Wildcard => Term::Var(self.open()),
            ExprKind::Read(place) => {
                let term = self.place(place);
                if self.base(term) == Some(Base::Stats) {
                    self.mismatch(Base::Long, Base::Stats, e.span, None);
                    return long;
                }
                self.note_read(place, term);
                term
            }
            ExprKind::Load(load) => {
                self.long(&load.address);
                long
            }
            ExprKind::Call { builtin, arguments } => {
                for (argument, parameter) in arguments.iter().zip(builtin.parameters) {
                    match parameter.kind {
                        Kind::Long | Kind::Pointer(_) => self.long(argument),
                        Kind::Text(_) => self.text(argument),
                        Kind::Nothing => {}
                    }
                }
                match builtin.result {
                    Kind::Long | Kind::Pointer(_) | Kind::Nothing => long,
                    Kind::Text(_) => text,
                }
            }
            ExprKind::Invoke { function, arguments } => {
                for (at, argument) in arguments.iter().enumerate() {
                    let term = self.expression(argument);
                    let parameter = self.functions[*function].parameters[at];
                    self.unify(Term::Var(parameter), term, argument.span);
                }
                let result = self.functions[*function].result;
                let name = &self.script.functions[*function].name;
                let help = "declare it: `function name:long (parameter) { ... }`";
                self.read.push(Reading { var: result, span: e.span, name: name.clone(), help });
                Term::Var(result)
            }
            ExprKind::Sprint(print) => {
                self.print(print);
                text
            }
            ExprKind::Unary { operand, .. } => {
                self.long(operand);
                long
            }
            ExprKind::Arithmetic { left, right, .. } | ExprKind::Logical { left, right, .. } => {
                self.long(left);
                self.long(right);
                long
            }
            ExprKind::Compare { left, right, .. } => {
                let left = self.expression(left);
                let right_term = self.expression(right);
                self.unify(left, right_term, right.span);
                long
            }
            ExprKind::Concatenate { left, right } => {
                self.text(left);
                self.text(right);
                text
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                self.condition(condition);
                let then = self.expression(then);
                let other = self.expression(otherwise);
                self.unify(then, other, otherwise.span);
                then
            }
            ExprKind::In { array, keys } => {
                self.keys(*array, keys);
                long
            }
            ExprKind::Assign { target, operator, value, .. } => {
                if let PlaceKind::Local(id) = target.kind {
                    self.assigned[id] = true;
                }
                let reads = self.read.len();
                let value_term = self.expression(value);
                // What is only passed on says nothing, and needs nothing said.
                self.forget_read(value, reads);
                let target_term = self.place(target);
                match operator {
                    AssignOperator::Set => {
                        self.unify(target_term, value_term, value.span);
                    }
                    AssignOperator::Arithmetic(_) => {
                        self.expect(target_term, Base::Long, target.span);
                        self.expect(value_term, Base::Long, value.span);
                    }
                    AssignOperator::Concatenate => {
                        self.expect(target_term, Base::Text, target.span);
                        self.expect(value_term, Base::Text, value.span);
                    }
                }
                if self.base(target_term) == Some(Base::Stats) {
                    return long;
                }
                target_term
            }
            ExprKind::Increment { target, .. } => {
                if let PlaceKind::Local(id) = target.kind {
                    self.assigned[id] = true;
                }
                let target_term = self.place(target);
                self.expect(target_term, Base::Long, target.span);
                long
            }
            ExprKind::Extract { aggregate, of } => {
                let target = self.place(of);
                self.expect(target, Base::Stats, of.span);
                if let PlaceKind::Global(id) | PlaceKind::Element(id, _) = of.kind {
                    let aggregates = &mut self.types.globals[id].aggregates;
                    aggregates.insert(*aggregate);
                    if matches!(aggregate, Aggregate::Percentile(_)) {
                        // No percentile is outside of them.
                        aggregates.extend([Aggregate::Min, Aggregate::Max]);
                    }
                }
                long
            }
            ExprKind::Histogram(of) => {
                self.histogram(of);
                text
            }
            ExprKind::Bucket { of, index } => {
                self.histogram(of);
                self.long(index);
                long
            }
            ExprKind::Match { text, .. } => {
                self.text(text);
                long
            }
            ExprKind::Captured { .. } => long,
        }
    }

    fn histogram(&mut self, of: &Place) {
        let target = self.place(of);
        self.expect(target, Base::Stats, of.span);
        if let PlaceKind::Global(id) | PlaceKind::Element(id, _) = of.kind {
            let aggregate = match self.script.globals[id].histogram {
                Some((Histogram::Linear { .. }, _)) => Aggregate::HistLinear,
                Some((Histogram::Log | Histogram::LogLinear, _)) | None => Aggregate::HistLog,
            };
            self.types.globals[id].aggregates.insert(aggregate);
        }
    }

    fn place(&mut self, place: &Place) -> Term {
        let term = match &place.kind {
            PlaceKind::Local(id) => self.local(*id),
            PlaceKind::Global(id) => Term::Var(self.globals[*id].value),
            PlaceKind::Element(id, keys) => {
                self.keys(*id, keys);
                Term::Var(self.globals[*id].value)
            }
        };
        self.terms[place.id] = Some(term);
        term
    }

    pub(super) fn local(&mut self, id: LocalId) -> Term {
        match self.locals[id] {
            Some(var) => Term::Var(var),
            None => Term::Base(Base::Long),
        }
    }

    fn keys(&mut self, array: GlobalId, keys: &[Expr]) {
        for (at, key) in keys.iter().enumerate() {
            let term = self.expression(key);
            if let Some(&var) = self.globals[array].keys.get(at) {
                self.unify(Term::Var(var), term, key.span);
            }
        }
    }

    fn note_read(&mut self, place: &Place, term: Term) {
        let Term::Var(var) = term else { return };
        let (PlaceKind::Global(id) | PlaceKind::Element(id, _)) = place.kind else {
            let PlaceKind::Local(id) = place.kind else { return };
            let (name, help) = (self.names[id].clone(), "give it a value");
            self.read.push(Reading { var, span: place.span, name, help });
            return;
        };
        let (name, help) = (self.script.globals[id].name.clone(), "give it a value");
        self.read.push(Reading { var, span: place.span, name, help });
    }

    /// Takes a variable, or the call of a function, from what is read: when so many were before.
    fn forget_read(&mut self, e: &Expr, before: usize) {
        match e.kind {
            ExprKind::Read(_) => self.read.truncate(before),
            ExprKind::Invoke { .. } => drop(self.read.pop()),
            _ => {}
        }
    }
}
