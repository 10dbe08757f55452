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

/// The slots of a map of tail calls that are for numbers; those behind them are for the links of
/// chains.
pub const CHAIN_SLOTS: u32 = 512;

/// How many handlers of a call, and of any call, one root can run.
const MOST: usize = 15;

/// What a handler does when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is the last one.
    Nothing,
    /// It goes on in this slot of the map with this index among [`Routes::groups`].
    Slot(usize, u32),
    /// It goes on in the slot of the system call's number.
    Number(usize),
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
}

impl Routes {
    /// The name of a map of tail calls.
    pub fn map_name(group: usize) -> String {
        format!("ntap_calls_{group}")
    }

    /// How many slots a map of tail calls has.
    pub fn slots(&self, group: usize) -> u32 {
        let chain = self.groups[group].iter().filter(|(slot, _)| *slot >= CHAIN_SLOTS).count();
        CHAIN_SLOTS + chain as u32
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
        routes.groups.push(vec![]);
        let last = if group.numbered.is_empty() { After::Nothing } else { After::Number(map) };
        routes.chain(root, &group.any, last, map);
        for (&number, probes) in &group.numbered {
            routes.groups[map].push((number, probes[0]));
            routes.chain(root, probes, After::Nothing, map);
        }
    }
    routes
}

impl Routes {
    /// Has each of the probes go on with the next one, and the last one with what is given.
    fn chain(&mut self, root: ProbeId, probes: &[ProbeId], last: After, map: usize) {
        for (at, &id) in probes.iter().enumerate() {
            let after = match probes.get(at + 1) {
                Some(&next) => {
                    let slot = self.slots(map);
                    self.groups[map].push((slot, next));
                    After::Slot(map, slot)
                }
                None => last,
            };
            self.probes.insert(id, Route { is_root: id == root, root, after });
        }
    }
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
