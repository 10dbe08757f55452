//! Probe points.

use pest::iterators::Pair;

use super::{Builder, parts};
use crate::{
    diagnostic::codes,
    syntax::{
        ast::{Component, Name, ProbePoint},
        parser::Rule,
    },
};

/// More points than this from one row of braces are taken for a mistake.
const MOST_POINTS: usize = 1000;

impl Builder<'_, '_> {
    /// `probe_points = { probe_point ~ (comma ~ probe_point)* }`
    pub(super) fn probe_points(&self, pair: Pair<'_, Rule>) -> Vec<ProbePoint> {
        parts(pair).flat_map(|point| self.probe_point(point)).collect()
    }

    /// `probe_point = { component ~ (dot ~ component)* ~ (optional_mark | sufficient_mark)? ~ condition? }`
    ///
    /// Several points when braces hold more than plain words.
    fn probe_point(&self, pair: Pair<'_, Rule>) -> Vec<ProbePoint> {
        let mut span = self.span(&pair);
        let whole = span;
        let mut rows: Vec<Vec<Component>> = vec![vec![]];
        let (mut optional, mut sufficient, mut condition) = (false, false, None);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::optional_mark => optional = true,
                Rule::sufficient_mark => sufficient = true,
                Rule::condition => {
                    let place = self.span(&part);
                    span.end = span.end.min(place.start);
                    condition = parts(part).next().map(|e| Box::new(self.expression(e)));
                }
                _ => rows = self.append(rows, part),
            }
        }
        if condition.is_some() {
            let trimmed = rows[0].iter().map(|component| component.span).reduce(|a, b| a.to(b));
            let marks = optional || sufficient;
            span = trimmed.filter(|_| !marks).unwrap_or(span);
        }
        if rows.len() > MOST_POINTS {
            let message = format!("these braces stand for {} probe points", rows.len());
            self.error(codes::SYNTAX, whole, message, |error| {
                error.label(format!("at most {MOST_POINTS} are accepted"));
            });
            rows.truncate(1);
        }
        let point = |components| ProbePoint {
            components,
            optional,
            sufficient,
            condition: condition.clone(),
            span,
        };
        rows.into_iter().map(point).collect()
    }

    /// Each row with each way to read a component behind it.
    fn append(&self, rows: Vec<Vec<Component>>, pair: Pair<'_, Rule>) -> Vec<Vec<Component>> {
        let ways = self.component(pair);
        if rows.len() * ways.len() > MOST_POINTS * 2 {
            return rows;
        }
        rows.iter()
            .flat_map(|row| ways.iter().map(|way| row.iter().chain(way).cloned().collect()))
            .collect()
    }

    /// `component = { (braces | component_name) ~ component_argument? }`, `braces = ${ brace_list ~ brace_rest? }`
    fn component(&self, pair: Pair<'_, Rule>) -> Vec<Vec<Component>> {
        let span = self.span(&pair);
        let mut inner = parts(pair);
        let Some(head) = inner.next() else { return vec![vec![]] };
        let argument =
            inner.next().and_then(|part| parts(part).next()).map(|part| self.signed_literal(part));
        if head.as_rule() == Rule::component_name {
            return vec![vec![Component { name: self.name(&head), argument, span }]];
        }
        let place = self.span(&head);
        let mut ways: Vec<Vec<Component>> = vec![];
        let mut head = parts(head);
        let Some(list) = head.next() else { return vec![vec![]] };
        let behind = head.next().map_or(String::new(), |name| self.name(&name).text);
        for entry in parts(list) {
            let mut rows = vec![vec![]];
            for component in parts(entry) {
                rows = self.append(rows, component);
            }
            ways.extend(rows);
        }
        let word = |way: &Vec<Component>| match way.as_slice() {
            [one] if one.argument.is_none() => Some(one.name.text.clone()),
            _ => None,
        };
        if let Some(words) = ways.iter().map(word).collect::<Option<Vec<String>>>() {
            let text = format!("{{{}}}{behind}", words.join(","));
            let name = Name { text, span: place };
            return vec![vec![Component { name, argument, span }]];
        }
        if let Some(argument) = argument {
            self.error(codes::SYNTAX, argument.span, "an argument behind braces", |error| {
                error.label("give each of the entries its own argument");
            });
        }
        if !behind.is_empty() {
            self.error(codes::SYNTAX, place, "a name behind braces", |error| {
                error.label("goes with entries that are plain words");
            });
        }
        ways
    }
}

/// The points that the braces in the names of a point's components stand for.
pub(super) fn alternatives(point: &ProbePoint) -> Vec<ProbePoint> {
    let mut rows: Vec<Vec<Component>> = vec![vec![]];
    for component in &point.components {
        let words = words(&component.name.text);
        rows = rows
            .iter()
            .flat_map(|row| words.iter().map(move |word| (row, word)))
            .take(MOST_POINTS)
            .map(|(row, word)| {
                let name = Name { text: word.clone(), span: component.name.span };
                let one = Component { name, ..component.clone() };
                row.iter().cloned().chain([one]).collect()
            })
            .collect();
    }
    rows.into_iter().map(|components| ProbePoint { components, ..point.clone() }).collect()
}

/// `{a,b}at` as `aat` and `bat`; a plain word as itself.
fn words(name: &str) -> Vec<String> {
    match name.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((list, behind)) => list.split(',').map(|word| format!("{word}{behind}")).collect(),
        None => vec![name.to_string()],
    }
}
