//! Functions: resolved when they are first called, so that what nothing calls costs nothing.

use std::collections::HashMap;

use super::{Resolver, Scope};
use crate::diagnostic::codes;
use crate::hir::{
    Declared, Expr, ExprKind, Function, FunctionId, GlobalId, Overload, StmtKind, each_statement,
};
use crate::source::Span;
use crate::syntax::ast::{self, Expression, FunctionDeclaration, Name};

/// The functions that are declared, and those that were called.
#[derive(Default)]
pub(super) struct Functions<'a> {
    declared: HashMap<&'a str, Vec<&'a FunctionDeclaration>>,
    called: HashMap<(String, usize), FunctionId>,
    /// The globals that parameters of the function being resolved hide.
    hidden: Vec<(String, GlobalId)>,
}

impl<'a> Functions<'a> {
    /// Notes a declaration.
    pub(super) fn declare(&mut self, function: &'a FunctionDeclaration) {
        self.declared.entry(&function.name.text).or_default().push(function);
    }

    /// Whether a function of this name is declared.
    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.declared.contains_key(name)
    }

    /// The names of all declared functions.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.declared.keys().copied()
    }
}

impl<'a> Resolver<'a> {
    /// The call of a declared function.
    pub(super) fn invoke(
        &mut self,
        scope: &mut Scope<'_>,
        name: &Name,
        arguments: &[Expression],
        span: Span,
    ) -> Option<Expr> {
        let function = self.function(name, arguments.len(), span)?;
        let arguments: Vec<_> = arguments.iter().map(|a| self.expression(scope, a)).collect();
        let arguments = arguments.into_iter().collect::<Option<Vec<_>>>()?;
        Some(self.expr(span, ExprKind::Invoke { function, arguments }))
    }

    /// The function of a name with this many parameters; resolves its body on the first call.
    fn function(&mut self, name: &Name, arity: usize, span: Span) -> Option<FunctionId> {
        if let Some(&id) = self.functions.called.get(&(name.text.clone(), arity)) {
            return Some(id);
        }
        let declared = self.functions.declared.get(name.text.as_str())?.clone();
        let mut overloads: Vec<&'a FunctionDeclaration> =
            declared.iter().copied().filter(|f| f.parameters.len() == arity).collect();
        if overloads.is_empty() {
            let first = declared[0];
            let takes: Vec<String> =
                declared.iter().map(|f| f.parameters.len().to_string()).collect();
            self.diagnostics
                .error(
                    codes::ARITY,
                    span,
                    format!("`{}` takes {} arguments, not {arity}", name.text, takes.join(" or ")),
                )
                .also(first.name.span, "declared here");
            return None;
        }
        overloads.sort_by_key(|f| f.priority.unwrap_or(0));
        let id = self.script.functions.push(Function {
            name: name.text.clone(),
            span: overloads[0].name.span,
            arity,
            overloads: vec![],
            has_result: false,
        });
        // Known before its body is resolved: it may call itself.
        self.functions.called.insert((name.text.clone(), arity), id);
        for declaration in overloads {
            let overload = self.overload(declaration);
            let mut has_result = overload.declared.result.is_some();
            each_statement(&overload.body.statements, &mut |s| {
                has_result |= matches!(s.kind, StmtKind::Return(Some(_)));
            });
            let function = &mut self.script.functions[id];
            function.has_result |= has_result;
            function.overloads.push(overload);
        }
        Some(id)
    }

    fn overload(&mut self, declaration: &FunctionDeclaration) -> Overload {
        let mut scope = Scope::new(None, self.script.new_body());
        let parameters =
            declaration.parameters.iter().map(|(p, _)| scope.local(&p.text, p.span)).collect();
        let mut statements = vec![];
        let outer = self.hide_globals(declaration);
        self.statement(&mut scope, &declaration.body, &mut statements);
        self.show_globals(outer);
        scope.body.statements = statements;
        let declared = Declared {
            parameters: declaration.parameters.iter().map(|(_, ty)| *ty).collect(),
            result: declaration.result,
        };
        Overload { parameters, declared, body: scope.body }
    }

    /// Takes away the globals that have the name of a parameter, and shows those the calling function
    /// hides: this one may use them. Gives what [`Self::show_globals`] needs.
    fn hide_globals(&mut self, declaration: &FunctionDeclaration) -> Vec<(String, GlobalId)> {
        let outer = std::mem::take(&mut self.functions.hidden);
        self.globals.extend(outer.iter().cloned());
        for (parameter, _) in &declaration.parameters {
            self.functions.hidden.extend(self.globals.remove_entry(&parameter.text));
        }
        outer
    }

    fn show_globals(&mut self, outer: Vec<(String, GlobalId)>) {
        self.globals.extend(std::mem::take(&mut self.functions.hidden));
        for (name, _) in &outer {
            self.globals.remove(name);
        }
        self.functions.hidden = outer;
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
            Some(value) => Some(StmtKind::Return(Some(self.expression(scope, value)?))),
            None => Some(StmtKind::Return(None)),
        }
    }
}
