//! The eBPF back end.
