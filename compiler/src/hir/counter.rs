//! Counters of perf events that handlers read with `@perf`.

use super::{Attach, CountedEvent, Script};

/// A counter that the threads of a program have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// How scripts call it.
    pub name: String,
    /// Its number: handlers read it by this.
    pub index: u32,
    /// What is counted.
    pub event: CountedEvent,
    /// The inode of the program.
    pub inode: u64,
}

impl Script {
    /// The counters there are.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.probes.values().filter_map(|probe| match &probe.point.attach {
            Attach::Counter(counter) => Some(counter),
            _ => None,
        })
    }

    /// The numbers of counters are less than this.
    pub fn counter_count(&self) -> u32 {
        self.counters().map(|counter| counter.index + 1).max().unwrap_or(0)
    }
}
