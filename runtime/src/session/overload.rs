//! Protection from probes that eat the machine: a handler that takes more than its share of the time of all CPUs
//! is detached for a while, and it is said for how long.
//!
//! Looking costs next to nothing as long as there is nothing to see. Every second the busy time of the CPUs is
//! read from /proc/stat; a machine that is less busy than the budget holds no probe that exceeds it. Only else
//! does the kernel measure the programs, which makes each of them slower, and only for a moment:
//!
//! ```text
//! Resting 1 s ── busy ──> Measuring 20 ms ── too much ──> Confirming 200 ms ── too much ──> Paused 1, 2, 4 ... 32 s
//!    ^   <── not busy         │ fine                          │ fine                              │
//!    └────────────────────────┴───────────────────────────────┴──────────────── attached again ───┘
//! ```
//!
//! SystemTap has the same idea (STP_OVERLOAD_THRESHOLD), and ends the script.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ntap_compiler::hir::ProbeId;

use super::kernel_half::KernelHalf;
use crate::sys;

/// Percent of the time of all CPUs that the handlers of one probe may take.
pub const DEFAULT_BUDGET_PERCENT: u32 = 80;

const REST: Duration = Duration::from_secs(1);
const FIRST_MEASURE: Duration = Duration::from_millis(20);
const SECOND_MEASURE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but to look again after this time.
    Wait(Duration),
    /// Detach these probes, and look again after this time. Each with the percentage it took.
    Pause(Vec<(ProbeId, u32)>, Duration),
    /// Attach these probes again, and look again after this time.
    Resume(Vec<ProbeId>, Duration),
}

/// A watch over the time that handlers take.
pub(super) struct Overload {
    budget_percent: u32,
    cpus: u32,
    state: State,
    /// The probes that were paused, with how often and for how long in all.
    paused: BTreeMap<ProbeId, Paused>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Paused {
    times: u32,
    total: Duration,
    /// How long the next pause is to be.
    next: Duration,
}

enum State {
    Resting { busy: Option<CpuTime> },
    Measuring { measure: Measure, is_second: bool },
    Pausing { probes: Vec<ProbeId>, since: Instant },
}

/// What the kernel had counted when a measurement began. It counts until this is dropped.
struct Measure {
    since: Instant,
    run_time_ns: BTreeMap<ProbeId, u64>,
    _statistics: OwnedFd,
}

/// Time of all CPUs since boot, in the ticks of /proc/stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTime {
    busy: u64,
    all: u64,
}

impl Overload {
    /// A watch with a budget in percent of the time of so many CPUs.
    pub(super) fn new(budget_percent: u32, cpus: u32) -> Overload {
        let state = State::Resting { busy: CpuTime::now() };
        Overload { budget_percent, cpus: cpus.max(1), state, paused: BTreeMap::new() }
    }

    /// After which time to look first.
    pub(super) fn first(&self) -> Duration {
        REST
    }

    /// Looks, and says what is to be done.
    pub(super) fn look(&mut self, half: &KernelHalf, probes: &[ProbeId]) -> Step {
        match std::mem::replace(&mut self.state, State::Resting { busy: None }) {
            State::Resting { busy } => {
                let now = CpuTime::now();
                if let (Some(before), Some(now)) = (busy, now)
                    && before.busy_percent(now) < u64::from(self.budget_percent)
                {
                    return self.rest();
                }
                self.measure(half, probes, false)
            }
            State::Measuring { measure, is_second } => {
                let heavy = measure.heavy(half, self.budget_percent, self.cpus);
                drop(measure);
                match (heavy.is_empty(), is_second) {
                    (true, _) => {
                        // Calm again: the next pause is a short one.
                        self.paused.values_mut().for_each(|p| p.next = REST);
                        self.rest()
                    }
                    (false, false) => self.measure(half, probes, true),
                    (false, true) => self.pause(heavy),
                }
            }
            State::Pausing { probes, since } => {
                self.note_pause(&probes, since.elapsed());
                let Step::Wait(after) = self.rest() else { return Step::Wait(REST) };
                Step::Resume(probes, after)
            }
        }
    }

    /// The probes that were paused, with how often and for how long. A pause that goes on is counted up to now.
    pub(super) fn report(&mut self) -> Vec<(ProbeId, u32, Duration)> {
        if let State::Pausing { probes, since } = &self.state {
            let (probes, took) = (probes.clone(), since.elapsed());
            self.state = State::Resting { busy: None };
            self.note_pause(&probes, took);
        }
        self.paused.iter().map(|(&id, p)| (id, p.times, p.total)).collect()
    }

    fn rest(&mut self) -> Step {
        self.state = State::Resting { busy: CpuTime::now() };
        Step::Wait(REST)
    }

    fn measure(&mut self, half: &KernelHalf, probes: &[ProbeId], is_second: bool) -> Step {
        // Without statistics (before 5.8, or without the privilege) there is nothing to go by.
        let Ok(statistics) = sys::enable_run_time_statistics() else { return self.rest() };
        let measure = Measure {
            since: Instant::now(),
            run_time_ns: run_times(half, probes.iter().copied()),
            _statistics: statistics,
        };
        self.state = State::Measuring { measure, is_second };
        Step::Wait(if is_second { SECOND_MEASURE } else { FIRST_MEASURE })
    }

    fn pause(&mut self, heavy: Vec<(ProbeId, u32)>) -> Step {
        let mut length = REST;
        for (id, _) in &heavy {
            let paused = self.paused.entry(*id).or_default();
            paused.times += 1;
            length = length.max(paused.next);
            paused.next = (2 * length).min(LONGEST_PAUSE);
        }
        let probes = heavy.iter().map(|(id, _)| *id).collect();
        self.state = State::Pausing { probes, since: Instant::now() };
        Step::Pause(heavy, length)
    }

    fn note_pause(&mut self, probes: &[ProbeId], took: Duration) {
        for id in probes {
            self.paused.entry(*id).or_default().total += took;
        }
    }
}

impl Measure {
    /// The probes that took more than the budget, with the percentage.
    fn heavy(&self, half: &KernelHalf, budget_percent: u32, cpus: u32) -> Vec<(ProbeId, u32)> {
        let available_ns = self.since.elapsed().as_nanos() as u64 * u64::from(cpus);
        run_times(half, self.run_time_ns.keys().copied())
            .into_iter()
            .filter_map(|(id, now)| {
                let took = now.saturating_sub(*self.run_time_ns.get(&id)?);
                let percent = took.saturating_mul(100).checked_div(available_ns)? as u32;
                (percent >= budget_percent).then_some((id, percent))
            })
            .collect()
    }
}

fn run_times(half: &KernelHalf, probes: impl Iterator<Item = ProbeId>) -> BTreeMap<ProbeId, u64> {
    probes.filter_map(|id| Some((id, half.run_time(id)?.1))).collect()
}

impl CpuTime {
    fn now() -> Option<CpuTime> {
        CpuTime::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of /proc/stat: `cpu user nice system idle iowait irq softirq steal guest guest_nice`,
    /// proc_stat(5). The time of guests is part of that of users.
    fn parse(text: &str) -> Option<CpuTime> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all: u64 = ticks.iter().sum();
        Some(CpuTime { busy: all - idle, all })
    }

    /// The busy part of the time between two looks.
    fn busy_percent(self, later: CpuTime) -> u64 {
        let busy = later.busy.saturating_sub(self.busy);
        (busy * 100).checked_div(later.all.saturating_sub(self.all)).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_of_the_cpus() {
        let before = CpuTime::parse("cpu  100 0 50 800 50 0 0 0 90 0\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(before, CpuTime { busy: 150, all: 1000 });
        let later = CpuTime::parse("cpu  160 0 70 815 55 0 0 0 99 0\n").unwrap();
        assert_eq!(before.busy_percent(later), 80);
        assert_eq!(before.busy_percent(before), 100, "nothing is known: look closer");
        for wrong in ["", "cpu ", "cpu 1 2 3", "cpu a b c d e f g h"] {
            assert_eq!(CpuTime::parse(wrong), None, "{wrong:?}");
        }
    }
}
