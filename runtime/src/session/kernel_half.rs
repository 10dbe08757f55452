//! The kernel half of a session: programs, maps, records.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use aya::maps::{Map, MapData, RingBuf};
use ntap_compiler::hir::{Attach, FunctionPoints, Instruction, Point, ProbeId, SampleRate, Script};
use ntap_compiler::layout::{Array, ArrayId, KernelMap, Layout, control, record, times};
use ntap_compiler::object::{self, ObjectInput};
use ntap_compiler::pipeline::{
    COUNTERS, LARGE_SCRATCH, RING_BUFFER, TIMES, adder_name, arrays_with_adders, program_name,
};
use ntap_compiler::syscalls::Routes;

use super::SessionOptions;
use super::errors::SessionError;
use super::events::monotonic_ns;
use crate::attach::{self, AttachError, AttachPoint, CountedEvent, Function, Link, Rate, Watched};
use crate::block::KernelArray;
use crate::kernel;
use crate::load::{self, GlobalsMapping, LoadPlan, Loaded, ProgramKind, ProgramPlan};
use crate::sys;

/// Everything of a script that is in the kernel.
pub(super) struct KernelHalf {
    loaded: Loaded,
    globals: Rc<GlobalsMapping>,
    ring: RingBuf<MapData>,
    most_records: u32,
    /// What is attached, by the probe whose program it is.
    links: BTreeMap<ProbeId, Link>,
    /// The probes whose arming conditions are false: they are not attached.
    disarmed: BTreeSet<ProbeId>,
    /// What links counted that are no more: how often the kernel did not get to a probe's program.
    missed: BTreeMap<ProbeId, u64>,
    /// How often probes were hit while their handler was running, before they were live.
    before_live: BTreeMap<ProbeId, u64>,
    /// The process of `-c` or `-x`; 0 without.
    target: u32,
    /// Whether instructions of programs are attached to by links of their own.
    uprobe_multi: bool,
    /// The names of the maps by their index.
    map_names: Vec<String>,
}

/// A record of a kernel handler.
pub(super) enum Record {
    /// The payload of an event.
    Event(u32, Vec<u8>),
    /// An error.
    Error {
        /// Its place in the error table.
        site: u64,
        /// The address that could not be read.
        address: u64,
        /// The text, where it was made at run time.
        text: Vec<u8>,
    },
    /// `exit()`.
    Exit,
    /// The registers of user code: the copy of a stack begins.
    UserRegisters(Vec<u8>),
    /// A piece of that.
    UserStack(Vec<u8>),
}

/// The places of one program file that are to be probed.
#[derive(Default)]
struct Places {
    all: usize,
    /// Why some could not be.
    failed: Vec<AttachError>,
}

impl Places {
    /// Some instructions cannot be probed; that none can is an error.
    fn judge(mut self, path: &str, verbose: bool) -> Result<(), SessionError> {
        let failed = self.failed.len();
        if failed == self.all && failed > 0 {
            return Err(self.failed.swap_remove(0).into());
        }
        if let Some(one) = self.failed.first() {
            let all = self.all;
            eprintln!(
                "WARNING: {failed} of {all} places of {path} cannot be probed (one is {one})"
            );
        }
        if verbose {
            self.failed.iter().for_each(|error| eprintln!("ntap: {error}"));
        }
        Ok(())
    }
}

/// With this many programs the usual limit of open files is near: each is one, and what attaches it another.
const MANY_PROGRAMS: usize = 200;

impl KernelHalf {
    /// Loads the programs; their handlers do nothing yet.
    pub(super) fn load(
        object: &ObjectInput,
        script: &Script,
        layout: &Layout,
        target: u32,
        cpus: usize,
        options: &SessionOptions,
    ) -> Result<KernelHalf, SessionError> {
        let bytes =
            object::write(&readable(object)).map_err(|e| SessionError::Object(e.to_string()))?;
        let of_process = |attach: &Attach| matches!(attach, Attach::Instruction(_));
        // Asked only where it matters: asking loads a program.
        let uprobe_multi = script.probes.values().any(|p| of_process(&p.point.attach))
            && kernel::has_uprobe_multi();
        let programs: Vec<ProgramPlan> = script
            .probes
            .iter()
            .filter(|(id, _)| !layout.shared_programs.is_elsewhere(*id))
            .filter_map(|(id, probe)| {
                let kind = program_kind(&probe.point.attach, uprobe_multi)?;
                let module = match &probe.point.attach {
                    Attach::Tracepoint { module, .. } => module.clone(),
                    _ => None,
                };
                Some(ProgramPlan { name: program_name(id), kind, module })
            })
            .collect();
        let adders = arrays_with_adders(layout);
        let kind = ProgramKind::RawTracepoint;
        let adders = adders.map(|(id, _)| ProgramPlan { name: adder_name(id), kind, module: None });
        let programs: Vec<ProgramPlan> = programs.into_iter().chain(adders).collect();
        if programs.len() > MANY_PROGRAMS {
            sys::lift_open_files_limit();
        }
        let of_cpus = |name: &str| name == LARGE_SCRATCH || name == COUNTERS;
        let of_cpus = object.maps.iter().filter(|m| of_cpus(&m.name));
        let map_sizes = of_cpus.map(|m| (m.name.clone(), m.max_entries * cpus as u32)).collect();
        let mut loaded = load::load(&bytes, &LoadPlan { programs, map_sizes })?;
        let globals = loaded
            .take_globals()
            .ok_or_else(|| SessionError::Object("the object has no variables".to_string()))?;
        let ring = loaded.take_ring_buffer(RING_BUFFER)?;
        let ring_bytes =
            object.maps.iter().find(|m| m.name == RING_BUFFER).map_or(0, |m| m.max_entries);
        let half = KernelHalf {
            // The ring buffer itself puts 8 bytes before each record.
            most_records: (ring_bytes / (8 + record::HEADER)).max(1),
            globals: Rc::new(globals),
            ring,
            links: BTreeMap::new(),
            disarmed: BTreeSet::new(),
            missed: BTreeMap::new(),
            before_live: BTreeMap::new(),
            target,
            uprobe_multi,
            map_names: object.maps.iter().map(|m| m.name.clone()).collect(),
            loaded,
        };
        half.globals.u32_at(control::STOPPED as usize).store(1, Ordering::SeqCst);
        half.globals.u64_at(control::TARGET as usize).store(u64::from(target), Ordering::Relaxed);
        half.globals
            .u64_at(control::OWN_PID as usize)
            .store(u64::from(std::process::id()), Ordering::Relaxed);
        half.set_clock();
        for (at, &initial) in layout.shared.iter().enumerate() {
            let offset = layout.shared_offset(at as u32) as usize;
            half.globals.u64_at(offset).store(initial as u64, Ordering::Relaxed);
        }
        if options.verbose {
            for program in half.loaded.programs() {
                if let Ok(info) = program.info() {
                    eprintln!(
                        "ntap: loaded {}: {} instructions verified, {} bytes of machine code",
                        program.name, info.verified_instructions, info.machine_code_bytes
                    );
                }
            }
        }
        Ok(half)
    }

    /// Tells kernel code what to add to the monotonic clock for the time of day.
    pub(super) fn set_clock(&self) {
        // Between the two clocks this thread may lose its CPU: of several readings the quickest is right.
        let readings = (0..8).map(|_| {
            let before = monotonic_ns();
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let took = monotonic_ns() - before;
            (took, now.map_or(0, |d| d.as_nanos() as i64).wrapping_sub(before + took / 2))
        });
        let (_, offset) = readings.min_by_key(|(took, _)| *took).unwrap_or_default();
        self.globals
            .u64_at(control::REAL_TIME_OFFSET_NS as usize)
            .store(offset as u64, Ordering::Relaxed);
    }

    /// The address of `.bss` in ntap's memory.
    pub(super) fn shared_address(&self) -> *mut u8 {
        self.globals.as_ptr()
    }

    /// The map of an array.
    pub(super) fn take_array(
        &mut self,
        id: ArrayId,
        map: KernelMap,
        layout: &Layout,
        cpus: usize,
    ) -> Result<KernelArray, SessionError> {
        let array = &layout.arrays[id];
        let first = self.take_map(array, map.index)?;
        let bank = match map.bank {
            Some(bank) => {
                let cell = layout.shared_offset(bank.cell) as usize;
                Some((self.take_map(array, bank.index)?, cell))
            }
            None => None,
        };
        let mut kernel_array =
            KernelArray::new(first, array, map, cpus, self.globals.clone(), bank);
        if let (Some(program), Some(cell)) =
            (self.loaded.program(&adder_name(id)), layout.exchange.filter(|_| map.adder))
        {
            let program = program.as_fd().try_clone_to_owned().map_err(SessionError::Output)?;
            kernel_array.add_by(program, layout.shared_offset(cell) as usize);
        }
        Ok(kernel_array)
    }

    fn take_map(&mut self, array: &Array, index: u32) -> Result<MapData, SessionError> {
        let missing = || SessionError::Object(format!("the map of `{}` is missing", array.name));
        let name = self.map_names.get(index as usize).ok_or_else(missing)?;
        match self.loaded.take_map(name).ok_or_else(missing)? {
            Map::HashMap(data)
            | Map::PerCpuHashMap(data)
            | Map::Array(data)
            | Map::PerCpuArray(data) => Ok(data),
            _ => Err(missing()),
        }
    }

    /// Puts the programs that others call into their slots.
    fn fill_slots(&self, layout: &Layout) -> Result<(), SessionError> {
        for (group, slots) in layout.routes.groups.iter().enumerate() {
            let name = Routes::map_name(group);
            let missing = || SessionError::Object(format!("the map {name} is missing"));
            let map = self.loaded.map_descriptor(&name).ok_or_else(missing)?;
            for (slot, id) in slots {
                let name = program_name(layout.shared_programs.program(*id));
                let program = self.loaded.program(&name).ok_or_else(missing)?;
                let value = program.as_fd().as_raw_fd().to_ne_bytes();
                // SAFETY: maps of tail calls have keys of 4 bytes, and descriptors as values.
                unsafe { sys::update_element(map, &slot.to_ne_bytes(), &value, 0) }
                    .map_err(SessionError::System)?;
            }
        }
        Ok(())
    }

    /// Opens the events that handlers read.
    fn fill_counters(
        &self,
        points: &HashMap<ProbeId, Point>,
        verbose: bool,
    ) -> Result<(), SessionError> {
        let counters = || {
            points.values().filter_map(|point| match &point.attach {
                Attach::Counter(counter) => Some((point, counter)),
                _ => None,
            })
        };
        let count = counters().map(|(_, counter)| counter.index + 1).max().unwrap_or(0);
        // Without a handler that reads them there need not be anything in the kernel.
        let Some(map) = self.loaded.map_descriptor(COUNTERS) else { return Ok(()) };
        for (point, counter) in counters() {
            let event = counted_event(counter.event);
            let index = |cpu| cpu * count + counter.index;
            match attach::fill_counters(map, &point.name, event, index) {
                Err(error) if point.optional => {
                    if verbose {
                        eprintln!("ntap: {error}");
                    }
                }
                filled => filled?,
            }
        }
        Ok(())
    }

    /// Attaches all programs; their handlers still do nothing.
    pub(super) fn attach(
        &mut self,
        points: &HashMap<ProbeId, Point>,
        layout: &Layout,
        verbose: bool,
    ) -> Result<(), SessionError> {
        self.fill_slots(layout)?;
        self.fill_counters(points, verbose)?;
        let mut probes: Vec<_> = points.iter().collect();
        probes.sort_by_key(|(id, _)| **id);
        let mut places: BTreeMap<&str, Places> = BTreeMap::new();
        for (&id, point) in probes {
            if layout.routes.probes.get(&id).is_some_and(|route| !route.is_root) {
                continue;
            }
            let attached = self.attach_probe(id, point);
            if let Attach::Instruction(Instruction { path, .. }) = &point.attach {
                places.entry(path).or_default().all += 1;
            }
            match (attached, &point.attach) {
                (Ok(()), _) => {}
                (Err(SessionError::Attach(error)), _) if point.optional => {
                    if verbose {
                        eprintln!("ntap: {error}");
                    }
                }
                (
                    Err(SessionError::Attach(error)),
                    Attach::Instruction(Instruction { path, .. }),
                ) => {
                    places.entry(path).or_default().failed.push(error);
                }
                (Err(error), _) => return Err(error),
            }
        }
        places.into_iter().try_for_each(|(path, places)| places.judge(path, verbose))
    }

    /// Says which probes are disarmed: [`KernelHalf::attach`] leaves them out.
    pub(super) fn disarm(&mut self, probes: BTreeSet<ProbeId>) {
        self.disarmed = probes;
    }

    /// The probes that are disarmed now.
    pub(super) fn disarmed(&self) -> &BTreeSet<ProbeId> {
        &self.disarmed
    }

    /// Attaches the program of one probe, unless that is disarmed.
    pub(super) fn attach_probe(&mut self, id: ProbeId, point: &Point) -> Result<(), SessionError> {
        if self.disarmed.contains(&id) {
            return Ok(());
        }
        if let Some(program) = self.loaded.program(&program_name(id)) {
            let (target, multi) = (self.target, self.uprobe_multi);
            let Some(attach_point) = attach_point(point, target, multi, program.asks_place) else {
                return Ok(());
            };
            let link = attach::attach(program.as_fd(), &attach_point)?;
            if let Some(what) = link.incomplete() {
                eprintln!("WARNING: {}: {what}", point.name);
            }
            self.links.insert(id, link);
        }
        Ok(())
    }

    /// Detaches the program of one probe.
    pub(super) fn detach_probe(&mut self, id: ProbeId) {
        if let Some(link) = self.links.remove(&id) {
            self.note_missed(id, &link);
        }
    }

    /// Keeps what only the link knows.
    fn note_missed(&mut self, id: ProbeId, link: &Link) {
        *self.missed.entry(id).or_default() += link.missed();
    }

    /// The probes whose programs are attached.
    pub(super) fn attached(&self) -> Vec<ProbeId> {
        self.links.keys().copied().collect()
    }

    /// Lets all handlers go live at once.
    pub(super) fn go_live(&mut self) {
        self.set_clock();
        let now = self.globals.u64_at(control::LIVE_SINCE_NS as usize);
        now.store(monotonic_ns() as u64, Ordering::SeqCst);
        self.before_live = self.links.keys().map(|&id| (id, self.recursion_misses(id))).collect();
        self.globals.u32_at(control::STOPPED as usize).store(0, Ordering::SeqCst);
    }

    /// Lets no handler start any more.
    pub(super) fn halt(&self) {
        self.globals.u32_at(control::STOPPED as usize).store(1, Ordering::SeqCst);
    }

    /// Stops all handlers and detaches. When records may be read or globals used afterwards
    /// (`must_settle`), waits until the handlers that are running have finished.
    pub(super) fn stop(&mut self, must_settle: bool) {
        self.globals.u32_at(control::STOPPED as usize).store(1, Ordering::SeqCst);
        self.detach_all();
        if must_settle {
            // Waits for a grace period: no handler that saw the session running is left. When the
            // kernel lacks the call the handlers have long finished anyway, in all likelihood.
            let _ = sys::membarrier_global();
        }
    }

    /// Detaches everything. The kernel makes whoever closes a link wait for what may still run; those who do so
    /// at the same time wait together.
    fn detach_all(&mut self) {
        const AT_ONCE: usize = 64;
        let links = std::mem::take(&mut self.links);
        links.iter().for_each(|(&id, link)| self.note_missed(id, link));
        let mut links: Vec<Link> = links.into_values().collect();
        if links.len() <= AT_ONCE {
            return;
        }
        let each = links.len().div_ceil(AT_ONCE);
        std::thread::scope(|scope| {
            while !links.is_empty() {
                let some = links.split_off(links.len().saturating_sub(each));
                scope.spawn(move || drop(some));
            }
        });
    }

    /// The descriptor that becomes readable when a handler wakes the reader.
    pub(super) fn ring_descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the ring buffer's, and is borrowed from it.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }

    /// Asks the next record's handler for a wake-up.
    pub(super) fn request_wake_up(&self) {
        self.globals.u32_at(control::WAKE as usize).store(1, Ordering::SeqCst);
    }

    /// Whether a wake-up that was asked for has not been sent.
    pub(super) fn cancel_wake_up(&self) {
        self.globals.u32_at(control::WAKE as usize).store(0, Ordering::SeqCst);
    }

    /// Whether there are records, perhaps still being written.
    pub(super) fn has_records(&self) -> bool {
        matches!(sys::poll_readable(self.ring_descriptor(), Some(0)), Ok(sys::PollResult::Readable))
    }

    /// As many records as there is room for: by then all have been read that were there at the beginning.
    pub(super) fn most_records(&self) -> u32 {
        self.most_records
    }

    /// The oldest record.
    pub(super) fn next_record(&mut self) -> Option<Record> {
        let item = self.ring.next()?;
        let (header, payload) = item.split_at_checked(record::HEADER as usize)?;
        Some(match u32::from_ne_bytes(header[..4].try_into().ok()?) {
            record::ERROR => {
                let (site, rest) = payload.split_at_checked(8)?;
                let (address, text) = rest.split_at_checked(8)?;
                let address = u64::from_ne_bytes(address.try_into().ok()?);
                let site = u64::from_ne_bytes(site.try_into().ok()?);
                Record::Error { site, address, text: text.to_vec() }
            }
            record::EXIT => Record::Exit,
            record::USER_REGISTERS => Record::UserRegisters(payload.to_vec()),
            record::USER_STACK => Record::UserStack(payload.to_vec()),
            event => Record::Event(event, payload.to_vec()),
        })
    }

    /// The site of an error whose record was lost, once.
    pub(super) fn take_lost_error(&self) -> Option<u64> {
        let word = self.globals.u64_at(control::LAST_LOST_ERROR as usize);
        word.swap(0, Ordering::SeqCst).checked_sub(1)
    }

    /// Whether kernel code called `exit()`.
    pub(super) fn exit_called(&self) -> bool {
        self.globals.u64_at(control::EXIT as usize).load(Ordering::SeqCst) != 0
    }

    /// The value of a counter of a probe (`layout::counters`).
    pub(super) fn counter(&self, layout: &Layout, probe: ProbeId, counter: u32) -> u64 {
        let offset = layout.counters_offset(probe) + counter;
        self.globals.u64_at(offset as usize).load(Ordering::Relaxed)
    }

    /// What both halves share.
    pub(super) fn globals(&self) -> Rc<GlobalsMapping> {
        self.globals.clone()
    }

    /// How often a probe's program ran, and for how many nanoseconds, while the kernel measured.
    pub(super) fn run_time(&self, probe: ProbeId) -> Option<(u64, u64)> {
        let info = self.loaded.program(&program_name(probe))?.info().ok()?;
        Some((info.run_count, info.run_time_ns))
    }

    /// What handlers noted of their runs on each CPU in an element (`layout::times`), when they are measured.
    pub(super) fn times(&self, at: u32) -> Option<Vec<u8>> {
        let map = self.loaded.map_descriptor(TIMES)?;
        let mut element = vec![0; times::SIZE as usize * kernel::possible_cpus()];
        // SAFETY: the keys of arrays have 4 bytes, and there is room for the value of each possible CPU.
        let found = unsafe { sys::lookup_element(map, &at.to_ne_bytes(), &mut element) };
        found.is_ok_and(|found| found).then_some(element)
    }

    /// How often a probe was hit while its handler was running on the same CPU (kernel 5.12).
    pub(super) fn recursion_misses(&self, probe: ProbeId) -> u64 {
        let program = self.loaded.program(&program_name(probe));
        let misses = program.and_then(|p| p.info().ok()).map_or(0, |info| info.recursion_misses);
        misses.saturating_sub(self.before_live.get(&probe).copied().unwrap_or(0))
    }

    /// How often the kernel did not get to a probe's program (kernel 6.7).
    pub(super) fn missed(&self, probe: ProbeId) -> u64 {
        let now = self.links.get(&probe).map_or(0, Link::missed);
        now + self.missed.get(&probe).copied().unwrap_or(0)
    }
}

/// The object with names of sections that aya-obj knows. What a program is for is told to the kernel by its
/// [`ProgramKind`].
fn readable(object: &ObjectInput) -> Cow<'_, ObjectInput> {
    const UNKNOWN: &str = "netfilter";
    let mut readable = Cow::Borrowed(object);
    for at in 0..object.programs.len() {
        if object.programs[at].section == UNKNOWN {
            readable.to_mut().programs[at].section = "socket".to_string();
        }
    }
    readable
}

fn program_kind(attach: &Attach, uprobe_multi: bool) -> Option<ProgramKind> {
    match attach {
        Attach::Tracepoint { btf_typedef: Some(btf_id), .. } => {
            Some(ProgramKind::TpBtf { btf_id: *btf_id })
        }
        Attach::Tracepoint { btf_typedef: None, .. } => Some(ProgramKind::RawTracepoint),
        Attach::Record { .. } => Some(ProgramKind::Tracepoint),
        Attach::Syscall(point) => Some(match point.btf_typedef {
            Some(btf_id) => ProgramKind::TpBtf { btf_id },
            None => ProgramKind::RawTracepoint,
        }),
        Attach::Hook(_) => Some(ProgramKind::Netfilter),
        Attach::Counted { .. } => Some(ProgramKind::PerfEvent),
        Attach::Function(points) if is_together(points) => Some(ProgramKind::KprobeMulti),
        Attach::Function(_) => Some(ProgramKind::Kprobe),
        Attach::Instruction(_) if uprobe_multi => Some(ProgramKind::UprobeMulti),
        Attach::Instruction(_) => Some(ProgramKind::Kprobe),
        Attach::Lifetime(lifetime) => Some(ProgramKind::TpBtf { btf_id: lifetime.btf_typedef }),
        Attach::Begin(_)
        | Attach::End(_)
        | Attach::Error(_)
        | Attach::Never
        | Attach::Counter(_)
        | Attach::Timer { .. }
        | Attach::File(_)
        | Attach::Input(_) => None,
    }
}

/// Whether functions are attached to with one link: it takes long for one, and far less for many.
fn is_together(points: &FunctionPoints) -> bool {
    points.targets.len() > 1 && !points.inside && sys::can_link_functions()
}

fn attach_point(
    point: &Point,
    target: u32,
    uprobe_multi: bool,
    asks_place: bool,
) -> Option<AttachPoint> {
    match &point.attach {
        Attach::Tracepoint { name, btf_typedef: Some(_), .. } => {
            Some(AttachPoint::TpBtf { name: name.clone() })
        }
        Attach::Tracepoint { name, btf_typedef: None, .. } => {
            Some(AttachPoint::RawTracepoint { name: name.clone() })
        }
        Attach::Record { system, name } => {
            Some(AttachPoint::Tracepoint { category: system.clone(), name: name.clone() })
        }
        Attach::Function(points) => Some(AttachPoint::Functions {
            functions: points
                .targets
                .iter()
                .map(|target| Function { name: target.name.clone(), address: target.address })
                .collect(),
            returns: points.returns,
            together: is_together(points),
            with_places: asks_place,
        }),
        Attach::Instruction(instruction) => Some(AttachPoint::Instruction {
            name: point.name.clone(),
            path: instruction.path.clone(),
            offset: instruction.offset,
            semaphore: instruction.semaphore,
            returns: instruction.returns,
            multi: uprobe_multi,
        }),
        Attach::Lifetime(lifetime) => {
            Some(AttachPoint::TpBtf { name: lifetime.moment.tracepoint().to_string() })
        }
        Attach::Syscall(point) => {
            let name = point.tracepoint().to_string();
            Some(match point.btf_typedef {
                Some(_) => AttachPoint::TpBtf { name },
                None => AttachPoint::RawTracepoint { name },
            })
        }
        Attach::Hook(hook) => Some(AttachPoint::Hook {
            name: point.name.clone(),
            family: hook.family,
            hook: hook.hook,
            priority: hook.priority,
        }),
        Attach::Counted { event, rate, of_target, .. } => Some(AttachPoint::Counted {
            name: point.name.clone(),
            event: counted_event(*event),
            rate: match *rate {
                SampleRate::Period(period) => Rate::Period(period),
                SampleRate::Hertz(hertz) => Rate::Hertz(hertz),
            },
            process: of_target.then_some(target),
        }),
        Attach::Begin(_)
        | Attach::End(_)
        | Attach::Error(_)
        | Attach::Never
        | Attach::Counter(_)
        | Attach::Timer { .. }
        | Attach::File(_)
        | Attach::Input(_) => None,
    }
}

fn counted_event(event: ntap_compiler::hir::CountedEvent) -> CountedEvent {
    CountedEvent {
        kind: event.kind,
        config: event.config,
        watched: event.watched.map(|watched| Watched {
            address: watched.address,
            bytes: watched.bytes,
            reads: watched.reads,
        }),
    }
}
