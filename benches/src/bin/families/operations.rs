//! What the load does.

use std::hint::black_box;
use std::sync::OnceLock;

/// Calls a function that is probed.
pub(crate) fn call() {
    measured_call(black_box(1));
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measured_call(number: u64) -> u64 {
    black_box(number)
}

/// Passes a mark (USDT) without arguments: its note is written as `<sys/sdt.h>` has the assembler write it.
pub(crate) fn pass_mark() {
    // SAFETY: one instruction that does nothing, and notes in a section of their own.
    unsafe {
        std::arch::asm!(
            "990: nop",
            ".pushsection .note.stapsdt, \"?\", \"note\"",
            ".balign 4",
            ".4byte 992f - 991f, 994f - 993f, 3",
            "991: .asciz \"stapsdt\"",
            "992: .balign 4",
            "993: .8byte 990b, _.stapsdt.base, 0",
            ".asciz \"ntap\"",
            ".asciz \"measured_mark\"",
            ".asciz \"\"",
            "994: .balign 4",
            ".popsection",
            options(att_syntax, readonly, nostack, preserves_flags)
        )
    }
}

std::arch::global_asm!(
    ".section .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat",
    ".weak _.stapsdt.base",
    ".hidden _.stapsdt.base",
    "_.stapsdt.base: .space 1",
    ".size _.stapsdt.base, 1",
    ".previous",
    options(att_syntax)
);

/// Touches a page that is not there, and gives it back.
pub(crate) fn touch_page() {
    const BYTES: usize = 4096;
    static PAGE: OnceLock<usize> = OnceLock::new();
    let page = *PAGE.get_or_init(|| {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping where the kernel finds room.
        unsafe { libc::mmap(std::ptr::null_mut(), BYTES, protection, flags, -1, 0) as usize }
    });
    // SAFETY: the page is mapped for as long as the program runs, and nothing else uses it.
    unsafe {
        (page as *mut u8).write_volatile(1);
        libc::madvise(page as *mut libc::c_void, BYTES, libc::MADV_DONTNEED);
    }
}
