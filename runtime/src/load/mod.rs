//! From an object to programs and maps in the kernel, not yet attached.
//!
//! In: the bytes of an ELF object and a [`LoadPlan`] that says what each program is for. Out: a
//! [`Loaded`] that owns everything; dropping it frees everything. aya-obj parses and relocates, the
//! system calls are ours, and what is kept of the maps is aya's, so its typed maps and ring
//! buffer work on them. No event is seen before `attach`: the globals can be filled in first.
//!
//! Nothing here looks at the kernel's BTF, and no feature is probed.

mod error;
mod globals;
mod maps;
mod object;
mod programs;
#[cfg(test)]
mod tests;
mod verifier_log;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Map, MapData, RingBuf};

pub use error::LoadError;
pub use globals::GlobalsMapping;
pub use verifier_log::LogLocation;

use crate::sys::{self, ProgramInfo, SysError};

/// What to load of an object, and as what.
#[derive(Clone, Debug, Default)]
pub struct LoadPlan {
    /// The programs to load, by the names of their functions. Others in the object are left out.
    pub programs: Vec<ProgramPlan>,
    /// Maps that get another number of elements (bytes, for ring buffers) than the object says.
    pub map_sizes: Vec<(String, u32)>,
}

/// One program of a [`LoadPlan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramPlan {
    /// The name of its function in the object.
    pub name: String,
    /// What it is for.
    pub kind: ProgramKind,
    /// The module whose type information the number in `kind` is of; `None` for the kernel's.
    pub module: Option<String>,
}

/// What kind of event a program handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// A tracepoint with typed arguments (5.5).
    TpBtf {
        /// The kernel's typedef `btf_trace_<name>`.
        btf_id: u32,
    },
    /// A tracepoint with untyped arguments (4.17).
    RawTracepoint,
    /// A tracepoint with the record described in tracefs.
    Tracepoint,
    /// A hook of netfilter (6.4).
    Netfilter,
    /// A perf event: timers, counters.
    PerfEvent,
    /// A kernel function by breakpoint; also its return, and functions of programs (uprobes).
    Kprobe,
    /// Many kernel functions with one link (5.18).
    KprobeMulti,
    /// Entry and return of many kernel functions with one link (6.10).
    KprobeSession,
    /// Many functions of a program file with one link (6.6).
    UprobeMulti,
    /// A kernel function's entry with typed arguments (5.5).
    FunctionEntry {
        /// The kernel's FUNC.
        btf_id: u32,
    },
    /// A kernel function's return with typed arguments and result (5.5).
    FunctionExit {
        /// The kernel's FUNC.
        btf_id: u32,
    },
}

/// Everything of an object that is now in the kernel.
#[derive(Debug)]
pub struct Loaded {
    programs: Vec<LoadedProgram>,
    maps: HashMap<String, MapData>,
    globals: Option<GlobalsMapping>,
}

/// A program in the kernel.
#[derive(Debug)]
pub struct LoadedProgram {
    /// The name of its function in the object.
    pub name: String,
    /// What it is for.
    pub kind: ProgramKind,
    /// Whether it asks by which of its places it was called: for the cookie it was attached with there.
    pub asks_place: bool,
    descriptor: OwnedFd,
}

/// Loads an object.
pub fn load(object: &[u8], plan: &LoadPlan) -> Result<Loaded, LoadError> {
    let mut object = object::parse(object)?;
    let btf = object::load_btf(&mut object)?;
    let btf = btf.as_ref().map(AsFd::as_fd);
    let mut maps = maps::create_all(&mut object, plan, btf)?;
    object::relocate(&mut object, &maps)?;
    let programs = programs::load_all(&object, plan, btf)?;
    Ok(Loaded { programs, globals: maps.globals.take(), maps: maps.by_name })
}

impl Loaded {
    /// The programs, in the order of the plan.
    pub fn programs(&self) -> &[LoadedProgram] {
        &self.programs
    }

    /// The program of this name.
    pub fn program(&self, name: &str) -> Option<&LoadedProgram> {
        self.programs.iter().find(|program| program.name == name)
    }

    /// The names of the maps that have not been taken, `.bss` among them.
    pub fn map_names(&self) -> impl Iterator<Item = &str> {
        self.maps.keys().map(String::as_str)
    }

    /// A map's descriptor, for the functions of [`crate::sys`].
    pub fn map_descriptor(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.get(name).map(|map| map.fd().as_fd())
    }

    /// Hands a map over as aya's; `aya::maps::HashMap::try_from` and its like make it a typed one.
    pub fn take_map(&mut self, name: &str) -> Option<Map> {
        Map::from_map_data(self.maps.remove(name)?).ok()
    }

    /// Hands a ring buffer over, mapped and ready to be read.
    pub fn take_ring_buffer(&mut self, name: &str) -> Result<RingBuf<MapData>, LoadError> {
        let missing = || LoadError::MissingMap { name: name.to_owned() };
        let map = self.take_map(name).ok_or_else(missing)?;
        RingBuf::try_from(map).map_err(|error| LoadError::map(name, error))
    }

    /// The object's `.bss` as the programs see it; `None` when it has none.
    pub fn globals(&self) -> Option<&GlobalsMapping> {
        self.globals.as_ref()
    }

    /// Hands the globals over.
    pub fn take_globals(&mut self) -> Option<GlobalsMapping> {
        self.globals.take()
    }
}

impl LoadedProgram {
    /// What the kernel knows about the program: runs, missed runs, sizes.
    pub fn info(&self) -> Result<ProgramInfo, SysError> {
        sys::program_info(self.as_fd())
    }
}

impl AsFd for LoadedProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
