//! Functions: resolved when they are first called, so that what nothing calls costs nothing.

use std::collections::HashMap;

use super::pointer::{Holder, Owner};
use super::{Resolver, Scope, counted};
use crate::builtins::{self, Builtin};
use crate::diagnostic::codes;
use crate::hir::{
    Declared, Expr, ExprKind, Function, FunctionId, Local, Overload, PlaceKind, Stmt, StmtKind,
    each_statement,
};
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, Expression, FunctionDeclaration, Name};

/// How many functions may call one another, each the next one: passes over the script follow them.
const MOST_CALLS: usize = 1000;

/// The functions that are declared, by file, which is `None` for public ones, and name; and those that
/// were called.
#[derive(Default)]
pub(super) struct Functions<'a> {
    declared: HashMap<(Option<FileId>, &'a str), Vec<&'a FunctionDeclaration>>,
    /// By the place of the first overload.
    called: HashMap<Span, FunctionId>,
}

impl<'a> Functions<'a> {
    /// Notes a declaration.
    pub(super) fn declare(&mut self, function: &'a FunctionDeclaration) {
        let file = function.private.then_some(function.name.span.file);
        self.declared.entry((file, &function.name.text)).or_default().push(function);
    }

    /// Those that were called, by the places of their first overloads.
    pub(super) fn called(self) -> HashMap<Span, FunctionId> {
        self.called
    }

    /// The functions of a name that are known at a place.
    fn known(&self, name: &str, span: Span) -> Vec<&'a FunctionDeclaration> {
        // Keys that are asked for live as long as the question.
        let declared: &HashMap<(Option<FileId>, &str), Vec<&'a FunctionDeclaration>> =
            &self.declared;
        let files = [Some(span.file), None];
        files.iter().filter_map(|&file| declared.get(&(file, name))).flatten().copied().collect()
    }
}

impl<'a> Resolver<'a> {
    /// Whether a function of this name is known at a place.
    pub(super) fn names_function(&self, name: &str, span: Span) -> bool {
        !self.functions.known(name, span).is_empty()
    }

    /// Whether one of them takes so many arguments.
    pub(super) fn is_function(&self, name: &str, span: Span, arity: usize) -> bool {
        self.functions.known(name, span).iter().any(|f| f.parameters.len() == arity)
    }

    /// The names of the functions known at a place.
    pub(super) fn function_names(&self, span: Span) -> Vec<&'a str> {
        let known = |file: Option<FileId>| file.is_none_or(|file| file == span.file);
        let keys = self.functions.declared.keys().filter(|(file, _)| known(*file));
        keys.map(|(_, name)| *name).collect()
    }

    /// The call of a declared function.
    pub(super) fn invoke(
        &mut self,
        scope: &mut Scope<'_>,
        name: &Name,
        arguments: &[Expression],
        span: Span,
    ) -> Option<Expr> {
        let resolved: Vec<_> = arguments.iter().map(|a| self.expression(scope, a)).collect();
        let overloads = self.overloads(name, arguments.len(), span)?;
        for overload in &overloads {
            for ((parameter, _), argument) in overload.parameters.iter().zip(&resolved) {
                let owner = Owner { place: overload.name.span, point: String::new() };
                if let Some(argument) = argument {
                    self.learn(Holder::Local(owner, parameter.text.clone()), argument);
                }
            }
        }
        if resolved.iter().all(Option::is_some) {
            let arguments: Vec<Expr> = resolved.iter().flatten().cloned().collect();
            if let Some(replaced) = self.inline(&overloads, &arguments) {
                return Some(replaced);
            }
        }
        let function = self.function(name, &overloads, span);
        let arguments = resolved.into_iter().collect::<Option<Vec<_>>>()?;
        let call = self.expr(span, ExprKind::Invoke { function, arguments });
        let result = Holder::Result(overloads[0].name.span);
        if let Some(pointee) = self.known_pointee(&result) {
            self.points_to(&call, pointee);
        }
        Some(call)
    }

    /// The functions of a name with this many parameters, in the order they are tried.
    fn overloads(
        &mut self,
        name: &Name,
        arity: usize,
        span: Span,
    ) -> Option<Vec<&'a FunctionDeclaration>> {
        let declared = self.functions.known(&name.text, name.span);
        let mut overloads: Vec<&'a FunctionDeclaration> =
            declared.iter().copied().filter(|f| f.parameters.len() == arity).collect();
        if overloads.is_empty() {
            let first = declared[0];
            let mut takes: Vec<usize> = declared.iter().map(|f| f.parameters.len()).collect();
            takes.sort_unstable();
            takes.dedup();
            let takes = match takes[..] {
                [one] => counted(one, "argument"),
                _ => {
                    let takes: Vec<String> = takes.iter().map(usize::to_string).collect();
                    format!("{} arguments", takes.join(" or "))
                }
            };
            let message = format!("`{}` takes {takes}, not {arity}", name.text);
            self.diagnostics
                .error(codes::ARITY, span, message)
                .label(format!("called with {}", counted(arity, "argument")))
                .also(first.name.span, "declared here");
            return None;
        }
        // Unless they say otherwise, the library's functions come after the script's.
        overloads
            .sort_by_key(|f| f.priority.unwrap_or_else(|| i64::from(self.is_library(f.name.span))));
        Some(overloads)
    }

    /// The function made of these; resolves their bodies on the first call.
    fn function(
        &mut self,
        name: &Name,
        overloads: &[&'a FunctionDeclaration],
        span: Span,
    ) -> FunctionId {
        let first = overloads[0].name.span;
        if let Some(&id) = self.functions.called.get(&first) {
            return id;
        }
        let id = self.script.functions.push(Function {
            name: name.text.clone(),
            span: first,
            arity: overloads[0].parameters.len(),
            overloads: vec![],
            has_result: false,
        });
        // Known before its body is resolved: it may call itself.
        self.functions.called.insert(first, id);
        self.calls += 1;
        if self.calls > MOST_CALLS {
            self.calls -= 1;
            self.diagnostics
                .error(codes::TOO_DEEP, span, "functions call each other too deeply")
                .label(format!("more than {MOST_CALLS} calls inside of each other"));
            return id;
        }
        for declaration in overloads {
            let reported = self.diagnostics.len();
            let overload = self.overload(declaration, first);
            self.cite(reported, span, &format!("`{}` is used here", name.text));
            let mut has_result = overload.declared.result.is_some();
            each_statement(&overload.body.statements, &mut |s| {
                has_result |= matches!(s.kind, StmtKind::Return(Some(_)));
            });
            let function = &mut self.script.functions[id];
            function.has_result |= has_result;
            function.overloads.push(overload);
        }
        if let Some(builtin) = builtins::with_arity(&name.text, overloads[0].parameters.len())
            && let Some(last) = self.builtin_overload(builtin, first)
        {
            let function = &mut self.script.functions[id];
            let mut goes_on = false;
            if let Some(before) = function.overloads.last() {
                each_statement(&before.body.statements, &mut |s| {
                    goes_on |= matches!(s.kind, StmtKind::Next);
                });
            }
            if goes_on {
                function.has_result |= builtin.result != builtins::Kind::Nothing;
                function.overloads.push(last);
            }
        }
        self.calls -= 1;
        id
    }

    /// Resolves a function for what is said about it.
    pub(super) fn resolve_unused(&mut self, declaration: &'a FunctionDeclaration) {
        let name = &declaration.name;
        if let Some(overloads) = self.overloads(name, declaration.parameters.len(), name.span) {
            self.function(name, &overloads, name.span);
        }
    }

    /// A builtin function as the last overload of its name.
    fn builtin_overload(&mut self, builtin: &'static Builtin, span: Span) -> Option<Overload> {
        let mut body = self.script.new_body();
        let mut parameters = vec![];
        let mut arguments = vec![];
        for parameter in builtin.parameters {
            let name = parameter.name.to_string();
            let id = body.locals.push(Local { name, span });
            parameters.push(id);
            let place = self.place(span, PlaceKind::Local(id));
            arguments.push(self.expr(span, ExprKind::Read(place)));
        }
        let call = self.builtin_call(builtin, arguments, span)?;
        let kind = match builtin.result {
            builtins::Kind::Nothing => StmtKind::Expr(call),
            builtins::Kind::Long | builtins::Kind::Pointer(_) | builtins::Kind::Text(_) => {
                StmtKind::Return(Some(call))
            }
        };
        body.statements.push(Stmt { kind, span });
        let declared = Declared { parameters: vec![None; parameters.len()], result: None };
        Some(Overload { parameters, declared, body })
    }

    /// `first` is the place of the name of the function's first overload.
    fn overload(&mut self, declaration: &FunctionDeclaration, first: Span) -> Overload {
        let mut scope = Scope::new(None, self.script.new_body(), declaration.name.span);
        scope.function = Some(first);
        let parameters =
            declaration.parameters.iter().map(|(p, _)| scope.local(&p.text, p.span)).collect();
        let mut statements = vec![];
        self.statement(&mut scope, &declaration.body, &mut statements);
        scope.body.statements = statements;
        let declared = Declared {
            parameters: declaration.parameters.iter().map(|(_, ty)| *ty).collect(),
            result: declaration.result,
        };
        Overload { parameters, declared, body: scope.body }
    }

    /// `return` and its value.
    pub(super) fn return_statement(
        &mut self,
        scope: &mut Scope<'_>,
        span: Span,
        value: Option<&ast::Expression>,
    ) -> Option<StmtKind> {
        if scope.point.is_some() {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "found `return` not in a function")
                .help("`next` leaves a probe handler");
            return None;
        }
        match value {
            Some(value) => {
                let value = self.expression(scope, value)?;
                if let Some(function) = scope.function {
                    self.learn(Holder::Result(function), &value);
                }
                Some(StmtKind::Return(Some(value)))
            }
            None => Some(StmtKind::Return(None)),
        }
    }
}
