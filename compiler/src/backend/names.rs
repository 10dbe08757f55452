//! How CLIF functions name what lies outside them.
//!
//! Functions and symbols are CLIF user names, a namespace and an index. Both halves of a script use
//! the same scheme; a back end takes the namespaces it knows.
//!
//! | namespace | kind | index | meaning |
//! |---|---|---|---|
//! | [`HELPER`] | function | helper number | an eBPF helper |
//! | [`SUBPROGRAM`] | function | subprogram | one of our own eBPF functions |
//! | [`INTRINSIC`] | function | `INTRINSIC_*` | compiler intrinsics, no call in the code |
//! | [`KFUNC`] | function | BTF id | a kernel function callable from eBPF |
//! | [`RUNTIME`] | function | runtime function | a function of the user half's runtime |
//! | [`BLOCK`] | function | function index | a native function of the user half |
//! | [`MAP`] | symbol | map | the address of a map |
//! | [`CONSTANT`] | symbol | unused | the symbol's offset as a constant the optimizer cannot see |
//! | [`CORE_FIELD`] | symbol | relocation | a CO-RE relocated immediate |
//! | [`DATA`] | symbol | variable | the address of a variable in the `.bss` section |

/// eBPF helpers; the index is the helper's number in `enum bpf_func_id`.
pub const HELPER: u32 = 0;
/// Our own eBPF functions.
pub const SUBPROGRAM: u32 = 1;
/// Intrinsics; see the `INTRINSIC_*` indices.
pub const INTRINSIC: u32 = 2;
/// Kernel functions; the index is the function's BTF id.
pub const KFUNC: u32 = 3;
/// Functions of the user half's runtime.
pub const RUNTIME: u32 = 4;
/// Native functions of the user half.
pub const BLOCK: u32 = 5;

/// Maps.
pub const MAP: u32 = 10;
/// Opaque constants: the value is the symbol's offset.
pub const CONSTANT: u32 = 11;
/// CO-RE relocated immediates.
pub const CORE_FIELD: u32 = 12;
/// Variables in `.bss`; the symbol's offset is added to the variable's address.
pub const DATA: u32 = 13;

/// `pin(x) -> x` on any integer type: an identity the optimizer cannot see through. Emitted on a value before
/// it is range-checked, so that the check and the use stay on one register.
pub const INTRINSIC_PIN: u32 = 0;
/// `elem(p, i, scale) -> p + i * scale`, `scale` constant: pointer arithmetic the optimizer cannot move
/// above the check of `i` or `p`.
pub const INTRINSIC_ELEM: u32 = 1;
/// `may_goto() -> i64`, only as the condition of a `brif`: not zero while the kernel's loop budget
/// lasts (kernel 6.9).
pub const INTRINSIC_MAY_GOTO: u32 = 2;
