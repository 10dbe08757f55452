//! CLIF to machine code. Kernel programs become eBPF in [`bpf`]; user blocks are compiled by
//! cranelift-jit in the runtime.

pub mod bpf;
pub mod names;
