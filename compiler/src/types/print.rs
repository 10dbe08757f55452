//! A typed script as text, for `ntap emit types`.

use std::fmt::Write;

use super::{GlobalType, Type, Types};
use crate::hir::{Annotations, Body, Function, FunctionId, Script, print_body};

/// Globals with their types, then every probe with its resolved point and code.
pub fn print(script: &Script, types: &Types) -> String {
    let mut out = String::new();
    for (id, global) in script.globals.iter() {
        let _ = writeln!(out, "global {}{}", global.name, global_type(&types.globals[id]));
    }
    for (id, function) in script.functions.iter() {
        out.push_str(&print_function(script, types, id, function));
    }
    for probe in script.probes.values() {
        let _ = writeln!(out, "probe {} {{", probe.point.name);
        out.push_str(&locals(&probe.body, types));
        let annotations = Annotations { script, types, point: Some(&probe.point), pattern: false };
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
        let used: Vec<&str> = ty.aggregates.iter().map(|a| a.word()).collect();
        let _ = write!(out, "({})", used.join(", "));
    }
    out
}

/// A line for each local variable.
pub fn locals(body: &Body, types: &Types) -> String {
    let mut out = String::new();
    for (id, local) in body.locals.iter() {
        let _ = writeln!(out, "  local {}: {}", local.name, types.locals[body.id][id]);
    }
    out
}

/// A function with its signature and all its overloads.
pub fn print_function(
    script: &Script,
    types: &Types,
    id: FunctionId,
    function: &Function,
) -> String {
    let mut out = String::new();
    for overload in &function.overloads {
        let parameters: Vec<String> = overload
            .parameters
            .iter()
            .map(|&p| {
                let name = &overload.body.locals[p].name;
                format!("{name}: {}", types.locals[overload.body.id][p])
            })
            .collect();
        let result =
            if function.has_result { format!(": {}", types.results[id]) } else { String::new() };
        let _ = writeln!(out, "function {}({}){result} {{", function.name, parameters.join(", "));
        out.push_str(&locals(&overload.body, types));
        let annotations = Annotations { script, types, point: None, pattern: false };
        out.push_str(&print_body(&overload.body, &annotations, 1));
        out.push_str("}\n");
    }
    out
}
