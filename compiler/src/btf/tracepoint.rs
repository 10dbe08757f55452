//! Tracepoints and their arguments.
//!
//! The kernel has two types for each tracepoint: the typedef `btf_trace_<name>`, by which a program
//! is attached, and the function `__traceiter_<name>`, whose parameters carry the arguments' names
//! (the typedef's prototype has none). Both start with a `void *__data` that programs never see.

use super::{Btf, Kind, TypeId};

const TYPEDEF_PREFIX: &str = "btf_trace_";
const ITERATOR_PREFIX: &str = "__traceiter_";

/// A tracepoint programs can be attached to by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracepoint {
    /// The typedef `btf_trace_<name>`: the `attach_btf_id` of a program.
    pub typedef_id: TypeId,
    /// Name and type of each argument, in the order of the program's context.
    pub arguments: Vec<(String, TypeId)>,
}

/// The tracepoint of this name, without its subsystem: `kfree_skb`, not `skb:kfree_skb`.
pub fn tracepoint(btf: &Btf, name: &str) -> Option<Tracepoint> {
    let typedef_id = btf.find(&format!("{TYPEDEF_PREFIX}{name}"), Kind::Typedef)?;
    // Without the function the arguments are still there, but as arg1, arg2, ...
    let prototype = btf.function(&format!("{ITERATOR_PREFIX}{name}")).unwrap_or(typedef_id);
    let arguments = btf
        .parameters(prototype)
        .enumerate()
        .skip(1)
        .map(|(position, parameter)| match parameter.name {
            "" => (format!("arg{position}"), parameter.ty),
            name => (name.to_owned(), parameter.ty),
        })
        .collect();
    Some(Tracepoint { typedef_id, arguments })
}

/// The names of all tracepoints, in the order of the data.
pub fn tracepoint_names(btf: &Btf) -> impl Iterator<Item = &str> {
    btf.names(Kind::Typedef).filter_map(|name| name.strip_prefix(TYPEDEF_PREFIX))
}
