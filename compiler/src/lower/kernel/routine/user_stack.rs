//! Copies of the stacks of processes: the registers of user code, and what is on its stack, piece by piece.
//!
//! How far a stack goes is told by the kernel for the first thread, and by the thread's own data, which C libraries
//! put at the beginnings of the stacks of other threads. Elsewhere all is copied that is mapped there, up to
//! `copied_stack::MOST_PIECES`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types::I64};

use super::{Routine, RoutineCode};
use crate::backend::names;
use crate::layout::{control, copied_stack as copied, record};
use crate::lower::kernel::{RING_BUFFER, variables};
use crate::lower::{Helper, StackOffsets};
use crate::registers;

/// `()`: sends a copy of the current task's stack in userspace; gives its number, 0 when there is no room.
pub const COPY_USER_STACK: &Routine = &Routine { name: "copy_user_stack", code: copy_user_stack };

/// `BPF_RB_NO_WAKEUP`.
const NO_WAKEUP: i64 = 1;
/// `BPF_RB_FORCE_WAKEUP`.
const FORCE_WAKEUP: i64 = 2;
/// `BPF_RB_AVAIL_DATA`.
const UNREAD_BYTES: i64 = 0;
/// `BPF_RB_RING_SIZE`.
const RING_BYTES: i64 = 1;

fn copy_user_stack(k: &mut RoutineCode<'_, '_>) {
    let (full, end) = (k.emitter.block(), k.emitter.block());
    let architecture = k.features.architecture;
    let bytes = record::HEADER + copied::REGISTERS + registers::all_bytes(architecture);
    let first = reserve(k, bytes);
    k.unless(first, full, &[]);
    let counter = i64::from(control::COPIED_STACKS);
    let counter = k.emitter.symbol(names::DATA, variables::CONTROL, counter);
    let one = k.emitter.constant(1);
    let number = k.emitter.fetch_add(counter, one);
    let number = k.emitter.builder.ins().iadd_imm_s(number, 1);
    header(k, first, record::USER_REGISTERS, number);
    let process = k.emitter.helper(Helper::GetCurrentPidTgid, &[]);
    k.emitter.store(process, first, record::HEADER + copied::PROCESS);
    let now = k.emitter.helper(Helper::KtimeGetNs, &[]);
    k.emitter.store(now, first, record::HEADER + copied::TIME_NS);
    let task = k.emitter.helper(Helper::GetCurrentTaskBtf, &[]);
    let kept = k.emitter.helper(Helper::TaskPtRegs, &[task]);
    // As a whole: what of them are parts of unions cannot be loaded word by word.
    let to = i64::from(record::HEADER + copied::REGISTERS);
    let to = k.emitter.builder.ins().iadd_imm_s(first, to);
    let size = k.emitter.constant(i64::from(registers::all_bytes(architecture)));
    k.emitter.helper(Helper::ProbeReadKernel, &[to, size, kept]);
    replaced_returns(k, first);
    let offset = registers::stack_pointer(architecture).offset;
    let stack = k.emitter.load(first, record::HEADER + copied::REGISTERS + offset);
    let flags = wake_up_if_much(k);
    k.emitter.helper(Helper::RingbufSubmit, &[first, flags]);
    let most = i64::from(copied::PIECE * copied::MOST_PIECES);
    let mut length = k.emitter.constant(most);
    if let Some(offsets) = k.features.tasks.stack {
        length = bounded(k, length, stack, offsets);
    }
    let stack_end = k.emitter.builder.ins().iadd(stack, length);
    k.rounds(copied::MOST_PIECES, &[stack], |k, _, values, out| {
        let at = values[0];
        let more = k.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, at, stack_end);
        k.unless(more, out, &[at]);
        let piece = reserve(k, record::HEADER + copied::BYTES + copied::PIECE);
        k.unless(piece, out, &[at]);
        let before = k.emitter.builder.ins().band_imm_u(at, i64::from(copied::PIECE) - 1);
        let before = k.emitter.pin(before);
        let whole = k.emitter.constant(i64::from(copied::PIECE));
        let count = k.emitter.builder.ins().isub(whole, before);
        let count = k.emitter.pin(count);
        let to = i64::from(record::HEADER + copied::BYTES);
        let to = k.emitter.builder.ins().iadd_imm_s(piece, to);
        let status = k.emitter.helper(Helper::ProbeReadUser, &[to, count, at]);
        let (failed, read) = (k.emitter.block(), k.emitter.block());
        k.emitter.builder.ins().brif(status, failed, &[], read, &[]);
        k.emitter.switch_to(failed);
        let flags = k.emitter.constant(NO_WAKEUP);
        k.emitter.helper(Helper::RingbufDiscard, &[piece, flags]);
        k.emitter.builder.ins().jump(out, &[at.into()]);
        k.emitter.switch_to(read);
        header(k, piece, record::USER_STACK, number);
        k.emitter.store(at, piece, record::HEADER + copied::ADDRESS);
        k.emitter.store(count, piece, record::HEADER + copied::LENGTH);
        let flags = k.emitter.constant(NO_WAKEUP);
        k.emitter.helper(Helper::RingbufSubmit, &[piece, flags]);
        vec![k.emitter.builder.ins().iadd(at, count)]
    });
    k.emitter.jump(end);
    k.emitter.switch_to(end);
    k.finish(number);
    k.emitter.switch_to(full);
    k.finish_with(0);
}

/// Stores the return addresses that the kernel has replaced.
fn replaced_returns(k: &mut RoutineCode<'_, '_>, first: Value) {
    let base = record::HEADER + copied::RETURNS;
    let zero = k.emitter.constant(0);
    for at in 0..copied::MOST_RETURNS {
        k.emitter.store(zero, first, base + 16 * at);
    }
    let Some(offsets) = k.features.tasks.stack.and_then(|offsets| offsets.returns) else { return };
    let [of_task, of_first, stack, address, next] = offsets;
    let none = k.emitter.block();
    let task = k.emitter.helper(Helper::GetCurrentTask, &[]);
    let known = k.emitter.kernel_word(task, of_task, 8);
    k.unless(known, none, &[]);
    let instance = k.emitter.kernel_word(known, of_first, 8);
    let base = k.emitter.builder.ins().iadd_imm_s(first, i64::from(base));
    k.rounds(copied::MOST_RETURNS, &[instance], |k, index, values, out| {
        let instance = values[0];
        k.unless(instance, out, &[instance]);
        let (outside, go_on) = (k.emitter.block(), k.emitter.block());
        let most = i64::from(copied::MOST_RETURNS);
        let to = k.emitter.checked_element(base, index, most, 16, outside);
        let stack = k.emitter.kernel_word(instance, stack, 8);
        k.emitter.store(stack, to, 0);
        let address = k.emitter.kernel_word(instance, address, 8);
        k.emitter.store(address, to, 8);
        let next = k.emitter.kernel_word(instance, next, 8);
        k.emitter.jump(go_on);
        k.emitter.switch_to(outside);
        k.emitter.builder.ins().jump(out, &[instance.into()]);
        k.emitter.switch_to(go_on);
        vec![next]
    });
    k.emitter.jump(none);
    k.emitter.switch_to(none);
}

/// How much of the stack there is, at most so much: what lies behind its beginning is not of it.
fn bounded(k: &mut RoutineCode<'_, '_>, most: Value, stack: Value, offsets: StackOffsets) -> Value {
    let task = k.emitter.helper(Helper::GetCurrentTask, &[]);
    let [mm, start_stack] = offsets.first_thread;
    let mm = k.emitter.kernel_word(task, mm, 8);
    let first = k.emitter.kernel_word(mm, start_stack, 8);
    let other = offsets.other_threads.map(|offset| k.emitter.kernel_word(task, offset, 8));
    let mut length = most;
    for beginning in [Some(first), other].into_iter().flatten() {
        // One that lies below is far away as an unsigned number.
        let distance = k.emitter.builder.ins().isub(beginning, stack);
        let is_less = k.emitter.builder.ins().icmp(IntCC::UnsignedLessThan, distance, length);
        let (less, join) = (k.emitter.block(), k.emitter.block());
        let result = k.emitter.builder.append_block_param(join, I64);
        k.emitter.builder.ins().brif(is_less, less, &[], join, &[length.into()]);
        k.emitter.switch_to(less);
        k.emitter.builder.ins().jump(join, &[distance.into()]);
        k.emitter.switch_to(join);
        length = result;
    }
    length
}

/// Reserves a record; 0 when there is no room.
fn reserve(k: &mut RoutineCode<'_, '_>, bytes: u32) -> Value {
    let ring = k.emitter.map(RING_BUFFER);
    let size = k.emitter.constant(i64::from(bytes));
    let flags = k.emitter.constant(0);
    k.emitter.helper(Helper::RingbufReserve, &[ring, size, flags])
}

fn header(k: &mut RoutineCode<'_, '_>, reserved: Value, kind: u32, number: Value) {
    let word = k.emitter.constant(i64::from(kind));
    k.emitter.store(word, reserved, 0);
    k.emitter.store(number, reserved, record::HEADER + copied::NUMBER);
}

/// The flags that submit a record: the reader is woken by what the handler sends next, but by this one when a quarter of
/// the room is taken, for it may be waiting for more to come.
fn wake_up_if_much(k: &mut RoutineCode<'_, '_>) -> Value {
    let (much, join) = (k.emitter.block(), k.emitter.block());
    let flags = k.emitter.builder.append_block_param(join, I64);
    let ask = |k: &mut RoutineCode<'_, '_>, what| {
        let ring = k.emitter.map(RING_BUFFER);
        let what = k.emitter.constant(what);
        k.emitter.helper(Helper::RingbufQuery, &[ring, what])
    };
    let unread = ask(k, UNREAD_BYTES);
    let unread = k.emitter.builder.ins().ishl_imm_u(unread, 2);
    let room = ask(k, RING_BYTES);
    let is_much = k.emitter.builder.ins().icmp(IntCC::UnsignedGreaterThan, unread, room);
    let plain = k.emitter.constant(NO_WAKEUP);
    k.emitter.builder.ins().brif(is_much, much, &[], join, &[plain.into()]);
    k.emitter.switch_to(much);
    let wake = k.emitter.constant(FORCE_WAKEUP);
    k.emitter.builder.ins().jump(join, &[wake.into()]);
    k.emitter.switch_to(join);
    flags
}
