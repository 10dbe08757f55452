//! A typed script as text, for `ntap emit types`.

use std::fmt::Write;

use super::{GlobalType, Type, Types};
use crate::hir::{Annotations, Body, ProbeId, Script, aggregate_name, print_body};

/// Globals with their types, then every probe with its resolved point and code.
pub fn print(script: &Script, types: &Types) -> String {
    let mut out = String::new();
    for (id, global) in script.globals.iter() {
        let _ = writeln!(out, "global {}{}", global.name, global_type(&types.globals[id]));
    }
    for (id, probe) in script.probes.iter() {
        let _ = writeln!(out, "probe {} {{", probe.point.name);
        out.push_str(&locals(&probe.body, types, id));
        let annotations = Annotations { script, types, point: Some(&probe.point) };
        out.push_str(&print_body(&probe.body, &annotations, 1));
        out.push_str("}\n");
    }
    out
}

/// The type of a global: `[long, string(16)]: stats(@count)`.
pub fn global_type(ty: &GlobalType) -> String {
    let mut out = String::new();
    if !ty.keys.is_empty() {
        let keys: Vec<String> = ty.keys.iter().map(Type::to_string).collect();
        let _ = write!(out, "[{}]", keys.join(", "));
    }
    let _ = write!(out, ": {}", ty.value);
    if ty.value == Type::Stats {
        let used: Vec<&str> = ty.aggregates.iter().map(|&a| aggregate_name(a)).collect();
        let _ = write!(out, "({})", used.join(", "));
    }
    out
}

/// A line for each local variable.
pub fn locals(body: &Body, types: &Types, probe: ProbeId) -> String {
    let mut out = String::new();
    for (id, local) in body.locals.iter() {
        let _ = writeln!(out, "  local {}: {}", local.name, types.locals[probe][id]);
    }
    out
}
