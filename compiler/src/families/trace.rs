//! `kernel.trace("name")`: kernel tracepoints with their BTF-typed arguments.

use super::{Argument::*, Family, Request};
use crate::btf::{self, Btf, Tracepoint};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::glob;
use crate::hir::{Attach, ContextSource, ContextVariable, Identity, Point, Scalar};

pub(super) const FAMILIES: &[Family] = &[Family {
    form: &[("kernel", None), ("trace", Text)],
    summary: "At a kernel tracepoint; its arguments are `$variables` with the kernel's types. The \
              name may hold wildcards, and a system before a colon.",
    example: "probe kernel.trace(\"sched_switch\") { exit() }",
    resolve,
}];

fn resolve(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let Some((text, span)) = request.text(1) else { return vec![] };
    // The system (`skb:` of `skb:kfree_skb`) is not needed: names are unique.
    let name = text.rsplit(':').next().unwrap_or(text);
    let btf = match request.facts.btf() {
        Ok(btf) => btf,
        Err(_) if !glob::is_pattern(name) => {
            // The verifier-typed form needs BTF; the raw one only the name.
            return vec![Point {
                name: request.spelling(),
                attach: Attach::Tracepoint { name: name.to_string(), btf_typedef: Option::None },
                context: vec![],
                identity: identity(name, text),
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
    if glob::is_pattern(name) {
        let mut names: Vec<&str> =
            btf::tracepoint_names(btf).filter(|n| glob::matches(name, n)).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            diagnostics
                .error(codes::UNKNOWN_TRACEPOINT, span, format!("no tracepoint matches `{text}`"))
                .label("no match in this kernel");
        }
        return names
            .into_iter()
            .filter_map(|n| Some(point(btf, n, text, &btf::tracepoint(btf, n)?)))
            .collect();
    }
    match btf::tracepoint(btf, name) {
        Some(tracepoint) => vec![point(btf, name, text, &tracepoint)],
        Option::None => {
            let names: Vec<&str> = btf::tracepoint_names(btf).collect();
            let diagnostic = diagnostics
                .error(codes::UNKNOWN_TRACEPOINT, span, format!("unknown tracepoint `{text}`"))
                .label("not in this kernel")
                .suggest(name, names.iter().copied());
            if suggest::nearest(name, names.iter().copied(), 1).is_empty() {
                let containing: Vec<&str> =
                    names.into_iter().filter(|n| n.contains(name)).take(5).collect();
                if !containing.is_empty() {
                    diagnostic.help(format!(
                        "tracepoints with that in their name: {}",
                        containing.join(", ")
                    ));
                }
            }
            vec![]
        }
    }
}

/// `text` is what the script names.
fn identity(name: &str, text: &str) -> Identity {
    let system = text.split_once(':').map_or("", |(system, _)| system);
    let texts = vec![("$$name", name.to_string()), ("$$system", system.to_string())];
    Identity { function: String::new(), texts }
}

fn point(btf: &Btf, name: &str, text: &str, tracepoint: &Tracepoint) -> Point {
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
                source: ContextSource::Word(at as u32),
                value,
                trusted: btf.is_struct_pointer(*ty),
            }
        })
        .collect();
    Point {
        name: format!("kernel.trace(\"{name}\")"),
        attach: Attach::Tracepoint {
            name: name.to_string(),
            btf_typedef: Some(tracepoint.typedef_id.0),
        },
        context,
        identity: identity(name, text),
    }
}
