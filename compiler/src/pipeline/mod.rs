//! The stages in order. Each is a type whose business is to become the next one.
//!
//! [`Parsed`] → [`Analyzed`] (resolved, typed, split) → [`Compiled`] (CLIF, eBPF, object). A stage
//! is not entered when the one before reported an error.

mod kernel_object;
mod listing;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::btf::Kind;
use crate::diagnostic::{Diagnostics, codes};
use crate::facts::{Architecture, Facts};
use crate::hir::{Attach, OnlyIn, ProbeId, Script, max_nesting};
use crate::layout::{ArrayId, Layout};
use crate::library::{self, Library, Wanted};
use crate::limits::Limits;
use crate::lower::{self, KernelFeatures, LoopBound, Lowered, StackOffsets, TaskOffsets};
use crate::object::ObjectInput;
use crate::runtime_functions::RuntimeFunction;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{self, Dialect, ParseOptions, ast};
use crate::syscalls;
use crate::types::{KeptOfAggregates, MAX_STRING, Types};
use crate::{partition, resolve, types};

use kernel_object::report_backend;
pub use kernel_object::{COUNTERS, DEFAULT_RING_BUFFER, LARGE_SCRATCH, RING_BUFFER, TIMES};
pub use listing::{clif, disassemble};

pub use crate::lower::arrays_with_adders;

/// What a compilation depends on besides the text.
pub struct Options<'a> {
    /// The words after the script: `$1`, `@1`.
    pub arguments: &'a [String],
    /// The machine.
    pub facts: &'a dyn Facts,
    /// Bytes of the ring buffer, a power of two and a multiple of the page size; `None` leaves it to what is sent.
    pub ring_buffer_bytes: Option<u32>,
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
    /// What the command line says about the language.
    pub dialect: Dialect<'a>,
    /// `--skip-badvars`: context variables that cannot be had are 0.
    pub bad_variables_are_zero: bool,
}

impl<'a> Options<'a> {
    /// The options of a plain compilation.
    pub fn new(arguments: &'a [String], facts: &'a dyn Facts) -> Options<'a> {
        Options {
            arguments,
            facts,
            ring_buffer_bytes: None,
            library: Library::embedded(),
            unoptimized: false,
            globals: &[],
            limits: Limits::default(),
            suppress_handler_errors: false,
            kept_of_aggregates: KeptOfAggregates::default(),
            timing: false,
            dialect: Dialect::default(),
            bad_variables_are_zero: false,
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
    /// The handlers of system calls that are one program.
    shared_programs: syscalls::Shared,
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
        let is_in = |id: &ProbeId| program_name(self.shared_programs.program(*id)) == program;
        let probes = probes.filter(is_in).collect();
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
    parse_with(sources, options, Wanted::Mentioned, diagnostics)
}

/// The same, with so much of aliases.
pub(crate) fn parse_with(
    sources: &mut SourceMap,
    options: &Options<'_>,
    of_aliases: Wanted,
    diagnostics: &mut Diagnostics,
) -> Option<Parsed> {
    let files: Vec<FileId> = sources.files().map(|(id, _)| id).collect();
    let parse_options = ParseOptions {
        arguments: options.arguments,
        facts: options.facts,
        library: options.library,
        dialect: options.dialect,
    };
    let user_files = files.len();
    let mut scripts: Vec<ast::Script> = files
        .into_iter()
        .map(|file| syntax::parse(file, sources, &parse_options, diagnostics))
        .collect();
    if !diagnostics.has_errors() {
        library::gather(&mut scripts, sources, &parse_options, of_aliases, diagnostics);
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
            options.bad_variables_are_zero,
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
        Fallback {
            whole: self.analyzed.whole.clone(),
            shared_programs: self.analyzed.layout.shared_programs.clone(),
        }
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
        let limits = &options.limits;
        let mut layout =
            partition::partition(&mut script, &mut types, limits, &whole.deferred, diagnostics);
        if diagnostics.has_errors() {
            return None;
        }
        layout.suppresses_errors = options.suppress_handler_errors;
        if options.timing {
            // Each handler notes what it took: it has a program of its own.
            layout.measure(&script);
        } else {
            layout.shared_programs = syscalls::together(&script, &types, &layout);
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
            Attach::Counter(_) => true,
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
        if layout.calls(&script, RuntimeFunction::walks_copied_stacks) {
            tasks.stack = stack_offsets(options.facts);
        }
        let architecture = options.facts.architecture();
        let string_bytes = options.limits.string_bytes;
        let nesting = options.limits.nesting.unwrap_or_else(|| max_nesting(&script)) as usize;
        let large_scratch = string_bytes > MAX_STRING;
        let features = KernelFeatures {
            loops,
            actions,
            architecture,
            tasks,
            string_bytes,
            nesting,
            large_scratch,
        };
        Some(Analyzed { whole, script, types, layout, features })
    }

    /// The CLIF of both halves. The loops of kernel handlers are still in them: see
    /// [`Analyzed::take_out_loops`].
    pub fn lower(&self) -> Lowered {
        let lower = |features| lower::lower(&self.script, &self.types, &self.layout, features);
        let lowered = lower(self.features);
        if lowered.kernel.iter().all(|k| k.scratch_bytes <= kernel_object::MOST_SCRATCH) {
            return lowered;
        }
        lower(KernelFeatures { large_scratch: true, ..self.features })
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
            self.test_calls(&lowered, diagnostics)?;
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
        stack: None,
        process: offset("task_struct", "tgid")?,
        threads: [offset("task_struct", "signal")?, offset("signal_struct", "live")?],
        made: [offset("task_struct", "group_leader")?, offset("task_struct", "start_time")?],
    })
}

/// Where in a task is told where its stack in userspace begins.
fn stack_offsets(facts: &dyn Facts) -> Option<StackOffsets> {
    let btf = facts.btf().ok()?;
    let offset = |structure: &str, member: &str| {
        let structure = btf.find(structure, Kind::Struct)?;
        Some(btf.field(structure, member)?.bit_offset / 8)
    };
    let thread = || Some(offset("task_struct", "thread")? + offset("thread_struct", "fsbase")?);
    let returns = || {
        Some([
            offset("task_struct", "utask")?,
            offset("uprobe_task", "return_instances")?,
            offset("return_instance", "stack")?,
            offset("return_instance", "orig_ret_vaddr")?,
            offset("return_instance", "next")?,
        ])
    };
    Some(StackOffsets {
        returns: returns(),
        first_thread: [offset("task_struct", "mm")?, offset("mm_struct", "start_stack")?],
        other_threads: thread().filter(|_| facts.architecture() == Architecture::X86_64),
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
