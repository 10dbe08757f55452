//! `-t`: how often each probe was hit, and how long its handler took.
//!
//! Handlers in the kernel are measured by the kernel, which keeps a sum (5.8); blocks in userspace are measured
//! here, one by one. What ran before all probes were live is not counted.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ntap_compiler::hir::ProbeId;

use super::kernel_half::KernelHalf;
use crate::sys;

/// The runs of one probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProbeTime {
    /// How many.
    pub(super) hits: u64,
    /// How long all of them took.
    pub(super) total_ns: u64,
    /// The shortest and the longest; only of blocks in userspace.
    pub(super) bounds_ns: Option<(u64, u64)>,
}

/// Measures the probes of a session.
pub(super) struct Timing {
    runs: BTreeMap<ProbeId, ProbeTime>,
    /// What the kernel had counted before the probes were live.
    before: BTreeMap<ProbeId, ProbeTime>,
    /// Has the kernel measure as long as it is open.
    _statistics: Option<OwnedFd>,
}

impl Timing {
    /// Begins to measure. Says so when the kernel cannot.
    pub(super) fn start(kernel: Option<&KernelHalf>) -> Timing {
        let statistics = kernel.and_then(|_| match sys::enable_run_time_statistics() {
            Ok(descriptor) => Some(descriptor),
            Err(error) => {
                eprintln!("WARNING: the time of kernel probes is not known: {error}");
                None
            }
        });
        Timing { runs: BTreeMap::new(), before: BTreeMap::new(), _statistics: statistics }
    }

    /// From now on the runs of kernel programs are hits.
    pub(super) fn go_live(&mut self, kernel: &KernelHalf, probes: impl Iterator<Item = ProbeId>) {
        self.before = kernel_runs(kernel, probes);
    }

    /// Notes a run of a block in userspace.
    pub(super) fn note(&mut self, probe: ProbeId, took: Duration) {
        let ns = took.as_nanos() as u64;
        let runs = self.runs.entry(probe).or_default();
        runs.hits += 1;
        runs.total_ns += ns;
        let (shortest, longest) = runs.bounds_ns.unwrap_or((ns, ns));
        runs.bounds_ns = Some((shortest.min(ns), longest.max(ns)));
    }

    /// What these probes took.
    pub(super) fn finish(
        mut self,
        kernel: Option<&KernelHalf>,
        probes: impl Iterator<Item = ProbeId> + Clone,
    ) -> Vec<(ProbeId, ProbeTime)> {
        let measured = kernel.map(|half| kernel_runs(half, probes.clone())).unwrap_or_default();
        for (id, runs) in measured {
            let before = self.before.get(&id).copied().unwrap_or_default();
            let hits = runs.hits.saturating_sub(before.hits);
            let total_ns = runs.total_ns.saturating_sub(before.total_ns);
            self.runs.insert(id, ProbeTime { hits, total_ns, bounds_ns: None });
        }
        probes.map(|id| (id, self.runs.get(&id).copied().unwrap_or_default())).collect()
    }
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

/// What the kernel has measured so far.
fn kernel_runs(
    half: &KernelHalf,
    probes: impl Iterator<Item = ProbeId>,
) -> BTreeMap<ProbeId, ProbeTime> {
    let runs = probes.filter_map(|id| {
        let (hits, total_ns) = half.run_time(id)?;
        Some((id, ProbeTime { hits, total_ns, bounds_ns: None }))
    });
    runs.collect()
}
