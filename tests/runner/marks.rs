//! Marks (USDT) of the workload: notes written by hand, as <sys/sdt.h> has the assembler write them.
//!
//! | mark | arguments |
//! |---|---|
//! | `step` | n in a register of 4 bytes, -n of 8, a constant, n * 3 in memory |
//! | `widths` | the lowest 1, 2, 4 and 8 bytes of one register, with and without sign |
//! | `memory` | the second of three numbers by base, index and scale; a global by its symbol |
//! | `watched` | none; passed only while its semaphore is not 0 |

#[cfg(target_arch = "x86_64")]
macro_rules! mark {
    ($name:literal, $semaphore:literal, $arguments:literal, $($operands:tt)*) => {
        // SAFETY: one instruction that does nothing, and notes in a section of their own.
        unsafe {
            std::arch::asm!(
                "990: nop",
                ".pushsection .note.stapsdt, \"?\", \"note\"",
                ".balign 4",
                ".4byte 992f - 991f, 994f - 993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                "993: .8byte 990b",
                ".8byte _.stapsdt.base",
                concat!(".8byte ", $semaphore),
                ".asciz \"workload\"",
                concat!(".asciz \"", $name, "\""),
                concat!(".asciz \"", $arguments, "\""),
                "994: .balign 4",
                ".popsection",
                $($operands)*
                options(att_syntax, readonly, nostack, preserves_flags)
            )
        }
    };
}

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".section .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat",
    ".weak _.stapsdt.base",
    ".hidden _.stapsdt.base",
    "_.stapsdt.base: .space 1",
    ".size _.stapsdt.base, 1",
    ".previous",
    options(att_syntax)
);

/// Read by the mark `memory` by its symbol.
#[unsafe(no_mangle)]
#[used]
pub static WORKLOAD_GLOBAL: [u32; 2] = [77, 78];

/// A semaphore on a page of the file of its own. Two segments may have their ends in one page of the file,
/// which is mapped for each of them; the kernel writes to the first mapping it finds.
#[repr(align(4096))]
pub struct Semaphore(u16);

/// How many watch the mark `watched`: written by the kernel.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".probes")]
pub static mut WORKLOAD_WATCHED: Semaphore = Semaphore(0);

#[cfg(target_arch = "x86_64")]
pub(crate) fn pass(count: u64) {
    // Handlers read memory that is there: this brings the page in.
    // SAFETY: a number that lives as long as the program.
    unsafe { (&raw const WORKLOAD_GLOBAL).read_volatile() };
    for n in 1..=count {
        let (small, negative, memory) = (n as u32, -(n as i64), 3 * n);
        mark!("step", "0", "-4@{small:e} -8@{negative:r} 4@$7 8@({memory})",
            small = in(reg) small, negative = in(reg) negative, memory = in(reg) &raw const memory,);
        let word = 0xffff_fff0_f0f1_f2f3_u64;
        mark!("widths", "0", "1@%al -1@%al 1@%ah 2@%ax -2@%ax 4@%eax -4@%eax 8@%rax",
            in("rax") word,);
        let numbers = [10_i16, -20, 30];
        mark!("memory", "0",
            "-2@({base:r},{index:r},2) -2@2({base:r}) 4@WORKLOAD_GLOBAL(%rip) 4@WORKLOAD_GLOBAL+4(%rip)",
            base = in(reg) numbers.as_ptr(), index = in(reg) 1_u64,);
        // SAFETY: a number that others may change.
        if unsafe { (&raw const WORKLOAD_WATCHED.0).read_volatile() } != 0 {
            mark!("watched", "WORKLOAD_WATCHED", "",);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn pass(_: u64) {}
