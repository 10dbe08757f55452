//! `kernel.trace("name")`: kernel tracepoints with their BTF-typed arguments.

mod record;

pub(crate) use record::record;

use std::collections::BTreeSet;

use super::{Argument::*, Family, Request};
use crate::btf::{self, Btf, ModuleTypes, Tracepoint};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::facts::Facts;
use crate::glob;
use crate::hir::{Attach, ContextSource, ContextVariable, Identity, Point, Scalar};
use crate::source::Span;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        form: &[("kernel", None), ("trace", Text)],
        summary: "At a kernel tracepoint; its arguments are `$variables` with the kernel's types. The \
                  name may hold wildcards, and a system before a colon: `kernel.trace(\"tcp:*\")`. \
                  Those of modules are there while the module is loaded. A handler that uses none of the \
                  arguments can have the fields of the tracepoint's `format` in tracefs instead, arrays \
                  as the address of their first element: `kernel_string($prev_comm)`.",
        example: "probe kernel.trace(\"sched_switch\") { exit() }",
        resolve,
    },
    Family {
        form: &[("kernel", None), ("tracepoint", Text)],
        summary: "As `kernel.trace`, with the arguments by their positions: `$arg1`, `$arg2` and so on.",
        example: "probe kernel.tracepoint(\"sched_switch\") { println($arg1); exit() }",
        resolve: by_position,
    },
];

fn by_position(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let mut points = resolve(request, diagnostics);
    for point in &mut points {
        point.name = point.name.replacen(".trace(", ".tracepoint(", 1);
        for (at, variable) in point.context.iter_mut().enumerate() {
            variable.name = format!("arg{}", at + 1);
        }
    }
    points
}

fn resolve(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text(1) else { return vec![] };
    let (system, name) = match text.split_once(':') {
        Some((system, name)) => (Some(system), name),
        Option::None => (Option::None, text),
    };
    let is_pattern = glob::is_pattern(name) || system.is_some_and(glob::is_pattern);
    let btf = match request.facts.btf() {
        Ok(btf) => btf,
        Err(_) if !is_pattern => {
            // The verifier-typed form needs BTF; the raw one only the name.
            return vec![Point {
                name: request.spelling(),
                attach: untyped(name),
                context: vec![],
                first_local: Option::None,
                identity: identity(name, text),
                optional: false,
            }];
        }
        Err(missing) => {
            diagnostics
                .error(codes::NO_BTF, span, format!("cannot list tracepoints: {missing}"))
                .label("needs the kernel's type information")
                .help("name one tracepoint, without wildcards");
            return vec![];
        }
    };
    let is_wanted = |n: &str| glob::matches(name, n) && is_in_system(request.facts, n, system);
    let is_names = glob::is_pattern(name);
    let mut names: Vec<&str> = if is_names {
        btf::tracepoint_names(btf).filter(|n| is_wanted(n)).collect()
    } else {
        // Found without a walk over all names.
        btf::tracepoint(btf, name).map(|_| name).into_iter().filter(|n| is_wanted(n)).collect()
    };
    names.sort_unstable();
    names.dedup();
    let with_system = |name: &str| match request.facts.tracepoint_systems().get(name) {
        Some(system) => format!("{system}:{name}"),
        Option::None => name.to_string(),
    };
    let full = |name: &str| if system.is_some() { with_system(name) } else { name.to_string() };
    let mut points: Vec<Point> = names
        .into_iter()
        .filter_map(|name| Some(point(btf, name, &full(name), &btf::tracepoint(btf, name)?, &[])))
        .collect();
    if is_names || points.is_empty() {
        points.extend(of_modules(request.facts, &is_wanted, &full));
    }
    // Events of system calls, and of modules that have no types, are still there by their records.
    let is_system = system.is_some_and(|system| !glob::is_pattern(system));
    if points.is_empty() && (!is_names || is_system) {
        let listed = request.facts.tracepoint_systems().iter();
        let listed = listed.filter(|(listed, _)| glob::matches(name, listed) && is_wanted(listed));
        points.extend(listed.map(|(name, system)| {
            record(request.facts, system, name).unwrap_or_else(|| {
                let identity = identity(name, &full(name));
                let spelled = format!("kernel.trace(\"{}\")", full(name));
                Point { identity, ..Point::new(spelled, untyped(name)) }
            })
        }));
    }
    if points.is_empty() {
        report_unknown(request.facts, btf, (system, name), span, diagnostics);
    }
    points
}

/// A tracepoint of which only the name is known.
fn untyped(name: &str) -> Attach {
    let (btf_typedef, module) = (Option::None, Option::None);
    Attach::Tracepoint { name: name.to_string(), btf_typedef, module }
}

/// The tracepoints of modules that are wanted, by their names.
fn of_modules(
    facts: &dyn Facts,
    is_wanted: &dyn Fn(&str) -> bool,
    full: &dyn Fn(&str) -> String,
) -> Vec<Point> {
    let mut found = facts.module_tracepoints();
    found.retain(|(_, name)| is_wanted(name));
    found.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
    found.dedup_by(|(_, later), (_, earlier)| later == earlier);
    let modules: BTreeSet<&str> = found.iter().map(|(module, _)| module.as_str()).collect();
    let modules: Vec<&str> = modules.into_iter().collect();
    let places: Vec<(&str, ModuleTypes)> = modules
        .iter()
        .zip(facts.module_types(&modules))
        .filter_map(|(module, place)| Some((*module, place?)))
        .collect();
    let Ok(btf) = facts.all_types() else { return vec![] };
    let each = |(_, name): &(String, String)| {
        Some(point(btf, name, &full(name), &btf::tracepoint(btf, name)?, &places))
    };
    found.iter().filter_map(each).collect()
}

/// Whether a tracepoint belongs to a system, which may be a pattern. Where the systems are not known, a
/// name is believed, and no pattern but `*` matches.
fn is_in_system(facts: &dyn Facts, name: &str, system: Option<&str>) -> bool {
    let Some(wanted) = system else { return true };
    let systems = facts.tracepoint_systems();
    match systems.get(name) {
        Some(system) => glob::matches(wanted, system),
        Option::None => wanted == "*" || (systems.is_empty() && !glob::is_pattern(wanted)),
    }
}

fn report_unknown(
    facts: &dyn Facts,
    btf: &Btf,
    (system, name): (Option<&str>, &str),
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    let text = system.map_or(name.to_string(), |system| format!("{system}:{name}"));
    let systems = facts.tracepoint_systems();
    if let Some(system) = system
        && !systems.is_empty()
        && !systems.values().any(|s| glob::matches(system, s))
    {
        let mut known: Vec<&str> = systems.values().map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        diagnostics
            .error(codes::UNKNOWN_TRACEPOINT, span, format!("unknown tracepoint `{text}`"))
            .label(format!("no tracepoint system `{system}` in this kernel"))
            .suggest(system, known);
        return;
    }
    if glob::is_pattern(name) {
        diagnostics
            .error(codes::UNKNOWN_TRACEPOINT, span, format!("no tracepoint matches `{text}`"))
            .label("no match in this kernel");
        return;
    }
    let names: Vec<&str> = btf::tracepoint_names(btf).collect();
    let diagnostic = diagnostics
        .error(codes::UNKNOWN_TRACEPOINT, span, format!("unknown tracepoint `{text}`"))
        .label("not in this kernel");
    if let Some(other) = system.and_then(|_| systems.get(name)) {
        diagnostic.help(format!("did you mean `{other}:{name}`?"));
        return;
    }
    diagnostic.suggest(name, names.iter().copied());
    if suggest::nearest(name, names.iter().copied(), 1).is_empty() {
        let containing: Vec<&str> =
            names.into_iter().filter(|n| n.contains(name)).take(5).collect();
        if containing.is_empty() {
            diagnostic.note("tracepoints of modules are known while the module is loaded");
        } else {
            let list = containing.join(", ");
            diagnostic.help(format!("tracepoints with that in their name: {list}"));
        }
    }
}

/// `full` is the name, with its system where that is known.
fn identity(name: &str, full: &str) -> Identity {
    let system = full.split_once(':').map_or("", |(system, _)| system);
    let texts = vec![("$$name", name.to_string()), ("$$system", system.to_string())];
    Identity { function: String::new(), texts }
}

/// `modules` are those whose types are among the types.
fn point(
    btf: &Btf,
    name: &str,
    full: &str,
    tracepoint: &Tracepoint,
    modules: &[(&str, ModuleTypes)],
) -> Point {
    let of_module = modules.iter().find_map(|(module, types)| {
        types.own_id(tracepoint.typedef_id).map(|id| (id, module.to_string()))
    });
    // What tracepoints of modules pass may be null to the verifier (6.12), which then prohibits arithmetic with it.
    let is_hidden =
        |ty| btf.is_opaque_pointer(ty) || (of_module.is_some() && btf.is_struct_pointer(ty));
    let context = tracepoint
        .arguments
        .iter()
        .enumerate()
        .map(|(at, (argument, ty))| {
            let value = btf.scalar(*ty).map_or(Scalar { bytes: 8, signed: false }, |i| Scalar {
                bytes: i.bytes,
                signed: i.signed,
            });
            ContextVariable {
                name: argument.clone(),
                ty: ty.0,
                source: match is_hidden(*ty) {
                    true => ContextSource::HiddenWord(at as u32),
                    false => ContextSource::Word(at as u32),
                },
                value,
                trusted: of_module.is_none() && btf.is_struct_pointer(*ty),
            }
        })
        .collect();
    let (id, module) = match of_module {
        Some((id, module)) => (id, Some(module)),
        Option::None => (tracepoint.typedef_id.0, Option::None),
    };
    Point {
        name: format!("kernel.trace(\"{full}\")"),
        attach: Attach::Tracepoint { name: name.to_string(), btf_typedef: Some(id), module },
        context,
        first_local: Option::None,
        identity: identity(name, full),
        optional: false,
    }
}
