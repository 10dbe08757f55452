//! What patterns of probe points stand for, for listings.
//!
//! The points are found as for a probe, with an empty handler that is not even resolved; only when variables are
//! asked for is there a handler, which uses all that the aliases on the way define.

use super::alias::Expanded;
use super::{ContextUse, Handler, Resolver};
use crate::diagnostic::Diagnostics;
use crate::facts::Facts;
use crate::families;
use crate::hir::{Attach, ContextVariable, Point, Probe, ProbeId, Script};
use crate::library::Library;
use crate::source::Span;
use crate::syntax::ast::{
    self, AssignOperator, Expression, ExpressionKind, Statement, StatementKind,
};
use crate::syntax::mentions::{Mention, each_mention_of};

/// What variables of aliases are assigned to, followed by their names.
pub(crate) const LISTED_VARIABLE: &str = "$listed ";

/// Of so many tracepoints fields are listed. Each is a file that the kernel writes when it is read: of all of them
/// that takes longer than everything else.
const MOST_POINTS_WITH_FIELDS: usize = 256;

/// A probe point in a listing.
#[derive(Clone, Debug)]
pub(crate) struct ListedPoint {
    /// The name of the point, or of the alias for it.
    pub(crate) name: String,
    /// Its `$variables`.
    pub(crate) context: Vec<ContextVariable>,
    /// The fields of a tracepoint's record that a handler can have instead.
    pub(crate) fields: Vec<ContextVariable>,
    /// The probe whose locals are the variables of the aliases, called [`LISTED_VARIABLE`] and their names.
    pub(crate) variables: Option<ProbeId>,
}

/// The points of all probes of the first `user_files` files, in order.
pub(crate) fn list(
    scripts: &[ast::Script],
    user_files: usize,
    library: &Library,
    facts: &dyn Facts,
    with_variables: bool,
    diagnostics: &mut Diagnostics,
) -> (Script, Vec<ListedPoint>) {
    let mut resolver = Resolver::new(facts, library, user_files, diagnostics, Default::default());
    resolver.names_only = !with_variables;
    resolver.declare(scripts);
    let mut listed = vec![];
    for item in scripts[..user_files.min(scripts.len())].iter().flat_map(|s| &s.items) {
        let ast::Item::Probe(probe) = item else { continue };
        for point in &probe.points {
            resolver.list_point(point, with_variables, &mut listed);
        }
    }
    (resolver.script, listed)
}

impl<'a> Resolver<'a> {
    fn list_point(
        &mut self,
        point: &ast::ProbePoint,
        with_variables: bool,
        listed: &mut Vec<ListedPoint>,
    ) {
        let alternatives = self.expand(point, 0);
        let mut used: Vec<&Expanded<'_>> = vec![];
        for expanded in &alternatives {
            if used.iter().any(|other| expanded.is_instead_of(other)) {
                continue;
            }
            let mut tried = Diagnostics::default();
            let found = self.points(&expanded.point, &mut tried);
            if found.is_empty() {
                let forms = families::matching(&expanded.point);
                if forms.is_empty() && !expanded.is_optional() {
                    self.report(tried, point.span);
                }
                let listed_form = |name| {
                    let (context, fields) = (vec![], vec![]);
                    ListedPoint { name, context, fields, variables: None }
                };
                listed.extend(forms.into_iter().map(listed_form));
                continue;
            }
            used.push(expanded);
            let mut variables = None;
            let with_fields = with_variables
                && expanded.written.is_none()
                && found.len() <= MOST_POINTS_WITH_FIELDS;
            for (at, resolved) in found.into_iter().enumerate() {
                if at == 0 && with_variables && expanded.written.is_some() {
                    variables = self.probe_of_variables(&resolved, expanded, point.span);
                }
                let fields = match with_fields {
                    true => self.fields_of_record(&resolved),
                    false => vec![],
                };
                let mut context = resolved.context;
                let name = match (&expanded.written, &resolved.attach) {
                    (Some(written), _) => written.clone(),
                    (None, Attach::Function(functions)) => {
                        // At returns the parameters are there, with their values at the entry.
                        context.extend(functions.entry.iter().cloned());
                        functions.targets.first().map_or(resolved.name, |t| t.point.clone())
                    }
                    (None, Attach::Instruction(instruction)) => {
                        context.extend(instruction.entry.iter().cloned());
                        resolved.name
                    }
                    (None, Attach::Tracepoint { name, .. }) => {
                        match self.facts.tracepoint_systems().get(name) {
                            Some(system) => format!("kernel.trace(\"{system}:{name}\")"),
                            None => resolved.name,
                        }
                    }
                    (None, _) => resolved.name,
                };
                listed.push(ListedPoint { name, context, fields, variables });
            }
        }
    }

    /// A probe in which every variable that aliases define is assigned to a local; `None` when one of them
    /// cannot be resolved here.
    fn probe_of_variables(
        &mut self,
        point: &Point,
        expanded: &Expanded<'_>,
        span: Span,
    ) -> Option<ProbeId> {
        let mut names: Vec<&str> = vec![];
        for prologue in &expanded.prologues {
            each_mention_of(prologue, &mut |mention| {
                if let Mention::Changed(name) = mention
                    && !name.starts_with("__")
                    && !names.contains(&name)
                {
                    names.push(name);
                }
            });
        }
        let uses = names.iter().map(|name| assignment(name, span)).collect();
        let handler = Statement { kind: StatementKind::Block(uses), span };
        let reported = self.diagnostics.len();
        self.uses = ContextUse::default();
        let Handler { body, arming, at_entry } = self.handler(point, expanded, &[], &handler, span);
        if self.diagnostics.len() > reported {
            self.diagnostics.truncate(reported);
            return None;
        }
        if let Some(hidden) = at_entry {
            self.script.probes.push(hidden);
        }
        let written = expanded.written.clone().unwrap_or_default();
        Some(self.script.probes.push(Probe { point: point.clone(), written, span, arming, body }))
    }
}

/// `$listed name = name`.
fn assignment(name: &str, span: Span) -> Statement {
    let variable =
        |name: String| Box::new(Expression { kind: ExpressionKind::Variable(name), span });
    let kind = ExpressionKind::Assign {
        operator: AssignOperator::Set,
        operator_span: span,
        target: variable(format!("{LISTED_VARIABLE}{name}")),
        value: variable(name.to_string()),
    };
    Statement { kind: StatementKind::Expression(Expression { kind, span }), span }
}
