//! Probes with arming conditions: detached, or their timers stopped, while a condition is false.
//!
//! The conditions are evaluated before the probes are attached and after each block, natively, by blocks that
//! the compiler made of them. Probes of system calls that share a program are attached together, and only
//! detached when all of them are disarmed; their handlers test the conditions as well.

use std::collections::BTreeSet;

use ntap_compiler::hir::{Attach, ProbeId};
use ntap_compiler::lower::Role;

use super::events::Events;
use super::{Session, SessionError};

impl Session<'_> {
    /// Finds the probes that are not to be attached yet.
    pub(super) fn disarm_at_start(&mut self) {
        self.disarmed = self.evaluate();
        let detached = self.detached(&self.disarmed);
        if let Some(half) = &mut self.kernel_half {
            half.disarm(detached);
        }
    }

    /// Attaches the probes whose conditions have become true, and detaches those whose conditions have become
    /// false.
    pub(super) fn rearm(&mut self, events: &mut Events) -> Result<(), SessionError> {
        if self.layout.arming.is_empty() {
            return Ok(());
        }
        let disarmed = self.evaluate();
        if disarmed == self.disarmed {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.disarmed, disarmed);
        let is_timer = |id: &&ProbeId| matches!(self.points[id].attach, Attach::Timer { .. });
        for &id in before.difference(&self.disarmed).filter(is_timer) {
            events.start_timer(id)?;
        }
        for &id in self.disarmed.difference(&before).filter(is_timer) {
            events.stop_timer(id)?;
        }
        let detached = self.detached(&self.disarmed);
        let Some(half) = &mut self.kernel_half else { return Ok(()) };
        let attached_before = half.disarmed().clone();
        half.disarm(detached.clone());
        for &id in detached.difference(&attached_before) {
            half.detach_probe(id);
        }
        for &id in attached_before.difference(&detached) {
            match half.attach_probe(id, &self.points[&id]) {
                Err(SessionError::Attach(_)) if self.points[&id].optional => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// The probes whose conditions are false. One that cannot be evaluated is left to the handler, which
    /// raises the error.
    fn evaluate(&mut self) -> BTreeSet<ProbeId> {
        let layout = self.layout.clone();
        let mut disarmed = BTreeSet::new();
        for arming in &layout.arming {
            self.context.begin(None, self.limits.actions_interruptible);
            let ran = self.native.run(Role::Event(arming.event), &mut self.context);
            let failed = self.context.finish().is_some() || ran.is_err();
            if !failed && self.context.cell(layout.storage[arming.armed]) == 0 {
                disarmed.insert(arming.probe);
            }
        }
        disarmed
    }

    /// The probes whose programs need not be attached while these are disarmed.
    fn detached(&self, disarmed: &BTreeSet<ProbeId>) -> BTreeSet<ProbeId> {
        let routes = &self.layout.routes.probes;
        let mut detached = disarmed.clone();
        for &id in disarmed {
            let Some(route) = routes.get(&id) else { continue };
            let mut together = routes.iter().filter(|(_, other)| other.root == route.root);
            detached.remove(&id);
            if together.all(|(other, _)| disarmed.contains(other) || self.is_dispatcher(*other)) {
                detached.insert(route.root);
            }
        }
        detached
    }

    /// Whether a probe is none of the script's: it only leads to others.
    fn is_dispatcher(&self, id: ProbeId) -> bool {
        matches!(&self.points[&id].attach, Attach::Syscall(point) if point.root_of.is_some())
    }
}
