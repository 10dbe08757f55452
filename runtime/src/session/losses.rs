//! What was lost, exactly, by probe and cause.
//!
//! Kernel handlers count in memory that ntap maps, and what never came to a handler the kernel counts; both are
//! read when all handlers have ended.

use std::collections::{BTreeMap, HashMap};

use ntap_compiler::hir::{Point, ProbeId};
use ntap_compiler::layout::{Layout, counters};

use super::kernel_half::KernelHalf;

/// What a probe lost for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The probe.
    pub probe: ProbeId,
    /// Why.
    pub cause: LossCause,
    /// How often; never 0.
    pub count: u64,
}

/// Why something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossCause {
    /// A record found the ring buffer full.
    BufferFull,
    /// A hit found too many threads in the handler on its CPU.
    HandlerBusy,
    /// A hit came while the handler was running on the same CPU.
    Recursion,
    /// The kernel did not get to the program: too many calls of a function that had not returned, or a program of
    /// another probe was running on the CPU.
    Missed,
    /// The kernel could not walk a stack.
    NoStack,
    /// The stack of a process was larger than the copy of it.
    StackCut,
    /// An element did not fit into an array.
    ArrayFull,
    /// The handler ended because memory could not be read.
    Fault,
    /// The handler ended because it ran too many statements.
    ActionLimit,
    /// The handler ended with another error.
    Error,
}

impl LossCause {
    /// All causes, in the order they are reported in.
    pub const ALL: [LossCause; 10] = [
        LossCause::BufferFull,
        LossCause::HandlerBusy,
        LossCause::Recursion,
        LossCause::Missed,
        LossCause::NoStack,
        LossCause::StackCut,
        LossCause::ArrayFull,
        LossCause::Fault,
        LossCause::ActionLimit,
        LossCause::Error,
    ];

    /// Its name in output for programs, which does not change.
    pub fn id(self) -> &'static str {
        match self {
            LossCause::BufferFull => "buffer_full",
            LossCause::HandlerBusy => "handler_busy",
            LossCause::Recursion => "recursion",
            LossCause::Missed => "missed",
            LossCause::NoStack => "no_stack",
            LossCause::StackCut => "stack_cut",
            LossCause::ArrayFull => "array_full",
            LossCause::Fault => "fault",
            LossCause::ActionLimit => "action_limit",
            LossCause::Error => "error",
        }
    }

    /// Whether a hit of the probe came to nothing before its handler ran: what SystemTap calls skipped.
    fn is_skipped(self) -> bool {
        matches!(self, LossCause::HandlerBusy | LossCause::Recursion | LossCause::Missed)
    }

    /// Whether the script raised an error, which has a message of its own.
    pub fn is_error(self) -> bool {
        matches!(
            self,
            LossCause::ArrayFull | LossCause::Fault | LossCause::ActionLimit | LossCause::Error
        )
    }

    /// The counter of a probe that kernel handlers count it in.
    fn counter(self) -> Option<u32> {
        Some(match self {
            LossCause::BufferFull => counters::LOST_RECORDS,
            LossCause::HandlerBusy => counters::SKIPPED,
            LossCause::NoStack => counters::LOST_STACKS,
            LossCause::StackCut => counters::CUT_STACKS,
            LossCause::ArrayFull => counters::ARRAY_FULL,
            LossCause::Fault => counters::FAULTS,
            LossCause::ActionLimit => counters::ACTIONS,
            LossCause::Error => counters::ERRORS,
            LossCause::Recursion | LossCause::Missed => return None,
        })
    }

    /// What is lost, and why.
    pub fn text(self) -> &'static str {
        match self {
            LossCause::BufferFull => "records lost: the ring buffer was full",
            LossCause::HandlerBusy => {
                "events missed: too many threads were in the handler on one CPU"
            }
            LossCause::Recursion => "events missed: the handler was already running on the CPU",
            LossCause::Missed => {
                "events missed: too many calls had not returned, or another handler was running"
            }
            LossCause::NoStack => "stacks missing: the kernel could not walk them",
            LossCause::StackCut => "stacks cut: their outer callers could not be read",
            LossCause::ArrayFull => "elements lost: an array was full",
            LossCause::Fault => "handlers ended early: memory could not be read",
            LossCause::ActionLimit => "handlers ended early: too many statements (MAXACTION)",
            LossCause::Error => "handlers ended early: an error of the script",
        }
    }
}

/// The errors of blocks in userspace, and the stacks that they could not see whole, which nobody counts but the session.
#[derive(Debug, Default)]
pub(super) struct BlockErrors(BTreeMap<(ProbeId, u32), u64>);

impl BlockErrors {
    /// Counts errors of a block of this probe by the counter of their kind.
    pub(super) fn note(&mut self, probe: ProbeId, counter: u32, count: u64) {
        *self.0.entry((probe, counter)).or_default() += count;
    }
}

/// What every probe lost, by cause; nothing when nothing was lost.
pub(super) fn losses(
    half: Option<&KernelHalf>,
    blocks: &BlockErrors,
    points: &HashMap<ProbeId, Point>,
    layout: &Layout,
) -> Vec<Loss> {
    let mut probes: Vec<_> = points.iter().collect();
    probes.sort_by_key(|(id, _)| **id);
    let mut losses = vec![];
    for (&id, point) in probes {
        let half = half.filter(|_| point.attach.in_kernel());
        for cause in LossCause::ALL {
            let of_block = cause.counter().and_then(|counter| blocks.0.get(&(id, counter)));
            let of_kernel = half.map_or(0, |half| match cause {
                LossCause::Recursion => half.recursion_misses(id),
                LossCause::Missed => half.missed(id),
                _ => cause.counter().map_or(0, |counter| half.counter(layout, id, counter)),
            });
            let count = of_kernel + of_block.copied().unwrap_or(0);
            if count > 0 {
                losses.push(Loss { probe: id, cause, count });
            }
        }
    }
    losses
}

/// How many hits of all probes came to nothing before a handler ran.
pub(super) fn skipped(losses: &[Loss]) -> u64 {
    losses.iter().filter(|loss| loss.cause.is_skipped()).map(|loss| loss.count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_apart() {
        let mut names: Vec<_> = LossCause::ALL.iter().map(|c| c.id()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LossCause::ALL.len());
        let mut counters: Vec<_> = LossCause::ALL.iter().filter_map(|c| c.counter()).collect();
        counters.sort_unstable();
        counters.dedup();
        assert_eq!(counters.len(), LossCause::ALL.len() - 2);
        assert!(LossCause::ALL.iter().all(|c| !(c.is_skipped() && c.is_error())));
    }

    #[test]
    fn errors_of_blocks_are_counted_by_probe_and_cause() {
        let (layout, points) = (Layout::default(), HashMap::new());
        let mut blocks = BlockErrors::default();
        let probe = ProbeId::from_u32(3);
        blocks.note(probe, counters::FAULTS, 1);
        blocks.note(probe, counters::FAULTS, 1);
        assert_eq!(blocks.0[&(probe, counters::FAULTS)], 2);
        assert_eq!(losses(None, &blocks, &points, &layout), [], "no such probe");
    }
}
