//! CLIF to eBPF.
