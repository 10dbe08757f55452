//! The ELF object.
