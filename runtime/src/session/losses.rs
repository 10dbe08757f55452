//! What was lost, exactly, by probe and cause.

use std::collections::HashMap;

use ntap_compiler::hir::{Point, ProbeId};
use ntap_compiler::layout::Layout;

use super::kernel_half::KernelHalf;

/// What a probe lost by one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The probe.
    pub probe: ProbeId,
    /// Why.
    pub cause: LossCause,
    /// How many: more than 0.
    pub count: u64,
}

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// The ring buffer had no room for a record.
    BufferFull,
    /// Too many threads were in the handler on one CPU.
    HandlerBusy,
    /// The kernel could not walk a stack.
    NoStack,
    /// The handler was already running on the CPU.
    Recursion,
}

impl LossCause {
    /// Its name in output for programs.
    pub fn id(self) -> &'static str {
        match self {
            LossCause::BufferFull => "buffer_full",
            LossCause::HandlerBusy => "handler_busy",
            LossCause::NoStack => "no_stack",
            LossCause::Recursion => "recursion",
        }
    }

    /// What is lost, and why.
    pub fn text(self) -> &'static str {
        match self {
            LossCause::BufferFull => "records lost: the ring buffer was full",
            LossCause::HandlerBusy => {
                "events missed: too many threads were in the handler on one CPU"
            }
            LossCause::NoStack => "stacks missing: the kernel could not walk them",
            LossCause::Recursion => "events missed: the handler was already running on the CPU",
        }
    }
}

/// What was lost, by probe and cause.
pub(super) fn losses(
    half: &KernelHalf,
    points: &HashMap<ProbeId, Point>,
    layout: &Layout,
) -> Vec<Loss> {
    let mut probes: Vec<_> = points.iter().filter(|(_, p)| p.attach.in_kernel()).collect();
    probes.sort_by_key(|(id, _)| **id);
    let mut losses = vec![];
    for (&probe, _) in probes {
        let causes = [
            (half.lost_records(layout, probe), LossCause::BufferFull),
            (half.skipped(layout, probe), LossCause::HandlerBusy),
            (half.lost_stacks(layout, probe), LossCause::NoStack),
            (half.recursion_misses(probe), LossCause::Recursion),
        ];
        for (count, cause) in causes {
            if count > 0 {
                losses.push(Loss { probe, cause, count });
            }
        }
    }
    losses
}
