//! How the points of a script become programs, and what those are attached to.

use ntap_compiler::hir::{self, Attach, FunctionPoints, Point, SampleRate};

use crate::attach::{AttachPoint, CountedEvent, Function, Rate, Watched};
use crate::load::ProgramKind;
use crate::sys;

pub(super) fn program_kind(attach: &Attach, uprobe_multi: bool) -> Option<ProgramKind> {
    match attach {
        Attach::Tracepoint { btf_typedef: Some(btf_id), .. } => {
            Some(ProgramKind::TpBtf { btf_id: *btf_id })
        }
        Attach::Tracepoint { btf_typedef: None, .. } => Some(ProgramKind::RawTracepoint),
        Attach::Record { .. } => Some(ProgramKind::Tracepoint),
        Attach::Syscall(point) => Some(match point.btf_typedef {
            Some(btf_id) => ProgramKind::TpBtf { btf_id },
            None => ProgramKind::RawTracepoint,
        }),
        Attach::Hook(_) => Some(ProgramKind::Netfilter),
        Attach::Counted { .. } => Some(ProgramKind::PerfEvent),
        Attach::Function(points) if is_together(points) => Some(ProgramKind::KprobeMulti),
        Attach::Function(_) => Some(ProgramKind::Kprobe),
        Attach::Instruction(_) if uprobe_multi => Some(ProgramKind::UprobeMulti),
        Attach::Instruction(_) => Some(ProgramKind::Kprobe),
        Attach::Lifetime(lifetime) => Some(ProgramKind::TpBtf { btf_id: lifetime.btf_typedef }),
        Attach::Begin(_)
        | Attach::End(_)
        | Attach::Error(_)
        | Attach::Never
        | Attach::Counter(_)
        | Attach::Timer { .. }
        | Attach::File(_)
        | Attach::Input(_) => None,
    }
}

/// Whether functions are attached to with one link: it takes long for one, and far less for many.
fn is_together(points: &FunctionPoints) -> bool {
    points.targets.len() > 1 && !points.inside && sys::can_link_functions()
}

pub(super) fn attach_point(
    point: &Point,
    target: u32,
    uprobe_multi: bool,
    asks_place: bool,
) -> Option<AttachPoint> {
    match &point.attach {
        Attach::Tracepoint { name, btf_typedef: Some(_), .. } => {
            Some(AttachPoint::TpBtf { name: name.clone() })
        }
        Attach::Tracepoint { name, btf_typedef: None, .. } => {
            Some(AttachPoint::RawTracepoint { name: name.clone() })
        }
        Attach::Record { system, name } => {
            Some(AttachPoint::Tracepoint { category: system.clone(), name: name.clone() })
        }
        Attach::Function(points) => Some(AttachPoint::Functions {
            functions: points
                .targets
                .iter()
                .map(|target| Function { name: target.name.clone(), address: target.address })
                .collect(),
            returns: points.returns,
            together: is_together(points),
            with_places: asks_place,
        }),
        Attach::Instruction(instruction) => Some(AttachPoint::Instruction {
            name: point.name.clone(),
            path: instruction.path.clone(),
            offset: instruction.offset,
            semaphore: instruction.semaphore,
            returns: instruction.returns,
            multi: uprobe_multi,
        }),
        Attach::Lifetime(lifetime) => {
            Some(AttachPoint::TpBtf { name: lifetime.moment.tracepoint().to_string() })
        }
        Attach::Syscall(point) => {
            let name = point.tracepoint().to_string();
            Some(match point.btf_typedef {
                Some(_) => AttachPoint::TpBtf { name },
                None => AttachPoint::RawTracepoint { name },
            })
        }
        Attach::Hook(hook) => Some(AttachPoint::Hook {
            name: point.name.clone(),
            family: hook.family,
            hook: hook.hook,
            priority: hook.priority,
        }),
        Attach::Counted { event, rate, of_target, .. } => Some(AttachPoint::Counted {
            name: point.name.clone(),
            event: counted_event(*event),
            rate: match *rate {
                SampleRate::Period(period) => Rate::Period(period),
                SampleRate::Hertz(hertz) => Rate::Hertz(hertz),
            },
            process: of_target.then_some(target),
        }),
        Attach::Begin(_)
        | Attach::End(_)
        | Attach::Error(_)
        | Attach::Never
        | Attach::Counter(_)
        | Attach::Timer { .. }
        | Attach::File(_)
        | Attach::Input(_) => None,
    }
}

pub(super) fn counted_event(event: hir::CountedEvent) -> CountedEvent {
    CountedEvent {
        kind: event.kind,
        config: event.config,
        watched: event.watched.map(|watched| Watched {
            address: watched.address,
            bytes: watched.bytes,
            reads: watched.reads,
        }),
    }
}
