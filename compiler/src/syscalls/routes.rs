//! How the probes of system calls share programs: however many there are, a system call runs one
//! program on its way in, one on its way out, and the handlers of the probes on that call.
//!
//! One program of each direction is attached, the root: a probe of any system call, or one made for
//! the purpose. It ends with a tail call by the number of the system call to the first handler for
//! that number; each handler ends with a tail call to the next one. A probe that is alone needs no
//! root: it tests the number itself.
//!
//! The kernel follows 33 tail calls; handlers beyond that get a root of their own.

use std::collections::BTreeMap;

use crate::hir::{Attach, Direction, Point, Probe, ProbeId, Script, SyscallPoint};

/// How many numbers of system calls there can be. A map of tail calls has so many slots for the first
/// handlers of all calls, as many for the second ones, and so on; those behind them are for the handlers of any
/// call.
pub const NUMBERS: u32 = 512;

/// How many handlers of a call, and of any call, one root can run.
const MOST: usize = 15;

/// What a handler does when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum After {
    /// It is the last one.
    Nothing,
    /// It goes on in this slot of the map with this index among [`Routes::groups`].
    Slot(usize, u32),
    /// It goes on with the handler of the system call's number that has this place among those of the call.
    Number(usize, u32),
}

/// What a program of a system call probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// It is attached; others are only called.
    pub is_root: bool,
    /// The one that is attached and leads to it.
    pub root: ProbeId,
    /// What it does when it is done.
    pub after: After,
}

/// The routes of all system call probes.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// The route of each probe.
    pub probes: BTreeMap<ProbeId, Route>,
    /// The maps of tail calls: which program is in which slot.
    pub groups: Vec<Vec<(u32, ProbeId)>>,
    /// How many slots each of them has.
    sizes: Vec<u32>,
}

impl Routes {
    /// The name of a map of tail calls.
    pub fn map_name(group: usize) -> String {
        format!("ntap_calls_{group}")
    }

    /// How many slots a map of tail calls has.
    pub fn slots(&self, group: usize) -> u32 {
        self.sizes[group]
    }
}

/// The probes that share a root.
#[derive(Default)]
struct Group {
    any: Vec<ProbeId>,
    numbered: BTreeMap<u32, Vec<ProbeId>>,
}

impl Group {
    fn is_alone(&self) -> bool {
        self.any.len() + self.numbered.values().map(Vec::len).sum::<usize>() == 1
    }
}

/// Adds the probes whose programs are the roots of others, where no probe of any system call can be.
pub fn add_dispatchers(script: &mut Script) {
    for (at, group) in groups(script) {
        if !group.any.is_empty() || group.is_alone() {
            continue;
        }
        let Some(&first) = group.numbered.values().flatten().next() else { continue };
        let body = script.new_body();
        let Probe { span, point, written, .. } = &script.probes[first];
        let Attach::Syscall(of) = &point.attach else { continue };
        let of = SyscallPoint { number: None, root_of: Some(at), ..of.clone() };
        let attach = Attach::Syscall(of);
        let point = Point::new("system calls".to_string(), attach);
        let written = written.clone();
        let probe = Probe { point, written, span: *span, arming: vec![], body };
        script.probes.push(probe);
    }
}

/// The routes of a script in which every group has its root.
pub fn routes(script: &Script) -> Routes {
    let mut routes = Routes::default();
    for (_, group) in groups(script) {
        let numbered = || group.numbered.values();
        let Some(&root) = group.any.iter().chain(numbered().flatten()).next() else { continue };
        if group.is_alone() {
            routes.probes.insert(root, Route { is_root: true, root, after: After::Nothing });
            continue;
        }
        let map = routes.groups.len();
        let longest = numbered().map(Vec::len).max().unwrap_or(0) as u32;
        let mut slots = vec![];
        let of_any = |at: usize| NUMBERS * longest + at as u32;
        for (at, &id) in group.any.iter().enumerate() {
            let after = match group.any.get(at + 1) {
                Some(&next) => {
                    slots.push((of_any(at), next));
                    After::Slot(map, of_any(at))
                }
                None if longest == 0 => After::Nothing,
                None => After::Number(map, 0),
            };
            routes.probes.insert(id, Route { is_root: id == root, root, after });
        }
        for (&number, probes) in &group.numbered {
            for (place, &id) in (0..).zip(probes) {
                slots.push((NUMBERS * place + number, id));
                let after = match probes.len() as u32 > place + 1 {
                    true => After::Number(map, place + 1),
                    false => After::Nothing,
                };
                routes.probes.insert(id, Route { is_root: id == root, root, after });
            }
        }
        routes.groups.push(slots);
        routes.sizes.push(of_any(group.any.len().saturating_sub(1)).max(1));
    }
    routes
}

/// The probes by the root they share, with the number of the group among those of its direction.
fn groups(script: &Script) -> Vec<(usize, Group)> {
    let mut found = vec![];
    for direction in [Direction::Entry, Direction::Return] {
        let mut groups: Vec<Group> = vec![];
        let mut counts: BTreeMap<Option<u32>, usize> = BTreeMap::new();
        for (id, probe) in script.probes.iter() {
            let Attach::Syscall(point) = &probe.point.attach else { continue };
            if point.direction != direction {
                continue;
            }
            let count = counts.entry(point.number).or_default();
            let at = point.root_of.unwrap_or(*count / MOST);
            *count += 1;
            if groups.len() <= at {
                groups.resize_with(at + 1, Group::default);
            }
            match point.number {
                Some(number) => groups[at].numbered.entry(number).or_default().push(id),
                None => groups[at].any.push(id),
            }
        }
        found.extend(groups.into_iter().enumerate());
    }
    found
}
