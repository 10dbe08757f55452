//! A typed script in the layout of `stap -p2`.
//!
//! ```text
//! # globals
//! hits:stats [string]
//! # functions
//! double:long (x:long)
//! # probes
//! timer.s(1) /* <- timer.s(1) */
//!   # locals
//!   n:long
//! ```

use std::fmt::Write;

use super::Types;
use crate::hir::{Annotations, Body, LocalId, Script, print_body};

/// The outline of a script; with `bodies` what its functions and handlers do, too.
pub fn outline(script: &Script, types: &Types, bodies: bool) -> String {
    let mut out = String::new();
    let heading = |out: &mut String, name: &str, count: usize| {
        if count > 0 {
            let _ = writeln!(out, "# {name}");
        }
    };
    heading(&mut out, "globals", script.globals.len());
    for (id, global) in script.globals.iter() {
        let ty = &types.globals[id];
        let _ = write!(out, "{}:{}", global.name, ty.value.name());
        if !ty.keys.is_empty() {
            let keys: Vec<&str> = ty.keys.iter().map(|key| key.name()).collect();
            let _ = write!(out, " [{}]", keys.join(", "));
        }
        out.push('\n');
    }
    heading(&mut out, "functions", script.functions.len());
    for (id, function) in script.functions.iter() {
        for overload in &function.overloads {
            let body = &overload.body;
            let parameters: Vec<String> =
                overload.parameters.iter().map(|&p| local(body, types, p)).collect();
            let result = if function.has_result { types.results[id].name() } else { "unknown" };
            let _ = writeln!(out, "{}:{result} ({})", function.name, parameters.join(", "));
            locals(&mut out, body, types, &overload.parameters);
            if bodies {
                let annotations = Annotations { script, types, point: None, pattern: false };
                out.push_str(&print_body(body, &annotations, 1));
            }
        }
    }
    heading(&mut out, "probes", script.probes.len());
    for probe in script.probes.values() {
        let _ = writeln!(out, "{} /* <- {} */", probe.point.name, probe.written);
        locals(&mut out, &probe.body, types, &[]);
        if bodies {
            let annotations =
                Annotations { script, types, point: Some(&probe.point), pattern: false };
            out.push_str(&print_body(&probe.body, &annotations, 1));
        }
    }
    out
}

/// The local variables of a body, but for its parameters.
fn locals(out: &mut String, body: &Body, types: &Types, parameters: &[LocalId]) {
    let mut others = body.locals.keys().filter(|id| !parameters.contains(id)).peekable();
    if others.peek().is_some() {
        out.push_str("  # locals\n");
    }
    for id in others {
        let _ = writeln!(out, "  {}", local(body, types, id));
    }
}

fn local(body: &Body, types: &Types, id: LocalId) -> String {
    format!("{}:{}", body.locals[id].name, types.locals[body.id][id].name())
}
