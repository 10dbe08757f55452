//! The catalogue of probe families: what can stand behind `probe`.
//!
//! One file each: the forms of its points, documentation, and a function that turns a point into
//! resolved [`Point`]s by asking the machine. Adding a family means adding a file and listing it
//! here.

mod begin_end;
mod data;
mod form;
mod function;
mod levels;
mod lifetime;
mod mark;
mod netfilter;
mod outlet;
mod perf;
mod process;
mod refused;
mod source_place;
mod syscall;
mod timer;
mod trace;

pub use form::{form_text, ways_to_write};
pub(crate) use process::variable as program_variable;
pub(crate) use trace::record as tracepoint_record;

use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::facts::Facts;
use crate::glob;
use crate::hir::Point;
use crate::source::Span;
use crate::syntax::ast::{LiteralValue, ProbePoint};

/// A form of probe point.
pub struct Family {
    /// The components with the kind of argument each takes. A name may be a choice, `sample|hz`, and may be
    /// left out when it ends in `?`.
    pub form: &'static [(&'static str, Argument)],
    /// One sentence: when its handlers run.
    pub summary: &'static str,
    /// A script that uses it.
    pub example: &'static str,
    /// Finds the points of one request. Reports an error when there is none and returns nothing.
    pub resolve: fn(&Request<'_>, &mut Diagnostics) -> Vec<Point>,
}

impl Family {
    /// Whether it is there for the library only.
    pub fn is_internal(&self) -> bool {
        self.form[0].0.starts_with("__")
    }
}

/// What a component takes in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A number.
    Number,
    /// A string.
    Text,
}

/// A probe point to resolve, of a form that fits.
pub struct Request<'a> {
    /// The point as parsed.
    pub point: &'a ProbePoint,
    /// The machine.
    pub facts: &'a dyn Facts,
    /// Whether the library asks: its events are functions where they have code of their own.
    pub of_library: bool,
    /// Whether only the points' names are asked for: what handlers can use there may be left out.
    pub names_only: bool,
}

impl Request<'_> {
    /// The number given to the component with this index, with its place.
    pub fn number(&self, component: usize) -> Option<(i64, Span)> {
        let argument = self.point.components[component].argument.as_ref()?;
        match argument.value {
            LiteralValue::Number(n) => Some((n, argument.span)),
            LiteralValue::String(_) => None,
        }
    }

    /// The string given to the component with this index, with its place.
    pub fn text(&self, component: usize) -> Option<(&str, Span)> {
        let argument = self.point.components[component].argument.as_ref()?;
        match &argument.value {
            LiteralValue::String(s) => Some((s, argument.span)),
            LiteralValue::Number(_) => None,
        }
    }

    /// The number given to the component of this name, with its place.
    pub fn number_of(&self, component: &str) -> Option<(i64, Span)> {
        self.number(self.position(component)?)
    }

    /// The string given to the component of this name, with its place.
    pub fn text_of(&self, component: &str) -> Option<(&str, Span)> {
        self.text(self.position(component)?)
    }

    /// Which component has this name.
    pub fn position(&self, component: &str) -> Option<usize> {
        self.point.components.iter().position(|c| c.name.text == component)
    }

    /// The point in its canonical spelling.
    pub fn spelling(&self) -> String {
        spell(self.point)
    }
}

/// Every form, in the order of documentation.
pub fn all() -> impl Iterator<Item = &'static Family> {
    let process = [
        lifetime::FAMILIES,
        trace::FAMILIES,
        syscall::FAMILIES,
        netfilter::FAMILIES,
        data::FAMILIES,
        refused::FAMILIES,
    ];
    [begin_end::FAMILIES, timer::FAMILIES, outlet::FAMILIES]
        .into_iter()
        .chain(perf::FAMILIES.iter().copied())
        .chain(process)
        .chain(process::PLACES.iter().copied())
        .chain(function::FAMILIES.iter().copied())
        .flatten()
}

/// Finds the points a request's probe point stands for; reports an error when there is none.
pub fn resolve(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    match all().find(|f| form::fits(f, request.point)) {
        Some(family) => (family.resolve)(request, diagnostics),
        None => {
            report_unknown(request.point, diagnostics);
            vec![]
        }
    }
}

/// The points of families that a point with wildcards in its names stands for: `b*n` is `begin`.
pub fn named(point: &ProbePoint) -> Vec<ProbePoint> {
    if !point.components.iter().any(|component| glob::is_pattern(&component.name.text)) {
        return vec![];
    }
    let mut points: Vec<ProbePoint> = vec![];
    for family in all().filter(|family| !family.is_internal()) {
        for names in form::names_for(family, &point.components) {
            let mut point = point.clone();
            for (component, name) in point.components.iter_mut().zip(names) {
                component.name.text = name.to_string();
            }
            if !points.contains(&point) {
                points.push(point);
            }
        }
    }
    let several = points.len() > 1;
    points.iter_mut().for_each(|point| point.optional |= several);
    points
}

/// Whether a probe point has the form of one of the families.
pub fn is_known(point: &ProbePoint) -> bool {
    all().any(|family| form::fits(family, point))
}

/// The forms whose names a point with wildcards in its names matches: `timer.*`. Of a choice of names those
/// that match: `perf.sw.*`.
pub fn matching(point: &ProbePoint) -> Vec<String> {
    let names: Vec<&str> = point.components.iter().map(|c| c.name.text.as_str()).collect();
    let pattern = names.join(".");
    if !glob::is_pattern(&pattern) {
        return vec![];
    }
    let forms = all().flat_map(form::spellings);
    let is_wanted = |(names, _): &(String, String)| glob::matches(&pattern, names);
    forms.filter(is_wanted).map(|(_, text)| text).collect()
}

/// The components whose numbers are addresses.
const ADDRESSED: [&str; 3] = ["data", "function", "statement"];

/// A probe point as one would write it.
pub fn spell(point: &ProbePoint) -> String {
    let components: Vec<String> = point
        .components
        .iter()
        .map(|c| match &c.argument {
            None => c.name.text.clone(),
            Some(argument) => match &argument.value {
                LiteralValue::Number(n) if ADDRESSED.contains(&c.name.text.as_str()) => {
                    format!("{}({n:#x})", c.name.text)
                }
                LiteralValue::Number(n) => format!("{}({n})", c.name.text),
                LiteralValue::String(s) => format!("{}(\"{s}\")", c.name.text),
            },
        })
        .collect();
    components.join(".")
}

/// Points at the first component no form has at this place, and names those that are near.
fn report_unknown(point: &ProbePoint, diagnostics: &mut Diagnostics) {
    let mut candidates: Vec<&Family> = all().filter(|family| !family.is_internal()).collect();
    for (at, component) in point.components.iter().enumerate() {
        let name = component.name.text.as_str();
        let left: Vec<&Family> = candidates
            .iter()
            .copied()
            .filter(|f| form::begins_with(f, &point.components[..=at]))
            .collect();
        if left.is_empty() {
            let before = &point.components[..at];
            let known: Vec<&str> =
                candidates.iter().flat_map(|f| form::names_after(f, before)).collect();
            let diagnostic = diagnostics.error(
                codes::UNKNOWN_PROBE,
                component.span,
                format!("unknown probe point `{}`", spell(point)),
            );
            if known.is_empty() {
                diagnostic.label("nothing can follow here");
            } else {
                diagnostic.label("no such probe point component");
                let near = suggest::nearest(name, known.iter().copied(), 3);
                if near.is_empty() {
                    let mut list = known;
                    list.sort();
                    list.dedup();
                    diagnostic.help(format!("known here: {}", list.join(", ")));
                } else {
                    diagnostic.suggest(name, near);
                }
            }
            return;
        }
        candidates = left;
    }
    let mut forms: Vec<String> = candidates.iter().map(|f| form_text(f)).collect();
    forms.sort();
    forms.dedup();
    forms.truncate(8);
    diagnostics
        .error(
            codes::UNKNOWN_PROBE,
            point.span,
            format!("probe point `{}` is incomplete or has the wrong arguments", spell(point)),
        )
        .label("no form of this probe point fits")
        .help(format!("its forms are {}", forms.join(", ")));
}
