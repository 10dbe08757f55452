//! A summary of an object for people.

use std::fmt::Write as _;

use super::{ObjectError, ObjectInput, sections};
use crate::backend::bpf::BpfCode;

/// Describes what [`super::write`] makes of the input: programs, functions, maps, variables, BTF.
pub fn describe(input: &ObjectInput) -> Result<String, ObjectError> {
    let built = sections::build(input)?;
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    line(format!("object: {} bytes, license GPL", built.bytes.len()));
    if !input.programs.is_empty() {
        line("programs:".to_string());
        for program in &input.programs {
            line(format!("  {} {}: {}", program.section, program.name, code(&program.code)));
        }
    }
    if !input.subprograms.is_empty() {
        line("functions:".to_string());
        for subprogram in &input.subprograms {
            let parameters = subprogram.code.parameters;
            line(format!("  {}/{parameters}: {}", subprogram.name, code(&subprogram.code)));
        }
    }
    if !input.maps.is_empty() {
        line("maps:".to_string());
        for map in &input.maps {
            let flags = match map.flags {
                0 => String::new(),
                flags => format!(", flags {flags:#x}"),
            };
            line(format!(
                "  {}: {}, key {}, value {}, entries {}{flags}",
                map.name,
                map_kind_name(map.kind),
                map.key_size,
                map.value_size,
                map.max_entries,
            ));
        }
    }
    if !input.variables.is_empty() {
        line("variables:".to_string());
        for variable in &input.variables {
            line(format!("  {}: {} bytes", variable.name, variable.size));
        }
    }
    line(format!("BTF: {} types, {} bytes", built.btf_types, built.btf_bytes));
    Ok(text)
}

fn code(code: &BpfCode) -> String {
    let spilled = match code.spill_slots {
        0 => String::new(),
        slots => format!(", {slots} spilled"),
    };
    format!(
        "{} instructions, {} bytes of stack{spilled}",
        code.instructions.len(),
        code.frame_bytes
    )
}

/// The kernel's name for a map type, or its number.
fn map_kind_name(kind: u32) -> String {
    let name = match kind {
        1 => "hash",
        2 => "array",
        3 => "prog_array",
        4 => "perf_event_array",
        5 => "percpu_hash",
        6 => "percpu_array",
        7 => "stack_trace",
        8 => "cgroup_array",
        9 => "lru_hash",
        10 => "lru_percpu_hash",
        11 => "lpm_trie",
        12 => "array_of_maps",
        13 => "hash_of_maps",
        22 => "queue",
        23 => "stack",
        24 => "sk_storage",
        27 => "ringbuf",
        28 => "inode_storage",
        29 => "task_storage",
        30 => "bloom_filter",
        31 => "user_ringbuf",
        32 => "cgrp_storage",
        33 => "arena",
        other => return format!("map type {other}"),
    };
    name.to_string()
}
