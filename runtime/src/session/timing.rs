//! `-t`: how often each probe was hit, and how long its handler took.
//!
//! Handlers in the kernel measure themselves (`lower/kernel/timing`); blocks in userspace are measured here, one by
//! one. Of a handler whose rest runs in userspace the time is that in the kernel.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ntap_compiler::hir::ProbeId;
use ntap_compiler::layout::{Layout, times};

use super::kernel_half::KernelHalf;

/// The runs of one probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProbeTime {
    /// How many.
    pub(super) hits: u64,
    /// How long all of them took.
    pub(super) total_ns: u64,
    /// The shortest and the longest, when there were any.
    pub(super) bounds_ns: Option<(u64, u64)>,
}

impl ProbeTime {
    /// What a handler noted on one CPU.
    fn of_element(element: &[u8]) -> ProbeTime {
        let word = |offset: u32| {
            let bytes = element[offset as usize..].first_chunk().copied().unwrap_or_default();
            u64::from_ne_bytes(bytes)
        };
        let hits = word(times::HITS);
        let bounds = (!word(times::LEAST_NS_INVERTED), word(times::MOST_NS));
        let bounds_ns = (hits > 0).then_some(bounds);
        ProbeTime { hits, total_ns: word(times::TOTAL_NS), bounds_ns }
    }

    fn add(&mut self, other: ProbeTime) {
        self.hits += other.hits;
        self.total_ns += other.total_ns;
        self.bounds_ns = match (self.bounds_ns, other.bounds_ns) {
            (Some((least, most)), Some((other_least, other_most))) => {
                Some((least.min(other_least), most.max(other_most)))
            }
            (one, other) => one.or(other),
        };
    }
}

/// Measures the probes of a session.
#[derive(Default)]
pub(super) struct Timing {
    runs: BTreeMap<ProbeId, ProbeTime>,
}

impl Timing {
    /// Notes a run of a block in userspace.
    pub(super) fn note(&mut self, probe: ProbeId, took: Duration) {
        let ns = took.as_nanos() as u64;
        let run = ProbeTime { hits: 1, total_ns: ns, bounds_ns: Some((ns, ns)) };
        self.runs.entry(probe).or_default().add(run);
    }

    /// What a probe took.
    pub(super) fn time(
        &self,
        kernel: Option<&KernelHalf>,
        layout: &Layout,
        probe: ProbeId,
    ) -> ProbeTime {
        let mut all = self.runs.get(&probe).copied().unwrap_or_default();
        points(kernel, layout, probe).for_each(|time| all.add(time));
        all
    }
}

/// What the points of a probe took in the kernel, in their order.
pub(super) fn points(
    kernel: Option<&KernelHalf>,
    layout: &Layout,
    probe: ProbeId,
) -> impl Iterator<Item = ProbeTime> {
    layout.times_of(probe).map(move |at| {
        let mut time = ProbeTime::default();
        let element = kernel.and_then(|half| half.times(at)).unwrap_or_default();
        let cpus = element.chunks_exact(times::SIZE as usize);
        cpus.for_each(|cpu| time.add(ProbeTime::of_element(cpu)));
        time
    })
}

/// The report of `-t` for a terminal: the probes with their names and places.
pub(super) fn report(probes: &[(String, String, ProbeTime)]) -> String {
    let mut text = "----- probe hit report:\n".to_string();
    for (name, place, runs) in probes {
        let _ = write!(text, "{name}, ({place}), hits: {}", runs.hits);
        if let Some(average) = runs.total_ns.checked_div(runs.hits) {
            let _ = match runs.bounds_ns {
                Some((shortest, longest)) => {
                    write!(text, ", time: {shortest}min/{average}avg/{longest}max ns")
                }
                None => write!(text, ", time: {average}avg ns"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_cpus_add_up() {
        let element = |words: [u64; 4]| words.map(u64::to_ne_bytes).concat();
        let one = ProbeTime::of_element(&element([2, 30, 20, !10]));
        assert_eq!(one, ProbeTime { hits: 2, total_ns: 30, bounds_ns: Some((10, 20)) });
        let none = ProbeTime::of_element(&element([0; 4]));
        assert_eq!(none, ProbeTime::default());
        let mut all = none;
        all.add(one);
        all.add(ProbeTime::of_element(&element([1, 5, 5, !5])));
        all.add(none);
        assert_eq!(all, ProbeTime { hits: 3, total_ns: 35, bounds_ns: Some((5, 20)) });
    }
}
