//! The ntap compiler: from the text of a script to CLIF functions, eBPF programs and an ELF object.
//!
//! Pure by rule: no files, no system calls, no clock, no terminal. What it must know of the machine
//! it asks through [`facts::Facts`]; what it finds wrong it reports into
//! [`diagnostic::Diagnostics`]. The stages, in order ([`pipeline`]):
//!
//! ```text
//! syntax -> resolve -> types -> partition -> lower -> backend -> object
//! ```

pub mod backend;
pub mod btf;
pub mod builtins;
pub mod bytes;
pub mod c_constants;
mod c_integer;
pub mod diagnostic;
pub mod facts;
pub mod families;
pub mod format;
pub mod glob;
pub mod hir;
pub mod histogram;
pub mod kernel_source;
pub mod layout;
pub mod library;
pub mod limits;
pub mod list;
pub mod lower;
pub mod object;
pub mod partition;
pub mod pipeline;
mod printers;
pub mod program_file;
pub mod regex;
pub mod registers;
pub mod resolve;
pub mod runtime_functions;
pub mod source;
pub mod syntax;
pub mod syscalls;
pub mod types;
