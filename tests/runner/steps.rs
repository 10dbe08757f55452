//! Functions that the workload calls, for probes of functions.

use std::ffi::{c_char, c_int, c_void};
use std::hint::black_box;

/// Returns twice the first argument.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn workload_step(n: i32, ten: i64, text: *const c_char) -> i32 {
    black_box((ten, text));
    black_box(n).wrapping_mul(2)
}

/// Calls [`workload_step`], and does more behind it, so that the call is no jump.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn workload_middle(n: i32) -> i32 {
    black_box(workload_step(black_box(n), 0, c"nested".as_ptr())) + 1
}

/// Calls [`workload_middle`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn workload_outer(n: i32) -> i32 {
    black_box(workload_middle(black_box(n))) + 1
}

/// Eight arguments: the last two are on the stack.
#[unsafe(no_mangle)]
#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "that is what it is for")]
pub extern "C" fn workload_many(
    a: i64,
    b: i64,
    c: i64,
    d: i64,
    e: i64,
    f: i64,
    g: i64,
    h: i64,
) -> i64 {
    black_box((a, b, c, d, e, f, g, h)).7
}

pub(crate) fn steps(count: u64) {
    let text = c"step".as_ptr();
    for n in 1..=count {
        // Handlers read memory that is there: this brings the page in.
        // SAFETY: a string that lives as long as the program.
        unsafe { text.read_volatile() };
        black_box(workload_step(n as i32, 10 * n as i64, text));
    }
    black_box(workload_many(1, 2, 3, 4, 5, 6, 7, 8));
}

pub(crate) fn nested(count: u64) {
    for n in 1..=count {
        black_box(workload_outer(n as i32));
    }
}

/// Compares what [`sorted`] sorts.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn workload_compare(one: *const c_void, other: *const c_void) -> c_int {
    // SAFETY: both are addresses of numbers that are being sorted.
    let (one, other) = unsafe { (*one.cast::<u32>(), *other.cast::<u32>()) };
    black_box(one.cmp(&other) as c_int)
}

/// Has the C library sort two numbers, which calls [`workload_compare`] once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn workload_qsort() {
    let mut numbers = [2u32, 1];
    // SAFETY: there are two numbers of four bytes.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 2, 4, Some(workload_compare)) };
    assert_eq!(black_box(numbers), [1, 2]);
}

pub(crate) fn sorted(count: u64) {
    (0..count).for_each(|_| workload_qsort());
}

pub(crate) fn allocate(count: u64, bytes: usize) {
    for _ in 0..count {
        // SAFETY: what is allocated is freed, and not used.
        unsafe { libc::free(black_box(libc::malloc(bytes))) };
    }
}

// `workload_framed` calls `workload_framed_middle`, that `workload_framed_inner`, that
// `workload_framed_leaf`; all but the last keep a frame pointer, so that the stack can be walked.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".macro framed name, callee",
    ".globl \\name",
    ".type \\name, @function",
    "\\name: push %rbp",
    "mov %rsp, %rbp",
    "call \\callee",
    "nop",
    "pop %rbp",
    "ret",
    ".size \\name, . - \\name",
    ".endm",
    "framed workload_framed, workload_framed_middle",
    "framed workload_framed_middle, workload_framed_inner",
    "framed workload_framed_inner, workload_framed_leaf",
    ".globl workload_framed_leaf",
    ".type workload_framed_leaf, @function",
    "workload_framed_leaf: nop",
    "ret",
    ".size workload_framed_leaf, . - workload_framed_leaf",
    options(att_syntax)
);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    fn workload_framed();
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn framed(count: u64) {
    for _ in 0..count {
        // SAFETY: the functions change nothing but the stack, which they leave as it was.
        unsafe { workload_framed() };
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn framed(_: u64) {}
