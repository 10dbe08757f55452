//! Which probe points are of a family's form.
//!
//! A form is a list of components. Each has a name, or a choice of names between bars, that may be left out
//! when it ends in a question mark: `("sample|hz?", Number)`.

use super::{Argument, Family};
use crate::glob;
use crate::syntax::ast::{Component, LiteralValue, ProbePoint};

/// Whether a point is of a family's form.
pub(super) fn fits(family: &Family, point: &ProbePoint) -> bool {
    place(family, &point.components, true)
        .is_some_and(|at| family.form[at..].iter().all(is_optional))
}

/// The names of a family's form that the components of a point stand for, where wildcards are in their names:
/// for each way the names of all components.
pub(super) fn names_for(family: &Family, components: &[Component]) -> Vec<Vec<&'static str>> {
    names_from(family.form, components)
}

fn names_from(
    form: &'static [(&'static str, Argument)],
    components: &[Component],
) -> Vec<Vec<&'static str>> {
    let Some((component, rest)) = components.split_first() else {
        return if form.iter().all(is_optional) { vec![vec![]] } else { vec![] };
    };
    let mut ways = vec![];
    for (at, expected) in form.iter().enumerate() {
        if expected.1 == given(component) {
            let wanted = |name: &&str| glob::matches(&component.name.text, name);
            for name in choices(expected.0).filter(wanted) {
                let behind = names_from(&form[at + 1..], rest).into_iter();
                ways.extend(behind.map(|names| [vec![name], names].concat()));
            }
        }
        if !is_optional(expected) {
            break;
        }
    }
    ways
}

/// Whether a family's form can begin with these components, whatever their arguments.
pub(super) fn begins_with(family: &Family, components: &[Component]) -> bool {
    place(family, components, false).is_some()
}

/// The names that can follow these components.
pub(super) fn names_after(family: &Family, components: &[Component]) -> Vec<&'static str> {
    let Some(at) = place(family, components, false) else { return vec![] };
    let mut names = vec![];
    for component in &family.form[at..] {
        names.extend(choices(component.0));
        if !is_optional(component) {
            break;
        }
    }
    names
}

/// The form as documentation shows it: `timer.s(N)`, `perf.type(N).config(N)[.sample(N)]`.
pub fn form_text(family: &Family) -> String {
    let names: Vec<String> = family.form.iter().map(|component| choice(component.0)).collect();
    text(family, &names)
}

/// The form with each of the names it has a choice of, where none may be left out: the names alone, up to what
/// may be left out, and as documentation shows it.
pub(super) fn spellings(family: &'static Family) -> Vec<(String, String)> {
    let mut all: Vec<Vec<String>> = vec![vec![]];
    for component in family.form {
        let names: Vec<String> = match is_optional(component) {
            true => vec![choice(component.0)],
            false => choices(component.0).map(str::to_string).collect(),
        };
        let with =
            |begin: &Vec<String>, name: &String| [&begin[..], std::slice::from_ref(name)].concat();
        all =
            all.iter().flat_map(|begin| names.iter().map(move |name| with(begin, name))).collect();
    }
    let needed = family.form.iter().take_while(|component| !is_optional(component)).count();
    all.into_iter().map(|names| (names[..needed].join("."), text(family, &names))).collect()
}

/// Each way to write a form, with what its components take: `timer.s(number)`, `timer.s(number).randomize(number)`.
pub fn ways_to_write(family: &Family) -> Vec<String> {
    let mut all = vec![String::new()];
    for component in family.form {
        let argument = match component.1 {
            Argument::None => "",
            Argument::Number => "(number)",
            Argument::Text => "(string)",
        };
        let mut longer: Vec<String> = vec![];
        for begin in &all {
            let dot = if begin.is_empty() { "" } else { "." };
            longer.extend(choices(component.0).map(|name| format!("{begin}{dot}{name}{argument}")));
        }
        match is_optional(component) {
            true => all.extend(longer),
            false => all = longer,
        }
    }
    all
}

/// A form with these names of its components.
fn text(family: &Family, names: &[String]) -> String {
    let mut text = String::new();
    for (at, (component, name)) in family.form.iter().zip(names).enumerate() {
        let dot = if at == 0 { "" } else { "." };
        let argument = match component.1 {
            Argument::None => "",
            Argument::Number => "(N)",
            Argument::Text => "(\"NAME\")",
        };
        match is_optional(component) {
            true => text.push_str(&format!("[{dot}{name}{argument}]")),
            false => text.push_str(&format!("{dot}{name}{argument}")),
        }
    }
    text
}

/// Where in the form what follows these components stands.
fn place(family: &Family, components: &[Component], with_arguments: bool) -> Option<usize> {
    let mut at = 0;
    for component in components {
        let given = given(component);
        loop {
            let expected = family.form.get(at)?;
            at += 1;
            let is_named = choices(expected.0).any(|name| name == component.name.text);
            if is_named && (!with_arguments || expected.1 == given) {
                break;
            }
            if !is_optional(expected) {
                return None;
            }
        }
    }
    Some(at)
}

/// What a component has in parentheses.
fn given(component: &Component) -> Argument {
    match component.argument.as_ref().map(|literal| &literal.value) {
        None => Argument::None,
        Some(LiteralValue::Number(_)) => Argument::Number,
        Some(LiteralValue::String(_)) => Argument::Text,
    }
}

fn choices(name: &'static str) -> impl Iterator<Item = &'static str> {
    name.trim_end_matches('?').split('|')
}

/// `sample`, or `{sample,hz}`.
fn choice(name: &'static str) -> String {
    let names: Vec<&str> = choices(name).collect();
    match names[..] {
        [name] => name.to_string(),
        _ => format!("{{{}}}", names.join(",")),
    }
}

fn is_optional(component: &(&'static str, Argument)) -> bool {
    component.0.ends_with('?')
}
