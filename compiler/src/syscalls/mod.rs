//! What is known of system calls: their numbers, names and parameters, and where an architecture
//! keeps them while one runs.
//!
//! The tables are data, one text file for each architecture, chosen by [`Architecture`].

mod routes;
mod together;

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::facts::Architecture;
use crate::hir::Scalar;

pub use routes::{After, NUMBERS, Route, Routes, add_dispatchers, routes};
pub use together::{Shared, Together, together};

/// A system call of an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Its number.
    pub number: u32,
    /// Its name, as in `<asm/unistd.h>` behind `__NR_`.
    pub name: &'static str,
    /// The name of the kernel's function, behind `sys_`.
    pub function: &'static str,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the kernel.
    pub name: &'static str,
    /// Its C type.
    pub ty: &'static str,
}

impl Parameter {
    /// The integer it is, pointers being unsigned.
    pub fn scalar(&self) -> Scalar {
        let plain = self.ty.strip_prefix("const ").unwrap_or(self.ty);
        let (bytes, signed) = match plain {
            _ if plain.contains('*') => (8, false),
            "int" | "__s32" | "pid_t" | "clockid_t" | "key_serial_t" | "key_t" | "mqd_t"
            | "rwf_t" | "timer_t" => (4, true),
            "unsigned int"
            | "unsigned"
            | "u32"
            | "__u32"
            | "uid_t"
            | "gid_t"
            | "qid_t"
            | "enum landlock_rule_type" => (4, false),
            "umode_t" => (2, false),
            "long" | "loff_t" | "off_t" => (8, true),
            _ => (8, false),
        };
        Scalar { bytes, signed }
    }
}

/// Where an architecture keeps a system call's number and arguments: offsets in `struct pt_regs`.
#[derive(Debug)]
pub struct Registers {
    /// The arguments, 8 bytes each.
    pub arguments: [u32; 6],
    /// The number, which stays there until the call returns.
    pub number: u32,
    /// Where the processor's mode shows, and its value in programs for the 32-bit architecture:
    /// the code segment.
    pub compat: (u32, i64),
}

/// The system calls of an architecture.
#[derive(Debug)]
pub struct Table {
    /// In ascending order of their numbers.
    pub calls: Vec<SystemCall>,
    /// Where they are.
    pub registers: Registers,
    /// What the names of the kernel's functions begin with.
    pub prefix: &'static str,
    /// The bit of `thread_info.status` that says that the call is one of the 32-bit architecture.
    pub compat_status: i64,
}

impl Table {
    /// The system calls of this name, of the kernel's function or of the call.
    pub fn find(&self, name: &str) -> Option<&SystemCall> {
        let of_call = self.calls.iter().find(|c| c.name == name);
        of_call.or_else(|| self.calls.iter().find(|c| c.function == name))
    }

    /// The system call of this number.
    pub fn of_number(&self, number: u32) -> Option<&SystemCall> {
        let at = self.calls.binary_search_by_key(&number, |c| c.number).ok()?;
        self.calls.get(at)
    }
}

/// Bytes of the longest name with its terminator, in whole words.
pub const NAME_BYTES: u32 = 24;

/// The name of the system call of a number; the number itself where there is none.
pub fn name_of_number(architecture: Architecture, number: i64) -> Cow<'static, str> {
    let table = table(architecture).zip(u32::try_from(number).ok());
    match table.and_then(|(table, number)| table.of_number(number)) {
        Some(call) => call.name.into(),
        None => number.to_string().into(),
    }
}

/// The system calls of an architecture; `None` when there is no table of it.
pub fn table(architecture: Architecture) -> Option<&'static Table> {
    static X86_64: OnceLock<Table> = OnceLock::new();
    match architecture {
        Architecture::X86_64 => Some(X86_64.get_or_init(|| Table {
            calls: parse(include_str!("x86_64.txt")),
            // struct pt_regs: r10 is where the fourth argument is, for rcx holds the address to
            // return to.
            registers: Registers {
                arguments: [112, 104, 96, 56, 72, 64],
                number: 120,
                compat: (136, 0x23),
            },
            prefix: "__x64_sys_",
            compat_status: 2,
        })),
        Architecture::Aarch64 => None,
    }
}

/// Reads a table: lines of `number name=function(type name, ...)`.
fn parse(text: &'static str) -> Vec<SystemCall> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(parse_line).collect()
}

fn parse_line(line: &'static str) -> Option<SystemCall> {
    let (number, rest) = line.split_once(' ')?;
    let (names, parameters) = rest.strip_suffix(')')?.split_once('(')?;
    let (name, function) = names.split_once('=').unwrap_or((names, names));
    let parameters = parameters.split(", ").filter_map(|p| p.rsplit_once(' '));
    Some(SystemCall {
        number: number.parse().ok()?,
        name,
        function,
        parameters: parameters.map(|(ty, name)| Parameter { name, ty }).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_whole() {
        let table = table(Architecture::X86_64).unwrap();
        let lines = include_str!("x86_64.txt").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(table.calls.len(), lines);
        assert!(table.calls.is_sorted_by(|a, b| a.number < b.number));
        for call in &table.calls {
            assert!(call.parameters.len() <= 6, "{}", call.name);
            assert!(call.name.len() < NAME_BYTES as usize, "{}", call.name);
            assert!(call.number < NUMBERS, "{}", call.name);
        }
    }

    #[test]
    fn calls_are_found_by_both_names() {
        let table = table(Architecture::X86_64).unwrap();
        for (name, number) in [("read", 0), ("stat", 4), ("newstat", 4), ("execve", 59)] {
            assert_eq!(table.find(name).map(|c| c.number), Some(number), "{name}");
        }
        assert_eq!(table.find("nosuch"), None);
        assert_eq!(table.of_number(257).map(|c| c.name), Some("openat"));
        let openat = table.of_number(257).unwrap();
        let shown: Vec<_> = openat.parameters.iter().map(|p| (p.name, p.scalar().bytes)).collect();
        assert_eq!(shown, [("dfd", 4), ("filename", 8), ("flags", 4), ("mode", 2)]);
    }
}
