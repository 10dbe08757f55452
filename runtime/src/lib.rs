//! The ntap runtime: loads, attaches and drains what the compiler made.

pub mod attach;
pub mod kernel;
pub mod load;
pub mod sys;
pub mod target_process;
