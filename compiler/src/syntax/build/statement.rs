//! Statements.

use pest::iterators::Pair;

use super::{Builder, parts};
use crate::{
    diagnostic::codes,
    source::Span,
    syntax::{
        ast::{
            Aggregate, Expression, ExpressionKind, Foreach, ForeachOver, Name, SortDirection,
            Statement, StatementKind,
        },
        parser::Rule,
    },
};

impl Builder<'_, '_> {
    /// One statement of any kind.
    pub(super) fn statement(&self, pair: Pair<'_, Rule>) -> Statement {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::block => StatementKind::Block(parts(pair).map(|p| self.statement(p)).collect()),
            Rule::expression_statement => {
                parts(pair).next().map_or(StatementKind::Empty, |expression| {
                    StatementKind::Expression(self.expression(expression))
                })
            }
            Rule::if_statement => return self.if_chain(pair),
            Rule::while_statement => {
                let mut inner = parts(pair);
                let condition = self.required(inner.next(), span);
                StatementKind::While {
                    condition,
                    body: Box::new(self.inside_loop(inner.next(), span)),
                }
            }
            Rule::for_statement => {
                let mut inner = parts(pair);
                let mut part = || {
                    let part = inner.next().and_then(|part| parts(part).next());
                    part.map(|expression| self.expression(expression))
                };
                let (init, condition, step) = (part(), part(), part());
                let body = Box::new(self.inside_loop(inner.next(), span));
                StatementKind::For { init, condition, step, body }
            }
            Rule::foreach_statement => StatementKind::Foreach(Box::new(self.foreach(pair, span))),
            Rule::break_statement => self.in_loop("break", span, StatementKind::Break),
            Rule::continue_statement => self.in_loop("continue", span, StatementKind::Continue),
            Rule::next_statement => StatementKind::Next,
            Rule::return_statement => {
                if !self.in_function.get() {
                    let message = "found `return` not in function context";
                    self.error(codes::MISPLACED, span, message, |error| {
                        error.label("this is a probe handler").help("use `next` to leave it");
                    });
                }
                StatementKind::Return(parts(pair).next().map(|value| self.expression(value)))
            }
            Rule::delete_statement => self.delete(pair, span),
            Rule::try_statement => {
                let mut inner = parts(pair).peekable();
                let body = Box::new(self.optional_statement(inner.next(), span));
                let variable =
                    inner.next_if(|p| p.as_rule() == Rule::identifier).map(|p| self.name(&p));
                let handler = Box::new(self.optional_statement(inner.next(), span));
                StatementKind::Try { body, variable, handler }
            }
            _ => StatementKind::Empty,
        };
        Statement { kind, span }
    }

    /// `if_statement = { if ~ test ~ statement ~ (else ~ if ~ test ~ statement)* ~ (else ~ statement)? }`
    fn if_chain(&self, pair: Pair<'_, Rule>) -> Statement {
        let whole = self.span(&pair);
        let mut links: Vec<(Span, Expression, Statement)> = vec![];
        let mut otherwise = None;
        let mut start = whole;
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::if_word => start = self.span(&part),
                Rule::expression => condition = Some(self.expression(part)),
                Rule::else_word | Rule::open_parenthesis | Rule::close_parenthesis => {}
                _ => {
                    let statement = self.statement(part);
                    match condition.take() {
                        Some(condition) => links.push((start, condition, statement)),
                        None => otherwise = Some(statement),
                    }
                }
            }
        }
        for (start, condition, then) in links.into_iter().rev() {
            let kind = StatementKind::If {
                condition,
                then: Box::new(then),
                otherwise: otherwise.map(Box::new),
            };
            otherwise = Some(Statement { kind, span: Span { end: whole.end, ..start } });
        }
        otherwise.unwrap_or(Statement { kind: StatementKind::Empty, span: whole })
    }

    fn in_loop(&self, word: &str, span: Span, kind: StatementKind) -> StatementKind {
        if self.loops.get() == 0 {
            let message = format!("found `{word}` not in loop context");
            self.error(codes::MISPLACED, span, message, |error| {
                error.label("no `while`, `for` or `foreach` around it");
                if !self.in_function.get() {
                    error.help("use `next` to leave a probe handler");
                }
            });
        }
        kind
    }

    fn inside_loop(&self, pair: Option<Pair<'_, Rule>>, around: Span) -> Statement {
        self.loops.set(self.loops.get() + 1);
        let body = self.optional_statement(pair, around);
        self.loops.set(self.loops.get() - 1);
        body
    }

    fn optional_statement(&self, pair: Option<Pair<'_, Rule>>, around: Span) -> Statement {
        match pair {
            Some(pair) => self.statement(pair),
            None => Statement { kind: StatementKind::Empty, span: around },
        }
    }

    /// `delete_statement = { delete_word ~ expression }`
    fn delete(&self, pair: Pair<'_, Rule>, span: Span) -> StatementKind {
        self.wildcards.set(true);
        let operand = self.required(parts(pair).next(), span);
        self.wildcards.set(false);
        let deletable =
            matches!(operand.kind, ExpressionKind::Variable(_) | ExpressionKind::Element { .. });
        if !deletable {
            let message = "invalid operand of delete expression";
            self.error(codes::TARGET, operand.span, message, |error| {
                error.label("neither a variable nor an array element");
            });
        }
        StatementKind::Delete(operand)
    }

    /// `foreach_statement = { foreach ~ "(" ~ foreach_value? ~ foreach_keys ~ in ~ (aggregate | foreach_array) ~ foreach_limit? ~ ")" ~ statement }`
    fn foreach(&self, pair: Pair<'_, Rule>, span: Span) -> Foreach {
        let (mut value, mut keys, mut limit) = (None, vec![], None);
        let mut body = None;
        let empty = Name { text: String::new(), span };
        let mut over =
            ForeachOver::Array { array: empty, slice: vec![], aggregate: None, direction: None };
        let mut marks = vec![];
        for part in parts(pair) {
            match part.as_rule() {
                Rule::foreach_value => {
                    value = parts(part).next().and_then(|p| self.foreach_name(p, &mut marks));
                }
                Rule::foreach_keys => {
                    keys = parts(part).filter_map(|p| self.foreach_name(p, &mut marks)).collect();
                }
                Rule::aggregate => over = self.foreach_histogram(part),
                Rule::foreach_array => over = self.foreach_array(part, over, &mut marks),
                Rule::foreach_limit => limit = parts(part).next().map(|e| self.expression(e)),
                _ => body = Some(self.inside_loop(Some(part), span)),
            }
        }
        if let [first, second, ..] = marks.as_slice() {
            self.error(codes::SYNTAX, *second, "multiple sort directives", |error| {
                error.label("a second sort mark").also(*first, "sorted by this already");
            });
        }
        let body = body.unwrap_or(Statement { kind: StatementKind::Empty, span });
        Foreach { value, keys, over, limit, body }
    }

    /// `foreach_name = { identifier ~ sort_mark? }`
    fn foreach_name(
        &self,
        pair: Pair<'_, Rule>,
        marks: &mut Vec<Span>,
    ) -> Option<(Name, Option<SortDirection>)> {
        let mut inner = parts(pair);
        let name = self.name(&inner.next()?);
        let mark = inner.next().map(|mark| self.sort_mark(&mark, marks));
        Some((name, mark))
    }

    fn sort_mark(&self, pair: &Pair<'_, Rule>, marks: &mut Vec<Span>) -> SortDirection {
        marks.push(self.span(pair));
        match pair.as_str() {
            "+" => SortDirection::Ascending,
            _ => SortDirection::Descending,
        }
    }

    fn foreach_histogram(&self, pair: Pair<'_, Rule>) -> ForeachOver {
        let span = self.span(&pair);
        let histogram = self.aggregate(pair);
        if !matches!(
            histogram.kind,
            ExpressionKind::Aggregate { aggregate: Aggregate::HistLog | Aggregate::HistLinear, .. }
        ) {
            self.error(codes::SYNTAX, span, "only histograms have buckets to iterate", |error| {
                error.help("use `@hist_log(x)` or `@hist_linear(x, low, high, step)`");
            });
        }
        ForeachOver::Histogram(histogram)
    }

    /// `foreach_array = { identifier ~ indices? ~ aggregate_word? ~ sort_mark? ~ indices? }`
    fn foreach_array(
        &self,
        pair: Pair<'_, Rule>,
        otherwise: ForeachOver,
        marks: &mut Vec<Span>,
    ) -> ForeachOver {
        let mut inner = parts(pair);
        let Some(name) = inner.next() else { return otherwise };
        let array = self.name(&name);
        let (mut slice, mut aggregate, mut direction) = (vec![], None, None);
        for part in inner {
            match part.as_rule() {
                Rule::indices => slice = self.indices(part),
                Rule::aggregate_word => {
                    let place = self.span(&part);
                    let word = super::primary::aggregate_of(part.as_str());
                    if matches!(
                        word,
                        Aggregate::HistLog | Aggregate::HistLinear | Aggregate::Percentile(_)
                    ) {
                        let message = format!("`{}` cannot sort", part.as_str());
                        self.error(codes::SYNTAX, place, message, |error| {
                            error.help("sort by `@count`, `@sum`, `@min`, `@max` or `@avg`");
                        });
                    }
                    aggregate = Some((word, place));
                }
                _ => direction = Some(self.sort_mark(&part, marks)),
            }
        }
        ForeachOver::Array { array, slice, aggregate, direction }
    }
}
