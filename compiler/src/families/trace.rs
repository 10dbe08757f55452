//! `kernel.trace("name")`: kernel tracepoints with their BTF-typed arguments.

use super::{Argument::*, Family, Request};
use crate::btf::{self, Btf, Tracepoint};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::facts::Facts;
use crate::glob;
use crate::hir::{Attach, ContextSource, ContextVariable, Identity, Point, Scalar};
use crate::source::Span;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        form: &[("kernel", None), ("trace", Text)],
        summary: "At a kernel tracepoint; its arguments are `$variables` with the kernel's types. The \
                  name may hold wildcards, and a system before a colon: `kernel.trace(\"tcp:*\")`.",
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
                attach: Attach::Tracepoint { name: name.to_string(), btf_typedef: Option::None },
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
    let is_wanted = |n: &&str| glob::matches(name, n) && is_in_system(request.facts, n, system);
    let mut names: Vec<&str> = if glob::is_pattern(name) {
        btf::tracepoint_names(btf).filter(is_wanted).collect()
    } else {
        // Found without a walk over all names.
        btf::tracepoint(btf, name).map(|_| name).into_iter().filter(is_wanted).collect()
    };
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        report_unknown(request.facts, btf, (system, name), span, diagnostics);
    }
    let with_system = |name: &str| match request.facts.tracepoint_systems().get(name) {
        Some(system) => format!("{system}:{name}"),
        Option::None => name.to_string(),
    };
    names
        .into_iter()
        .filter_map(|name| {
            let full = if system.is_some() { with_system(name) } else { name.to_string() };
            Some(point(btf, name, &full, &btf::tracepoint(btf, name)?))
        })
        .collect()
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
        if !containing.is_empty() {
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

fn point(btf: &Btf, name: &str, full: &str, tracepoint: &Tracepoint) -> Point {
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
                source: match btf.is_opaque_pointer(*ty) {
                    true => ContextSource::HiddenWord(at as u32),
                    false => ContextSource::Word(at as u32),
                },
                value,
                trusted: btf.is_struct_pointer(*ty),
            }
        })
        .collect();
    Point {
        name: format!("kernel.trace(\"{full}\")"),
        attach: Attach::Tracepoint {
            name: name.to_string(),
            btf_typedef: Some(tracepoint.typedef_id.0),
        },
        context,
        first_local: Option::None,
        identity: identity(name, full),
        optional: false,
    }
}
