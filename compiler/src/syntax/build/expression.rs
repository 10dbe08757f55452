//! Expressions: a flat row of operands and operators into a tree.

use pest::iterators::Pair;

use super::{Builder, operator, parts};
use crate::{
    diagnostic::codes,
    source::Span,
    syntax::{
        ast::{
            Access, AssignOperator, Expression, ExpressionKind, LiteralValue, Name, UnaryOperator,
        },
        parser::Rule,
    },
};

/// A part of an expression already built.
pub(super) struct Operand {
    pub(super) expression: Expression,
    /// Not in parentheses, so operators that do not chain look into it.
    pub(super) bare: bool,
}

impl Builder<'_, '_> {
    /// `expression = { operand ~ (infix ~ operand | matching | membership)* }`
    pub(super) fn expression(&self, pair: Pair<'_, Rule>) -> Expression {
        operator::PRECEDENCE
            .map_primary(|primary| self.primary(primary))
            .map_prefix(|operator, operand| self.prefix(&operator, operand))
            .map_postfix(|operand, operator| self.postfix(operand, operator))
            .map_infix(|left, operator, right| self.infix(left, operator, right))
            .parse(pair.into_inner())
            .expression
    }

    /// The expression the grammar guarantees to be there.
    pub(super) fn required(&self, pair: Option<Pair<'_, Rule>>, around: Span) -> Expression {
        match pair {
            Some(pair) => self.expression(pair),
            None => {
                Expression { kind: ExpressionKind::Literal(LiteralValue::Number(0)), span: around }
            }
        }
    }

    fn prefix(&self, pair: &Pair<'_, Rule>, operand: Operand) -> Operand {
        let operand = operand.expression;
        let span = self.span(pair).to(operand.span);
        let kind = match pair.as_rule() {
            Rule::increment_before => return self.increment(true, pair.as_str(), operand, span),
            Rule::address_of => {
                let addressable = matches!(
                    operand.kind,
                    ExpressionKind::Context(_)
                        | ExpressionKind::Member {
                            access: Access::Field(_) | Access::Index(_),
                            ..
                        }
                        | ExpressionKind::Var { .. }
                        | ExpressionKind::Cast { .. }
                        | ExpressionKind::Element { .. }
                );
                if !addressable {
                    self.error(codes::SYNTAX, operand.span, "this has no address", |error| {
                        error.label("neither a context variable nor a member of one");
                    });
                }
                ExpressionKind::AddressOf(Box::new(operand))
            }
            _ => ExpressionKind::Unary {
                operator: operator::unary(pair.as_str()),
                operand: Box::new(operand),
            },
        };
        bare(kind, span)
    }

    fn postfix(&self, operand: Operand, pair: Pair<'_, Rule>) -> Operand {
        let place = self.span(&pair);
        let Operand { expression, bare: is_bare } = operand;
        let span = expression.span.to(place);
        let text = pair.as_str();
        let access = match pair.as_rule() {
            Rule::increment_after => return self.increment(false, text, expression, span),
            Rule::membership => return self.membership(pair, expression, span),
            Rule::matching => {
                return self.matching(pair, Operand { expression, bare: is_bare }, span);
            }
            Rule::arrow => {
                let name = parts(pair).next().map(|name| self.name(&name));
                Access::Field(name.unwrap_or(Name { text: String::new(), span: place }))
            }
            Rule::pretty => Access::Pretty { deep: text == "$$" },
            _ => Access::Index(Box::new(self.subscript(pair, place))),
        };
        bare(ExpressionKind::Member { base: Box::new(expression), access }, span)
    }

    /// `subscript = { indices }` behind something that is not an array: one index.
    fn subscript(&self, pair: Pair<'_, Rule>, place: Span) -> Expression {
        let mut indices = parts(pair).next().map_or(vec![], |indices| self.indices(indices));
        self.no_wildcards(&indices);
        if indices.len() > 1 {
            self.error(codes::SYNTAX, place, "one index expected here", |error| {
                error.label("only elements of a script's own arrays have several indices");
            });
        }
        if indices.is_empty() { self.required(None, place) } else { indices.swap_remove(0) }
    }

    /// `membership = { in_word ~ identifier }`
    fn membership(&self, pair: Pair<'_, Rule>, key: Expression, span: Span) -> Operand {
        let array = parts(pair).next().map(|name| self.name(&name));
        let array = array.unwrap_or(Name { text: String::new(), span });
        bare(ExpressionKind::In { keys: vec![key], array }, span)
    }

    /// `matching = { ("=~" | "!~") ~ string }`
    fn matching(&self, pair: Pair<'_, Rule>, text: Operand, span: Span) -> Operand {
        let negated = pair.as_str().starts_with('!');
        self.no_chain(&text, self.span(&pair));
        let Some(regex) = parts(pair).next().map(|string| self.string(string)) else {
            return text;
        };
        bare(ExpressionKind::Match { negated, text: Box::new(text.expression), regex }, span)
    }

    /// Reports `a =~ "x" == b` and `a == b =~ "x"`.
    fn no_chain(&self, left: &Operand, place: Span) {
        use crate::syntax::ast::BinaryOperator::{
            Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual,
        };
        let chains = match &left.expression.kind {
            ExpressionKind::Match { .. } => true,
            ExpressionKind::Binary { operator, .. } => {
                matches!(operator, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
            }
            _ => false,
        };
        if left.bare && chains {
            self.error(codes::SYNTAX, place, "`=~` and `!~` do not chain", |error| {
                error
                    .label("a second comparison")
                    .also(left.expression.span, "the first one")
                    .help("put one of them in parentheses");
            });
        }
    }

    fn infix(&self, left: Operand, pair: Pair<'_, Rule>, right: Operand) -> Operand {
        let operator_span = self.span(&pair);
        let span = left.expression.span.to(right.expression.span);
        let text = pair.as_str();
        match pair.as_rule() {
            Rule::assignment => self.assign(text, operator_span, left, right),
            Rule::ternary => {
                let then = self.required(parts(pair).next(), operator_span);
                let kind = ExpressionKind::Conditional {
                    condition: Box::new(left.expression),
                    then: Box::new(then),
                    otherwise: Box::new(right.expression),
                };
                bare(kind, span)
            }
            rule => {
                let is_match = matches!(left.expression.kind, ExpressionKind::Match { .. });
                if rule == Rule::equality_or_order && is_match {
                    self.no_chain(&left, operator_span);
                }
                let kind = ExpressionKind::Binary {
                    operator: operator::binary(text),
                    operator_span,
                    left: Box::new(left.expression),
                    right: Box::new(right.expression),
                };
                bare(kind, span)
            }
        }
    }

    fn assign(&self, text: &str, operator_span: Span, left: Operand, right: Operand) -> Operand {
        let span = left.expression.span.to(right.expression.span);
        let operator = operator::assignment(text);
        // `a ? b : c = d` assigns to `c`: what follows the `:` is a whole expression.
        if let (true, ExpressionKind::Conditional { condition, then, otherwise }) =
            (left.bare, left.expression.kind.clone())
        {
            let otherwise = Operand { expression: *otherwise, bare: true };
            let otherwise = Box::new(self.assign(text, operator_span, otherwise, right).expression);
            return bare(ExpressionKind::Conditional { condition, then, otherwise }, span);
        }
        if operator == AssignOperator::Aggregate
            && right.bare
            && matches!(
                right.expression.kind,
                ExpressionKind::Assign { operator: AssignOperator::Aggregate, .. }
            )
        {
            self.error(codes::SYNTAX, operator_span, "`<<<` does not chain", |error| {
                error.also(right.expression.span, "already adds to an aggregate");
            });
        }
        self.check_target(&left.expression, text);
        let kind = ExpressionKind::Assign {
            operator,
            operator_span,
            target: Box::new(left.expression),
            value: Box::new(right.expression),
        };
        bare(kind, span)
    }

    fn increment(&self, prefix: bool, text: &str, target: Expression, span: Span) -> Operand {
        self.check_target(&target, text);
        let by = if text == "++" { 1 } else { -1 };
        bare(ExpressionKind::Increment { prefix, by, target: Box::new(target) }, span)
    }

    /// Reports an assignment to something that holds no value.
    fn check_target(&self, target: &Expression, operator: &str) {
        let is_target = match &target.kind {
            ExpressionKind::Variable(_)
            | ExpressionKind::Element { .. }
            | ExpressionKind::Context(_)
            | ExpressionKind::Var { .. } => true,
            ExpressionKind::Member { access, .. } => !matches!(access, Access::Pretty { .. }),
            _ => false,
        };
        if !is_target {
            let message = format!("expecting a variable for `{operator}`");
            self.error(codes::TARGET, target.span, message, |error| {
                error.label("not a variable, array element or context variable");
                let negated = matches!(
                    target.kind,
                    ExpressionKind::Unary { operator: UnaryOperator::Not, .. }
                );
                if operator == "="
                    && (negated || matches!(target.kind, ExpressionKind::Binary { .. }))
                {
                    error.help("`==` compares, `=` assigns");
                }
            });
        }
    }
}

/// An expression without parentheses.
pub(super) fn bare(kind: ExpressionKind, span: Span) -> Operand {
    Operand { expression: Expression { kind, span }, bare: true }
}
