//! `@perf("name")`: counters of perf events.

use super::{Resolver, Scope};
use crate::diagnostic::codes;
use crate::hir::{Attach, Expr};
use crate::library::COUNTER_FUNCTION;
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Literal, LiteralValue, Name};

/// The counters that handlers ask for.
#[derive(Default)]
pub(super) struct Counters {
    /// Their names with the place of the first use; the position is the number.
    used: Vec<(String, Span)>,
}

impl Resolver<'_> {
    /// `@perf("name")`. Which counter it is may be known only later: the number is given out here.
    pub(super) fn counter_value(
        &mut self,
        scope: &mut Scope<'_>,
        name: &Literal,
        span: Span,
    ) -> Option<Expr> {
        let LiteralValue::String(text) = &name.value else { return None };
        if !scope.point.is_some_and(|point| point.attach.in_kernel()) {
            self.diagnostics
                .error(codes::WRONG_PLACE, span, "a counter is read in probes of its program")
                .label("no program runs here that has it")
                .help("use it in a probe such as `process(\"PATH\").function(\"NAME\")`");
            return None;
        }
        let known = self.counters.used.iter().position(|(used, _)| used == text);
        let number = known.unwrap_or_else(|| {
            self.counters.used.push((text.clone(), name.span));
            self.counters.used.len() - 1
        });
        let number = ExpressionKind::Literal(LiteralValue::Number(number as i64));
        let kind = ExpressionKind::Call {
            function: Name { text: COUNTER_FUNCTION.to_string(), span },
            arguments: vec![Expression { kind: number, span }],
        };
        self.expression(scope, &Expression { kind, span })
    }

    /// Gives the counters the numbers they are asked for by, and reports those that are asked for and not there, or
    /// there twice.
    pub(super) fn number_counters(&mut self) {
        let mut places: Vec<(String, Span)> = vec![];
        let mut next = self.counters.used.len() as u32;
        for probe in self.script.probes.values_mut() {
            let span = probe.span;
            let Attach::Counter(counter) = &mut probe.point.attach else { continue };
            if let Some((_, first)) = places.iter().find(|(name, _)| *name == counter.name) {
                self.diagnostics
                    .error(
                        codes::DUPLICATE,
                        span,
                        format!("there are two counters `{}`", counter.name),
                    )
                    .also(*first, "the first one");
                continue;
            }
            places.push((counter.name.clone(), span));
            if !probe.body.statements.is_empty() {
                self.diagnostics
                    .warning(codes::WITHOUT_EFFECT, span, "the handler of a counter never runs")
                    .label("it is only counted, for `@perf`")
                    .help("leave it empty");
            }
            let used = self.counters.used.iter().position(|(name, _)| *name == counter.name);
            counter.index = used.map_or(next, |at| at as u32);
            next += u32::from(used.is_none());
        }
        for (name, span) in &self.counters.used {
            if !places.iter().any(|(known, _)| known == name) {
                let known: Vec<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
                self.diagnostics
                    .error(codes::UNKNOWN_NAME, *span, format!("there is no counter `{name}`"))
                    .suggest(name, known)
                    .help(format!(
                        "count something: `probe perf.sw.page_faults.process(\"PATH\").counter(\"{name}\") {{}}`"
                    ));
            }
        }
    }
}
