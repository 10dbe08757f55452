//! A split script as text, for `ntap emit split`.

use std::fmt::Write;

use crate::hir::{Annotations, Script, print_body};
use crate::layout::{ArrayValue, Layout, Storage};
use crate::types::{self, Types};

/// Where every global lives, what runs in which half, and what crosses.
pub fn print(script: &Script, types: &Types, layout: &Layout) -> String {
    let mut out = String::new();
    for (id, global) in script.globals.iter() {
        let ty = types::global_type(&types.globals[id]);
        let place = match layout.storage[id] {
            Storage::Cell(at) => format!("user cell {at}"),
            Storage::Shared(at) => format!(".bss + {}", layout.shared_offset(at)),
            Storage::Array(array) => array_place(&layout.arrays[array]),
        };
        let _ = writeln!(out, "global {}{ty}  # {place}", global.name);
    }
    for (id, function) in script.functions.iter() {
        let text = types::print_function(script, types, id, function);
        for line in text.lines() {
            let user = if line.starts_with("function") { "user " } else { "" };
            let _ = writeln!(out, "{user}{line}");
        }
    }
    for (id, bodies) in &layout.kernel_functions {
        for body in bodies {
            let _ = writeln!(out, "kernel function {} {{", script.functions[*id].name);
            out.push_str(&types::locals(body, types));
            let annotations = Annotations { script, types, point: None, pattern: false };
            out.push_str(&print_body(body, &annotations, 1));
            out.push_str("}\n");
        }
    }
    for probe in script.probes.values() {
        let half = if probe.point.attach.in_kernel() { "kernel" } else { "user" };
        let _ = writeln!(out, "{half} probe {} {{", probe.point.name);
        out.push_str(&types::locals(&probe.body, types));
        let annotations = Annotations { script, types, point: Some(&probe.point), pattern: false };
        out.push_str(&print_body(&probe.body, &annotations, 1));
        out.push_str("}\n");
    }
    for (id, event) in layout.events.iter() {
        let fields: Vec<String> =
            event.fields.iter().map(|f| format!("{}@{}", f.ty, f.offset)).collect();
        let _ = writeln!(out, "user {id}({}) {{  # {} bytes", fields.join(", "), event.bytes);
        let annotations = Annotations { script, types, point: None, pattern: false };
        out.push_str(&print_body(&event.body, &annotations, 1));
        out.push_str("}\n");
    }
    out
}

fn array_place(array: &crate::layout::Array) -> String {
    let mut place = match array.map {
        None => "user memory".to_string(),
        Some(map) => {
            let per_cpu = if map.per_cpu { "per-CPU " } else { "" };
            let second = map.bank.map_or(String::new(), |b| format!(" and {}", b.index));
            format!(
                "{per_cpu}map {}{second}, {} + {} bytes",
                map.index, map.key_bytes, map.value_bytes
            )
        }
    };
    if let ArrayValue::Stats(stats) = array.value {
        let _ = write!(place, ", count@{}", stats.count);
        for (name, offset) in [("sum", stats.sum), ("min", stats.min), ("max", stats.max)] {
            if let Some(offset) = offset {
                let _ = write!(place, " {name}@{offset}");
            }
        }
        if let Some(variance) = stats.variance {
            let _ = write!(place, " mean@{} squares@{}", variance.mean, variance.squares);
            let _ = write!(place, " (shift {})", variance.shift);
        }
        if let Some(histogram) = stats.histogram {
            let _ = write!(place, " {}@{}", histogram.shape, histogram.buckets);
        }
    }
    if array.ordered {
        place.push_str(", ordered");
    }
    let _ = write!(place, ", {} elements", array.capacity);
    place
}
