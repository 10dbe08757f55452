//! Programs onto their events, and off them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, AsRawFd};

use ntap_compiler::hir::{Attach, Instruction, Point, ProbeId};
use ntap_compiler::layout::Layout;
use ntap_compiler::pipeline::{COUNTERS, program_name};
use ntap_compiler::syscalls::Routes;

use super::KernelHalf;
use super::points::{attach_point, counted_event};
use crate::attach::{self, AttachError, Link};
use crate::session::errors::SessionError;
use crate::sys;

impl KernelHalf {
    /// Attaches all programs; their handlers still do nothing.
    pub(in crate::session) fn attach(
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

    /// Attaches the program of one probe, unless that is disarmed.
    pub(in crate::session) fn attach_probe(
        &mut self,
        id: ProbeId,
        point: &Point,
    ) -> Result<(), SessionError> {
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
    pub(in crate::session) fn detach_probe(&mut self, id: ProbeId) {
        if let Some(link) = self.links.remove(&id) {
            self.note_missed(id, &link);
        }
    }

    /// The probes whose programs are attached.
    pub(in crate::session) fn attached(&self) -> Vec<ProbeId> {
        self.links.keys().copied().collect()
    }

    /// Says which probes are disarmed: [`KernelHalf::attach`] leaves them out.
    pub(in crate::session) fn disarm(&mut self, probes: BTreeSet<ProbeId>) {
        self.disarmed = probes;
    }

    /// The probes that are disarmed now.
    pub(in crate::session) fn disarmed(&self) -> &BTreeSet<ProbeId> {
        &self.disarmed
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

    /// Keeps what only the link knows.
    fn note_missed(&mut self, id: ProbeId, link: &Link) {
        *self.missed.entry(id).or_default() += link.missed();
    }

    /// Detaches everything. The kernel makes whoever closes a link wait for what may still run; those who do so
    /// at the same time wait together.
    pub(super) fn detach_all(&mut self) {
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
