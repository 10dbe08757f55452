//! One handler for many probe points.
//!
//! A point with wildcards can stand for hundreds of kernel functions. Where they look the same to a handler,
//! which is where the `$variables` it uses are of the same types and in the same places, one program handles
//! all of them.

use std::collections::BTreeSet;

use crate::hir::{Attach, ContextVariable, Point, ProbeId, Script};

/// Which `$variables` a handler has asked for, whether it got them or not.
#[derive(Clone, Debug, Default)]
pub(super) struct ContextUse {
    /// Their names, without the `$`.
    pub(super) names: BTreeSet<String>,
    /// Whether it asked for all of them, as `$$parms` does.
    pub(super) all: bool,
    /// Whether it asked what the point is called.
    pub(super) identity: bool,
}

/// The probes made of one request so far that can take further points.
#[derive(Default)]
pub(super) struct Shared {
    probes: Vec<SharedProbe>,
}

struct SharedProbe {
    /// The handler, with the hidden one that keeps values at the entry.
    probes: Vec<ProbeId>,
    uses: ContextUse,
}

impl Shared {
    /// Adds the point to a probe whose handler would be the same; tells whether there was one.
    pub(super) fn take(&self, script: &mut Script, point: &Point) -> bool {
        let Attach::Function(new) = &point.attach else { return false };
        let same = self.probes.iter().filter(|shared| !shared.uses.identity).find(|shared| {
            let known = &script.probes[shared.probes[0]].point;
            let Attach::Function(functions) = &known.attach else { return false };
            functions.inside == new.inside
                && functions.called_from == new.called_from
                && looks(known, &shared.uses) == looks(point, &shared.uses)
        });
        let Some(same) = same else { return false };
        for &probe in &same.probes {
            let probe = &mut script.probes[probe];
            if let Attach::Function(known) = &mut probe.point.attach {
                known.targets.extend(new.targets.iter().cloned());
            }
            probe.point.name.clone_from(&probe.written);
        }
        true
    }

    /// Notes a probe with its hidden ones, and what its handler uses.
    pub(super) fn note(&mut self, probes: Vec<ProbeId>, uses: ContextUse) {
        self.probes.push(SharedProbe { probes, uses });
    }
}

/// What a handler sees of a point.
fn looks<'p>(point: &'p Point, uses: &ContextUse) -> Vec<&'p ContextVariable> {
    let entry = match &point.attach {
        Attach::Function(functions) => &functions.entry[..],
        _ => &[],
    };
    let is_used = |v: &&ContextVariable| uses.all || uses.names.contains(&v.name);
    point.context.iter().chain(entry).filter(is_used).collect()
}
