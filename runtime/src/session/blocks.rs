//! Records of kernel handlers, the blocks in userspace that handle them, and what becomes of their output and errors.

use std::time::Instant;

use cranelift_codegen::entity::EntityRef;
use ntap_compiler::hir::{EventId, ProbeId};
use ntap_compiler::layout::{ArrayId, counters};
use ntap_compiler::lower::{ErrorKind, ErrorSite, Role};

use super::Session;
use super::kernel_half::Record;
use crate::block::RaisedError;
use crate::sys::{self, SysError};

impl Session<'_> {
    /// Handles all records that are in the ring buffer now. Gives whether there may be more: as many as there is room
    /// for were handled, and more kept coming, but timers and signals have to have their turn.
    pub(super) fn handle_records(&mut self) -> bool {
        self.context.state.symbols.update();
        let Some(mut half) = self.kernel_half.take() else { return false };
        let mut handled = 0u32;
        let most = half.most_records();
        while handled < most
            && let Some(record) = half.next_record()
        {
            match record {
                // What happened after the event that ended the session is not of it.
                Record::Event(..) | Record::Error { .. } if self.ended_by_event => {}
                Record::Event(event, payload) => {
                    let role = Role::Event(EventId::new(event as usize));
                    let (had_exited, errors) =
                        (self.context.state.exiting, self.errors.of_blocks());
                    self.run_quietly(role, Some(&payload));
                    // A handler that fails in the kernel meanwhile has its own record, behind others.
                    let has_failed = self.errors.of_blocks() > errors && self.failed();
                    if has_failed || !had_exited && self.context.state.exiting {
                        self.ended_by_event = true;
                        half.halt();
                    }
                }
                Record::Error { site, address, text } => {
                    self.kernel_error(site, Some(address), &text);
                }
                Record::Exit => self.ending = true,
                Record::UserRegisters(payload) => {
                    self.context.state.symbols.add_registers(&payload);
                }
                Record::UserStack(payload) => self.context.state.symbols.add_stack(&payload),
            }
            handled += 1;
            if handled.is_multiple_of(256) {
                self.output.flush_if_large(&mut self.context.state.output);
            }
        }
        if let Some(site) = half.take_lost_error() {
            self.errors.note_report();
            self.kernel_error(site, None, &[]);
        }
        if half.exit_called() {
            self.ending = true;
        }
        self.kernel_half = Some(half);
        self.output.flush(&mut self.context.state.output);
        self.note_closed_output();
        handled == most
    }

    /// Says once that intervals may not be exact, when they cannot be made so.
    pub(super) fn note_unsettled(&mut self, error: &SysError) {
        if !std::mem::replace(&mut self.unsettled, true) {
            self.warn(&format!(
                "counts between two rounds of a timer may be off by the handlers that were running: {error}"
            ));
        }
    }

    /// Reports the arrays whose elements, those kept here and those taken from kernel code, are too many.
    pub(super) fn report_overflows(&mut self, dropped: &[(ArrayId, u64)]) {
        for &(id, count) in dropped {
            let array = &self.layout.arrays[id];
            let error = RaisedError {
                message: format!("Array overflow, {count} elements have no room"),
                site: ErrorSite {
                    kind: ErrorKind::Script,
                    span: array.span,
                    near: format!("identifier '{}'", array.name),
                },
            };
            self.report(&error, None);
        }
    }

    pub(super) fn note_closed_output(&mut self) {
        if self.output.closed() {
            self.end("output_closed");
        }
        if let Some(error) = self.output.take_failure() {
            eprintln!("ERROR: the output cannot be written: {}", sys::error_text(&error));
            self.outcome.output_failed = true;
        }
    }

    /// Runs a block and writes its output.
    pub(super) fn run_block(&mut self, role: Role, payload: Option<&[u8]>) {
        self.run_quietly(role, payload);
        self.output.flush(&mut self.context.state.output);
        self.note_closed_output();
    }

    fn run_quietly(&mut self, role: Role, payload: Option<&[u8]>) {
        let actions = match role {
            Role::Event(_) => self.limits.actions,
            Role::Probe(_) | Role::Function(_) => self.limits.actions_interruptible,
        };
        self.context.begin(payload, actions);
        let probe = match role {
            Role::Probe(probe) => Some(probe),
            Role::Event(event) => Some(self.layout.events[event].probe),
            Role::Function(_) => None,
        };
        if let Some(hit_texts) = probe.and_then(|probe| self.hit_texts.get(&probe)) {
            self.context.state.hit_texts = hit_texts.clone();
        }
        let shapes = self.format.wants_values() || self.folded.is_some();
        let before = shapes.then(|| self.take_output());
        let start = self.timing.is_some().then(Instant::now);
        if let Err(error) = self.native.run(role, &mut self.context) {
            self.warn(&format!("a statement cannot be compiled, which is a bug in ntap: {error}"));
        }
        if let (Some(timing), Some(start), Role::Probe(probe)) = (&mut self.timing, start, role) {
            timing.note(probe, start.elapsed());
        }
        let error = self.context.finish();
        let cut = self.context.state.symbols.take_cut_stacks();
        if let Some(probe) = probe.filter(|_| cut > 0) {
            self.block_errors.note(probe, counters::CUT_STACKS, cut);
        }
        if let Some(before) = before {
            self.shape_output(probe, before);
        }
        if let Some(error) = error {
            self.report(&error, probe);
        }
        if self.context.state.exiting {
            self.ending = true;
        }
    }

    /// Reports an error of a kernel handler, which has counted it.
    fn kernel_error(&mut self, site: u64, address: Option<u64>, text: &[u8]) {
        if let Some(error) = self.context.error_of_site(site, address, text) {
            let probe = self.probe_at(error.site.span);
            self.tell_error(&error, probe);
        }
        self.end_if_failed();
    }

    fn end_if_failed(&mut self) {
        if self.errors.too_many() {
            self.end("errors");
        }
    }

    /// Whether the session has failed: there were more errors than it goes on with.
    pub(super) fn failed(&self) -> bool {
        self.errors.too_many()
    }

    /// Counts and tells the error of a block in userspace; after too many the session ends.
    pub(super) fn report(&mut self, error: &RaisedError, probe: Option<ProbeId>) {
        if let Some(probe) = probe {
            self.block_errors.note(probe, error.site.kind.counter(), 1);
        }
        if self.layout.suppresses_errors {
            return;
        }
        self.errors.add();
        self.tell_error(error, probe);
        self.end_if_failed();
    }
}
