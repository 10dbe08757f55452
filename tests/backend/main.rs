//! The eBPF back end and the object writer, against expected text and against the kernel.
//!
//! * `listings`: CLIF in `tests/suite/bpf-backend/*.clif`, the code expected beside it.
//! * `risks`: forms of code the verifier is sensitive to, before and after the optimizer.
//! * `fuzz`: random functions, natively and in the kernel, must agree (`NTAP_FUZZ=n` for more).
//! * `objects`: what the object writer writes is what aya and libbpf read.
//!
//! The parts that need the kernel say so and pass when `bpf(2)` is refused.

mod clif;
mod fuzz;
mod fuzz_functions;
mod kernel;
mod listings;
mod objects;
mod risk_table;
mod risks;
