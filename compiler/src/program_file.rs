//! What the compiler knows of a program or library that is probed: functions, marks, variables.
//!
//! Addresses are those the file was linked for; offsets are places in the file, by which the kernel knows
//! instructions of programs.

use std::fmt;

use crate::hir::{MarkArgument, Scalar};

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
    /// The pieces of code through which it calls functions of libraries (its procedure linkage table), by
    /// ascending address, with the names of those functions.
    pub plt: Vec<FunctionSymbol>,
    /// What of the file is loaded as code.
    pub code: Vec<Segment>,
    /// Its variables: name and address.
    pub variables: Vec<(String, u64)>,
    /// Whether all functions are known, or only those that other files may call.
    pub stripped: bool,
}

impl ProgramFile {
    /// The place in the file of an address of its code.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let inside = |segment: &&Segment| {
            address.checked_sub(segment.address).is_some_and(|at| at < segment.size)
        };
        let segment = self.code.iter().find(inside)?;
        Some(segment.offset + (address - segment.address))
    }

    /// The address of a place in the file.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let inside = |segment: &&Segment| {
            offset.checked_sub(segment.offset).is_some_and(|at| at < segment.size)
        };
        let segment = self.code.iter().find(inside)?;
        Some(segment.address + (offset - segment.offset))
    }

    /// The function that an address is in, as far as its size is known.
    pub fn function_at(&self, address: u64) -> Option<&FunctionSymbol> {
        let after = self.functions.partition_point(|function| function.address <= address);
        let function = &self.functions[after.checked_sub(1)?];
        (address - function.address < function.size.max(1)).then_some(function)
    }
}

/// A part of a file that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it is linked to be.
    pub address: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
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

/// A place in a program whose variables are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The address.
    pub address: u64,
    /// What it is of.
    pub within: Within<'a>,
}

/// What a place in a program is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within<'a> {
    /// The entry of a function with code of its own.
    Entry,
    /// Whatever function the address is in, also one that was inlined there.
    Any,
    /// A function of this name, inlined or not.
    Function(&'a str),
}

/// A label in a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The function.
    pub function: String,
    /// The label.
    pub name: String,
    /// Where its code begins.
    pub address: u64,
}

/// What debug information says of a function at a place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionVariables {
    /// The function's name in its source.
    pub function: String,
    /// The source file, with its folder where that is known.
    pub file: String,
    /// The line of its declaration; 0 when not known.
    pub line: u64,
    /// Where its code begins: of one that was inlined, the copy of it that the place is in.
    pub begin: u64,
    /// The type of what it returns, of [`Facts::all_types`], and the integer it is; `None` for nothing, and for
    /// what is no integer or pointer.
    ///
    /// [`Facts::all_types`]: crate::facts::Facts::all_types
    pub result: Option<(u32, Scalar)>,
    /// Its parameters in order.
    pub parameters: Vec<ProgramVariable>,
    /// Its own variables at the place, and those of the blocks that the place is in.
    pub locals: Vec<ProgramVariable>,
}

/// A variable of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramVariable {
    /// Its name.
    pub name: String,
    /// Its type, of [`Facts::all_types`].
    ///
    /// [`Facts::all_types`]: crate::facts::Facts::all_types
    pub ty: u32,
    /// The integer it is; of a structure or an array that of its address.
    pub value: Scalar,
    /// Where it is; `None` where that is not known, or has no value.
    pub place: Option<MarkArgument>,
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
