//! Extractors of aggregates: `@count` and the others, histograms, loops over histograms.
//!
//! An aggregate keeps one histogram, and its variance with one shift: both become properties of the
//! global when first used.

use super::{Resolver, Scope};
use crate::diagnostic::codes;
use crate::hir::{
    Aggregate, Arithmetic, AssignOperator, Comparison, Expr, ExprKind, GlobalId, Histogram,
    LocalId, Place, PlaceKind, Stmt, StmtKind,
};
use crate::source::Span;
use crate::syntax::ast::{self, Expression, ExpressionKind, Quantile};
use crate::syntax::constant;

/// The largest shift of `@variance`: larger ones leave no room for values.
const MAX_SHIFT: i64 = 32;

/// The most parts that `@percentile` counts ranks in.
const MAX_QUANTILES: i64 = 1_000_000;

impl Resolver<'_> {
    /// An extractor whose value is used.
    pub(super) fn extractor(
        &mut self,
        scope: &mut Scope<'_>,
        aggregate: Aggregate,
        of: &Expression,
        arguments: &[Expression],
        span: Span,
    ) -> Option<ExprKind> {
        if is_histogram(aggregate) {
            let name = aggregate.word();
            self.diagnostics
                .error(codes::WRONG_PLACE, span, format!("`{name}` is not a value"))
                .label("a histogram is printed or indexed")
                .help("print it with print, println, sprint or sprintln")
                .help(format!("or read a bucket: `{name}(...)[n]`, `foreach (b in {name}(...))`"));
            return None;
        }
        let of = self.aggregate_target(scope, of)?;
        let mut aggregate = aggregate;
        match aggregate {
            Aggregate::Variance => self.variance_shift(&of, arguments, span)?,
            Aggregate::Percentile(_) => {
                aggregate = Aggregate::Percentile(self.quantile(arguments)?);
            }
            _ => {}
        }
        Some(ExprKind::Extract { aggregate, of: Box::new(of) })
    }

    /// The percentage of an `@percentile`, or its rank and of how many.
    fn quantile(&mut self, arguments: &[Expression]) -> Option<Quantile> {
        let mut number = |argument: &Expression, least: i64, most: i64| {
            let number = constant::number(argument).filter(|n| (least..=most).contains(n));
            if number.is_none() {
                self.diagnostics
                    .error(codes::AGGREGATE, argument.span, "bad rank of `@percentile`")
                    .label(format!("must be a literal number from {least} to {most}"))
                    .help("the 99.9th percentile of x is `@percentile(x, 999, 1000)`");
            }
            number
        };
        let of = arguments.get(1).map_or(Some(100), |of| number(of, 1, MAX_QUANTILES))?;
        let rank = number(arguments.first()?, 0, of)?;
        Some(Quantile { rank: rank as u32, of: of as u32 })
    }

    /// Notes the shift of an `@variance`.
    fn variance_shift(&mut self, of: &Place, arguments: &[Expression], span: Span) -> Option<()> {
        let shift = match arguments.first() {
            None => 0,
            Some(argument) => match constant::number(argument) {
                Some(shift @ 0..=MAX_SHIFT) => shift as u8,
                _ => {
                    self.diagnostics
                        .error(codes::AGGREGATE, argument.span, "bad shift of `@variance`")
                        .label(format!("must be a literal number from 0 to {MAX_SHIFT}"));
                    return None;
                }
            },
        };
        let id = global_of(of)?;
        let name = &self.script.globals[id].name;
        match self.script.globals[id].variance_shift {
            Some((first, at)) if first != shift => {
                self.diagnostics
                    .error(
                        codes::AGGREGATE,
                        span,
                        format!("`@variance` of `{name}` with two different shifts"),
                    )
                    .label(format!("shifts by {shift}"))
                    .also(at, format!("shifts by {first} here"));
                None
            }
            Some(_) => Some(()),
            None => {
                self.script.globals[id].variance_shift = Some((shift, span));
                Some(())
            }
        }
    }

    /// The histogram that an expression names, if it names one: the place it is of, and its shape.
    pub(super) fn histogram(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<(Place, Histogram)> {
        let ExpressionKind::Aggregate { aggregate, of, arguments } = &expression.kind else {
            self.diagnostics.error(codes::WRONG_PLACE, expression.span, "expecting a histogram");
            return None;
        };
        let of = self.aggregate_target(scope, of)?;
        let shape = match arguments.as_slice() {
            [low, high, step] => self.linear(low, high, step, expression.span)?,
            _ if *aggregate == Aggregate::HistLog => Histogram::Log,
            _ => return None,
        };
        let id = global_of(&of)?;
        let name = &self.script.globals[id].name;
        match self.script.globals[id].histogram {
            Some((first, at)) if first != shape => {
                self.diagnostics
                    .error(
                        codes::AGGREGATE,
                        expression.span,
                        format!("two different histograms of `{name}`"),
                    )
                    .label(format!("as {shape}"))
                    .also(at, format!("as {first} here"))
                    .help("record the values in a second global, too");
                return None;
            }
            Some(_) => {}
            None => self.script.globals[id].histogram = Some((shape, expression.span)),
        }
        Some((of, shape))
    }

    fn linear(
        &mut self,
        low: &Expression,
        high: &Expression,
        step: &Expression,
        span: Span,
    ) -> Option<Histogram> {
        // The parser has made sure of literals.
        let [low, high, step] = [low, high, step].map(constant::number);
        match Histogram::linear(low?, high?, step?) {
            Ok(shape) => Some(shape),
            Err(why) => {
                self.diagnostics
                    .error(codes::AGGREGATE, span, "bad bounds of `@hist_linear`")
                    .label(why);
                None
            }
        }
    }

    /// An argument of `print` and its like, which may be a histogram.
    pub(super) fn printed(
        &mut self,
        scope: &mut Scope<'_>,
        expression: &Expression,
    ) -> Option<Expr> {
        if !names_histogram(expression) {
            return self.expression(scope, expression);
        }
        let (of, _) = self.histogram(scope, expression)?;
        Some(self.expr(expression.span, ExprKind::Histogram(Box::new(of))))
    }

    /// `@hist_log(x)[n]`.
    pub(super) fn bucket(
        &mut self,
        scope: &mut Scope<'_>,
        histogram: &Expression,
        index: &Expression,
        span: Span,
    ) -> Option<Expr> {
        let histogram = self.histogram(scope, histogram);
        let index = Box::new(self.expression(scope, index)?);
        let of = Box::new(histogram?.0);
        Some(self.expr(span, ExprKind::Bucket { of, index }))
    }

    /// `foreach (count = b in @hist_log(x) limit n) body`: a loop over the numbers of all buckets. What
    /// comes before the loop goes to `out`.
    pub(super) fn foreach_bucket(
        &mut self,
        scope: &mut Scope<'_>,
        foreach: &ast::Foreach,
        histogram: &Expression,
        out: &mut Vec<Stmt>,
    ) -> Option<StmtKind> {
        let span = histogram.span;
        let (of, shape) = self.histogram(scope, histogram)?;
        let marks = foreach.keys.iter().chain(&foreach.value);
        if let Some((name, _)) = marks.into_iter().find(|(_, mark)| mark.is_some()) {
            self.diagnostics
                .error(codes::WRONG_PLACE, name.span, "a loop over a histogram cannot be sorted")
                .label("buckets come in their order");
            return None;
        }
        let [(bucket, _)] = foreach.keys.as_slice() else {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "a loop over a histogram has one variable")
                .help("write `foreach (bucket in @hist_log(x))`");
            return None;
        };
        // An empty aggregate is an error before the first round.
        let first = Box::new(self.expr(span, ExprKind::Number(0)));
        let test = ExprKind::Bucket { of: Box::new(of.clone()), index: first };
        let test = self.expr(span, test);
        out.push(Stmt { kind: StmtKind::Expr(test), span });

        // The loop counts in a variable of its own, which the body cannot change.
        let counter = scope.local(&format!("bucket at {}", span.start), span);
        let end = scope.local(&format!("end of buckets at {}", span.start), span);
        let zero = self.expr(span, ExprKind::Number(0));
        self.set_local(counter, zero, span, out);
        let buckets = self.expr(span, ExprKind::Number(i64::from(shape.buckets())));
        self.set_local(end, buckets, span, out);
        if let Some(limit) = &foreach.limit {
            let limit_span = limit.span;
            let limit = self.expression(scope, limit)?;
            let most = scope.local(&format!("limit at {}", span.start), span);
            self.set_local(most, limit, limit_span, out);
            let (left, right) = (self.local_value(most, span), self.local_value(end, span));
            let condition = self.compare(Comparison::Less, left, right, span);
            let value = self.local_value(most, span);
            let mut then = vec![];
            self.set_local(end, value, span, &mut then);
            out.push(Stmt { kind: StmtKind::If { condition, then, otherwise: vec![] }, span });
        }
        let mut body = vec![];
        let variable = self.loop_variable(scope, bucket);
        let number = self.local_value(counter, span);
        self.set_local(variable, number, bucket.span, &mut body);
        if let Some((value, _)) = &foreach.value {
            let variable = self.loop_variable(scope, value);
            let index = Box::new(self.local_value(counter, span));
            let count = self.expr(span, ExprKind::Bucket { of: Box::new(of), index });
            self.set_local(variable, count, value.span, &mut body);
        }
        body.extend(self.loop_body(scope, &foreach.body));
        let (left, right) = (self.local_value(counter, span), self.local_value(end, span));
        let condition = self.compare(Comparison::Less, left, right, span);
        let target = self.place(span, PlaceKind::Local(counter));
        let step = ExprKind::Assign {
            target: Box::new(target),
            operator: AssignOperator::Arithmetic(Arithmetic::Add),
            operator_span: span,
            value: Box::new(self.expr(span, ExprKind::Number(1))),
        };
        let step = self.expr(span, step);
        Some(StmtKind::Loop { condition: Some(condition), step: Some(step), body })
    }

    fn local_value(&mut self, local: LocalId, span: Span) -> Expr {
        let place = self.place(span, PlaceKind::Local(local));
        self.expr(span, ExprKind::Read(place))
    }

    fn compare(&mut self, operator: Comparison, left: Expr, right: Expr, span: Span) -> Expr {
        let (left, right) = (Box::new(left), Box::new(right));
        self.expr(span, ExprKind::Compare { operator, left, right })
    }

    fn set_local(&mut self, local: LocalId, value: Expr, span: Span, out: &mut Vec<Stmt>) {
        let target = Box::new(self.place(span, PlaceKind::Local(local)));
        let kind = ExprKind::Assign {
            target,
            operator: AssignOperator::Set,
            operator_span: span,
            value: Box::new(value),
        };
        let assignment = self.expr(span, kind);
        out.push(Stmt { kind: StmtKind::Expr(assignment), span });
    }
}

/// Whether an expression is `@hist_log(...)` or `@hist_linear(...)`.
pub(super) fn names_histogram(expression: &Expression) -> bool {
    matches!(&expression.kind, ExpressionKind::Aggregate { aggregate, .. } if is_histogram(*aggregate))
}

fn is_histogram(aggregate: Aggregate) -> bool {
    matches!(aggregate, Aggregate::HistLog | Aggregate::HistLinear)
}

fn global_of(place: &Place) -> Option<GlobalId> {
    match place.kind {
        PlaceKind::Global(id) | PlaceKind::Element(id, _) => Some(id),
        PlaceKind::Local(_) => None,
    }
}
