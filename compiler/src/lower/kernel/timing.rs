//! `-t`: handlers that measure themselves.
//!
//! The clock is read when the handler begins and when it ends, and what it took goes into an element of the probe's
//! own in a per-CPU array (`layout::times`); where several functions share a program, in one of the function's. Only hits count: not those of other processes, nor those that find no
//! room to run in. The way to the program and the reading of the clock are not in the time.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value};

use super::KernelCode;
use crate::layout::times;
use crate::lower::Helper;

/// When a handler that measures itself began.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    start: Value,
    /// Where the handler is left.
    outer: Block,
}

impl KernelCode<'_, '_> {
    /// The time, where handlers are measured.
    pub(super) fn start_of_hit(&mut self) -> Option<Value> {
        self.layout.times_map?;
        Some(self.emitter.helper(Helper::KtimeGetNs, &[]))
    }

    /// From here on whoever leaves the handler has hit the probe.
    pub(super) fn measure_hit(&mut self, start: Option<Value>) {
        let Some(start) = start else { return };
        self.measured = Some(Measured { start, outer: self.exit });
        self.exit = self.emitter.block();
    }

    /// Notes a hit and the time it took; goes on where the handler is left.
    pub(super) fn note_hit(&mut self) {
        let (Some(Measured { start, outer }), Some(map)) = (self.measured, self.layout.times_map)
        else {
            return;
        };
        // Another thread may come to the CPU while a handler runs in a process.
        let atomic = self.point.attach.in_process();
        let now = self.emitter.helper(Helper::KtimeGetNs, &[]);
        let took = self.emitter.builder.ins().isub(now, start);
        let key = self.emitter.slot(8);
        let elements = self.layout.times_of(self.probe);
        let mut index = self.emitter.constant(i64::from(elements.start));
        if elements.len() > 1 {
            let place = self.emitter.helper(Helper::GetAttachCookie, &[self.context]);
            index = self.emitter.builder.ins().iadd(place, index);
        }
        let key = self.emitter.slot_address(key, 0);
        self.emitter.store(index, key, 0);
        let map = self.emitter.map(map);
        let element = self.emitter.helper(Helper::MapLookupElem, &[map, key]);
        let found = self.emitter.block();
        self.emitter.builder.ins().brif(element, found, &[], outer, &[]);
        self.emitter.switch_to(found);
        let one = self.emitter.constant(1);
        self.accumulate(element, times::HITS, one, atomic);
        self.accumulate(element, times::TOTAL_NS, took, atomic);
        let lacks = self.emitter.builder.ins().bnot(took);
        for (offset, value) in [(times::MOST_NS, took), (times::LEAST_NS_INVERTED, lacks)] {
            let (store, next) = (self.emitter.block(), self.emitter.block());
            let old = self.emitter.load(element, offset);
            let more = self.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThan, value, old);
            self.emitter.builder.ins().brif(more, store, &[], next, &[]);
            self.emitter.switch_to(store);
            self.emitter.store(value, element, offset);
            self.emitter.jump(next);
            self.emitter.switch_to(next);
        }
        self.emitter.jump(outer);
        self.emitter.switch_to(outer);
    }
}
