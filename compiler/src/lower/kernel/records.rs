//! Records to userspace: captured values, errors, and the end of the session.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types::I32};

use super::{KernelCode, RING_BUFFER, variables};
use crate::backend::names;
use crate::hir::EventId;
use crate::layout::{control, counters, record};
use crate::lower::{Helper, Operand, Room, Text, emitter::trusted};

/// `BPF_RB_NO_WAKEUP`.
const NO_WAKEUP: i64 = 1;
/// `BPF_RB_FORCE_WAKEUP`.
const FORCE_WAKEUP: i64 = 2;

impl KernelCode<'_, '_> {
    /// Reserves a record and branches to `full` when there is no room.
    fn reserve(&mut self, bytes: u32, full: Block) -> Value {
        let ring = self.emitter.map(RING_BUFFER);
        let size = self.emitter.constant(i64::from(bytes));
        let flags = self.emitter.constant(0);
        let reserved = self.emitter.helper(Helper::RingbufReserve, &[ring, size, flags]);
        let ok = self.emitter.block();
        self.emitter.builder.ins().brif(reserved, ok, &[], full, &[]);
        self.emitter.switch_to(ok);
        reserved
    }

    fn header(&mut self, reserved: Value, event: u32) {
        let word = self.record_word(event);
        self.emitter.store(word, reserved, 0);
    }

    /// Submits a record. A wake-up costs more than all else here, so the reader asks for one (by the
    /// word in the control block) only when it has run dry and sleeps.
    fn submit(&mut self, reserved: Value) {
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

    /// Sends the captured values of an event; when there is no room, counts a lost record.
    pub(super) fn send(&mut self, event: EventId, captures: &[Operand], parked: Option<Room>) {
        let layout = self.layout;
        let event_layout = &layout.events[event];
        let (full, done) = (self.emitter.block(), self.emitter.block());
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

    /// Gives a block the parameters of those that errors lead to: the site, and the address that could not
    /// be read.
    pub(super) fn append_error(&mut self, block: Block) {
        for _ in 0..2 {
            self.emitter.builder.append_block_param(block, cranelift_codegen::ir::types::I64);
        }
    }

    /// The arguments of such a block.
    pub(super) fn error(&mut self, site: u32, address: Option<Value>) -> [BlockArg; 2] {
        let site = self.emitter.constant(i64::from(site));
        let address = address.unwrap_or_else(|| self.emitter.constant(0));
        [site.into(), address.into()]
    }

    /// Where an error of this site leads: a block with the parameters of an error.
    pub(super) fn failure_block(&mut self, site: u32) -> Block {
        if let Some(handler) = self.handlers.last_mut() {
            if !handler.sites.contains(&site) {
                handler.sites.push(site);
            }
            return handler.block;
        }
        self.root_failure_block(site)
    }

    /// The block that counts and reports the error of this site, which its parameters tell, and leaves.
    pub(super) fn root_failure_block(&mut self, site: u32) -> Block {
        let counter = self.tables.errors[site as usize].kind.counter();
        if let Some(&block) = self.failures.get(&counter) {
            return block;
        }
        let block = self.emitter.block();
        self.append_error(block);
        self.emitter.builder.set_cold_block(block);
        self.failures.insert(counter, block);
        block
    }

    /// Writes the failure blocks, if anything can fail.
    pub(super) fn write_failure_blocks(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        if failures.is_empty() {
            return;
        }
        let report = self.emitter.block();
        self.append_error(report);
        for (counter, block) in failures {
            self.emitter.switch_to(block);
            let error: Vec<BlockArg> =
                self.emitter.builder.block_params(block).iter().map(|&v| v.into()).collect();
            // An element that did not fit is counted where it does not, whether or not that is caught.
            if counter != counters::ARRAY_FULL {
                self.count(counter);
            }
            self.emitter.builder.ins().jump(report, &error);
        }
        self.emitter.switch_to(report);
        if self.layout.suppresses_errors {
            self.emitter.jump(self.exit);
            return;
        }
        let [site, address] = self.emitter.builder.block_params(report)[..] else { return };
        self.report_error(site, address);
    }

    /// Counts an error, stops all handlers when there were too many, and sends a record about it. One that finds
    /// no room is counted.
    fn report_error(&mut self, site: Value, address: Value) {
        let one = self.emitter.constant(1);
        let errors = self.control_address(control::ERRORS);
        let before = self.emitter.fetch_add(errors, one);
        let most = self.control_word(control::MOST_ERRORS);
        let (too_many, go_on) = (self.emitter.block(), self.emitter.block());
        let is = self.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, before, most);
        self.emitter.builder.ins().brif(is, too_many, &[], go_on, &[]);
        self.emitter.switch_to(too_many);
        self.set_stopped();
        self.emitter.jump(go_on);
        self.emitter.switch_to(go_on);
        let full = self.emitter.block();
        let text = if self.message.is_some() { self.longest() } else { 0 };
        let reserved = self.reserve(record::HEADER + 16 + text, full);
        self.header(reserved, record::ERROR);
        self.emitter.store(site, reserved, record::HEADER);
        self.emitter.store(address, reserved, record::HEADER + 8);
        if let Some(room) = self.message {
            let address = self.room_address(room, 0);
            let text = Text::Memory { address, width: self.longest() };
            self.copy_text(&text, reserved, record::HEADER + 16, self.longest());
        }
        self.submit(reserved);
        self.emitter.jump(self.exit);
        self.emitter.switch_to(full);
        let lost = self.control_address(control::LOST_ERRORS);
        self.emitter.fetch_add(lost, one);
        let last = self.control_address(control::LAST_LOST_ERROR);
        let next = self.emitter.builder.ins().iadd_imm_s(site, 1);
        self.emitter.store(next, last, 0);
        self.emitter.jump(self.exit);
    }

    fn control_address(&mut self, offset: u32) -> Value {
        self.emitter.symbol(names::DATA, variables::CONTROL, i64::from(offset))
    }

    /// Goes to the failure block when `value` compares so with 0, for memory at an address; goes on otherwise.
    pub(super) fn fail_if(&mut self, code: IntCC, value: Value, site: u32, address: Value) {
        let failure = self.failure_block(site);
        let error = self.error(site, Some(address));
        let go_on = self.emitter.block();
        let is = self.emitter.builder.ins().icmp_imm_s(code, value, 0);
        self.emitter.builder.ins().brif(is, failure, &error, go_on, &[]);
        self.emitter.switch_to(go_on);
    }
}
