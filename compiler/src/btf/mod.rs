//! A reader for the kernel's BPF Type Format.

/// The type information of one kernel image.
#[derive(Debug)]
pub struct Btf {}
