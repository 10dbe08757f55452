//! [`Half`] for kernel handlers.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, Value};

use super::{FEW_CAPTURES, Handler, KernelCode, LoopRounds, variables};
use crate::backend::names;
use crate::builtins::{Builtin, Kernel};
use crate::bytes;
use crate::hir::{
    Aggregate, Comparison, ContextSource, EventId, ExprId, FunctionId, Load, Print, Sort,
};
use crate::layout::{ArrayId, Storage};
use crate::lower::{
    Emitter, ErrorKind, ErrorSite, Half, Helper, LocalPlace, LoopBound, Operand, Room, Tables, Text,
};
use crate::source::Span;
use crate::types::Type;

impl KernelCode<'_, '_> {
    fn shared_cell(&mut self, storage: Storage) -> Value {
        match storage {
            Storage::Shared(at) => {
                self.emitter.symbol(names::DATA, variables::CELLS, i64::from(at) * 8)
            }
            Storage::Cell(_) | Storage::Array(_) => {
                unreachable!("numbers that kernel code uses are shared")
            }
        }
    }

    /// Adds the statements that were not counted yet; gives how many there are now, when they are counted.
    fn add_statements(&mut self) -> Option<Value> {
        let count = std::mem::take(&mut self.uncounted);
        let room = self.statements.filter(|_| count > 0)?;
        let address = self.room_address(room, 0);
        let old = self.emitter.load(address, 0);
        let new = self.emitter.builder.ins().iadd_imm_s(old, count);
        self.emitter.store(new, address, 0);
        Some(new)
    }

    fn text_variable(&mut self, width: u32) -> LocalPlace {
        let room = self.emitter.permanent_room(width, self.scratch.is_some());
        let address = self.room_address(room, 0);
        self.copy_text(&Text::Literal(String::new()), address, 0, width);
        LocalPlace::Memory(room, width)
    }
}

impl<'f> Half<'f> for KernelCode<'_, 'f> {
    fn emitter(&mut self) -> &mut Emitter<'f> {
        &mut self.emitter
    }

    fn tables(&mut self) -> &mut Tables {
        self.tables
    }

    fn finish(&mut self, _result: Option<LocalPlace>) {
        self.emitter.jump(self.exit);
        self.write_failure_blocks();
        self.emitter.switch_to(self.exit);
        self.note_hit();
        self.give_back_scratch();
        self.go_on();
        let verdict = self.emitter.constant(self.point.attach.verdict());
        self.emitter.builder.ins().return_(&[verdict]);
    }

    fn leave(&mut self) {
        self.emitter.jump(self.exit);
    }

    fn fail(&mut self, site: ErrorSite) {
        let site = self.tables.error(site);
        let failure = self.failure_block(site);
        let error = self.error(site, None);
        self.emitter.builder.ins().jump(failure, &error);
    }

    fn halt(&mut self) {
        self.set_stopped();
    }

    fn begin_try(&mut self) -> Block {
        let block = self.emitter.block();
        self.append_error(block);
        self.handlers.push(Handler { block, sites: vec![] });
        block
    }

    fn end_try(&mut self) {
        self.caught_sites = self.handlers.pop().map_or(vec![], |h| h.sites);
    }

    fn caught(&mut self, handler: Block, wanted: bool) -> Option<Operand> {
        let sites = std::mem::take(&mut self.caught_sites);
        if !wanted {
            return None;
        }
        let [site, address] = self.emitter.builder.block_params(handler)[..] else { return None };
        Some(self.message_of(site, address, &sites))
    }

    fn call_function(&mut self, _: FunctionId, _: &[Operand], _: Type) -> Option<Operand> {
        // Kernel code has functions in place: the verifier then knows their arguments.
        None
    }

    fn locate(&mut self, span: Span) {
        let location = self.tables.locations.intern(span);
        self.emitter.locate(location);
    }

    fn count_statement(&mut self, _: Span) {
        self.uncounted += 1;
    }

    fn settle_count(&mut self, _: Span, _: &str) {
        // What straight code adds up to is tested where a loop begins its next round.
        self.add_statements();
    }

    fn count_round(&mut self, site: ErrorSite) {
        self.uncounted += 1;
        let index = self.tables.error(site);
        // Too many rounds cannot be caught.
        let failure = self.root_failure_block(index);
        if self.features.loops != LoopBound::Walked {
            let budget = self.emitter.may_goto();
            let error = self.error(index, None);
            let go_on = self.emitter.block();
            self.emitter.builder.ins().brif(budget, go_on, &[], failure, &error);
            self.emitter.switch_to(go_on);
        }
        if let Some(&LoopRounds { rounds, most }) = self.loops.last() {
            let old = self.emitter.builder.use_var(rounds);
            let new = self.emitter.builder.ins().iadd_imm_s(old, 1);
            self.emitter.builder.def_var(rounds, new);
            let most = self.emitter.opaque(most);
            let over = self.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThan, new, most);
            let error = self.error(index, None);
            let go_on = self.emitter.block();
            self.emitter.builder.ins().brif(over, failure, &error, go_on, &[]);
            self.emitter.switch_to(go_on);
        }
        let Some(new) = self.add_statements() else { return };
        let most = self.emitter.opaque(self.features.actions);
        let over = self.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThan, new, most);
        let error = self.error(index, None);
        let go_on = self.emitter.block();
        self.emitter.builder.ins().brif(over, failure, &error, go_on, &[]);
        self.emitter.switch_to(go_on);
    }

    fn begin_loop(&mut self, statements: usize) {
        if self.features.loops == LoopBound::Walked {
            let rounds = self.emitter.builder.declare_var(I64);
            let zero = self.emitter.constant(0);
            self.emitter.builder.def_var(rounds, zero);
            // A round counts, and so does the first statement in it.
            let least = if statements > 0 { 2 } else { 1 };
            self.loops.push(LoopRounds { rounds, most: self.features.actions / least + 1 });
        }
    }

    fn end_loop(&mut self) {
        self.loops.pop();
    }

    fn forget(&mut self, place: LocalPlace, in_condition: bool) {
        // Where the verifier knows the first value of a variable, it follows the variable from round to
        // round, and never comes to rounds that look the same. What was in memory it does not know. One that
        // it has to follow to know when the loop ends it should know.
        let LocalPlace::Variable(variable, _) = place else { return };
        match self.features.loops {
            LoopBound::Budget => {}
            LoopBound::Walked if in_condition => return,
            LoopBound::Walked => {}
            // What is carried from round to round is in memory.
            LoopBound::Callback => return,
        }
        let room = self.emitter.scratch_room(8);
        let address = self.room_address(room, 0);
        let value = self.emitter.builder.use_var(variable);
        self.emitter.store(value, address, 0);
        // A call: the optimizer must not find out what is loaded.
        let address = self.emitter.pin(address);
        let value = self.emitter.load(address, 0);
        self.emitter.builder.def_var(variable, value);
    }

    fn divisor(&mut self, value: i64) -> Value {
        self.emitter.opaque(value)
    }

    fn declare_local(&mut self, ty: Type) -> LocalPlace {
        match ty {
            Type::Text(width) => self.text_variable(width),
            Type::Long | Type::Stats => {
                let variable = self.emitter.builder.declare_var(I64);
                let zero = self.emitter.constant(0);
                self.emitter.builder.def_var(variable, zero);
                LocalPlace::Variable(variable, ty)
            }
        }
    }

    fn read_local(&mut self, place: LocalPlace) -> Operand {
        match place {
            LocalPlace::Variable(variable, _) => {
                Operand::Long(self.emitter.builder.use_var(variable))
            }
            LocalPlace::Memory(room, width) => {
                let address = self.room_address(room, 0);
                Operand::Text(Text::Memory { address, width })
            }
        }
    }

    fn write_local(&mut self, place: LocalPlace, value: &Operand) {
        match place {
            LocalPlace::Variable(variable, _) => {
                self.emitter.builder.def_var(variable, value.long());
            }
            LocalPlace::Memory(room, width) => {
                let address = self.room_address(room, 0);
                self.copy_text(value.text(), address, 0, width);
            }
        }
    }

    fn builtin(&mut self, builtin: &'static Builtin, arguments: &[Operand], span: Span) -> Operand {
        self.call_span = span;
        match builtin.kernel {
            Kernel::Inline(lower) | Kernel::Pure(lower) | Kernel::Raise(lower) => {
                lower(self, arguments)
            }
            Kernel::Deferred | Kernel::DeferredLast => {
                unreachable!("`partition` leaves no `{}` in kernel code", builtin.name)
            }
        }
    }

    fn context(&mut self, index: usize) -> Value {
        match self.cached[index] {
            Some(value) => value,
            None => self.context_variable(index),
        }
    }

    fn context_number(&mut self, index: usize) -> Value {
        let variable = &self.point.context[index];
        // Most arithmetic with a pointer it trusts the verifier prohibits. What a helper has read
        // from memory, even that of the context, is a number to it.
        let (true, ContextSource::Word(word)) = (variable.trusted, variable.source) else {
            return self.context(index);
        };
        self.read_context(word)
    }

    fn load(&mut self, load: &Load, address: Value, span: Span) -> Value {
        let site = self.tables.error(ErrorSite {
            kind: ErrorKind::ReadFault,
            span,
            near: "operator '->'".to_string(),
        });
        let value = if load.trusted && !load.or_zero {
            let at = self.emitter.constant(i64::from(load.offset));
            self.fail_if(IntCC::Equal, address, site, at);
            self.load_scalar(address, load.offset, load.value)
        } else {
            let slot = self.load_slot();
            let to = self.emitter.slot_address(slot, 0);
            let size = self.emitter.constant(i64::from(load.value.bytes));
            let from = if load.offset == 0 {
                address
            } else {
                self.emitter.builder.ins().iadd_imm_s(address, i64::from(load.offset))
            };
            let status = self.emitter.helper(Helper::ProbeReadKernel, &[to, size, from]);
            // What cannot be read the helper fills with zeros.
            if !load.or_zero {
                self.fail_if(IntCC::NotEqual, status, site, from);
            }
            let from = self.emitter.slot_address(slot, 0);
            self.load_scalar(from, 0, load.value)
        };
        self.bit_field(value, load.bits, load.value.signed)
    }

    fn captured(&mut self, _event: EventId, _field: usize) -> Operand {
        unreachable!("captured values exist in continuations only")
    }

    fn read_cell(&mut self, storage: Storage) -> Value {
        let cell = self.shared_cell(storage);
        self.emitter.load(cell, 0)
    }

    fn write_cell(&mut self, storage: Storage, value: Value) {
        let cell = self.shared_cell(storage);
        self.emitter.store(value, cell, 0);
    }

    fn add_cell(&mut self, storage: Storage, delta: Value) -> Value {
        let cell = self.shared_cell(storage);
        self.emitter.fetch_add(cell, delta)
    }

    fn array_get(&mut self, array: ArrayId, keys: &[Operand], _span: Span) -> Operand {
        self.get(array, keys)
    }

    fn array_set(&mut self, array: ArrayId, keys: &[Operand], value: &Operand, span: Span) {
        self.set(array, keys, value, span);
    }

    fn array_add(&mut self, array: ArrayId, keys: &[Operand], delta: Value, span: Span) -> Value {
        self.add(array, keys, delta, span)
    }

    fn array_contains(&mut self, array: ArrayId, keys: &[Operand]) -> Value {
        self.contains(array, keys)
    }

    fn array_delete(&mut self, array: ArrayId, keys: &[Operand]) {
        self.delete(array, keys);
    }

    fn array_clear(&mut self, array: ArrayId) {
        self.clear(array);
    }

    fn record(&mut self, array: ArrayId, keys: &[Operand], value: Value, span: Span) {
        self.record_stats(array, keys, value, span);
    }

    fn extract(&mut self, _: ArrayId, _: &[Operand], _: Aggregate, _: Span) -> Value {
        unreachable!("`partition` leaves no extractors in kernel code")
    }

    fn histogram(&mut self, _: ArrayId, _: &[Operand], _: Span) -> Text {
        unreachable!("`partition` leaves no histograms in kernel code")
    }

    fn bucket(&mut self, _: ArrayId, _: &[Operand], _: Value, _: Span) -> Value {
        unreachable!("`partition` leaves no histograms in kernel code")
    }

    fn matches(&mut self, text: &Text, regex: &str) -> Value {
        self.text_matches(text, regex)
    }

    fn array_contains_matching(&mut self, _: ArrayId, _: &[Operand], _: i64) -> Value {
        unreachable!("`partition` leaves no wildcards in kernel code")
    }

    fn array_delete_matching(&mut self, _: ArrayId, _: &[Operand], _: i64) {
        unreachable!("`partition` leaves no wildcards in kernel code")
    }

    fn foreach_begin(
        &mut self,
        _: ArrayId,
        _: Option<Sort>,
        _: Option<Value>,
        _: (&[Operand], i64),
    ) -> Value {
        unreachable!("`partition` leaves no `foreach` in kernel code")
    }

    fn foreach_next(&mut self, _: Value, _: Block) {
        unreachable!("`partition` leaves no `foreach` in kernel code")
    }

    fn foreach_key(&mut self, _: Value, _: usize, _: Type) -> Operand {
        unreachable!("`partition` leaves no `foreach` in kernel code")
    }

    fn foreach_value(&mut self, _: Value, _: Type) -> Operand {
        unreachable!("`partition` leaves no `foreach` in kernel code")
    }

    fn print(&mut self, _: &Print, _: &[Operand]) {
        unreachable!("`partition` turns printing in kernel code into records")
    }

    fn sprint(&mut self, print: &Print, arguments: &[Operand]) -> Operand {
        self.format(print, arguments)
    }

    fn begin_parking(&mut self, count: usize) -> Option<Room> {
        (count > FEW_CAPTURES).then(|| self.emitter.scratch_room(8 * count as u32))
    }

    fn park(&mut self, room: Room, at: usize, value: Operand) -> Operand {
        let Operand::Long(value) = value else { return value };
        let base = self.room_address(room, 0);
        self.emitter.store(value, base, 8 * at as u32);
        Operand::Nothing
    }

    fn emit(&mut self, event: EventId, captures: &[Operand], parked: Option<Room>) {
        self.send(event, captures, parked);
    }

    fn compare_texts(&mut self, operator: Comparison, left: &Text, right: &Text) -> Value {
        self.compare_padded(operator, left, right)
    }

    fn concatenate(&mut self, left: &Text, right: &Text) -> Operand {
        self.join(&[left.clone(), right.clone()])
    }

    fn literal(&mut self, id: ExprId, text: &str) -> Text {
        if let Some(text) = self.text_of_call(id) {
            return text;
        }
        Text::Literal(bytes::cut(text, self.features.string_bytes - 1))
    }

    fn hold(&mut self, text: &Text) -> Operand {
        match text {
            Text::Literal(_) => Operand::Text(text.clone()),
            Text::Memory { width, .. } => {
                let (to, held) = self.text_room(*width);
                self.copy_text(text, to, 0, *width);
                held
            }
        }
    }

    fn temporary(&mut self, ty: Type) -> LocalPlace {
        match ty {
            Type::Text(width) => LocalPlace::Memory(self.room(width), width),
            Type::Long | Type::Stats => self.declare_local(ty),
        }
    }
}
