//! Unification: number, string or aggregate.

use cranelift_codegen::entity::{PrimaryMap, SecondaryMap, entity_impl};

use super::{GlobalType, Type, Types};
use crate::builtins::Kind;
use crate::diagnostic::bpftrace::{self, WordPlace};
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::*;
use crate::source::Span;

/// A type without widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Long,
    Text,
    Stats,
}

impl Base {
    fn ty(self) -> Type {
        match self {
            Base::Long => Type::Long,
            Base::Text => Type::Text(8),
            Base::Stats => Type::Stats,
        }
    }
}

/// A type variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Var(u32);
entity_impl!(Var, "t");

#[derive(Clone, Copy)]
enum Node {
    /// The same type as another variable.
    Same(Var),
    /// Not known yet.
    Open,
    /// Known, from this place.
    Known(Base, Span),
}

/// The type of an expression: known, or that of a variable.
#[derive(Clone, Copy)]
enum Term {
    Base(Base),
    Var(Var),
}

struct FunctionVars {
    parameters: Vec<Var>,
    result: Var,
}

struct GlobalVars {
    keys: Vec<Var>,
    value: Var,
}

/// A value that is used, whose type must get known.
struct Reading {
    var: Var,
    span: Span,
    name: String,
    /// What to do when nothing tells it.
    help: &'static str,
}

struct Inference<'a> {
    script: &'a Script,
    diagnostics: &'a mut Diagnostics,
    nodes: PrimaryMap<Var, Node>,
    globals: PrimaryMap<GlobalId, GlobalVars>,
    functions: PrimaryMap<FunctionId, FunctionVars>,
    /// The function whose body is being visited.
    function: Option<FunctionId>,
    locals: SecondaryMap<LocalId, Option<Var>>,
    names: SecondaryMap<LocalId, String>,
    assigned: SecondaryMap<LocalId, bool>,
    terms: SecondaryMap<ExprId, Option<Term>>,
    /// What is read, and functions whose result is.
    read: Vec<Reading>,
    types: Types,
}

pub(super) fn infer(script: &Script, diagnostics: &mut Diagnostics) -> Types {
    let mut inference = Inference {
        script,
        diagnostics,
        nodes: PrimaryMap::new(),
        globals: PrimaryMap::new(),
        functions: PrimaryMap::new(),
        function: None,
        locals: SecondaryMap::new(),
        names: SecondaryMap::new(),
        assigned: SecondaryMap::new(),
        terms: SecondaryMap::new(),
        read: vec![],
        types: Types::default(),
    };
    for global in script.globals.values() {
        let arity = match global.shape {
            Shape::Array(arity, _) => arity,
            Shape::Scalar(_) | Shape::Unknown => 0,
        };
        let keys = (0..arity).map(|_| inference.open()).collect();
        let value = inference.open();
        match &global.initial {
            Some(Constant::Number(_)) => {
                inference.nodes[value] = Node::Known(Base::Long, global.span)
            }
            Some(Constant::Text(_)) => {
                inference.nodes[value] = Node::Known(Base::Text, global.span)
            }
            None => {}
        }
        inference.globals.push(GlobalVars { keys, value });
        inference.types.globals.push(GlobalType::default());
    }
    for function in script.functions.values() {
        let parameters = (0..function.arity).map(|_| inference.open()).collect();
        let result = inference.open();
        inference.functions.push(FunctionVars { parameters, result });
    }
    let mut local_vars = vec![];
    for (id, function) in script.functions.iter() {
        inference.function = Some(id);
        for overload in &function.overloads {
            inference.declare_locals(&overload.body);
            inference.declare_signature(id, overload);
            inference.statements(&overload.body.statements);
            inference.warn_never_assigned(&overload.body);
            local_vars.push((overload.body.id, inference.locals.clone()));
        }
    }
    inference.function = None;
    for body in script.probes.values().map(|p| &p.body) {
        inference.declare_locals(body);
        inference.statements(&body.statements);
        inference.warn_never_assigned(body);
        local_vars.push((body.id, inference.locals.clone()));
    }
    inference.refuse_returned_aggregates();
    inference.refuse_unresolved();
    for (body, locals) in local_vars {
        let table = &mut SecondaryMap::new();
        for (id, var) in locals.iter() {
            if let Some(var) = *var {
                table[id] = inference.base(Term::Var(var)).map_or(Type::Long, Base::ty);
            }
        }
        inference.types.locals[body] = table.clone();
    }
    for id in script.functions.keys() {
        let result = inference.functions[id].result;
        let ty = inference.base(Term::Var(result)).map_or(Type::Long, Base::ty);
        inference.types.results.push(ty);
    }
    for id in script.globals.keys() {
        let vars = &inference.globals[id];
        let (keys, value) = (vars.keys.clone(), vars.value);
        let ty = |i: &Inference<'_>, v| i.base(Term::Var(v)).map_or(Type::Long, Base::ty);
        inference.types.globals[id].keys = keys.into_iter().map(|v| ty(&inference, v)).collect();
        inference.types.globals[id].value = ty(&inference, value);
    }
    for id in script.expressions.keys() {
        if let Some(term) = inference.terms[id] {
            inference.types.expressions[id] = inference.base(term).map_or(Type::Long, Base::ty);
        }
    }
    inference.types
}

impl Inference<'_> {
    fn open(&mut self) -> Var {
        self.nodes.push(Node::Open)
    }

    /// Functions return no aggregates, also where nothing makes use of what they return.
    fn refuse_returned_aggregates(&mut self) {
        for id in self.script.functions.keys() {
            let root = self.root(self.functions[id].result);
            if let Node::Known(Base::Stats, span) = self.nodes[root] {
                let function = &self.script.functions[id];
                self.diagnostics
                    .error(codes::TYPE_MISMATCH, function.span, "an aggregate is not a value")
                    .label(format!("`{}` returns one", function.name))
                    .also(span, "an aggregate, by this")
                    .help("read it with @count, @sum, @min, @max or @avg");
            }
        }
    }

    fn declare_locals(&mut self, body: &Body) {
        self.locals.clear();
        self.assigned.clear();
        for id in body.locals.keys() {
            let var = self.open();
            self.locals[id] = Some(var);
            self.names[id] = body.locals[id].name.clone();
        }
    }

    /// The parameters of an overload have the types of the function's, and those that are declared.
    fn declare_signature(&mut self, function: FunctionId, overload: &Overload) {
        let base = |declared: DeclaredType| match declared {
            DeclaredType::Long => Base::Long,
            DeclaredType::String => Base::Text,
        };
        for (at, &parameter) in overload.parameters.iter().enumerate() {
            self.assigned[parameter] = true;
            let span = overload.body.locals[parameter].span;
            let local = self.local(parameter);
            let of_function = self.functions[function].parameters[at];
            self.unify(Term::Var(of_function), local, span);
            if let Some(Some(declared)) = overload.declared.parameters.get(at) {
                self.expect(local, base(*declared), span);
            }
        }
        if let Some(declared) = overload.declared.result {
            let result = self.functions[function].result;
            let span = self.script.functions[function].span;
            self.expect(Term::Var(result), base(declared), span);
        }
    }

    fn root(&self, mut var: Var) -> Var {
        while let Node::Same(other) = self.nodes[var] {
            var = other;
        }
        var
    }

    fn base(&self, term: Term) -> Option<Base> {
        match term {
            Term::Base(base) => Some(base),
            Term::Var(var) => match self.nodes[self.root(var)] {
                Node::Known(base, _) => Some(base),
                Node::Open | Node::Same(_) => None,
            },
        }
    }

    /// Requires `found` to be `wanted`; the place is where the value stands.
    fn expect(&mut self, found: Term, wanted: Base, span: Span) {
        match found {
            Term::Base(base) if base == wanted => {}
            Term::Base(base) => self.mismatch(wanted, base, span, None),
            Term::Var(var) => {
                let root = self.root(var);
                match self.nodes[root] {
                    Node::Known(base, _) if base == wanted => {}
                    Node::Known(base, first) => self.mismatch(wanted, base, span, Some(first)),
                    Node::Open | Node::Same(_) => self.nodes[root] = Node::Known(wanted, span),
                }
            }
        }
    }

    /// Requires both to be the same; the place is where `right` stands.
    fn unify(&mut self, left: Term, right: Term, span: Span) {
        match (left, right) {
            (Term::Base(base), other) => self.expect(other, base, span),
            (Term::Var(var), Term::Base(base)) => {
                // The variable was there first: what it is is wanted, what comes is found.
                match self.base(left) {
                    Some(wanted) if wanted != base => {
                        let first = match self.nodes[self.root(var)] {
                            Node::Known(_, first) => Some(first),
                            Node::Open | Node::Same(_) => None,
                        };
                        self.mismatch(wanted, base, span, first);
                    }
                    _ => self.expect(left, base, span),
                }
            }
            (Term::Var(a), Term::Var(b)) => {
                let (a, b) = (self.root(a), self.root(b));
                if a == b {
                    return;
                }
                match (self.nodes[a], self.nodes[b]) {
                    (Node::Known(x, first), Node::Known(y, _)) if x != y => {
                        self.mismatch(x, y, span, Some(first));
                    }
                    (Node::Known(..), _) => self.nodes[b] = Node::Same(a),
                    _ => self.nodes[a] = Node::Same(b),
                }
            }
        }
    }

    fn mismatch(&mut self, wanted: Base, found: Base, span: Span, first: Option<Span>) {
        let (wanted, found) = (wanted.ty().name(), found.ty().name());
        let diagnostic = self.diagnostics.error(
            codes::TYPE_MISMATCH,
            span,
            format!("type mismatch: expected {wanted} but found {found}"),
        );
        if found == "stats" {
            diagnostic
                .label("an aggregate is not a value")
                .help("read it with @count, @sum, @min, @max or @avg");
        } else if wanted == "stats" {
            diagnostic.label(format!("used as an aggregate, but it is a {found}"));
        } else {
            diagnostic.label(format!("this is a {found}"));
        }
        if let Some(first) = first.filter(|&f| f != span) {
            diagnostic.also(first, "its type was first inferred here");
        }
    }

    fn statements(&mut self, statements: &[Stmt]) {
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
    fn condition(&mut self, e: &Expr) {
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

    fn expression(&mut self, e: &Expr) -> Term {
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
                        Kind::Long => self.long(argument),
                        Kind::Text(_) => self.text(argument),
                        Kind::Nothing => {}
                    }
                }
                match builtin.result {
                    Kind::Long | Kind::Nothing => long,
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

    fn local(&mut self, id: LocalId) -> Term {
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

    /// Reports variables that are read, and functions whose result is, though nothing says whether they are numbers or strings.
    fn refuse_unresolved(&mut self) {
        if self.diagnostics.has_errors() {
            return;
        }
        let mut reported = vec![];
        for Reading { var, span, name, help } in std::mem::take(&mut self.read) {
            if self.base(Term::Var(var)).is_some() || reported.contains(&span) {
                continue;
            }
            reported.push(span);
            self.diagnostics
                .error(codes::UNRESOLVED_TYPE, span, format!("unresolved type of `{name}`"))
                .label("nothing says whether this is a number or a string")
                .help(help);
        }
    }

    fn warn_never_assigned(&mut self, body: &Body) {
        if self.diagnostics.has_errors() {
            // What could not be resolved may have assigned it.
            return;
        }
        let names: Vec<&str> = self.script.globals.values().map(|g| g.name.as_str()).collect();
        for (id, local) in body.locals.iter() {
            if !self.assigned[id] {
                let others = body.locals.values().map(|l| l.name.as_str());
                let message = format!("never-assigned local variable `{}`", local.name);
                let warning = self.diagnostics.warning(codes::NEVER_ASSIGNED, local.span, message);
                warning.label("always 0 or the empty string");
                match bpftrace::here(&local.name, WordPlace::Variable) {
                    Some(help) => warning.help(help),
                    None => warning.suggest(&local.name, names.iter().copied().chain(others)),
                };
            }
        }
    }
}
