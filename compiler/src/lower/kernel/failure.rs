//! Errors of handlers: where they lead, what is said about them, and what a `try` is told.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value};

use super::{KernelCode, variables};
use crate::backend::names;
use crate::layout::{control, counters, record};
use crate::lower::{ErrorKind, ErrorSite, Half, Operand, Text};

/// Bytes of ` at 0x...` with a terminator.
const ADDRESS_BYTES: u32 = 4 + 18 + 1;

impl KernelCode<'_, '_> {
    /// Raises an error with a text made at run time; the current block ends.
    pub fn raise(&mut self, text: &Text) {
        let room = match self.message {
            Some(room) => room,
            None => self.emitter.permanent_scratch(self.longest()),
        };
        self.message = Some(room);
        let address = self.room_address(room, 0);
        self.copy_text(text, address, 0, self.longest());
        let near = "identifier 'error'".to_string();
        self.fail(ErrorSite { kind: ErrorKind::Script, span: self.call_span, near });
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

    /// Gives a block the parameters of those that errors lead to: the site, and the address that could not
    /// be read.
    pub(super) fn append_error(&mut self, block: Block) {
        for _ in 0..2 {
            self.emitter.builder.append_block_param(block, I64);
        }
    }

    /// The arguments of such a block.
    pub(super) fn error(&mut self, site: u32, address: Option<Value>) -> [BlockArg; 2] {
        let site = self.emitter.constant(i64::from(site));
        let address = address.unwrap_or_else(|| self.emitter.constant(0));
        [site.into(), address.into()]
    }

    /// The message of an error, of those that can have happened.
    pub(super) fn message_of(&mut self, site: Value, at: Value, sites: &[u32]) -> Operand {
        let kinds: Vec<ErrorKind> =
            sites.iter().map(|&site| self.tables.errors[site as usize].kind.clone()).collect();
        let longest = self.longest();
        let width = |kind: &ErrorKind| match kind {
            ErrorKind::Script => longest,
            kind if kind.has_address() => kind.to_string().len() as u32 + ADDRESS_BYTES,
            kind => kind.to_string().len() as u32 + 1,
        };
        let width = kinds.iter().map(width).max().unwrap_or(1).clamp(8, longest);
        let width = width.next_multiple_of(8);
        let (to, text) = self.text_room(width);
        let done = self.emitter.block();
        for (&candidate, kind) in sites.iter().zip(kinds) {
            let (this, other) = (self.emitter.block(), self.emitter.block());
            let is =
                self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, site, i64::from(candidate));
            self.emitter.builder.ins().brif(is, this, &[], other, &[]);
            self.emitter.switch_to(this);
            let message = match (kind, self.message) {
                (ErrorKind::Script, Some(room)) => {
                    Text::Memory { address: self.room_address(room, 0), width: longest }
                }
                (kind, _) if kind.has_address() => self.fault_text(&kind, at).text().clone(),
                (kind, _) => Text::Literal(kind.to_string()),
            };
            self.copy_text(&message, to, 0, width);
            self.emitter.jump(done);
            self.emitter.switch_to(other);
        }
        self.copy_text(&Text::Literal(String::new()), to, 0, width);
        self.emitter.jump(done);
        self.emitter.switch_to(done);
        text
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
}
