//! Unification: number, string or aggregate.

mod walk;

use cranelift_codegen::entity::{PrimaryMap, SecondaryMap, entity_impl};

use super::{GlobalType, Type, Types};
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
