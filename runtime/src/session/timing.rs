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
struct Runs {
    hits: u64,
    total_ns: u64,
    /// The shortest and the longest; only of blocks in userspace.
    bounds_ns: Option<(u64, u64)>,
}

/// Measures the probes of a session.
pub(super) struct Timing {
    runs: BTreeMap<ProbeId, Runs>,
    /// What the kernel had counted before the probes were live.
    before: BTreeMap<ProbeId, Runs>,
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

    /// The report: a line for each of these probes, which have a name and a place.
    pub(super) fn report(
        mut self,
        kernel: Option<&KernelHalf>,
        probes: &[(ProbeId, String, String)],
    ) -> String {
        let ids = probes.iter().map(|(id, ..)| *id);
        for (id, runs) in kernel.map_or_else(BTreeMap::new, |half| kernel_runs(half, ids)) {
            let before = self.before.get(&id).copied().unwrap_or_default();
            let hits = runs.hits.saturating_sub(before.hits);
            let total_ns = runs.total_ns.saturating_sub(before.total_ns);
            self.runs.insert(id, Runs { hits, total_ns, bounds_ns: None });
        }
        let mut text = "----- probe hit report:\n".to_string();
        for (id, name, place) in probes {
            let runs = self.runs.get(id).copied().unwrap_or_default();
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
}

/// What the kernel has measured so far.
fn kernel_runs(
    half: &KernelHalf,
    probes: impl Iterator<Item = ProbeId>,
) -> BTreeMap<ProbeId, Runs> {
    let runs = probes.filter_map(|id| {
        let (hits, total_ns) = half.run_time(id)?;
        Some((id, Runs { hits, total_ns, bounds_ns: None }))
    });
    runs.collect()
}
