//! Handlers of tracepoints that ask for fields of the record, not for arguments.
//!
//! Such a handler is resolved once more, at the record: a program sees either the one or the other.

use super::Resolver;
use crate::btf;
use crate::diagnostic::codes;
use crate::families;
use crate::hir::{Attach, ContextVariable, Point};
use crate::source::Span;

/// Whether a handler asks for fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// It needs one.
    needed: bool,
    /// It asks whether there is one.
    tested: bool,
}

impl Wanted {
    /// What is wanted behind `@defined` of something that wants this.
    pub(super) fn or_in_test(self, inside: Wanted) -> Wanted {
        Wanted { needed: self.needed, tested: self.tested || inside.needed || inside.tested }
    }
}

impl Resolver<'_> {
    /// Whether a name that a point has no variable of is that of a field of the point's record. Notes it: at the
    /// record the handler is resolved again. Where it is an argument that a handler at the record asks for, too,
    /// that is reported.
    pub(super) fn is_in_record(
        &mut self,
        point: &Point,
        plain: &str,
        name: &str,
        span: Span,
    ) -> bool {
        if let Attach::Record { name: tracepoint, .. } = &point.attach {
            let is_argument = |(argument, _): &(String, _)| argument == plain;
            let types = self.facts.all_types().ok();
            let arguments = types.and_then(|btf| btf::tracepoint(btf, tracepoint));
            if !arguments.is_some_and(|found| found.arguments.iter().any(is_argument)) {
                return false;
            }
            self.diagnostics
                .error(
                    codes::UNKNOWN_CONTEXT,
                    span,
                    format!("`{name}` beside fields of the record of `{tracepoint}`"),
                )
                .label("this is an argument of the tracepoint")
                .note("the kernel gives a program either the arguments or the record made of them")
                .help("use arguments only, or write two probes");
            return true;
        }
        let is_it = |field: &ContextVariable| field.name == plain;
        let found = self.record_of(point).is_some_and(|record| record.context.iter().any(is_it));
        if found {
            self.wants_record.needed = true;
            // Kept only where there is no second time, which there always is.
            let message = format!("`{name}` is a field of the record of `{}`", point.name);
            self.diagnostics.error(codes::UNKNOWN_CONTEXT, span, message);
        }
        found
    }

    /// The record to resolve a handler at that has just been resolved at a tracepoint; `None` where it may stay.
    pub(super) fn record_instead(&self, point: &Point) -> Option<Point> {
        let Wanted { needed, tested } = self.wants_record;
        let is_used = |v: &ContextVariable| self.uses.names.contains(&v.name);
        let uses_arguments = self.uses.all || point.context.iter().any(is_used);
        if !needed && (!tested || uses_arguments) {
            return None;
        }
        let record = self.record_of(point)?;
        Some(Point { name: point.name.clone(), optional: point.optional, ..record })
    }

    /// The fields of a point's record that are not named as its arguments.
    pub(super) fn fields_of_record(&self, point: &Point) -> Vec<ContextVariable> {
        let mut fields = self.record_of(point).map_or(vec![], |record| record.context);
        let is_argument =
            |field: &ContextVariable| point.context.iter().any(|v| v.name == field.name);
        fields.retain(|field| !is_argument(field));
        fields
    }

    fn record_of(&self, point: &Point) -> Option<Point> {
        let Attach::Tracepoint { name, .. } = &point.attach else { return None };
        let system = self.facts.tracepoint_systems().get(name)?;
        families::tracepoint_record(self.facts, system, name)
    }
}
