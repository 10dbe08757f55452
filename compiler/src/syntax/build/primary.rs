//! Operands: literals, names, calls, elements and the `@` operators.

use pest::iterators::Pair;

use super::{
    Builder,
    expression::{Operand, bare},
    parts,
};
use crate::syntax::ast::Quantile;
use crate::{
    diagnostic::codes,
    printers::printer_of,
    source::Span,
    syntax::{
        ast::{Aggregate, Expression, ExpressionKind, Literal, LiteralValue, Name},
        constant,
        parser::Rule,
    },
};

impl Builder<'_, '_> {
    /// `primary = _{ number | string | context | operator_call | tuple_membership | named | parenthesized | embedded }`
    pub(super) fn primary(&self, pair: Pair<'_, Rule>) -> Operand {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::parenthesized => {
                let wildcards = self.wildcards.take();
                let expression = self.required(parts(pair).next(), span);
                self.wildcards.set(wildcards);
                return Operand { expression, bare: false };
            }
            Rule::number => ExpressionKind::Literal(LiteralValue::Number(self.number(&pair))),
            Rule::string => ExpressionKind::Literal(self.string(pair).value),
            Rule::context => ExpressionKind::Context(pair.as_str().to_string()),
            Rule::named => self.named(pair, span),
            Rule::tuple_membership => {
                let mut inner = parts(pair);
                let keys = inner.next().map_or(vec![], |indices| self.indices(indices));
                let array = self.name_or_empty(inner.next(), span);
                ExpressionKind::In { keys, array }
            }
            Rule::aggregate => return bare(self.aggregate(pair).kind, span),
            Rule::cast => {
                let mut inner = parts(pair);
                let value = Box::new(self.required(inner.next(), span));
                let type_name = self.literal_or_empty(inner.next(), span);
                let module = inner.next().map(|module| self.string(module));
                ExpressionKind::Cast { value, type_name, module }
            }
            Rule::defined => ExpressionKind::Defined(Box::new(self.only(pair, span))),
            Rule::probe_write => ExpressionKind::ProbeWrite(Box::new(self.only(pair, span))),
            Rule::entry => ExpressionKind::Entry(Box::new(self.only(pair, span))),
            Rule::perf => ExpressionKind::Perf(self.literal_or_empty(parts(pair).next(), span)),
            Rule::global_variable => {
                let mut inner = parts(pair);
                let name = self.literal_or_empty(inner.next(), span);
                ExpressionKind::Var { name, module: inner.next().map(|p| self.string(p)) }
            }
            Rule::constant => {
                ExpressionKind::Constant(self.literal_or_empty(parts(pair).next(), span))
            }
            Rule::enumeration_name => {
                let arguments = parts(pair).next();
                ExpressionKind::EnumName(arguments.map_or(vec![], |p| self.arguments(p)))
            }
            Rule::raw => self.raw(pair, span),
            _ => self.embedded(&pair),
        };
        bare(kind, span)
    }

    /// `named = { identifier ~ (arguments | indices)? }`
    fn named(&self, pair: Pair<'_, Rule>, span: Span) -> ExpressionKind {
        let wildcards = self.wildcards.take();
        let mut inner = parts(pair);
        let name = self.name_or_empty(inner.next(), span);
        let list = inner.next();
        let is_called = list.as_ref().is_some_and(|list| list.as_rule() == Rule::arguments);
        if !is_called && printer_of(&name.text).is_some() {
            let message = format!("expected `(` behind `{}`", name.text);
            self.error(codes::SYNTAX, name.span, message, |error| {
                error.label("always a function, never a variable");
            });
        }
        match list {
            None => ExpressionKind::Variable(name.text),
            Some(list) if list.as_rule() == Rule::arguments => {
                let arguments = self.arguments(list);
                if let Some(printer) = printer_of(&name.text) {
                    self.check_printing(printer, &name, &arguments);
                }
                ExpressionKind::Call { function: name, arguments }
            }
            Some(list) => {
                let indices = self.indices(list);
                if !wildcards {
                    self.no_wildcards(&indices);
                }
                ExpressionKind::Element { array: name, indices }
            }
        }
    }

    /// `indices = { "[" ~ index ~ (comma ~ index)* ~ "]" }`, where an index may be `*`.
    pub(super) fn indices(&self, pair: Pair<'_, Rule>) -> Vec<Expression> {
        let index = |part: Pair<'_, Rule>| match part.as_rule() {
            Rule::wildcard => Expression { kind: ExpressionKind::Wildcard, span: self.span(&part) },
            _ => self.expression(part),
        };
        parts(pair).map(index).collect()
    }

    /// Reports `*` where an index must be a value.
    pub(super) fn no_wildcards(&self, indices: &[Expression]) {
        if let Some(wildcard) = indices.iter().find(|i| matches!(i.kind, ExpressionKind::Wildcard))
        {
            let message = "`*` as an index does not stand for one element";
            self.error(codes::MISPLACED, wildcard.span, message, |error| {
                error.label("allowed in `delete`, before `in` and in the slice of a `foreach`");
            });
        }
    }

    /// `arguments = { "(" ~ (expression ~ (comma ~ expression)*)? ~ ")" }`
    fn arguments(&self, pair: Pair<'_, Rule>) -> Vec<Expression> {
        parts(pair).map(|argument| self.expression(argument)).collect()
    }

    /// `aggregate = { aggregate_word ~ arguments }`
    pub(super) fn aggregate(&self, pair: Pair<'_, Rule>) -> Expression {
        let span = self.span(&pair);
        let mut inner = parts(pair);
        let word = inner.next().map_or("", |word| word.as_str());
        let mut arguments = inner.next().map_or(vec![], |p| self.arguments(p)).into_iter();
        let aggregate = aggregate_of(word);
        let (fewest, most, form) = match aggregate {
            Aggregate::Variance => (1, 2, "an aggregate and perhaps a shift"),
            Aggregate::Percentile(_) => {
                (2, 3, "an aggregate and a percentage, or an aggregate, a rank and of how many")
            }
            Aggregate::HistLinear => (4, 4, "an aggregate, low, high and step"),
            _ => (1, 1, "an aggregate"),
        };
        if !(fewest..=most).contains(&arguments.len()) {
            let message = format!("wrong number of arguments for `{word}`");
            self.error(codes::SYNTAX, span, message, |error| {
                error.label(format!("takes {form}"));
            });
        }
        let of = Box::new(arguments.next().unwrap_or_else(|| self.required(None, span)));
        let arguments: Vec<Expression> = arguments.collect();
        if aggregate == Aggregate::HistLinear {
            for bound in arguments.iter().filter(|bound| constant::number(bound).is_none()) {
                let message = "`@hist_linear` needs literal numbers";
                self.error(codes::AGGREGATE, bound.span, message, |error| {
                    error.label("not a literal number");
                });
            }
        }
        Expression { kind: ExpressionKind::Aggregate { aggregate, of, arguments }, span }
    }

    /// `raw = { raw_word ~ arguments }`
    fn raw(&self, pair: Pair<'_, Rule>, span: Span) -> ExpressionKind {
        let mut inner = parts(pair);
        let word = inner.next().map_or("", |word| word.as_str()).to_string();
        let arguments = inner.next().map_or(vec![], |p| self.arguments(p));
        let (wanted, form) =
            if word.ends_with("deref") { (2, "size and address") } else { (1, "register number") };
        if arguments.len() != wanted {
            let message = format!("wrong number of arguments for `{word}`");
            self.error(codes::SYNTAX, span, message, |error| {
                error.label(format!("takes {form}"));
            });
        }
        ExpressionKind::Raw { word, arguments }
    }

    fn only(&self, pair: Pair<'_, Rule>, span: Span) -> Expression {
        self.required(parts(pair).next(), span)
    }

    fn name_or_empty(&self, pair: Option<Pair<'_, Rule>>, span: Span) -> Name {
        pair.map_or(Name { text: String::new(), span }, |pair| self.name(&pair))
    }

    fn literal_or_empty(&self, pair: Option<Pair<'_, Rule>>, span: Span) -> Literal {
        match pair {
            Some(pair) => self.string(pair),
            None => Literal { value: LiteralValue::String(String::new()), span },
        }
    }
}

/// The aggregate of a word such as `@count`.
pub(super) fn aggregate_of(word: &str) -> Aggregate {
    match word {
        "@sum" => Aggregate::Sum,
        "@avg" => Aggregate::Avg,
        "@min" => Aggregate::Min,
        "@max" => Aggregate::Max,
        "@variance" => Aggregate::Variance,
        "@percentile" => Aggregate::Percentile(Quantile::default()),
        "@hist_log" => Aggregate::HistLog,
        "@hist_linear" => Aggregate::HistLinear,
        _ => Aggregate::Count,
    }
}
