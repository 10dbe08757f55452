//! Modules that go while their functions are probed.
//!
//! The kernel lets a module go although a breakpoint is in one of its functions, and tells nobody that the probe will
//! not be hit any more. (Modules with tracepoints that are probed, and those with functions of a multi link, cannot
//! be unloaded.)

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use ntap_compiler::hir::{Attach, Point};

use super::Session;
use super::events::Events;
use crate::sys::ModuleEvents;

impl Session<'_> {
    /// Listens to the kernel if functions of modules are probed. Where it cannot be heard, nothing is said later.
    pub(super) fn watch_modules(&mut self, events: &mut Events) {
        if self.points.values().all(|point| modules(point).is_empty()) {
            return;
        }
        let Ok(listening) = ModuleEvents::open() else { return };
        if events.watch_modules(listening.as_fd()).is_ok() {
            self.module_events = Some(listening);
        }
    }

    /// Says which probes will not be hit any more.
    pub(super) fn tell_gone_modules(&mut self) {
        let removed = self.module_events.as_ref().map_or(vec![], ModuleEvents::removed);
        for module in removed {
            let of_module = |point: &&Point| modules(point).contains(module.as_str());
            let names: BTreeSet<&str> =
                self.points.values().filter(of_module).map(|point| point.name.as_str()).collect();
            let warnings: Vec<String> = names
                .into_iter()
                .map(|name| {
                    format!("{name}: the module {module} was unloaded, and is not probed any more")
                })
                .collect();
            for warning in warnings {
                self.warn(&warning);
            }
        }
    }
}

/// The modules that the functions of a point are in.
fn modules(point: &Point) -> BTreeSet<&str> {
    match &point.attach {
        Attach::Function(functions) => {
            functions.targets.iter().filter_map(|target| target.module.as_deref()).collect()
        }
        _ => BTreeSet::new(),
    }
}
