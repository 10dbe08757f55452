//! The stages in order. Each is a type whose business is to become the next one.
//!
//! [`Parsed`] → [`Analyzed`] (resolved, typed, split) → [`Compiled`] (CLIF, eBPF, object). A stage
//! is not entered when the one before reported an error.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::backend::bpf::{
    self, BackendError, BpfCode, BpfOptions, CallChainError, RelocationKind,
};
use crate::backend::names;
use crate::btf::Kind;
use crate::diagnostic::{Diagnostics, codes};
use crate::facts::{CpuVersion, Facts};
use crate::hir::{Attach, EventId, OnlyIn, ProbeId, Script};
use crate::layout::{ArrayId, Layout, control, counters, times};
use crate::library::{self, Library};
use crate::limits::Limits;
use crate::lower::{self, KernelFeatures, LoopBound, Lowered, TaskOffsets};
use crate::object::{Location, MapDefinition, ObjectInput, Program, Subprogram, Variable};
use crate::runtime_functions::RuntimeFunction;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, ParseOptions, ast};
use crate::syscalls::{self, Routes};
use crate::types::{KeptOfAggregates, MAX_STRING, Types};
use crate::{partition, resolve, types};

pub use crate::lower::arrays_with_adders;

/// What a compilation depends on besides the text.
pub struct Options<'a> {
    /// The words after the script: `$1`, `@1`.
    pub arguments: &'a [String],
    /// The machine.
    pub facts: &'a dyn Facts,
    /// Bytes of the ring buffer, a power of two and a multiple of the page size.
    pub ring_buffer_bytes: u32,
    /// What scripts use without declaring it.
    pub library: &'a Library,
    /// Leave out the optimizer: to tell our bugs from others'.
    pub unoptimized: bool,
    /// `-G`: initial values of globals that replace those in the script.
    pub globals: &'a [(String, String)],
    /// The limits handlers run under.
    pub limits: Limits,
    /// `--suppress-handler-errors`: an error of a handler ends the handler, and nothing else.
    pub suppress_handler_errors: bool,
    /// What is kept of aggregates.
    pub kept_of_aggregates: KeptOfAggregates,
    /// `-t`: have kernel handlers measure themselves.
    pub timing: bool,
    /// What `guru_mode` is in conditionals.
    pub guru: bool,
}

impl<'a> Options<'a> {
    /// The options of a plain compilation.
    pub fn new(arguments: &'a [String], facts: &'a dyn Facts) -> Options<'a> {
        Options {
            arguments,
            facts,
            ring_buffer_bytes: 1 << 20,
            library: Library::embedded(),
            unoptimized: false,
            globals: &[],
            limits: Limits::default(),
            suppress_handler_errors: false,
            kept_of_aggregates: KeptOfAggregates::default(),
            timing: false,
            guru: false,
        }
    }
}

/// The syntax trees of a script and of what it needs of the library.
pub struct Parsed {
    /// One for each file of the user's, then one for each piece of the library.
    pub scripts: Vec<ast::Script>,
    /// How many of them are the user's; so many files of the sources are, too.
    pub user_files: usize,
}

/// A script that has not been split.
#[derive(Clone)]
struct Whole {
    script: Script,
    types: Types,
    /// The probes whose handlers are too much for the kernel.
    deferred: BTreeSet<ProbeId>,
}

/// A script that is known to mean something.
pub struct Analyzed {
    whole: Rc<Whole>,
    /// The resolved and split script.
    pub script: Script,
    /// Its types.
    pub types: Types,
    /// Where its data is.
    pub layout: Layout,
    /// What its kernel code makes use of.
    pub features: KernelFeatures,
}

/// What a script can be compiled from once more, when the kernel's verifier finds a handler too complex.
pub struct Fallback {
    whole: Rc<Whole>,
}

impl Fallback {
    /// Compiles the script with less of one handler in kernel code, that of a program ([`program_name`]). `None` when
    /// that is not possible, or was tried before.
    pub fn without(
        &self,
        program: &str,
        sources: &SourceMap,
        options: &Options<'_>,
    ) -> Option<Compiled> {
        let probes = self.whole.script.probes.keys();
        let probes = probes.filter(|id| program_name(*id) == program).collect();
        let analyzed = deferring(&self.whole, &probes, options)?;
        analyzed.compile(sources, options, &mut Diagnostics::default())
    }
}

/// A compiled script.
pub struct Compiled {
    /// What was compiled.
    pub analyzed: Analyzed,
    /// User blocks in CLIF, and the tables of both halves.
    pub lowered: Lowered,
    /// The kernel half; `None` when there is none.
    pub object: Option<ObjectInput>,
}

/// Parses every file of `sources`, and what they need of the library, whose files become sources.
pub fn parse(
    sources: &mut SourceMap,
    options: &Options<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Parsed> {
    let files: Vec<FileId> = sources.files().map(|(id, _)| id).collect();
    let parse_options = ParseOptions {
        arguments: options.arguments,
        facts: options.facts,
        library: options.library,
        guru: options.guru,
    };
    let user_files = files.len();
    let mut scripts: Vec<ast::Script> = files
        .into_iter()
        .map(|file| syntax::parse(file, sources, &parse_options, diagnostics))
        .collect();
    if !diagnostics.has_errors() {
        library::gather(&mut scripts, sources, &parse_options, diagnostics);
    }
    (!diagnostics.has_errors()).then_some(Parsed { scripts, user_files })
}

impl Parsed {
    /// Resolves names and probe points and finds types.
    pub fn resolve(
        &self,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Script, Types)> {
        let mut script = resolve::resolve(
            &self.scripts,
            self.user_files,
            options.library,
            options.facts,
            diagnostics,
        );
        resolve::set_globals(&mut script, options.globals, diagnostics);
        syscalls::add_dispatchers(&mut script);
        let mut types = types::infer(&script, options.limits.string_bytes, diagnostics);
        types.keep(options.kept_of_aggregates, &mut script);
        (!diagnostics.has_errors()).then_some((script, types))
    }

    /// Resolves, types and splits.
    pub fn analyze(
        &self,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Analyzed> {
        let (script, types) = self.resolve(options, diagnostics)?;
        let whole = Rc::new(Whole { script, types, deferred: BTreeSet::new() });
        Analyzed::split(whole, options, diagnostics)
    }
}

impl Compiled {
    /// What the script can be compiled from once more.
    pub fn fallback(&self) -> Fallback {
        Fallback { whole: self.analyzed.whole.clone() }
    }
}

impl Analyzed {
    /// Splits a script.
    fn split(
        whole: Rc<Whole>,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Analyzed> {
        let (mut script, mut types) = (whole.script.clone(), whole.types.clone());
        let capacity = options.limits.array_entries;
        let mut layout =
            partition::partition(&mut script, &mut types, capacity, &whole.deferred, diagnostics);
        if diagnostics.has_errors() {
            return None;
        }
        layout.suppresses_errors = options.suppress_handler_errors;
        if options.timing {
            layout.measure();
        }
        // Asked only where it matters: asking loads a program.
        let has_loops = lower::has_kernel_loops(&script, &types, &layout);
        let loops = match has_loops {
            true if options.facts.has_may_goto() => LoopBound::Budget,
            true if options.facts.has_loop_helper() => LoopBound::Callback,
            _ => LoopBound::Walked,
        };
        let actions = i64::try_from(options.limits.actions).unwrap_or(i64::MAX);
        let asks = |attach: &Attach| match attach {
            Attach::Instruction(_) | Attach::Lifetime(_) => true,
            Attach::Counted { only_in, .. } => *only_in != OnlyIn::Anywhere,
            _ => false,
        };
        let asking = script.probes.values().find(|p| asks(&p.point.attach));
        let mut tasks = match asking.map(|probe| (probe.span, task_offsets(options.facts))) {
            None => TaskOffsets::default(),
            Some((_, Some(offsets))) => offsets,
            Some((span, None)) => {
                let message = "which process runs is told by the kernel's types";
                diagnostics.error(codes::NO_BTF, span, message);
                return None;
            }
        };
        if script.probes.values().any(|p| p.point.attach.is_typed()) {
            tasks.name = task_name(options.facts);
        }
        let architecture = options.facts.architecture();
        let string_bytes = options.limits.string_bytes;
        let features = KernelFeatures { loops, actions, architecture, tasks, string_bytes };
        Some(Analyzed { whole, script, types, layout, features })
    }

    /// The CLIF of both halves. The loops of kernel handlers are still in them: see
    /// [`Analyzed::take_out_loops`].
    pub fn lower(&self) -> Lowered {
        lower::lower(&self.script, &self.types, &self.layout, self.features)
    }

    /// Makes functions of the loops in kernel handlers, where the kernel's verifier would walk them.
    fn take_out_loops(&self, lowered: &mut Lowered, diagnostics: &mut Diagnostics) -> Option<()> {
        if self.features.loops != LoopBound::Callback {
            return Some(());
        }
        let first = lowered.routines.len() as u32;
        for handler in &mut lowered.kernel {
            let taken =
                lower::take_out_loops(handler, first, self.features.actions, &mut lowered.loops);
            if let Err(error) = taken {
                report_backend(self.script.probes[handler.probe].span, &error, diagnostics);
                return None;
            }
        }
        Some(())
    }

    /// Whether any handler runs in the kernel.
    pub fn has_kernel_half(&self) -> bool {
        self.script.probes.values().any(|p| p.point.attach.in_kernel())
    }

    /// Compiles to the end. What is too much for the kernel in a handler is left to userspace.
    pub fn compile(
        self,
        sources: &SourceMap,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Compiled> {
        let mut tried = Diagnostics::default();
        if let Some((lowered, object)) = self.compile_halves(sources, options, &mut tried) {
            diagnostics.append(tried);
            return Some(Compiled { analyzed: self, lowered, object });
        }
        let too_much: Vec<Span> =
            tried.iter().filter(|d| d.code == codes::STACK).map(|d| d.primary.span).collect();
        let probes = self.script.probes.iter().filter(|(_, p)| too_much.contains(&p.span));
        let probes = probes.map(|(id, _)| id).collect();
        let Some(other) = deferring(&self.whole, &probes, options) else {
            diagnostics.append(tried);
            return None;
        };
        let mut again = Diagnostics::default();
        let compiled = other.compile(sources, options, &mut again);
        diagnostics.append(if compiled.is_some() { again } else { tried });
        compiled
    }

    /// The code of user blocks, and the object of the kernel half.
    fn compile_halves(
        &self,
        sources: &SourceMap,
        options: &Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Lowered, Option<ObjectInput>)> {
        let mut lowered = self.lower();
        let object = if self.has_kernel_half() {
            self.take_out_loops(&mut lowered, diagnostics)?;
            self.test_scratch(&lowered, diagnostics)?;
            let programs = self.programs(&mut lowered, options, diagnostics)?;
            let subprograms = self.subprograms(&mut lowered, options, diagnostics)?;
            self.test_stack(&lowered, &programs, &subprograms, diagnostics)?;
            Some(self.object_input(programs, subprograms, &lowered, sources, options))
        } else {
            None
        };
        Some((lowered, object))
    }

    /// Reports handlers that need more memory than the kernel gives.
    fn test_scratch(&self, lowered: &Lowered, diagnostics: &mut Diagnostics) -> Option<()> {
        let most = if self.features.has_large_scratch() { MOST_LARGE } else { MOST_SCRATCH };
        for kernel in lowered.kernel.iter().filter(|k| k.scratch_bytes > most) {
            let span = self.script.probes[kernel.probe].span;
            report_scratch(span, kernel.scratch_bytes, most, diagnostics);
        }
        (!diagnostics.has_errors()).then_some(())
    }

    fn programs(
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
    fn subprograms(
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
    fn test_stack(
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

    fn object_input(
        &self,
        programs: Vec<Program>,
        subprograms: Vec<Subprogram>,
        lowered: &Lowered,
        sources: &SourceMap,
        options: &Options<'_>,
    ) -> ObjectInput {
        let variable =
            |name: &str, size: u32| Variable { name: name.to_string(), size, constant: None };
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
            let mut variable = variable("ntap_tables", tables.len() as u32);
            variable.constant = Some(tables);
            variables.push(variable);
        }
        if lowered.tables.uses_hit_texts {
            let texts = lower::hit_texts(&self.script);
            let mut variable = variable("ntap_hit_texts", texts.len() as u32);
            variable.constant = Some(texts);
            variables.push(variable);
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
                options.ring_buffer_bytes
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
        if self.layout.times_map.is_some() {
            maps.push(MapDefinition {
                name: TIMES.to_string(),
                kind: map_kind::PERCPU_ARRAY,
                key_size: 4,
                value_size: times::SIZE,
                max_entries: self.layout.probes,
                flags: 0,
            });
        }
        let scratch = lowered.kernel.iter().map(|k| k.scratch_bytes).max().unwrap_or(0);
        let (name, kind) = match self.features.has_large_scratch() {
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

/// The script split in another way: kernel code does less of these handlers. `None` when that is not possible, or
/// was tried before.
fn deferring(
    whole: &Rc<Whole>,
    probes: &BTreeSet<ProbeId>,
    options: &Options<'_>,
) -> Option<Analyzed> {
    if probes.is_subset(&whole.deferred) {
        return None;
    }
    let mut whole = Whole::clone(whole);
    whole.deferred.extend(probes);
    // What was worth saying has been said.
    Analyzed::split(Rc::new(whole), options, &mut Diagnostics::default())
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
const MOST_SCRATCH: u32 = 32 << 10;

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

fn report_backend(span: Span, error: &BackendError, diagnostics: &mut Diagnostics) {
    diagnostics
        .error(codes::INTERNAL, span, format!("ntap cannot compile this: {error}"))
        .note("this is a bug in ntap; please report it with the script");
}

/// The name of the map with the memory of handlers where that is too much for a per-CPU array: it is to have
/// its elements once for each CPU.
pub const LARGE_SCRATCH: &str = "ntap_memory";

/// The name of the ring buffer map.
pub const RING_BUFFER: &str = "ntap_records";

/// The name of the map of what handlers took.
pub const TIMES: &str = "ntap_times";

/// What the name of an array's second map ends in.
const SECOND_BANK: &str = "_2";

/// Bytes of the ring buffer of a script that sends no records but errors and its end.
const SMALLEST_RING_BUFFER: u32 = 4096;

/// Map types, from `enum bpf_map_type`.
mod map_kind {
    pub(super) const HASH: u32 = 1;
    pub(super) const ARRAY: u32 = 2;
    pub(super) const PROG_ARRAY: u32 = 3;
    pub(super) const PERCPU_HASH: u32 = 5;
    pub(super) const PERCPU_ARRAY: u32 = 6;
    pub(super) const RINGBUF: u32 = 27;
}

/// Where things are in tasks of this kernel.
fn task_offsets(facts: &dyn Facts) -> Option<TaskOffsets> {
    let btf = facts.btf().ok()?;
    let offset = |structure: &str, member: &str| {
        let structure = btf.find(structure, Kind::Struct)?;
        Some(btf.field(structure, member)?.bit_offset / 8)
    };
    Some(TaskOffsets {
        program: [
            offset("task_struct", "mm")?,
            offset("mm_struct", "exe_file")?,
            offset("file", "f_inode")?,
            offset("inode", "i_ino")?,
        ],
        name: None,
        parent: offset("task_struct", "real_parent")?,
        process: offset("task_struct", "tgid")?,
        threads: [offset("task_struct", "signal")?, offset("signal_struct", "live")?],
        made: [offset("task_struct", "group_leader")?, offset("task_struct", "start_time")?],
    })
}

/// Where in a task the name of its command is, if the kernel fills it up with zeros: that is as old as `bpf_loop`,
/// 5.17.
fn task_name(facts: &dyn Facts) -> Option<u32> {
    let btf = facts.btf().ok()?;
    btf.function("bpf_loop")?;
    let offset = btf.field(btf.find("task_struct", Kind::Struct)?, "comm")?.bit_offset;
    Some(offset / 8)
}

/// The name of a probe's program.
pub fn program_name(probe: ProbeId) -> String {
    probe.to_string()
}

/// The name of the program by which user blocks add to elements of an array.
pub fn adder_name(array: ArrayId) -> String {
    format!("ntap_add_{}", array.as_u32())
}

/// The name of an event's continuation.
pub fn event_name(event: EventId) -> String {
    event.to_string()
}

/// The section that tells loaders what a program is for.
fn section(attach: &Attach) -> String {
    match attach {
        Attach::Tracepoint { name, btf_typedef: Some(_) } => format!("tp_btf/{name}"),
        Attach::Tracepoint { name, btf_typedef: None } => format!("raw_tp/{name}"),
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

/// The code of every program, disassembled, with the script's lines.
pub fn disassemble(object: &ObjectInput) -> String {
    let mut out = String::new();
    let names = |kind: RelocationKind| match kind {
        RelocationKind::Map(at) => object.maps[at as usize].name.clone(),
        RelocationKind::Data(at) => object.variables[at as usize].name.clone(),
        RelocationKind::SubprogramCall(at) | RelocationKind::SubprogramAddress(at) => {
            object.subprograms[at as usize].name.clone()
        }
        RelocationKind::CoreField(at) => object.core_fields[at as usize].access.clone(),
    };
    let source = |bits: u32| {
        let location = object.locations.get(bits as usize).filter(|_| bits != 0)?;
        Some(format!("{}:{}: {}", location.file, location.line, location.text))
    };
    for program in &object.programs {
        let title = format!("{} ({})", program.name, program.section);
        out.push_str(&listing(&title, &program.code));
        out.push_str(&bpf::disassemble(&program.code, &names, &source));
        out.push('\n');
    }
    for subprogram in &object.subprograms {
        out.push_str(&listing(&subprogram.name, &subprogram.code));
        out.push_str(&bpf::disassemble(&subprogram.code, &names, &source));
        out.push('\n');
    }
    out
}

/// The first line of the listing of some code.
fn listing(title: &str, code: &BpfCode) -> String {
    let (instructions, stack) = (code.instructions.len(), code.frame_bytes);
    format!("{title}, {instructions} instructions, {stack} bytes of stack\n")
}

/// Every function of both halves as CLIF, the runtime functions by their names.
pub fn clif(lowered: &Lowered) -> String {
    let kernel =
        lowered.kernel.iter().map(|k| format!("; kernel {}\n{}", k.probe, k.function.display()));
    let routines = lowered.routines.iter().zip(&lowered.tables.routines);
    let routines = routines.map(|(f, r)| format!("; {}\n{}", r.name(), f.display()));
    let kernel = kernel.chain(routines);
    let adders = lowered.adders.iter();
    let adders = adders.map(|(id, f)| format!("; {}\n{}", adder_name(*id), f.display()));
    let user = lowered.user.iter().map(|u| {
        let what = match u.role {
            lower::Role::Probe(id) => id.to_string(),
            lower::Role::Event(id) => id.to_string(),
            lower::Role::Function(id) => id.to_string(),
        };
        let mut text = format!("; user {what}\n{}", u.function.display());
        for &function in RuntimeFunction::ALL {
            let number = format!(" = u{}:{} ", names::RUNTIME, function as u32);
            text = text.replace(&number, &format!(" = %{} ", function.name()));
        }
        text
    });
    kernel.chain(adders).chain(user).collect::<Vec<_>>().join("\n")
}
