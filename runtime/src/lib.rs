//! The ntap runtime: loads, attaches and drains what the compiler made, and runs the user half of a
//! script. Everything that touches the machine is here.

pub mod attach;
mod block;
pub mod json;
pub mod kernel;
pub mod load;
pub mod native;
pub mod outlets;
pub mod passes;
pub mod program_file;
pub mod session;
pub mod symbols;
pub mod sys;
pub mod target_process;
