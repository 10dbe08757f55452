//! Records to userspace: captured values, errors, and the end of the session.

use cranelift_codegen::ir::{Block, InstBuilder, Value, types::I32};

use super::{KernelCode, RING_BUFFER, variables};
use crate::backend::names;
use crate::hir::EventId;
use crate::layout::{control, counters, record};
use crate::lower::{Helper, Operand, Room, emitter::trusted};

/// `BPF_RB_NO_WAKEUP`.
const NO_WAKEUP: i64 = 1;
/// `BPF_RB_FORCE_WAKEUP`.
const FORCE_WAKEUP: i64 = 2;

impl KernelCode<'_, '_> {
    /// Reserves a record and branches to `full` when there is no room.
    pub(super) fn reserve(&mut self, bytes: u32, full: Block) -> Value {
        let ring = self.emitter.map(RING_BUFFER);
        let size = self.emitter.constant(i64::from(bytes));
        let flags = self.emitter.constant(0);
        let reserved = self.emitter.helper(Helper::RingbufReserve, &[ring, size, flags]);
        let ok = self.emitter.block();
        self.emitter.builder.ins().brif(reserved, ok, &[], full, &[]);
        self.emitter.switch_to(ok);
        reserved
    }

    pub(super) fn header(&mut self, reserved: Value, event: u32) {
        let word = self.record_word(event);
        self.emitter.store(word, reserved, 0);
    }

    /// Submits a record. A wake-up costs more than all else here, so the reader asks for one (by the
    /// word in the control block) only when it has run dry and sleeps.
    pub(super) fn submit(&mut self, reserved: Value) {
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        let wanted = self.emitter.builder.ins().load(I32, trusted(), control, control::WAKE as i32);
        let (wake, plain, done) =
            (self.emitter.block(), self.emitter.block(), self.emitter.block());
        self.emitter.builder.ins().brif(wanted, wake, &[], plain, &[]);
        self.emitter.switch_to(wake);
        let zero = self.emitter.builder.ins().iconst(I32, 0);
        let control = self.emitter.symbol(names::DATA, variables::CONTROL, 0);
        self.emitter.store(zero, control, control::WAKE);
        let flags = self.emitter.constant(FORCE_WAKEUP);
        self.emitter.helper(Helper::RingbufSubmit, &[reserved, flags]);
        self.emitter.jump(done);
        self.emitter.switch_to(plain);
        let flags = self.emitter.constant(NO_WAKEUP);
        self.emitter.helper(Helper::RingbufSubmit, &[reserved, flags]);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    /// Sends the captured values of an event; when there is no room, or was none for a stack, counts a lost record.
    pub(super) fn send(&mut self, event: EventId, captures: &[Operand], parked: Option<Room>) {
        let layout = self.layout;
        let event_layout = &layout.events[event];
        let (full, done) = (self.emitter.block(), self.emitter.block());
        if let Some(missing) = self.missing_stacks {
            let missing = self.emitter.builder.use_var(missing);
            let complete = self.emitter.block();
            self.emitter.builder.ins().brif(missing, full, &[], complete, &[]);
            self.emitter.switch_to(complete);
        }
        let reserved = self.reserve(event_layout.bytes, full);
        self.header(reserved, event.as_u32());
        let parked = parked.map(|room| {
            let base = self.room_address(room, 0);
            // A call: the optimizer must not find out what is loaded.
            self.emitter.pin(base)
        });
        for (at, (field, capture)) in event_layout.fields.iter().zip(captures).enumerate() {
            if let (Operand::Nothing, Some(base)) = (capture, parked) {
                let value = self.emitter.load(base, 8 * at as u32);
                self.emitter.store(value, reserved, record::HEADER + field.offset);
                continue;
            }
            self.store_operand(capture, reserved, record::HEADER + field.offset, field.ty);
        }
        self.submit(reserved);
        self.emitter.jump(done);
        self.emitter.switch_to(full);
        self.count(counters::LOST_RECORDS);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }

    /// Adds one to a counter of this probe.
    pub(super) fn count(&mut self, counter: u32) {
        if let Some(row) = self.row {
            return self.count_of_hit(row, counter);
        }
        let offset = self.probe.as_u32() * counters::SIZE + counter;
        let address = self.emitter.symbol(names::DATA, variables::COUNTERS, i64::from(offset));
        let one = self.emitter.constant(1);
        self.emitter.fetch_add(address, one);
    }

    /// Tells userspace that the script called `exit()`. When there is no room the reader is busy, and
    /// finds the word in the control block when it has read what is there.
    pub(super) fn send_exit(&mut self) {
        let done = self.emitter.block();
        let reserved = self.reserve(record::HEADER, done);
        self.header(reserved, record::EXIT);
        let flags = self.emitter.constant(FORCE_WAKEUP);
        self.emitter.helper(Helper::RingbufSubmit, &[reserved, flags]);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
    }
}
