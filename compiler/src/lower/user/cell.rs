//! The cells of numeric globals: those of blocks alone, and those that kernel handlers change, too.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};

use super::UserCode;
use crate::layout::Storage;
use crate::runtime_functions::context;

impl UserCode<'_, '_> {
    /// Address of the cell of a numeric global.
    fn cell(&mut self, storage: Storage) -> (Value, u32) {
        match storage {
            Storage::Cell(at) => (self.emitter.load(self.context, context::CELLS), at * 8),
            Storage::Shared(at) => {
                (self.emitter.load(self.context, context::SHARED), self.layout.shared_offset(at))
            }
            Storage::Array(_) => unreachable!("an array is not a cell"),
        }
    }

    /// Where the block's own view is of a global that kernel code only adds to.
    fn seen(&mut self, storage: Storage) -> Option<(Value, u32)> {
        match storage {
            Storage::Shared(at) if self.layout.counters.contains(&at) => {
                Some((self.emitter.load(self.context, context::SEEN), at * 8))
            }
            Storage::Shared(_) | Storage::Cell(_) | Storage::Array(_) => None,
        }
    }
    /// The number in a cell.
    pub(super) fn cell_value(&mut self, storage: Storage) -> Value {
        if let Some((seen, offset)) = self.seen(storage) {
            return self.emitter.load(seen, offset);
        }
        let (base, offset) = self.cell(storage);
        self.emitter.load(base, offset)
    }

    /// Sets the number in a cell.
    pub(super) fn set_cell(&mut self, storage: Storage, value: Value) {
        if let Some((seen, at)) = self.seen(storage) {
            let old = self.emitter.load(seen, at);
            let delta = self.emitter.builder.ins().isub(value, old);
            if !matches!(storage, Storage::Shared(at) if self.layout.reset_counters.contains(&at)) {
                self.add_to_cell(storage, delta);
                return;
            }
            let (newer, set, done) =
                (self.emitter.block(), self.emitter.block(), self.emitter.block());
            let (base, offset) = self.cell(storage);
            let now = self.emitter.load(base, offset);
            let is_less = self.emitter.builder.ins().icmp(IntCC::SignedLessThan, now, old);
            self.emitter.builder.ins().brif(is_less, newer, &[], set, &[]);
            self.emitter.switch_to(newer);
            self.emitter.store(value, seen, at);
            self.emitter.jump(done);
            self.emitter.switch_to(set);
            self.add_to_cell(storage, delta);
            self.emitter.jump(done);
            self.emitter.switch_to(done);
            return;
        }
        let (base, offset) = self.cell(storage);
        self.emitter.store(value, base, offset);
    }

    /// Adds to the number in a cell in one step; gives what was in it.
    pub(super) fn add_to_cell(&mut self, storage: Storage, delta: Value) -> Value {
        let (base, offset) = self.cell(storage);
        if let Some((seen, at)) = self.seen(storage) {
            let address = self.emitter.builder.ins().iadd_imm_s(base, i64::from(offset));
            self.emitter.fetch_add(address, delta);
            let old = self.emitter.load(seen, at);
            let new = self.emitter.builder.ins().iadd(old, delta);
            self.emitter.store(new, seen, at);
            return old;
        }
        match storage {
            Storage::Shared(_) => {
                let address = self.emitter.builder.ins().iadd_imm_s(base, i64::from(offset));
                self.emitter.fetch_add(address, delta)
            }
            Storage::Cell(_) | Storage::Array(_) => {
                let old = self.emitter.load(base, offset);
                let new = self.emitter.builder.ins().iadd(old, delta);
                self.emitter.store(new, base, offset);
                old
            }
        }
    }
}
