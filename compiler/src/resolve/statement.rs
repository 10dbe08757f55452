//! Statements.

use super::{Resolver, Scope, pointer::Holder};
use crate::builtins;
use crate::diagnostic::codes;
use crate::hir::{Foreach, GlobalId, PlaceKind, Shape, Sort, SortBy, Stmt, StmtKind};
use crate::printers::printer_of;
use crate::source::Span;
use crate::syntax::ast::{
    self, AssignOperator, Expression, ExpressionKind, ForeachOver, LiteralValue, Statement,
    StatementKind,
};

impl Resolver<'_> {
    /// Appends the resolved form of a statement to `out`; blocks are flattened.
    pub(super) fn statement(
        &mut self,
        scope: &mut Scope<'_>,
        statement: &Statement,
        out: &mut Vec<Stmt>,
    ) {
        if let Some(kind) = self.statement_kind(scope, statement, out) {
            out.push(Stmt { kind, span: statement.span });
        }
    }

    fn block(&mut self, scope: &mut Scope<'_>, statement: &Statement) -> Vec<Stmt> {
        let mut out = vec![];
        self.statement(scope, statement, &mut out);
        out
    }

    pub(super) fn loop_body(&mut self, scope: &mut Scope<'_>, statement: &Statement) -> Vec<Stmt> {
        scope.loops += 1;
        let body = self.block(scope, statement);
        scope.loops -= 1;
        body
    }

    fn statement_kind(
        &mut self,
        scope: &mut Scope<'_>,
        statement: &Statement,
        out: &mut Vec<Stmt>,
    ) -> Option<StmtKind> {
        match &statement.kind {
            StatementKind::Empty => None,
            StatementKind::Block(statements) => {
                for s in statements {
                    self.statement(scope, s, out);
                }
                None
            }
            StatementKind::Expression(e) => self.expression_statement(scope, e),
            StatementKind::If { condition, then, otherwise } => {
                match self.constant(scope, condition) {
                    Some(0) => {
                        if let Some(otherwise) = otherwise {
                            self.statement(scope, otherwise, out);
                        }
                        None
                    }
                    Some(_) => {
                        self.statement(scope, then, out);
                        None
                    }
                    None => {
                        let condition = self.expression(scope, condition);
                        let then = self.block(scope, then);
                        let otherwise = otherwise.as_ref().map_or(vec![], |s| self.block(scope, s));
                        Some(StmtKind::If { condition: condition?, then, otherwise })
                    }
                }
            }
            StatementKind::While { condition, body } => {
                let condition = self.expression(scope, condition);
                let body = self.loop_body(scope, body);
                Some(StmtKind::Loop { condition: Some(condition?), step: None, body })
            }
            StatementKind::For { init, condition, step, body } => {
                if let Some(init) = init
                    && let Some(kind) = self.expression_statement(scope, init)
                {
                    out.push(Stmt { kind, span: init.span });
                }
                let condition = condition.as_ref().map(|c| self.expression(scope, c));
                let step = step.as_ref().map(|s| self.expression(scope, s));
                let body = self.loop_body(scope, body);
                // An empty condition is true; one that failed to resolve was reported.
                let condition = condition.map_or(Some(None), |c| c.map(Some))?;
                let step = step.map_or(Some(None), |s| s.map(Some))?;
                Some(StmtKind::Loop { condition, step, body })
            }
            StatementKind::Foreach(foreach) => {
                let local = self.with_local_variables(scope, foreach);
                let foreach = local.as_ref().unwrap_or(foreach);
                match &foreach.over {
                    ForeachOver::Histogram(histogram) => {
                        self.foreach_bucket(scope, foreach, histogram, out)
                    }
                    ForeachOver::Array { .. } => self.foreach(scope, foreach),
                }
            }
            StatementKind::Break => self.in_loop(scope, statement.span, "break", StmtKind::Break),
            StatementKind::Continue => {
                self.in_loop(scope, statement.span, "continue", StmtKind::Continue)
            }
            StatementKind::Next => Some(StmtKind::Next),
            StatementKind::Return(value) => {
                self.return_statement(scope, statement.span, value.as_ref())
            }
            StatementKind::Delete(target) => self.delete(scope, target),
            StatementKind::Try { body, variable, handler } => {
                let body = self.block(scope, body);
                let local =
                    variable.as_ref().and_then(|v| self.with_local_message(scope, v, handler));
                let (variable, handler) = match &local {
                    Some((variable, handler)) => (Some(variable), handler),
                    None => (variable.as_ref(), handler.as_ref()),
                };
                let variable = variable.map(|v| self.loop_variable(scope, v));
                let handler = self.block(scope, handler);
                Some(StmtKind::Try { body, variable, handler })
            }
        }
    }

    fn in_loop(
        &mut self,
        scope: &Scope<'_>,
        span: Span,
        word: &str,
        kind: StmtKind,
    ) -> Option<StmtKind> {
        if scope.loops == 0 {
            self.diagnostics.error(
                codes::WRONG_PLACE,
                span,
                format!("found `{word}` outside of a loop"),
            );
            return None;
        }
        Some(kind)
    }

    fn expression_statement(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<StmtKind> {
        match &expression.kind {
            ExpressionKind::Call { function, arguments } => {
                if let Some(printer) = printer_of(&function.text).filter(|p| !p.to_text) {
                    let print = self.print(scope, printer, function, arguments)?;
                    return Some(StmtKind::Print(print));
                }
                if let Some(text) = self.known_error(function, arguments) {
                    return Some(StmtKind::Fail(text));
                }
            }
            ExpressionKind::Assign {
                operator: AssignOperator::Aggregate, target, value, ..
            } => {
                let target = self.aggregate_target(scope, target);
                let value = self.expression(scope, value)?;
                let target = target?;
                self.refuse_iterated(scope, &target, expression.span);
                return Some(StmtKind::Record { target, value });
            }
            _ => {}
        }
        self.expression_or_call(scope, expression).map(StmtKind::Expr)
    }

    /// The text of a call of the builtin that raises an error, when it is a literal.
    fn known_error(&self, function: &ast::Name, arguments: &[Expression]) -> Option<String> {
        let builtin = builtins::find(&function.text)?;
        let raises = matches!(builtin.kernel, builtins::Kernel::Raise(_));
        match arguments {
            [Expression { kind: ExpressionKind::Literal(LiteralValue::String(text)), .. }]
                if raises && !self.names_function(&function.text, function.span) =>
            {
                Some(text.clone())
            }
            _ => None,
        }
    }

    fn foreach(&mut self, scope: &mut Scope<'_>, foreach: &ast::Foreach) -> Option<StmtKind> {
        let ForeachOver::Array { array, slice, aggregate, direction } = &foreach.over else {
            return None;
        };
        let id = self.array(scope, array, foreach.keys.len())?;
        if !slice.is_empty() {
            // A slice with another number of keys is reported as such.
            self.use_as(id, Shape::Array(slice.len(), array.span));
        }
        let slice = self.keys(scope, slice)?;
        let mut sorts: Vec<(Sort, Span)> = vec![];
        if let Some((value, Some(direction))) = &foreach.value {
            sorts.push((Sort { by: SortBy::Value, direction: *direction }, value.span));
        }
        for (at, (key, direction)) in foreach.keys.iter().enumerate() {
            if let Some(direction) = direction {
                sorts.push((Sort { by: SortBy::Key(at), direction: *direction }, key.span));
            }
        }
        if let Some(direction) = direction {
            let by = match aggregate {
                Some((aggregate, _)) => SortBy::Aggregate(*aggregate),
                None => SortBy::Value,
            };
            sorts.push((Sort { by, direction: *direction }, array.span));
        }
        if let [(_, first), (_, second), ..] = sorts[..] {
            self.diagnostics
                .error(codes::WRONG_PLACE, second, "more than one sort mark in `foreach`")
                .also(first, "the first is here");
        }
        let limit = foreach.limit.as_ref().map(|l| self.expression(scope, l));
        let keys = foreach.keys.iter().map(|(k, _)| self.loop_variable(scope, k)).collect();
        let value = foreach.value.as_ref().map(|(v, _)| self.loop_variable(scope, v));
        let declared = self.script.globals[id].span;
        for (at, (key, _)) in foreach.keys.iter().enumerate() {
            self.learn_local(scope, &key.text, &Holder::Key(declared, at));
        }
        if let Some((value, _)) = &foreach.value {
            self.learn_local(scope, &value.text, &Holder::Global(declared));
        }
        scope.iterated.push(id);
        let body = self.loop_body(scope, &foreach.body);
        scope.iterated.pop();
        Some(StmtKind::Foreach(Box::new(Foreach {
            array: id,
            slice,
            array_span: array.span,
            keys,
            value,
            sort: sorts.first().map(|&(sort, _)| sort),
            limit: limit.map_or(Some(None), |l| l.map(Some))?,
            body,
        })))
    }

    fn delete(&mut self, scope: &mut Scope<'_>, target: &Expression) -> Option<StmtKind> {
        let place = match &target.kind {
            ExpressionKind::Variable(name) => match self.global(scope, name, target.span) {
                Some(id) => self.place(target.span, PlaceKind::Global(id)),
                None => {
                    let local = scope.local(name, target.span);
                    self.place(target.span, PlaceKind::Local(local))
                }
            },
            ExpressionKind::Element { array, indices } => {
                let id = self.array(scope, array, indices.len());
                let keys = self.keys(scope, indices)?;
                self.place(target.span, PlaceKind::Element(id?, keys))
            }
            _ => {
                self.diagnostics
                    .error(codes::WRONG_PLACE, target.span, "invalid operand of delete")
                    .label("not an array, element or variable");
                return None;
            }
        };
        self.refuse_iterated(scope, &place, target.span);
        Some(StmtKind::Delete(place))
    }

    /// Reports a change of an array inside a `foreach` over it.
    pub(super) fn refuse_iterated(
        &mut self,
        scope: &Scope<'_>,
        place: &crate::hir::Place,
        span: Span,
    ) {
        let (PlaceKind::Element(id, _) | PlaceKind::Global(id)) = place.kind else { return };
        if scope.iterated.contains(&id) {
            let name = self.script.globals[id].name.clone();
            self.diagnostics
                .error(
                    codes::WRONG_PLACE,
                    span,
                    format!("variable `{name}` modified during `foreach` iteration"),
                )
                .help("collect the keys first, or change it after the loop");
        }
    }

    /// The array of a name with this many keys; reports an undeclared one.
    pub(super) fn array(
        &mut self,
        scope: &Scope<'_>,
        name: &ast::Name,
        arity: usize,
    ) -> Option<GlobalId> {
        let Some(id) = self.global(scope, &name.text, name.span) else {
            let names = self.global_names(name.span);
            self.diagnostics
                .error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    format!("unresolved arity-{arity} global array `{}`", name.text),
                )
                .label("not declared")
                .suggest(&name.text, names)
                .help(format!("declare it: `global {}`", name.text));
            return None;
        };
        self.use_as(id, Shape::Array(arity, name.span));
        Some(id)
    }
}
