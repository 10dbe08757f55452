//! Expressions.

use super::{Resolver, Scope, addition, aggregate::names_histogram, counted, pointer::Holder};
use crate::builtins;
use crate::diagnostic::bpftrace::{self, WordPlace};
use crate::diagnostic::codes;
use crate::hir::{
    Arithmetic, AssignOperator, Comparison, Expr, ExprKind, Place, PlaceKind, Shape, Unary,
};
use crate::library::refused;
use crate::printers::{PRINTERS, printer_of};
use crate::source::Span;
use crate::syntax::ast::{
    self, BinaryOperator, Expression, ExpressionKind, LiteralValue, Name, UnaryOperator,
};
use crate::syntax::{constant, refuse_embedded};

/// What a binary operator of the syntax tree is here.
enum Operator {
    Arithmetic(Arithmetic),
    Compare(Comparison),
    Logical { or: bool },
    Concatenate,
}

impl Resolver<'_> {
    /// An expression whose value is used.
    pub(super) fn expression(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Expr> {
        let expr = self.expression_or_call(scope, expression)?;
        if let ExprKind::Call { builtin, .. } = &expr.kind
            && builtin.result == builtins::Kind::Nothing
        {
            self.diagnostics
                .error(
                    codes::TYPE_MISMATCH,
                    expr.span,
                    format!("`{}` gives no value", builtin.name),
                )
                .label("used as a value");
            return None;
        }
        Some(expr)
    }

    /// An expression whose value may be dropped.
    pub(super) fn expression_or_call(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Expr> {
        let span = expression.span;
        if let ExpressionKind::Variable(name) = &expression.kind
            && let Some(given) = self.given(scope, name)
        {
            return given;
        }
        let kind = match &expression.kind {
            ExpressionKind::Literal(LiteralValue::Number(n)) => ExprKind::Number(*n),
            ExpressionKind::Literal(LiteralValue::String(s)) => ExprKind::Text(s.clone()),
            ExpressionKind::Variable(name)
                if let Some(argument) = scope.substitution.take(name) =>
            {
                return Some(argument);
            }
            ExpressionKind::Variable(_) | ExpressionKind::Element { .. } => {
                ExprKind::Read(self.target(scope, expression)?)
            }
            ExpressionKind::Member { base, access: ast::Access::Index(index) }
                if names_histogram(base) =>
            {
                return self.bucket(scope, base, index, span);
            }
            ExpressionKind::Context(_)
            | ExpressionKind::Member { .. }
            | ExpressionKind::Var { .. }
            | ExpressionKind::Cast { .. } => {
                let reported = self.diagnostics.len();
                let value = self.context_expression(scope, expression);
                return self.zero_if_bad(value, reported, span);
            }
            ExpressionKind::AddressOf(operand) => {
                let reported = self.diagnostics.len();
                let value = self.address_of(scope, operand, span);
                return self.zero_if_bad(value, reported, span);
            }
            ExpressionKind::Call { function, arguments } => {
                return self.call(scope, function, arguments, span);
            }
            ExpressionKind::Unary { operator, operand } => {
                let operand = self.expression(scope, operand)?;
                let operator = match operator {
                    UnaryOperator::Plus => return Some(operand),
                    UnaryOperator::Negate => Unary::Negate,
                    UnaryOperator::Not => Unary::Not,
                    UnaryOperator::Complement => Unary::Complement,
                };
                ExprKind::Unary { operator, operand: Box::new(operand) }
            }
            ExpressionKind::Binary { operator, operator_span, left, right } => {
                let left = self.expression(scope, left);
                let right = Box::new(self.expression(scope, right)?);
                let left = Box::new(left?);
                match operator_of(*operator) {
                    Operator::Arithmetic(operator) => {
                        let operator_span = *operator_span;
                        ExprKind::Arithmetic { operator, operator_span, left, right }
                    }
                    Operator::Compare(operator) => ExprKind::Compare { operator, left, right },
                    Operator::Logical { or } => ExprKind::Logical { or, left, right },
                    Operator::Concatenate => ExprKind::Concatenate { left, right },
                }
            }
            ExpressionKind::In { keys, array } => {
                let id = self.array(scope, array, keys.len());
                let keys = self.keys(scope, keys)?;
                ExprKind::In { array: id?, keys }
            }
            ExpressionKind::Conditional { condition, then, otherwise } => {
                match self.constant(scope, condition) {
                    Some(0) => return self.expression(scope, otherwise),
                    Some(_) => return self.expression(scope, then),
                    None => {}
                }
                let condition = self.expression(scope, condition);
                let then = self.expression(scope, then);
                let otherwise = Box::new(self.expression(scope, otherwise)?);
                let (condition, then) = (Box::new(condition?), Box::new(then?));
                ExprKind::Conditional { condition, then, otherwise }
            }
            ExpressionKind::Assign { operator, operator_span, target, value } => {
                return self.assign(scope, *operator, *operator_span, target, value, span);
            }
            ExpressionKind::Increment { prefix, by, target } => {
                let target = self.target(scope, target)?;
                self.refuse_iterated(scope, &target, span);
                ExprKind::Increment { target: Box::new(target), prefix: *prefix, by: *by }
            }
            ExpressionKind::Aggregate { aggregate, of, arguments } => {
                self.extractor(scope, *aggregate, of, arguments, span)?
            }
            ExpressionKind::Match { negated, text, regex } => {
                let text = self.expression(scope, text);
                let regex = self.regex(regex)?;
                ExprKind::Match { negated: *negated, text: Box::new(text?), regex }
            }
            ExpressionKind::Defined(_) => {
                ExprKind::Number(self.constant(scope, expression).unwrap_or(0))
            }
            ExpressionKind::Wildcard => {
                self.diagnostics
                    .error(codes::WRONG_PLACE, span, "`*` cannot be a key here")
                    .label("a wildcard has no value");
                return None;
            }
            ExpressionKind::Embedded(_) => {
                refuse_embedded(self.diagnostics, span);
                return None;
            }
            ExpressionKind::Constant(literal) => {
                return self.enumerator(literal, span);
            }
            ExpressionKind::Entry(inner) => {
                let reported = self.diagnostics.len();
                let value = self.entry_value(scope, inner, span);
                return self.zero_if_bad(value, reported, span);
            }
            // Nothing of the probe's context can be written.
            ExpressionKind::ProbeWrite(_) => ExprKind::Number(0),
            ExpressionKind::Raw { word, arguments } => {
                return self.raw(scope, word, arguments, span);
            }
            ExpressionKind::EnumName(arguments) => {
                return self.enumeration_name(scope, arguments, span);
            }
            ExpressionKind::Perf(name) => return self.counter_value(scope, name, span),
        };
        let expr = self.expr(span, kind);
        self.derive_pointee(scope, &expr);
        Some(expr)
    }

    /// A variable that cannot be had: 0 in place of what was reported, where the user wants that.
    fn zero_if_bad(&mut self, value: Option<Expr>, reported: usize, span: Span) -> Option<Expr> {
        if value.is_some() || !self.bad_variables_are_zero {
            return value;
        }
        self.diagnostics.truncate(reported);
        Some(self.expr(span, ExprKind::Number(0)))
    }

    /// The value of a condition that can be known now: what it rules out is not resolved.
    pub(super) fn constant(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<i64> {
        constant::evaluate(expression, &mut |of| Some(self.is_defined(scope, of)))
    }

    /// `@defined(of)`: whether it would resolve.
    fn is_defined(&mut self, scope: &mut Scope<'_>, of: &Expression) -> bool {
        let kept = std::mem::take(self.diagnostics);
        let entry = scope.entry.clone();
        let wanted = self.wants_record;
        let found = self.context_expression(scope, of).is_some();
        self.wants_record = wanted.or_in_test(self.wants_record);
        scope.entry = entry;
        *self.diagnostics = kept;
        found
    }

    /// A variable or element that is read or written.
    pub(super) fn target(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Place> {
        let span = expression.span;
        let kind = match &expression.kind {
            ExpressionKind::Variable(name) => match self.global(scope, name, span) {
                Some(id) => {
                    self.use_as(id, Shape::Scalar(span));
                    PlaceKind::Global(id)
                }
                None => PlaceKind::Local(scope.local(name, span)),
            },
            ExpressionKind::Element { array, indices } => {
                let id = self.array(scope, array, indices.len());
                let keys: Vec<_> = indices.iter().map(|k| self.expression(scope, k)).collect();
                let keys = keys.into_iter().collect::<Option<Vec<_>>>()?;
                let id = id?;
                let declared = self.script.globals[id].span;
                for (at, key) in keys.iter().enumerate() {
                    self.learn(Holder::Key(declared, at), key);
                }
                PlaceKind::Element(id, keys)
            }
            ExpressionKind::Context(name) => {
                self.diagnostics
                    .error(codes::WRONG_PLACE, span, format!("`{name}` cannot be written"))
                    .note("programs that the kernel verifies cannot change its data");
                return None;
            }
            _ => {
                self.diagnostics
                    .error(codes::WRONG_PLACE, span, "expecting a variable")
                    .label("cannot be assigned to");
                return None;
            }
        };
        Some(self.place(span, kind))
    }

    /// The text of a regular expression, which is checked.
    fn regex(&mut self, literal: &ast::Literal) -> Option<String> {
        let LiteralValue::String(text) = &literal.value else { return None };
        if let Err(error) = crate::regex::compile(text) {
            let diagnostic = self.diagnostics.error(
                codes::REGEX,
                literal.span,
                format!("regex compilation error (at position {}): {}", error.position, error.what),
            );
            if let Some(help) = error.help {
                diagnostic.help(help);
            }
            return None;
        }
        Some(text.clone())
    }

    /// What an extractor reads and `<<<` adds to: a global or an element of one.
    pub(super) fn aggregate_target(
        &mut self,
        scope: &mut Scope<'_>,
        of: &Expression,
    ) -> Option<Place> {
        let place = self.target(scope, of)?;
        if let PlaceKind::Local(id) = place.kind {
            let name = scope.body.locals[id].name.clone();
            let names = self.global_names(of.span);
            self.diagnostics
                .error(codes::UNKNOWN_NAME, of.span, format!("`{name}` is not an aggregate"))
                .label("not a global")
                .suggest(&name, names);
            return None;
        }
        Some(place)
    }

    /// Keys that may be wildcards.
    pub(super) fn keys(&mut self, scope: &mut Scope<'_>, keys: &[Expression]) -> Option<Vec<Expr>> {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| match key.kind {
                ExpressionKind::Wildcard => Some(self.expr(key.span, ExprKind::Wildcard)),
                _ => self.expression(scope, key),
            })
            .collect();
        keys.into_iter().collect()
    }

    fn assign(
        &mut self,
        scope: &mut Scope<'_>,
        operator: ast::AssignOperator,
        operator_span: Span,
        target: &Expression,
        value: &Expression,
        span: Span,
    ) -> Option<Expr> {
        let operator = match operator {
            ast::AssignOperator::Set => AssignOperator::Set,
            ast::AssignOperator::Aggregate => {
                self.diagnostics
                    .error(codes::WRONG_PLACE, operator_span, "`<<<` gives no value")
                    .help("make it a statement of its own");
                return None;
            }
            ast::AssignOperator::With(operator) => match operator_of(operator) {
                Operator::Arithmetic(operator) => AssignOperator::Arithmetic(operator),
                Operator::Concatenate => AssignOperator::Concatenate,
                Operator::Compare(_) | Operator::Logical { .. } => return None,
            },
        };
        if let Some(given) = self.give(scope, operator, target, value, span) {
            return given;
        }
        let target = self.target(scope, target);
        let value = self.expression(scope, value)?;
        let target = target?;
        self.refuse_iterated(scope, &target, span);
        if operator == AssignOperator::Set {
            self.learn_assignment(scope, &target, &value);
        }
        let (operator, value) = match operator {
            AssignOperator::Set => addition::as_addition(&target, value),
            AssignOperator::Arithmetic(_) | AssignOperator::Concatenate => (operator, value),
        };
        let kind = ExprKind::Assign {
            target: Box::new(target),
            operator,
            operator_span,
            value: Box::new(value),
        };
        let expr = self.expr(span, kind);
        self.derive_pointee(scope, &expr);
        Some(expr)
    }

    fn call(
        &mut self,
        scope: &mut Scope<'_>,
        function: &Name,
        arguments: &[Expression],
        span: Span,
    ) -> Option<Expr> {
        if let Some(printer) = printer_of(&function.text) {
            if !printer.to_text {
                self.diagnostics
                    .error(
                        codes::TYPE_MISMATCH,
                        span,
                        format!("`{}` gives no value", function.text),
                    )
                    .help(format!("`s{}` gives the text", function.text));
                return None;
            }
            let print = self.print(scope, printer, function, arguments)?;
            return Some(self.expr(span, ExprKind::Sprint(print)));
        }
        let with_arity = builtins::with_arity(&function.text, arguments.len());
        if self.is_function(&function.text, function.span, arguments.len())
            || with_arity.is_none() && self.names_function(&function.text, function.span)
        {
            return self.invoke(scope, function, arguments, span);
        }
        let Some(builtin) = with_arity.or_else(|| builtins::find(&function.text)) else {
            if let Some(refused) = refused::function(&function.text) {
                self.diagnostics
                    .error(
                        codes::UNKNOWN_FUNCTION,
                        function.span,
                        format!("there is no function `{}` here", function.text),
                    )
                    .label(refused.reason)
                    .help(refused.instead);
                return None;
            }
            let names = builtins::all()
                .map(|b| b.name)
                .chain(PRINTERS.iter().map(|p| p.name))
                .chain(self.function_names(function.span))
                .chain(self.library.function_names());
            let error = self.diagnostics.error(
                codes::UNKNOWN_FUNCTION,
                function.span,
                format!("unresolved function `{}`", function.text),
            );
            error.label("neither in this script nor in the library");
            match bpftrace::here(&function.text, WordPlace::Function) {
                Some(help) => error.help(help),
                None => error.suggest(&function.text, names),
            };
            return None;
        };
        if arguments.len() != builtin.parameters.len() {
            let takes: Vec<&str> = builtin.parameters.iter().map(|p| p.name).collect();
            self.diagnostics
                .error(
                    codes::ARITY,
                    span,
                    format!(
                        "`{}` takes {}, not {}",
                        builtin.name,
                        counted(takes.len(), "argument"),
                        arguments.len()
                    ),
                )
                .help(format!("{}({}): {}", builtin.name, takes.join(", "), builtin.summary));
            return None;
        }
        let arguments: Vec<_> = arguments.iter().map(|a| self.expression(scope, a)).collect();
        let arguments = arguments.into_iter().collect::<Option<Vec<_>>>()?;
        self.builtin_call(builtin, arguments, span)
    }

    /// The call of a builtin function.
    pub(super) fn builtin_call(
        &mut self,
        mut builtin: &'static builtins::Builtin,
        mut arguments: Vec<Expr>,
        span: Span,
    ) -> Option<Expr> {
        if let builtins::User::StandsFor(name, further) = builtin.user {
            builtin = builtins::find(name)?;
            for name in further {
                arguments.push(self.builtin_call(builtins::find(name)?, Vec::new(), span)?);
            }
        }
        let call = self.expr(span, ExprKind::Call { builtin, arguments });
        if let builtins::Kind::Pointer(name) = builtin.result {
            self.points_to_structure(&call, name);
        }
        Some(call)
    }
}

fn operator_of(operator: BinaryOperator) -> Operator {
    use Operator::{Arithmetic as A, Compare as C};
    match operator {
        BinaryOperator::Add => A(Arithmetic::Add),
        BinaryOperator::Subtract => A(Arithmetic::Subtract),
        BinaryOperator::Multiply => A(Arithmetic::Multiply),
        BinaryOperator::Divide => A(Arithmetic::Divide),
        BinaryOperator::Modulo => A(Arithmetic::Modulo),
        BinaryOperator::ShiftLeft => A(Arithmetic::ShiftLeft),
        BinaryOperator::ShiftRight => A(Arithmetic::ShiftRight),
        BinaryOperator::ShiftRightLogical => A(Arithmetic::ShiftRightLogical),
        BinaryOperator::And => A(Arithmetic::And),
        BinaryOperator::Or => A(Arithmetic::Or),
        BinaryOperator::Xor => A(Arithmetic::Xor),
        BinaryOperator::Equal => C(Comparison::Equal),
        BinaryOperator::NotEqual => C(Comparison::NotEqual),
        BinaryOperator::Less => C(Comparison::Less),
        BinaryOperator::LessEqual => C(Comparison::LessEqual),
        BinaryOperator::Greater => C(Comparison::Greater),
        BinaryOperator::GreaterEqual => C(Comparison::GreaterEqual),
        BinaryOperator::LogicalAnd => Operator::Logical { or: false },
        BinaryOperator::LogicalOr => Operator::Logical { or: true },
        BinaryOperator::Concatenate => Operator::Concatenate,
    }
}
