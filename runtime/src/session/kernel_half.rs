//! The kernel half of a session: programs, maps, records.

mod attaching;
mod points;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use aya::maps::{Map, MapData, RingBuf};
use ntap_compiler::hir::{Attach, ProbeId, Script};
use ntap_compiler::layout::{Array, ArrayId, KernelMap, Layout, control, record, times};
use ntap_compiler::object::{self, ObjectInput};
use ntap_compiler::pipeline::{
    COUNTERS, LARGE_SCRATCH, RING_BUFFER, TIMES, adder_name, arrays_with_adders, program_name,
};

use self::points::program_kind;
use super::SessionOptions;
use super::errors::SessionError;
use super::events::monotonic_ns;
use crate::attach::Link;
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
    fn set_clock(&self) {
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
