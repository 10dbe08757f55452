//! What was lost, exactly, by probe and cause.

use std::collections::HashMap;

use ntap_compiler::hir::{Point, ProbeId};
use ntap_compiler::layout::Layout;

use super::kernel_half::KernelHalf;

/// A line for every probe and cause; none when nothing was lost.
pub(super) fn report(
    half: &KernelHalf,
    points: &HashMap<ProbeId, Point>,
    layout: &Layout,
) -> Vec<String> {
    let mut probes: Vec<_> = points.iter().filter(|(_, p)| p.attach.in_kernel()).collect();
    probes.sort_by_key(|(id, _)| **id);
    let mut lines = vec![];
    for (&id, point) in probes {
        let causes = [
            (half.lost_records(layout, id), "records lost: the ring buffer was full"),
            (
                half.skipped(layout, id),
                "events missed: too many threads were in the handler on one CPU",
            ),
            (half.lost_stacks(layout, id), "stacks missing: the kernel could not walk them"),
            (
                half.recursion_misses(id),
                "events missed: the handler was already running on the CPU",
            ),
        ];
        for (count, cause) in causes {
            if count > 0 {
                lines.push(format!("{}: {count} {cause}", point.name));
            }
        }
    }
    lines
}
