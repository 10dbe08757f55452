//! What processes have mapped, from now on: also of those that end before anybody asks.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Mapped;
use crate::kernel::LiveKernel;
use crate::session::monotonic_ns;
use crate::sys::{ProcessRecord, ProcessRecords};

/// Of so many processes that have ended it is kept what they had mapped.
const MOST_ENDED: usize = 4096;

/// The name of the code that the kernel maps into processes.
pub(super) const VDSO: &str = "[vdso]";

/// Of a process that runs another program so many of those before are known.
const MOST_BEFORE: usize = 4;

/// Processes and what they have mapped as code.
#[derive(Debug, Default)]
pub(super) struct Processes {
    maps: HashMap<u32, Vec<Mapped>>,
    /// What processes had mapped until they ran another program, and when that was, the oldest first.
    before: HashMap<u32, VecDeque<(u64, Vec<Mapped>)>>,
    ended: VecDeque<u32>,
    /// What the kernel tells, for each CPU.
    records: Vec<ProcessRecords>,
    /// What was told of times that not all CPUs had been asked about.
    early: Vec<(u64, ProcessRecord)>,
    /// How often addresses were asked about that processes had nothing mapped at.
    misses: HashMap<u32, u32>,
    /// Whether all processes that live have been looked at.
    all_learned: bool,
}

impl Processes {
    /// Begins to follow processes; the target, if there is one, is known from now on. Where the kernel does not allow
    /// it, those that live when they are asked about are known all the same.
    pub(super) fn follow(&mut self, target: u32) {
        self.records = LiveKernel::new()
            .online_cpus()
            .into_iter()
            .filter_map(|cpu| ProcessRecords::open(cpu).ok())
            .collect();
        // It may run another program before anybody asks.
        self.learn(target);
    }

    /// Takes in what has happened.
    pub(super) fn update(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let now = monotonic_ns() as u64;
        let mut records = vec![];
        for ring in &mut self.records {
            ring.read(&mut records);
        }
        self.take_until(now, records);
    }

    /// What becomes readable when there is much to be taken in.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.records.iter().map(ProcessRecords::descriptor)
    }

    /// Takes in the records up to a time, in order: a process may have been on several CPUs, and those that were read
    /// first know nothing of what it has done since then. What was told earlier is completed by that.
    fn take_until(&mut self, time: u64, records: Vec<(u64, ProcessRecord)>) {
        self.early.extend(records);
        self.early.sort_by_key(|(time, _)| *time);
        let known = self.early.partition_point(|(of, _)| *of <= time);
        let later = self.early.split_off(known);
        for (time, record) in std::mem::replace(&mut self.early, later) {
            self.take(time, record);
        }
    }

    fn take(&mut self, time: u64, record: ProcessRecord) {
        match record {
            ProcessRecord::Mapped { process, start, len, offset, path } => {
                if !is_code_of_file(&path) {
                    return;
                }
                if !self.maps.contains_key(&process) {
                    self.learn(process);
                }
                let end = start.saturating_add(len);
                let maps = self.maps.entry(process).or_default();
                maps.retain(|mapped| mapped.end <= start || mapped.start >= end);
                maps.push(Mapped { start, end, offset, path: PathBuf::from(path) });
            }
            ProcessRecord::Exec { process } => {
                if !self.maps.contains_key(&process) {
                    self.learn(process);
                }
                let old = self.maps.insert(process, vec![]).unwrap_or_default();
                let before = self.before.entry(process).or_default();
                before.push_back((time, old));
                if before.len() > MOST_BEFORE {
                    before.pop_front();
                }
            }
            ProcessRecord::Fork { process, parent } => {
                if process == parent {
                    return;
                }
                if !self.maps.contains_key(&parent) {
                    self.learn(parent);
                }
                self.before.remove(&process);
                self.misses.remove(&process);
                if let Some(maps) = self.maps.get(&parent).cloned() {
                    self.maps.insert(process, maps);
                }
            }
            ProcessRecord::Exit { process } => {
                self.ended.push_back(process);
                if self.ended.len() > MOST_ENDED
                    && let Some(oldest) = self.ended.pop_front()
                    && !self.ended.contains(&oldest)
                {
                    self.maps.remove(&oldest);
                    self.before.remove(&oldest);
                    self.misses.remove(&oldest);
                }
            }
        }
    }

    /// The part of a file at an address of a process.
    pub(super) fn find(&mut self, process: u32, address: u64) -> Option<Mapped> {
        if let Some(mapped) = self.known(process, address) {
            return Some(mapped);
        }
        if let Some(mapped) = self.known_before(process, address, 0) {
            return Some(mapped);
        }
        // Code that is made while the program runs is in no file. While the kernel tells what is mapped, it is seldom
        // worth to look again.
        let misses = self.misses.entry(process).or_default();
        *misses += 1;
        if misses.is_power_of_two() || self.records.is_empty() {
            self.learn(process);
        }
        self.known(process, address)
    }

    /// The same at a time, in nanoseconds of the monotonic clock.
    pub(super) fn find_at(&mut self, process: u32, address: u64, time: u64) -> Option<Mapped> {
        match self.known_before(process, address, time) {
            Some(mapped) => Some(mapped),
            None => self.find(process, address),
        }
    }

    /// The part of a file that was at an address at a time, of a process that has run another program since.
    fn known_before(&self, process: u32, address: u64, time: u64) -> Option<Mapped> {
        let before = self.before.get(&process)?;
        let mut maps = before.iter().filter(|(until, _)| *until > time).map(|(_, maps)| maps);
        maps.find_map(|maps| at(maps, address))
    }

    /// The process that has most of these addresses mapped: of the candidates, else of all that are known or live.
    pub(super) fn with_most(&mut self, addresses: &[u64], candidates: &[u32]) -> Option<u32> {
        for &process in candidates {
            if !self.maps.contains_key(&process) {
                self.learn(process);
            }
        }
        if let Some(found) = self.best(addresses, candidates.iter().copied()) {
            return Some(found);
        }
        if let Some(found) = self.best(addresses, self.maps.keys().copied()) {
            return Some(found);
        }
        self.learn_all();
        self.best(addresses, self.maps.keys().copied())
    }

    /// The process a block means that asks for the names of these addresses and has no process of its own: the one
    /// the script is about, if it has mapped any of them, else one of those that have most of them mapped, if these
    /// have the same code there.
    pub(super) fn owner(&mut self, addresses: &[u64], target: Option<u32>) -> Option<u32> {
        if let Some(target) = target {
            if !self.maps.contains_key(&target) {
                self.learn(target);
            }
            if let Some(found) = self.best(addresses, std::iter::once(target)) {
                return Some(found);
            }
        }
        self.learn_all();
        let found = self.best(addresses, self.maps.keys().copied())?;
        let places = self.places(found, addresses);
        let count = |places: &[Option<_>]| places.iter().flatten().count();
        let agree = self.maps.keys().all(|&other| {
            let others = self.places(other, addresses);
            count(&others) < count(&places) || others == places
        });
        agree.then_some(found)
    }

    /// The files of these addresses, and where in them they are.
    fn places(&self, process: u32, addresses: &[u64]) -> Vec<Option<(PathBuf, u64)>> {
        let place = |&address: &u64| {
            let mapped = self.known(process, address)?;
            Some((mapped.path, address - mapped.start + mapped.offset))
        };
        addresses.iter().map(place).collect()
    }

    fn best(&self, addresses: &[u64], among: impl Iterator<Item = u32>) -> Option<u32> {
        let rated = among.map(|process| {
            let mapped = addresses.iter().filter(|&&a| self.known(process, a).is_some()).count();
            (mapped, std::cmp::Reverse(process))
        });
        rated.filter(|(mapped, _)| *mapped > 0).max().map(|(_, process)| process.0)
    }

    fn known(&self, process: u32, address: u64) -> Option<Mapped> {
        at(self.maps.get(&process)?, address)
    }

    /// Reads what all processes have mapped that live, once.
    fn learn_all(&mut self) {
        if std::mem::replace(&mut self.all_learned, true) {
            return;
        }
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            if !self.maps.contains_key(&process) {
                self.learn(process);
            }
        }
    }

    /// Reads what a process has mapped, if it is there.
    fn learn(&mut self, process: u32) {
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/maps")) else { return };
        let maps: Vec<Mapped> = text.lines().filter_map(mapped).collect();
        if !maps.is_empty() {
            self.maps.insert(process, maps);
        }
    }
}

fn at(maps: &[Mapped], address: u64) -> Option<Mapped> {
    maps.iter().find(|mapped| (mapped.start..mapped.end).contains(&address)).cloned()
}

/// Whether what is mapped is a file, or stands for one.
fn is_code_of_file(name: &str) -> bool {
    name.starts_with('/') || name == VDSO
}

/// What ntap has mapped of the kernel's code.
pub(super) fn own_vdso() -> Option<Vec<u8>> {
    let text = fs::read_to_string("/proc/self/maps").ok()?;
    let vdso = text.lines().filter_map(mapped).find(|m| m.path.as_os_str() == VDSO)?;
    let mut bytes = vec![0; usize::try_from(vdso.end - vdso.start).ok()?];
    fs::File::open("/proc/self/mem").ok()?.read_exact_at(&mut bytes, vdso.start).ok()?;
    Some(bytes)
}

/// A line of /proc/PID/maps that is about code of a file.
fn mapped(line: &str) -> Option<Mapped> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()?.contains('x');
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let path = words.nth(2)?.trim();
    if !is_code || !is_code_of_file(path) {
        return None;
    }
    Some(Mapped {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset,
        path: PathBuf::from(path.trim_end_matches(" (deleted)")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No process has a number like this.
    const PROCESS: u32 = u32::MAX - 1;

    fn mapped(start: u64) -> ProcessRecord {
        let path = "/bin/program".to_string();
        ProcessRecord::Mapped { process: PROCESS, start, len: 0x1000, offset: 0, path }
    }

    #[test]
    fn records_of_several_cpus_are_taken_in_order() {
        let mut processes = Processes::default();
        let knows = |processes: &Processes, address| processes.known(PROCESS, address).is_some();
        processes
            .take_until(10, vec![(5, mapped(0x1000)), (6, ProcessRecord::Exit { process: 1 })]);
        assert!(knows(&processes, 0x1800));
        // The CPU that was read last is ahead: its process has run another program on the CPU that was read first.
        processes.take_until(20, vec![(23, mapped(0x5000))]);
        assert!(knows(&processes, 0x1800) && !knows(&processes, 0x5800));
        processes.take_until(30, vec![(22, ProcessRecord::Exec { process: PROCESS })]);
        assert!(!knows(&processes, 0x1800) && knows(&processes, 0x5800));
        assert!(processes.early.is_empty());
    }

    #[test]
    fn blocks_name_only_what_is_the_same_in_all_processes() {
        let mut processes = Processes { all_learned: true, ..Processes::default() };
        let file = |path: &str, offset| Mapped {
            start: 0x1000,
            end: 0x2000,
            offset,
            path: PathBuf::from(path),
        };
        processes.maps.insert(PROCESS, vec![file("/bin/one", 0)]);
        processes.maps.insert(PROCESS - 1, vec![file("/bin/one", 0)]);
        assert!(processes.owner(&[0x1800], None).is_some());
        assert_eq!(processes.owner(&[0x2800], None), None);
        processes.maps.insert(PROCESS - 2, vec![file("/bin/other", 0)]);
        assert_eq!(processes.owner(&[0x1800], None), None);
        assert_eq!(processes.owner(&[0x1800], Some(PROCESS - 2)), Some(PROCESS - 2));
        // An address that only one of them has mapped tells which.
        let more = Mapped { start: 0x5000, end: 0x6000, ..file("/lib/more", 0) };
        processes.maps.insert(PROCESS - 3, vec![file("/bin/other", 0), more]);
        assert_eq!(processes.owner(&[0x1800, 0x5800], None), Some(PROCESS - 3));
    }
}
