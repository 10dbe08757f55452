//! Probe aliases: other names for probe points, with code that runs before or after the handler.

use super::{Resolver, braces};
use crate::diagnostic::{Diagnostics, codes};
use crate::families::{self, Request};
use crate::glob;
use crate::hir::Point;
use crate::library::refused;
use crate::syntax::ast::{AliasDeclaration, Component, ProbePoint, Statement};

/// How deep aliases of aliases may go.
const MAX_DEPTH: usize = 32;

/// How many points one that a script names may stand for by aliases and braces; the machine has fewer.
const MOST_POINTS: u32 = 20_000;

/// A probe point that is no alias, with the code aliases put around the handler.
#[derive(Clone)]
pub(super) struct Expanded<'a> {
    /// The point.
    pub(super) point: ProbePoint,
    /// The name of the alias, with what follows it, that led here.
    pub(super) written: Option<String>,
    /// Runs before the handler, in this order.
    pub(super) prologues: Vec<&'a Statement>,
    /// Runs after it, in this order.
    pub(super) epilogues: Vec<&'a Statement>,
    /// Which of the points of the aliases that led here it comes of, the nearest alias first.
    pub(super) lists: Vec<Listed>,
}

/// One of the points of an alias, where the alias is used.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    /// The number of this use of an alias.
    pub(super) list: usize,
    /// Which of the points.
    pub(super) at: usize,
    /// Whether the points after it are only wanted where there is none of it (`!`).
    pub(super) sufficient: bool,
}

impl Expanded<'_> {
    /// A point to which no alias led.
    fn plain(point: ProbePoint) -> Self {
        Expanded { point, written: None, prologues: vec![], epilogues: vec![], lists: vec![] }
    }

    /// Whether it need not be there.
    pub(super) fn is_optional(&self) -> bool {
        let point = &self.point;
        point.optional || point.sufficient || self.lists.iter().any(|listed| listed.sufficient)
    }

    /// Whether it is only wanted where there is none of another one.
    pub(super) fn is_instead_of(&self, other: &Expanded<'_>) -> bool {
        let is_later = |own: &Listed, before: &Listed| {
            before.sufficient && own.list == before.list && own.at > before.at
        };
        self.lists.iter().any(|own| other.lists.iter().any(|before| is_later(own, before)))
    }
}

impl<'a> Resolver<'a> {
    /// Replaces braces, aliases, and wildcards in the names of other points by what they stand for.
    pub(super) fn expand_names(&mut self, point: &ProbePoint) -> Vec<Expanded<'a>> {
        let mut all = vec![];
        self.expansions = 0;
        for expanded in self.expand(point, 0) {
            let named = families::named(&expanded.point);
            if named.is_empty() {
                all.push(expanded);
            } else {
                all.extend(named.into_iter().map(|point| Expanded { point, ..expanded.clone() }));
            }
        }
        if self.expansions > MOST_POINTS {
            return vec![];
        }
        // Aliases are not all that a wildcard finds.
        if all.iter().all(|expanded| expanded.written.is_some()) {
            let named = families::named(point).into_iter();
            all.extend(named.map(Expanded::plain));
        }
        all
    }

    /// Replaces braces and aliases by what they stand for.
    pub(super) fn expand(&mut self, point: &ProbePoint, depth: usize) -> Vec<Expanded<'a>> {
        self.expansions += 1;
        if self.expansions > MOST_POINTS {
            if self.expansions == MOST_POINTS + 1 {
                let message = format!("more than {MOST_POINTS} probe points");
                self.diagnostics
                    .error(codes::UNKNOWN_PROBE, point.span, message)
                    .label("stands for too many");
            }
            return vec![];
        }
        if let Some(points) = braces::expand(point) {
            return points.iter().flat_map(|point| self.expand(point, depth)).collect();
        }
        let first = point.components.first().map_or("", |component| &component.name.text);
        if !glob::is_pattern(first) && !self.alias_starts.contains(first) {
            return vec![Expanded::plain(point.clone())];
        }
        let aliases: Vec<&'a AliasDeclaration> = self
            .aliases
            .iter()
            .copied()
            .filter(|a| {
                let begin = point.components.get(..a.alias.components.len()).unwrap_or_default();
                let crosses = begin.iter().any(|component| component.name.text.contains("**"));
                !crosses && is_prefix(&a.alias.components, &point.components)
                    || spans(&a.alias.components, &point.components)
            })
            .collect();
        let goes_deep = point.components.iter().any(|c| c.name.text.contains("**"));
        let aliases = if goes_deep { aliases } else { self.nearest(aliases, point) };
        if aliases.is_empty() {
            return vec![Expanded::plain(point.clone())];
        }
        if depth == MAX_DEPTH {
            self.diagnostics
                .error(codes::UNKNOWN_PROBE, point.span, "aliases that lead back to themselves")
                .also(aliases[0].alias.span, "this alias");
            return vec![];
        }
        let mut found = vec![];
        // Wildcards find what there is.
        let optional =
            point.optional || point.components.iter().any(|c| glob::is_pattern(&c.name.text));
        for alias in aliases {
            // `**` stands for all the components there are.
            let suffix: &[Component] = match spans(&alias.alias.components, &point.components) {
                true => &[],
                false => &point.components[alias.alias.components.len()..],
            };
            self.lists += 1;
            let list = self.lists;
            for (at, target) in alias.points.iter().enumerate() {
                let listed = Listed { list, at, sufficient: target.sufficient };
                let mut target = target.clone();
                let begin = families::spell(&target);
                target.components.extend(suffix.iter().cloned());
                // Errors are about what the user wrote.
                target.span = point.span;
                target.optional |= optional;
                let mut written = alias.alias.clone();
                written.components.extend(suffix.iter().cloned());
                for mut expanded in self.expand(&target, depth + 1) {
                    expanded.lists.push(listed);
                    expanded.written =
                        Some(found_as(&alias.alias, suffix, &begin, &expanded, &written));
                    // What is nearer to the probe point runs first before, and last after the handler.
                    expanded.prologues.extend(alias.prologue.as_ref());
                    expanded.epilogues.splice(0..0, alias.epilogue.as_ref());
                    found.push(expanded);
                }
            }
        }
        found
    }
}

impl<'a> Resolver<'a> {
    /// Of the aliases at the start of a point those that name most of it; and by wildcards not those of
    /// the library that lead to others found as well.
    fn nearest(
        &self,
        aliases: Vec<&'a AliasDeclaration>,
        point: &ProbePoint,
    ) -> Vec<&'a AliasDeclaration> {
        let longest = aliases.iter().map(|a| a.alias.components.len()).max().unwrap_or(0);
        let has_wildcards = point.components.iter().any(|c| glob::is_pattern(&c.name.text));
        let is_second = |a: &AliasDeclaration| {
            self.is_library(a.span)
                && a.points.iter().all(|p| is_prefix(&p.components, &point.components))
        };
        let near = aliases.into_iter().filter(|a| a.alias.components.len() == longest);
        near.filter(|a| !(has_wildcards && is_second(a))).collect()
    }
}

impl Resolver<'_> {
    /// The points of a family; an unknown one is compared with the names of aliases, too.
    pub(super) fn points(&self, point: &ProbePoint, diagnostics: &mut Diagnostics) -> Vec<Point> {
        let aliases = if families::is_known(point) { vec![] } else { self.alias_names() };
        let names: Vec<&str> = point.components.iter().map(|c| c.name.text.as_str()).collect();
        if let Some(refused) = refused::point(&names) {
            diagnostics
                .error(
                    codes::UNKNOWN_PROBE,
                    point.span,
                    format!("there are no probe points `{}` here", families::spell(point)),
                )
                .label(refused.reason)
                .help(refused.instead);
            return vec![];
        }
        let known = (0..point.components.len()).rev().find(|&known| {
            known > 0 && aliases.iter().any(|alias| starts_with(alias, &point.components[..known]))
        });
        let Some(known) = known else {
            let reported = diagnostics.len();
            let request = Request {
                point,
                facts: self.facts,
                of_library: self.is_library(point.span),
                names_only: self.names_only,
            };
            let points = families::resolve(&request, diagnostics);
            let unknown = diagnostics.since(reported).iter_mut().find(|d| d.help.is_empty());
            if let (Some(diagnostic), Some(first)) = (unknown, point.components.first()) {
                let names = aliases.iter().filter_map(|alias| alias.first()).copied();
                diagnostic.suggest(&first.name.text, names);
            }
            return points;
        };
        let component = point.components.get(known).unwrap_or(&point.components[known - 1]);
        let begin = &point.components[..known];
        let mut next: Vec<&str> = aliases
            .iter()
            .filter(|alias| starts_with(alias, begin))
            .filter_map(|alias| alias.get(known).copied())
            .collect();
        next.sort_unstable();
        next.dedup();
        let spelled = families::spell(point);
        let diagnostic = diagnostics
            .error(codes::UNKNOWN_PROBE, component.span, format!("unknown probe point `{spelled}`"))
            .label("no such probe point component");
        diagnostic.suggest(&component.name.text, next.iter().copied());
        if diagnostic.help.is_empty() && next.len() <= 20 {
            diagnostic.help(format!("known here: {}", next.join(", ")));
        }
        vec![]
    }

    /// The names of the components of all aliases.
    fn alias_names(&self) -> Vec<Vec<&str>> {
        let own = self.aliases.iter().map(|a| {
            a.alias.components.iter().map(|component| component.name.text.as_str()).collect()
        });
        let of_library =
            self.library.alias_names().map(|alias| alias.iter().map(String::as_str).collect());
        own.chain(of_library).collect()
    }
}

fn starts_with(alias: &[&str], begin: &[Component]) -> bool {
    alias.len() >= begin.len() && alias.iter().zip(begin).all(|(a, b)| *a == b.name.text)
}

/// What a point is called that an alias with a suffix led to: with what was found in place of wildcards that stand
/// for components of other aliases.
fn found_as(
    alias: &ProbePoint,
    suffix: &[Component],
    begin: &str,
    found: &Expanded<'_>,
    written: &ProbePoint,
) -> String {
    let has_wildcards = suffix.iter().any(|component| glob::is_pattern(&component.name.text));
    match found.written.as_deref().and_then(|inner| inner.strip_prefix(begin)) {
        Some(rest) if has_wildcards => families::spell(alias) + rest,
        _ => families::spell(written),
    }
}

/// Whether a point with `**`, which goes over dots, stands for an alias.
fn spans(alias: &[Component], point: &[Component]) -> bool {
    let is_plain = |component: &Component| component.argument.is_none();
    let path = |components: &[Component]| {
        let names: Vec<&str> = components.iter().map(|c| c.name.text.as_str()).collect();
        names.join(".")
    };
    point.iter().any(|component| component.name.text.contains("**"))
        && point.iter().chain(alias).all(is_plain)
        && !alias.iter().any(|component| component.name.text.starts_with("__"))
        && glob::matches_path(&path(point), &path(alias))
}

/// Whether an alias stands at the start of a point, whose components may hold wildcards.
fn is_prefix(alias: &[Component], point: &[Component]) -> bool {
    alias.len() <= point.len()
        && alias.iter().zip(point).all(|(a, p)| {
            let (name, pattern) = (&a.name.text, &p.name.text);
            let same_argument = match (&a.argument, &p.argument) {
                (Some(a), Some(p)) => a.value == p.value,
                (None, None) => true,
                _ => false,
            };
            // Names that start with two underscores are private to the library.
            same_argument
                && (name == pattern
                    || (glob::is_pattern(pattern)
                        && !name.starts_with("__")
                        && glob::matches(pattern, name)))
        })
}
