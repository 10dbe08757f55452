//! Counters of perf events, which each CPU has in a map: those of one CPU behind those of the one before.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};

use super::KernelCode;
use crate::lower::Helper;

/// `struct bpf_perf_event_value`, of which the first word is the count.
const VALUE_BYTES: u32 = 24;

impl KernelCode<'_, '_> {
    /// How many counters there are.
    pub fn counters(&mut self) -> Value {
        self.emitter.constant(i64::from(self.script.counter_count()))
    }

    /// What a counter of this CPU has counted; less than 0 where it cannot be read.
    pub fn read_counter(&mut self, counter: Value) -> Value {
        let Some(map) = self.layout.counters_map else { return self.emitter.constant(-1) };
        let cpu = self.emitter.helper(Helper::GetSmpProcessorId, &[]);
        let count = self.counters();
        let first = self.emitter.builder.ins().imul(cpu, count);
        let index = self.emitter.builder.ins().iadd(first, counter);
        let slot = self.emitter.slot(VALUE_BYTES);
        let to = self.emitter.slot_address(slot, 0);
        let map = self.emitter.map(map);
        let size = self.emitter.constant(i64::from(VALUE_BYTES));
        let status = self.emitter.helper(Helper::PerfEventReadValue, &[map, index, to, size]);
        let (read, join) = (self.emitter.block(), self.emitter.block());
        let result = self.emitter.builder.append_block_param(join, I64);
        let failed = self.emitter.constant(-1);
        self.emitter.builder.ins().brif(status, join, &[failed.into()], read, &[]);
        self.emitter.switch_to(read);
        let from = self.emitter.slot_address(slot, 0);
        let value = self.emitter.load(from, 0);
        self.emitter.builder.ins().jump(join, &[value.into()]);
        self.emitter.switch_to(join);
        result
    }

    /// Whether a counter counts in the process that runs: 1 or 0.
    pub fn counts_here(&mut self, counter: Value) -> Value {
        let inode = self.program_inode();
        let script = self.script;
        let mut counts = self.emitter.constant(0);
        for known in script.counters() {
            let index = i64::from(known.index);
            let is_it = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, counter, index);
            let program = known.inode as i64;
            let runs = self.emitter.builder.ins().icmp_imm_s(IntCC::Equal, inode, program);
            let both = self.emitter.builder.ins().band(is_it, runs);
            let both = self.emitter.builder.ins().uextend(I64, both);
            counts = self.emitter.builder.ins().bor(counts, both);
        }
        counts
    }
}
