//! The object of the kernel half: its programs and functions compiled, its maps and variables.

use super::{Analyzed, Options, adder_name, program_name};
use crate::backend::bpf::{self, BackendError, BpfCode, BpfOptions, CallChainError};
use crate::diagnostic::{Diagnostics, codes};
use crate::facts::CpuVersion;
use crate::hir::Attach;
use crate::layout::{control, counters, times};
use crate::lower::{self, Lowered, MOST_CALLS};
use crate::object::{Location, MapDefinition, ObjectInput, Program, Subprogram, Variable};
use crate::source::{SourceMap, Span};
use crate::syscalls::Routes;
use crate::types::MAX_STRING;

/// The name of the map with the memory of handlers where that is too much for a per-CPU array: it is to have
/// its elements once for each CPU.
pub const LARGE_SCRATCH: &str = "ntap_memory";

/// The name of the ring buffer map.
pub const RING_BUFFER: &str = "ntap_records";

/// The name of the map of what handlers took.
pub const TIMES: &str = "ntap_times";

/// The name of the map of perf events that handlers read: it is to have its elements once for each CPU.
pub const COUNTERS: &str = "ntap_counted";

/// What the name of an array's second map ends in.
const SECOND_BANK: &str = "_2";

/// Bytes of the ring buffer of a script that sends no records but errors and its end.
const SMALLEST_RING_BUFFER: u32 = 4096;

/// Bytes of the ring buffer where nobody asks for more or less.
pub const DEFAULT_RING_BUFFER: u32 = 4 << 20;

/// The same where stacks of processes are sent: some thousand of them.
const RING_BUFFER_FOR_STACKS: u32 = 16 << 20;

/// Map types, from `enum bpf_map_type`.
mod map_kind {
    pub(super) const HASH: u32 = 1;
    pub(super) const ARRAY: u32 = 2;
    pub(super) const PROG_ARRAY: u32 = 3;
    pub(super) const PERF_EVENT_ARRAY: u32 = 4;
    pub(super) const PERCPU_HASH: u32 = 5;
    pub(super) const PERCPU_ARRAY: u32 = 6;
    pub(super) const RINGBUF: u32 = 27;
}

impl Analyzed {
    /// Reports handlers that are too long because functions are copied into them.
    pub(super) fn test_calls(
        &self,
        lowered: &Lowered,
        diagnostics: &mut Diagnostics,
    ) -> Option<()> {
        for kernel in lowered.kernel.iter().filter(|k| k.has_too_many_calls) {
            let span = self.script.probes[kernel.probe].span;
            diagnostics
                .error(codes::STACK, span, "this handler calls too many functions")
                .label(format!("more than {MOST_CALLS}, with those that these call"))
                .help("call fewer functions, or functions that call themselves only once");
        }
        (!diagnostics.has_errors()).then_some(())
    }

    /// Reports handlers that need more memory than the kernel gives.
    pub(super) fn test_scratch(
        &self,
        lowered: &Lowered,
        diagnostics: &mut Diagnostics,
    ) -> Option<()> {
        let most = if lowered.large_scratch { MOST_LARGE } else { MOST_SCRATCH };
        for kernel in lowered.kernel.iter().filter(|k| k.scratch_bytes > most) {
            let span = self.script.probes[kernel.probe].span;
            report_scratch(span, kernel.scratch_bytes, most, diagnostics);
        }
        (!diagnostics.has_errors()).then_some(())
    }

    pub(super) fn programs(
        &self,
        lowered: &mut Lowered,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Program>> {
        let cpu = options.facts.cpu_version();
        let mut programs = vec![];
        for kernel in &mut lowered.kernel {
            let span = self.script.probes[kernel.probe].span;
            let compiled = compile_kernel_function(&mut kernel.function, cpu, options.unoptimized);
            match compiled {
                Ok(code) => programs.push(Program {
                    name: program_name(kernel.probe),
                    section: section(&self.script.probes[kernel.probe].point.attach),
                    code,
                }),
                Err(BackendError::FrameTooLarge { bytes }) => {
                    report_stack(span, bytes, diagnostics);
                }
                Err(error) => report_backend(span, &error, diagnostics),
            }
        }
        for (array, function) in &mut lowered.adders {
            let (name, section) = (adder_name(*array), "raw_tp".to_string());
            match compile_kernel_function(function, cpu, options.unoptimized) {
                Ok(code) => programs.push(Program { name, section, code }),
                Err(error) => report_backend(self.layout.arrays[*array].span, &error, diagnostics),
            }
        }
        (!diagnostics.has_errors()).then_some(programs)
    }

    /// The functions of ours that handlers call.
    pub(super) fn subprograms(
        &self,
        lowered: &mut Lowered,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Subprogram>> {
        let cpu = options.facts.cpu_version();
        let mut subprograms = vec![];
        for (function, routine) in lowered.routines.iter_mut().zip(&lowered.tables.routines) {
            let (name, global) = (routine.name(), Some(routine.parameters.clone()));
            match compile_kernel_function(function, cpu, options.unoptimized) {
                Ok(code) => subprograms.push(Subprogram { name, code, global }),
                Err(error) => {
                    let span = self.script.probes[lowered.kernel[0].probe].span;
                    report_backend(span, &error, diagnostics);
                    return None;
                }
            }
        }
        for (at, function) in lowered.loops.iter_mut().enumerate() {
            let name = format!("{}_loop{at}", program_name(function.probe));
            let span = self.script.probes[function.probe].span;
            match compile_kernel_function(&mut function.function, cpu, options.unoptimized) {
                Ok(code) => subprograms.push(Subprogram { name, code, global: None }),
                Err(BackendError::FrameTooLarge { bytes }) => {
                    report_stack(span, bytes, diagnostics);
                    return None;
                }
                Err(error) => {
                    report_backend(span, &error, diagnostics);
                    return None;
                }
            }
        }
        Some(subprograms)
    }

    /// Whether the stack is enough for each handler with the functions it calls.
    pub(super) fn test_stack(
        &self,
        lowered: &Lowered,
        programs: &[Program],
        subprograms: &[Subprogram],
        diagnostics: &mut Diagnostics,
    ) -> Option<()> {
        let called: Vec<&BpfCode> = subprograms.iter().map(|s| &s.code).collect();
        for (kernel, program) in lowered.kernel.iter().zip(programs) {
            let span = self.script.probes[kernel.probe].span;
            match bpf::call_chain_bytes(&program.code, &called) {
                Ok(_) => {}
                Err(CallChainError::TooLarge { bytes }) => report_stack(span, bytes, diagnostics),
                Err(error @ CallChainError::TooDeep) => {
                    let error = BackendError::Unsupported(error.to_string());
                    report_backend(span, &error, diagnostics);
                }
            }
        }
        (!diagnostics.has_errors()).then_some(())
    }

    pub(super) fn object_input(
        &self,
        programs: Vec<Program>,
        subprograms: Vec<Subprogram>,
        lowered: &Lowered,
        sources: &SourceMap,
        options: &Options<'_>,
    ) -> ObjectInput {
        let variable =
            |name: &str, size: u32| Variable { name: name.to_string(), size, constant: None };
        let constant = |name: &str, bytes: Vec<u8>| Variable {
            name: name.to_string(),
            size: bytes.len() as u32,
            constant: Some(bytes),
        };
        let cells = (self.layout.shared.len() as u32 * 8).max(8);
        let maps = self.layout.arrays.values().filter_map(|a| a.map);
        let largest = maps.map(|m| m.value_bytes).max().unwrap_or(0);
        let mut variables = vec![
            variable("ntap_control", control::SIZE),
            variable("ntap_counters", self.layout.probes * counters::SIZE),
            variable("ntap_globals", cells),
            variable("ntap_zeros", largest.max(MAX_STRING)),
        ];
        let tables: Vec<u8> = self.layout.automata.iter().flat_map(|(_, a)| a.bytes()).collect();
        if !tables.is_empty() {
            variables.push(constant("ntap_tables", tables));
        }
        if !self.layout.shared_programs.table.is_empty() {
            let table = self.layout.shared_programs.table.clone();
            variables.push(constant("ntap_calls", table));
        }
        let uses_names = lowered.tables.uses_call_names;
        if lowered.tables.uses_hit_texts || uses_names {
            let mut texts = lower::hit_texts(&self.script);
            texts.resize(texts.len().max(8), 0);
            variables.push(constant("ntap_hit_texts", texts));
        }
        if uses_names {
            let table = lower::call_names(self.features.architecture);
            variables.push(constant("ntap_call_names", table));
        }
        ObjectInput {
            maps: self.maps(lowered, options),
            variables,
            programs,
            subprograms,
            core_fields: vec![],
            locations: locations(lowered, sources),
        }
    }

    /// The maps: the ring buffer, then the arrays, in the order of their indices.
    fn maps(&self, lowered: &Lowered, options: &Options<'_>) -> Vec<MapDefinition> {
        let mut maps = vec![MapDefinition {
            name: RING_BUFFER.to_string(),
            kind: map_kind::RINGBUF,
            key_size: 0,
            value_size: 0,
            max_entries: if self.layout.events.is_empty() {
                SMALLEST_RING_BUFFER
            } else {
                options.ring_buffer_bytes.unwrap_or(match lowered.tables.copies_user_stacks() {
                    true => RING_BUFFER_FOR_STACKS,
                    false => DEFAULT_RING_BUFFER,
                })
            },
            flags: 0,
        }];
        for array in self.layout.arrays.values() {
            let Some(map) = array.map else { continue };
            let kind = match (array.keys.is_empty(), map.per_cpu) {
                (true, false) => map_kind::ARRAY,
                (true, true) => map_kind::PERCPU_ARRAY,
                (false, false) => map_kind::HASH,
                (false, true) => map_kind::PERCPU_HASH,
            };
            let mut definition = MapDefinition {
                name: array.name.clone(),
                kind,
                key_size: map.key_bytes,
                value_size: map.value_bytes,
                max_entries: map.entries(array.capacity),
                flags: 0,
            };
            maps.push(definition.clone());
            if map.bank.is_some() {
                definition.name = format!("{}{SECOND_BANK}", array.name);
                maps.push(definition);
            }
        }
        for group in 0..self.layout.routes.groups.len() {
            maps.push(MapDefinition {
                name: Routes::map_name(group),
                kind: map_kind::PROG_ARRAY,
                key_size: 4,
                value_size: 4,
                max_entries: self.layout.routes.slots(group),
                flags: 0,
            });
        }
        if self.layout.counters_map.is_some() {
            maps.push(MapDefinition {
                name: COUNTERS.to_string(),
                kind: map_kind::PERF_EVENT_ARRAY,
                key_size: 4,
                value_size: 4,
                max_entries: self.script.counter_count(),
                flags: 0,
            });
        }
        if self.layout.times_map.is_some() {
            maps.push(MapDefinition {
                name: TIMES.to_string(),
                kind: map_kind::PERCPU_ARRAY,
                key_size: 4,
                value_size: times::SIZE,
                max_entries: self.layout.times_elements(),
                flags: 0,
            });
        }
        let scratch = lowered.kernel.iter().map(|k| k.scratch_bytes).max().unwrap_or(0);
        let (name, kind) = match lowered.large_scratch {
            true => (LARGE_SCRATCH, map_kind::ARRAY),
            false => ("ntap_scratch", map_kind::PERCPU_ARRAY),
        };
        if scratch > 0 {
            maps.push(MapDefinition {
                name: name.to_string(),
                kind,
                key_size: 4,
                value_size: scratch,
                max_entries: lower::scratch_elements(&self.script, &self.layout),
                flags: 0,
            });
        }
        maps
    }
}

/// Optimizes and compiles one kernel function. The optimizer makes values live longer; where they no longer fit on
/// the stack, the code is compiled as it was.
fn compile_kernel_function(
    function: &mut cranelift_codegen::ir::Function,
    cpu: CpuVersion,
    unoptimized: bool,
) -> Result<BpfCode, BackendError> {
    let options = BpfOptions { cpu, check: cfg!(debug_assertions) };
    if unoptimized {
        return bpf::compile(function, &options);
    }
    let before = function.clone();
    bpf::optimize(function)?;
    match bpf::compile(function, &options) {
        Err(BackendError::FrameTooLarge { .. }) => {
            *function = before;
            bpf::compile(function, &options)
        }
        compiled => compiled,
    }
}

/// The most bytes of an element of a per-CPU array: `PCPU_MIN_UNIT_SIZE` of the kernel.
pub(super) const MOST_SCRATCH: u32 = 32 << 10;

/// The most bytes of an element of an array of all CPUs that are worth it.
const MOST_LARGE: u32 = 1 << 20;

fn report_scratch(span: Span, bytes: u32, most: u32, diagnostics: &mut Diagnostics) {
    diagnostics
        .error(codes::STACK, span, "this handler needs too much memory")
        .label(format!("needs {bytes} bytes; {most} can be had"))
        .help("use fewer strings at a time, or a smaller MAXSTRINGLEN");
}

fn report_stack(span: Span, bytes: u32, diagnostics: &mut Diagnostics) {
    diagnostics
        .error(codes::STACK, span, "this handler needs too much stack")
        .label(format!("needs {bytes} bytes; the kernel gives {}", bpf::STACK_BYTES))
        .help("use fewer or shorter strings at a time");
}

pub(super) fn report_backend(span: Span, error: &BackendError, diagnostics: &mut Diagnostics) {
    if let BackendError::BranchOutOfRange { .. } = error {
        diagnostics
            .error(codes::STACK, span, "this handler is too long")
            .label(error.to_string())
            .help("do a part of it in another probe, or in `probe end`");
        return;
    }
    diagnostics
        .error(codes::INTERNAL, span, format!("ntap cannot compile this: {error}"))
        .note("this is a bug in ntap; please report it with the script");
}

/// The section that tells loaders what a program is for.
fn section(attach: &Attach) -> String {
    match attach {
        Attach::Tracepoint { name, btf_typedef: Some(_), .. } => format!("tp_btf/{name}"),
        Attach::Tracepoint { name, btf_typedef: None, .. } => format!("raw_tp/{name}"),
        Attach::Record { system, name } => format!("tracepoint/{system}/{name}"),
        Attach::Function(points) => {
            let kind = if points.returns { "kretprobe" } else { "kprobe" };
            match &points.targets[..] {
                [target] => format!("{kind}/{}", target.name),
                _ => kind.to_string(),
            }
        }
        Attach::Syscall(point) => {
            let kind = if point.btf_typedef.is_some() { "tp_btf" } else { "raw_tp" };
            format!("{kind}/{}", point.tracepoint())
        }
        Attach::Hook(_) => "netfilter".to_string(),
        Attach::Counted { .. } => "perf_event".to_string(),
        Attach::Instruction(_) => "uprobe".to_string(),
        Attach::Lifetime(lifetime) => format!("tp_btf/{}", lifetime.moment.tracepoint()),
        Attach::Begin(_)
        | Attach::End(_)
        | Attach::Error(_)
        | Attach::Never
        | Attach::Counter(_)
        | Attach::Timer { .. }
        | Attach::File(_)
        | Attach::Input(_) => ".text".to_string(),
    }
}

fn locations(lowered: &Lowered, sources: &SourceMap) -> Vec<Location> {
    let mut locations = vec![Location::default()];
    for &span in lowered.tables.locations.spans() {
        let file = sources.file(span.file);
        let position = file.position(span.start);
        locations.push(Location {
            file: file.name.clone(),
            line: position.line,
            column: position.column,
            text: file.line(position.line).trim().to_string(),
        });
    }
    locations
}
