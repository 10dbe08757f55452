//! A session: from a compiled script to its last line of output.
//!
//! Load, run `begin`, attach, let the handlers go live all at once, wait for events, and at the end
//! detach, handle what is still queued, and run `end` (or `error`). One thread does all of it: user
//! blocks never run at the same time, and the records older than a block are handled before it.

mod arming;
mod background;
mod blocks;
mod error_count;
mod errors;
mod event_loop;
mod events;
mod flame_graph;
mod follow;
mod format;
mod kernel_half;
mod losses;
mod modules;
mod monitor;
mod outlets;
mod output;
mod output_file;
mod overload;
mod recorder;
mod telling;
mod timing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ntap_compiler::hir::{Attach, GlobalId, HitText, Probe, ProbeId, Script, max_nesting};
use ntap_compiler::layout::Storage;
use ntap_compiler::limits::Limits;
use ntap_compiler::lower::Role;
use ntap_compiler::pipeline::{Analyzed, Compiled};
use ntap_compiler::runtime_functions::RuntimeFunction;
use ntap_compiler::source::{SourceMap, Span};

pub use errors::SessionError;
pub use events::{interrupted_twice, monotonic_ns};
pub use follow::{FollowError, follow};
pub use format::OutputFormat;
pub use losses::{Loss, LossCause};
pub use output::write_message;
pub use output_file::{OutputFileOptions, Rotation};
pub use overload::DEFAULT_BUDGET_PERCENT;

use crate::block::{BlockContext, Recording, State, Warnings};
pub use crate::block::{SavedGlobal, WarningsShown};
use crate::kernel::LiveKernel;
use crate::native::NativeCode;
use crate::outlets::Input;
use crate::passes::{PassClock, counted};
use crate::sys;
use crate::target_process::{self, TargetProcess};
use error_count::ErrorCount;
use event_loop::SKIPPED_WATCH;
use events::Events;
use flame_graph::FlameGraph;
use format::folded::FoldedStacks;
use kernel_half::KernelHalf;
use losses::BlockErrors;
use monitor::Monitor;
use outlets::Outlets;
use output::Output;
use output_file::OutputFile;
use overload::Overload;
use recorder::Recorder;
use timing::Timing;

/// What a session is to do besides the script.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// `-c`: a command to run and trace; the session ends when it does.
    pub command: Option<String>,
    /// `-x`: a process to trace; the session ends when it does.
    pub process: Option<u32>,
    /// `-m`: the name of the session; without it the number of the process.
    pub name: Option<String>,
    /// `--prometheus-listen`: where the files of the session are served over HTTP.
    pub listen: Option<SocketAddr>,
    /// `-T`: end after this time.
    pub time_limit: Option<Duration>,
    /// `-p4`: load, do not attach.
    pub load_only: bool,
    /// Do not show the globals that nothing reads at the end.
    pub hide_globals: bool,
    /// The limits user blocks run under.
    pub limits: Limits,
    /// Say on standard error what is done.
    pub verbose: bool,
    /// Which warnings of the script are shown.
    pub warnings: WarningsShown,
    /// `-o`: write the script's output to a file.
    pub output: Option<OutputFileOptions>,
    /// `-f`: the form of the output.
    pub format: OutputFormat,
    /// `--flamegraph`: a file for a picture of the stacks that the script counted, as SVG.
    pub flame_graph: Option<PathBuf>,
    /// `-t`: say at the end how often each probe was hit, and how long its handler took.
    pub timing: bool,
    /// `--monitor`: show globals, probes and output on the terminal, and draw them anew after each such time.
    pub monitor: Option<Duration>,
    /// Percent of the time of all CPUs that the handlers of one probe may take; nothing is paused without.
    pub overload_percent: Option<u32>,
    /// `--no-inlined`: leave inlined functions out of the stacks of processes.
    pub hide_inlined: bool,
    /// `-F`: go on in the background once all probes are live.
    pub detach: bool,
    /// Without `-o`, how many bytes of the output a session in the background keeps in memory: `-s`.
    pub recorded_bytes: u64,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Errors raised by handlers.
    pub errors: u64,
    /// Whether the session ended before its time, for errors or skipped hits.
    pub failed: bool,
    /// Hits of probes that came to nothing before a handler ran.
    pub skipped: u64,
    /// The status of the traced command, when it is not 0.
    pub command_status: Option<i32>,
    /// Whether output was lost because it could not be written.
    pub output_failed: bool,
    /// Whether the last line on standard output has no end.
    pub open_line: bool,
}

/// Runs a compiled script.
pub fn run(
    compiled: Compiled,
    sources: &SourceMap,
    kernel: Rc<LiveKernel>,
    options: &SessionOptions,
) -> Result<Outcome, SessionError> {
    run_with(compiled, sources, kernel, options, None)
}

/// What globals held, by name.
pub type SavedGlobals = BTreeMap<String, SavedGlobal>;

/// Runs a compiled script whose globals live on: their aggregates begin with what is saved, and at the end it is saved
/// what each global held.
pub fn run_with(
    compiled: Compiled,
    sources: &SourceMap,
    kernel: Rc<LiveKernel>,
    options: &SessionOptions,
    saved: Option<&mut SavedGlobals>,
) -> Result<Outcome, SessionError> {
    let Compiled { analyzed, lowered, object } = compiled;
    // The command has no part of what the script reads.
    let input = if options.load_only { None } else { outlets::take_input(&analyzed.script)? };
    let monitor = match options.monitor.filter(|_| !options.load_only) {
        Some(_) => Some(Monitor::start(input.is_none()).map_err(SessionError::Monitor)?),
        None => None,
    };
    let mut target = match &options.command {
        Some(command) => Some(spawn(command, options)?),
        None => None,
    };
    let watched = match options.process {
        Some(pid) => Some(target_process::watch(pid)?),
        None => None,
    };
    let target_pid = target.as_ref().map(TargetProcess::pid).or(options.process).unwrap_or(0);
    let Analyzed { script, layout, .. } = analyzed;
    let mut limits = options.limits;
    limits.nesting.get_or_insert_with(|| max_nesting(&script));
    let layout = Rc::new(layout);
    let mut passes = options.verbose.then(PassClock::start);
    let kernel_half = match &object {
        Some(object) => {
            let cpus = kernel.possible_cpus();
            Some(KernelHalf::load(object, &script, &layout, target_pid, cpus, options)?)
        }
        None => None,
    };
    if let Some(passes) = &mut passes {
        let programs = object.as_ref().map_or(0, |object| object.programs.len());
        passes.finish(4, &format!("loaded {} into the kernel", counted(programs, "program")));
    }
    if options.load_only {
        return Ok(Outcome::default());
    }
    // The command has been started: it keeps the standard output that was there.
    let file = options.output.as_ref().map(OutputFile::open).transpose();
    let file = file.map_err(SessionError::Output)?;
    let flame_graph = options.flame_graph.as_deref().map(FlameGraph::open).transpose();
    let flame_graph = flame_graph.map_err(SessionError::Output)?;
    let folds = flame_graph.is_some() || options.format == OutputFormat::Folded;
    let native = NativeCode::compile(lowered.user).map_err(SessionError::Native)?;
    let shared = kernel_half.as_ref().map_or(std::ptr::null_mut(), KernelHalf::shared_address);
    let mut context =
        BlockContext::new(layout.clone(), Rc::new(lowered.tables), kernel.clone(), shared, limits);
    prepare(&mut context.state, options, target_pid);
    let names_addresses = layout.calls(&script, RuntimeFunction::names_user_addresses);
    if options.format.wants_values() || folds || names_addresses {
        context.state.symbols.follow(target_pid);
    }
    let globals = kernel_half.as_ref().map(KernelHalf::globals);
    let mut session = Session {
        errors: ErrorCount::new(globals, limits.errors),
        block_errors: BlockErrors::default(),
        points: script.probes.iter().map(|(id, p)| (id, p.point.clone())).collect(),
        hit_texts: script.probes.iter().map(|(id, p)| (id, hit_texts(p))).collect(),
        layout,
        native,
        context,
        kernel_half,
        sources,
        output: Output::new(file),
        outlets: Outlets::default(),
        disarmed: BTreeSet::new(),
        ending: false,
        ended_by_event: false,
        outcome: Outcome::default(),
        unsettled: false,
        timing: (options.timing || options.monitor.is_some()).then(Timing::default),
        tells_timing: options.timing,
        monitor,
        watched: script
            .globals
            .iter()
            .filter(|(_, global)| !global.library && options.monitor.is_some())
            .map(|(id, global)| (global.name.clone(), id, global.pointer))
            .collect(),
        overload: None,
        module_events: None,
        places: written_probes(&script).map(|(id, probe)| (id, probe.span)).collect(),
        format: options.format,
        folded: folds.then(FoldedStacks::default),
        flame_graph,
        begun: Instant::now(),
        reason: None,
        lost: 0,
        verbose: options.verbose,
        limits,
        shows_globals: !options.hide_globals,
    };
    session.connect_arrays(&kernel)?;
    let unused = match &saved {
        Some(saved) => session.restore(&script, saved)?,
        None => vec![],
    };
    if passes.is_some() {
        eprintln!("Pass 5: starting run.");
    }
    session.run_to_end(&mut target, watched, input, &kernel, options)?;
    if let Some(passes) = &mut passes {
        passes.finish_run(session.outcome.failed);
    }
    if let Some(all) = saved {
        session.save(&script, &unused, all)?;
    }
    session.outcome.open_line = session.output.open_line();
    session.outcome.command_status = target.as_mut().and_then(failure);
    session.tell_summary();
    Ok(session.outcome)
}

/// What blocks are told by the options.
fn prepare(state: &mut State, options: &SessionOptions, target: u32) {
    state.target = i64::from(target);
    let name = || std::process::id().to_string();
    state.session_name = options.name.clone().unwrap_or_else(name);
    state.warnings = Warnings::new(options.warnings);
    if options.format.wants_values() {
        state.recording = Some(Recording::default());
    }
    if options.hide_inlined {
        state.symbols.hide_inlined();
    }
}

/// The exit status of a command that has failed; 128 for one that a signal ended.
fn failure(command: &mut TargetProcess) -> Option<i32> {
    let status = command.try_wait().ok().flatten()?;
    status.code().or(Some(128)).filter(|&code| code != 0)
}

/// Starts the target command. Where all that stands on standard output has a form, what the command prints goes
/// to standard error.
fn spawn(command: &str, options: &SessionOptions) -> Result<TargetProcess, SessionError> {
    if options.format == OutputFormat::Text || options.output.is_some() {
        return Ok(TargetProcess::spawn(command)?);
    }
    let spawned = sys::with_output_as_errors(|| TargetProcess::spawn(command));
    Ok(spawned.map_err(SessionError::Output)??)
}

/// The probes of the script, without those that only lead to others.
fn written_probes(script: &Script) -> impl Iterator<Item = (ProbeId, &Probe)> {
    script.probes.iter().filter(|(_, probe)| !probe.point.attach.is_dispatcher())
}

/// What blocks can ask about a probe point.
fn hit_texts(probe: &Probe) -> Rc<[String]> {
    HitText::ALL.iter().map(|&what| probe.hit_text(what, 0).to_string()).collect()
}

/// A running session.
struct Session<'a> {
    points: HashMap<ProbeId, ntap_compiler::hir::Point>,
    /// What blocks can ask about each probe point.
    hit_texts: HashMap<ProbeId, Rc<[String]>>,
    layout: Rc<ntap_compiler::layout::Layout>,
    native: NativeCode,
    context: Box<BlockContext>,
    kernel_half: Option<KernelHalf>,
    sources: &'a SourceMap,
    output: Output,
    /// What blocks exchange with other programs.
    outlets: Outlets,
    /// The probes whose arming conditions are false.
    disarmed: BTreeSet<ProbeId>,
    /// Whether the session is to end.
    ending: bool,
    /// Whether the tail of a handler ended it.
    ended_by_event: bool,
    outcome: Outcome,
    errors: ErrorCount,
    block_errors: BlockErrors,
    /// Whether it was said that intervals may not be exact.
    unsettled: bool,
    /// `-t`: what has been measured.
    timing: Option<Timing>,
    /// Whether that is told at the end.
    tells_timing: bool,
    /// The screen that shows the session.
    monitor: Option<Monitor>,
    /// The globals that it shows, by name, and whether each holds addresses.
    watched: Vec<(String, GlobalId, bool)>,
    /// The watch over what handlers cost.
    overload: Option<Overload>,
    /// The kernel tells of modules.
    module_events: Option<sys::ModuleEvents>,
    /// Where the probes stand in the script.
    places: Vec<(ProbeId, Span)>,
    format: OutputFormat,
    /// The stacks that are to be shown at the end.
    folded: Option<FoldedStacks>,
    flame_graph: Option<FlameGraph>,
    begun: Instant,
    /// Why the session ends, where it is not the script that ends it.
    reason: Option<&'static str>,
    /// How many losses were told.
    lost: u64,
    verbose: bool,
    limits: Limits,
    /// Whether globals that nothing reads are shown at the end.
    shows_globals: bool,
}

impl Session<'_> {
    fn connect_arrays(&mut self, kernel: &LiveKernel) -> Result<(), SessionError> {
        let Some(half) = &mut self.kernel_half else { return Ok(()) };
        for storage in self.layout.storage.values() {
            if let Storage::Array(id) = *storage {
                let array = &self.layout.arrays[id];
                if let Some(map) = array.map {
                    let kernel_array =
                        half.take_array(id, map, &self.layout, kernel.possible_cpus())?;
                    self.context.state.arrays.connect(id, kernel_array)?;
                }
            }
        }
        Ok(())
    }

    /// Gives aggregates what is saved of them. What was recorded without something that the script asks for, such as
    /// a histogram, is left out, and it is said; gives the names of these.
    fn restore(
        &mut self,
        script: &Script,
        saved: &SavedGlobals,
    ) -> Result<Vec<String>, SessionError> {
        let mut unused = vec![];
        for (id, global) in script.globals.iter() {
            let (Storage::Array(array), Some(saved)) =
                (self.layout.storage[id], saved.get(&global.name))
            else {
                continue;
            };
            if !self.context.restore(array, saved).map_err(SessionError::System)? {
                let name = &global.name;
                self.warn(&format!(
                    "{name} is empty here: its values were recorded without what is asked for now"
                ));
                unused.push(name.clone());
            }
        }
        Ok(unused)
    }

    /// Saves what each global holds, but for those whose saved values were unused: a later session may have a use for
    /// them.
    fn save(
        &mut self,
        script: &Script,
        unused: &[String],
        all: &mut SavedGlobals,
    ) -> Result<(), SessionError> {
        for (id, global) in script.globals.iter() {
            let saved =
                self.context.saved(self.layout.storage[id]).map_err(SessionError::System)?;
            let keeps = saved.has_no_values() && all.contains_key(&global.name);
            if !(keeps && unused.contains(&global.name)) {
                all.insert(global.name.clone(), saved);
            }
        }
        self.context.finish();
        Ok(())
    }

    fn run_to_end(
        &mut self,
        target: &mut Option<TargetProcess>,
        watched: Option<std::os::fd::OwnedFd>,
        input: Option<Input>,
        kernel: &LiveKernel,
        options: &SessionOptions,
    ) -> Result<(), SessionError> {
        // From here on signals are events, so that an interrupt in a block waits for its end.
        let mut events = Events::new()?;
        for records in self.context.state.symbols.descriptors() {
            events.watch_processes(records)?;
        }
        self.open_outlets(&mut events, options)?;
        self.tell_start();
        self.run_probes(|attach| match attach {
            Attach::Begin(sequence) => Some(*sequence),
            _ => None,
        });
        if !self.ending {
            let attaching = Instant::now();
            self.disarm_at_start();
            if let Some(half) = &mut self.kernel_half {
                half.attach(&self.points, &self.layout, self.verbose)?;
                events.watch_records(half.ring_descriptor())?;
                if let Some(percent) = options.overload_percent {
                    let cpus = kernel.online_cpus().len() as u32;
                    let overload = self.overload.insert(Overload::new(percent, cpus));
                    events.watch_after(overload.first())?;
                } else if self.limits.skipped.is_some() {
                    events.watch_after(SKIPPED_WATCH)?;
                }
            }
            self.start_timers(&mut events, options)?;
            self.watch_modules(&mut events);
            self.open_input(input, &mut events)?;
            if let Some(target) = target {
                events.watch_target(target.pidfd())?;
            }
            if let Some(watched) = &watched {
                use std::os::fd::AsFd;
                events.watch_target(watched.as_fd())?;
            }
            if let Some(target) = target {
                target.wake();
            }
            if let Some(half) = &mut self.kernel_half {
                half.go_live();
            }
            if self.verbose {
                let took = attaching.elapsed().as_secs_f64() * 1000.0;
                eprintln!("ntap: {} probes are live, attached in {took:.1} ms", self.places.len());
                self.outlets.describe();
            }
            if let Some(target) = target {
                target.release()?;
            }
            if let Some((monitor, period)) = self.monitor.as_ref().zip(options.monitor) {
                events.draw_every(period)?;
                if monitor.has_keys() {
                    events.watch_keys()?;
                }
                self.draw();
            }
            if options.detach {
                let name = background::enter(options).map_err(SessionError::Background)?;
                events.follow_process()?;
                if options.output.is_none() {
                    let recorder = Recorder::start(&name, options.recorded_bytes);
                    self.output.record(recorder.map_err(SessionError::Background)?);
                }
            }
            self.wait(&mut events)?;
        }
        // What the end prints is for the terminal as it was.
        self.monitor = None;
        self.shut_down()?;
        Ok(())
    }

    /// Ends the session, for a reason outside the script.
    fn end(&mut self, reason: &'static str) {
        self.ending = true;
        self.reason.get_or_insert(reason);
    }

    fn shut_down(&mut self) -> Result<(), SessionError> {
        // Nobody is answered any more.
        self.outlets = Outlets::default();
        if let Some(half) = &mut self.kernel_half {
            let must_settle = !self.layout.events.is_empty()
                || !self.layout.displayed.is_empty()
                || self
                    .points
                    .values()
                    .any(|p| matches!(p.attach, Attach::End(_) | Attach::Error(_)));
            half.stop(must_settle);
        }
        // No handler runs any more: this comes to an end.
        while self.handle_records() {}
        self.watch_skipped();
        let failed = self.failed();
        self.run_probes(|attach| match attach {
            Attach::End(sequence) if !failed => Some(*sequence),
            Attach::Error(sequence) if failed => Some(*sequence),
            _ => None,
        });
        // Stacks are worth a picture whatever came in between.
        let shows = self.shows_globals && !failed;
        if shows || self.folded.is_some() {
            self.tell_globals(shows);
            self.context.finish();
        }
        self.tell_stacks();
        self.output.flush(&mut self.context.state.output);
        self.note_closed_output();
        self.tell_losses();
        self.tell_pauses();
        self.tell_timing();
        Ok(())
    }

    /// Runs the user blocks that `select` gives a sequence number, in ascending order.
    fn run_probes(&mut self, select: impl Fn(&Attach) -> Option<i64>) {
        let mut probes: Vec<(i64, ProbeId)> = self
            .points
            .iter()
            .filter_map(|(&id, point)| Some((select(&point.attach)?, id)))
            .collect();
        probes.sort();
        for (_, id) in probes {
            if self.ending && matches!(self.points[&id].attach, Attach::Begin(_)) {
                // `exit()` or an error in an earlier one.
                break;
            }
            self.run_block(Role::Probe(id), None);
        }
    }
}
