//! What the compiler knows of a program or library that is probed: functions, marks, variables.
//!
//! Addresses are those the file was linked for; offsets are places in the file, by which the kernel knows
//! instructions of programs.

use std::fmt;

/// A program file or shared library.
#[derive(Clone, Debug, Default)]
pub struct ProgramFile {
    /// The file, with symbolic links followed.
    pub path: String,
    /// Its inode.
    pub inode: u64,
    /// Its functions by ascending address, those that share an address together.
    pub functions: Vec<FunctionSymbol>,
    /// Its marks (USDT), in the file's order.
    pub marks: Vec<Mark>,
    /// Its variables: name and address.
    pub variables: Vec<(String, u64)>,
    /// Whether all functions are known, or only those that other files may call.
    pub stripped: bool,
}

/// A function of a program file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSymbol {
    /// Its name in the symbol table.
    pub name: String,
    /// Where it begins.
    pub address: u64,
    /// The same as a place in the file.
    pub offset: u64,
    /// Bytes of its code; 0 when not known.
    pub size: u64,
    /// Whether other files may call it.
    pub exported: bool,
}

/// A mark: a statically defined probe point, of the section `.note.stapsdt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The provider's name.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// Where its instruction is.
    pub address: u64,
    /// The same as a place in the file.
    pub offset: u64,
    /// The place in the file of the counter that tells the program how many watch; 0 when there is none.
    pub semaphore: u64,
    /// Where its arguments are, as the compiler wrote it: `-4@%edi 8@-8(%rbp)`.
    pub arguments: String,
}

/// Why a program file cannot be probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoProgram {
    /// The reason, a clause: "/bin/x: permission denied".
    pub reason: String,
    /// What can be done.
    pub help: Option<String>,
}

impl fmt::Display for NoProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NoProgram {}

/// Which program is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramName<'a> {
    /// By its file, or its name if it is in the search path.
    File(&'a str),
    /// That of a process.
    Process(u32),
    /// That of the process of `-c` or `-x`.
    Target,
}
