//! What the compiler asks about the machine a script is compiled for.
//!
//! The runtime answers from the live kernel, tests from a recorded one. Every answer is computed on
//! first use: a script that needs nothing asks nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;

use crate::btf::{Btf, Kind, ModuleTypes, TypeId};
use crate::kernel_source::KernelSource;
use crate::program_file::{
    FunctionVariables, Label, NoProgram, Place, ProgramFile, ProgramName, ProgramVariable,
};

/// CPU architectures scripts can be compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// x86-64, little endian.
    X86_64,
    /// AArch64, little endian.
    Aarch64,
}

impl Architecture {
    /// The name SystemTap's `arch` conditional compares with.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "arm64",
        }
    }
}

/// The eBPF instruction set version to generate code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CpuVersion {
    /// 32-bit ALU and jump instructions (kernel 5.1).
    V3,
    /// Also signed division and sign-extending moves and loads (kernel 6.6).
    V4,
}

/// Why kernel type information cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoBtf {
    /// The reason, a clause: "/sys/kernel/btf/vmlinux does not exist".
    pub reason: String,
}

impl fmt::Display for NoBtf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NoBtf {}

/// A kernel function that has code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFunction<'a> {
    /// Its name; static functions of several files may share one.
    pub name: &'a str,
    /// Where its code begins.
    pub address: u64,
    /// The module it is in; `None` for the kernel proper.
    pub module: Option<&'a str>,
}

/// Why there is no list of the kernel's functions: a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoFunctions {
    /// The reason: "kernel addresses are hidden from this user".
    pub reason: String,
}

/// Facts about one machine.
pub trait Facts {
    /// The kernel release as `uname -r` prints it, such as `6.12.1-amd64`.
    fn kernel_release(&self) -> String;

    /// The architecture the programs run on.
    fn architecture(&self) -> Architecture;

    /// The value of a kernel configuration option (`CONFIG_NET` gives `y`, `m`, a number or a
    /// string without its quotes); `None` when it is not set or the configuration is not known.
    fn kernel_config(&self, name: &str) -> Option<String>;

    /// The type information of the kernel proper (not of modules).
    fn btf(&self) -> Result<&Btf, NoBtf>;

    /// The types of modules that are loaded; from then on they are among [`Facts::all_types`]. `None` for a module
    /// that is not there, or has none.
    fn module_types(&self, modules: &[&str]) -> Vec<Option<ModuleTypes>> {
        vec![None; modules.len()]
    }

    /// Module and name of each tracepoint of the modules that are loaded.
    fn module_tracepoints(&self) -> Vec<(String, String)> {
        vec![]
    }

    /// The modules whose type information has a name that the kernel's has not got.
    fn modules_mentioning(&self, name: &str) -> Vec<String> {
        let _ = name;
        vec![]
    }

    /// All types that are known so far: those of the kernel proper, and behind them those of the programs and
    /// modules that [`Facts::function_variables`] and [`Facts::module_types`] were asked about. The numbers of types
    /// stay what they are.
    fn all_types(&self) -> Result<&Btf, NoBtf> {
        self.btf()
    }

    /// Whether a type is one of a program: what is of such a type is in the memory of a process.
    fn is_program_type(&self, ty: u32) -> bool {
        let _ = ty;
        false
    }

    /// What a program's debug information says of the functions at some places. `None` without debug information.
    fn function_variables(
        &self,
        path: &str,
        places: &[Place<'_>],
    ) -> Option<Vec<Option<FunctionVariables>>> {
        let _ = (path, places);
        None
    }

    /// A variable of a program that is of no function, as seen from the code at a place in the file: by its name,
    /// and the end of the path of the source file it is declared in if that is given. Its place is the one that gives
    /// its address.
    fn program_variable(
        &self,
        path: &str,
        offset: u64,
        name: &str,
        file: Option<&str>,
    ) -> Option<ProgramVariable> {
        let _ = (path, offset, name, file);
        None
    }

    /// The type of a program of one of these kinds with this name, among [`Facts::all_types`] from then on.
    fn program_type(&self, path: &str, kinds: &[Kind], name: &str) -> Option<TypeId> {
        let _ = (path, kinds, name);
        None
    }

    /// The addresses in a program of the code of some lines of a source file: line and address, ascending.
    fn lines(&self, path: &str, file: &str, lines: RangeInclusive<u64>) -> Vec<(u64, u64)> {
        let _ = (path, file, lines);
        vec![]
    }

    /// The places in a program where functions were inlined whose names match a pattern: name and address,
    /// ascending by address.
    fn inlined(&self, path: &str, pattern: &str) -> Vec<(String, u64)> {
        let _ = (path, pattern);
        vec![]
    }

    /// Which of a program's functions a name or pattern means as its source has them, where the symbols say more:
    /// their positions.
    fn functions_of_source(&self, program: &ProgramFile, pattern: &str) -> Vec<usize> {
        let _ = (program, pattern);
        vec![]
    }

    /// The names of the functions that the function of a program calls which begins at an address, as far as they are
    /// known, without those called by their address.
    fn calls(&self, path: &str, function: u64) -> Vec<String> {
        let _ = (path, function);
        vec![]
    }

    /// The labels of a program in functions whose names match a pattern.
    fn labels(&self, path: &str, function: &str) -> Vec<Label> {
        let _ = (path, function);
        vec![]
    }

    /// The address of a kernel symbol; `None` when there is none or addresses are hidden.
    fn symbol_address(&self, name: &str) -> Option<u64>;

    /// Calls `visit` with each function of the kernel and its modules, by ascending address.
    fn each_function(&self, visit: &mut dyn FnMut(KernelFunction<'_>)) -> Result<(), NoFunctions> {
        let _ = visit;
        Err(NoFunctions { reason: "the symbols of this kernel are not known".to_string() })
    }

    /// Whether modules may use a symbol of the kernel; `None` where the kernel does not tell.
    fn is_exported(&self, name: &str) -> Option<bool> {
        let _ = name;
        None
    }

    /// Whether the kernel lists the function at an address among those that can be traced; `None` where it
    /// does not tell.
    fn is_traceable(&self, address: u64) -> Option<bool> {
        let _ = address;
        None
    }

    /// Whether the kernel can run programs where its functions are entered and left (CONFIG_KPROBES).
    fn has_function_probes(&self) -> bool {
        true
    }

    /// The addresses of the functions in the source files whose path, or end of their path, matches the
    /// pattern, ascending: as far as that can be told without debug information. `None` when no such file is
    /// known.
    fn functions_of_file(&self, pattern: &str) -> Option<Vec<u64>> {
        let _ = pattern;
        None
    }

    /// The source file of the kernel's function at each address, as far as that can be told without debug
    /// information.
    fn files_of_functions(&self, addresses: &[u64]) -> Vec<Option<String>> {
        vec![None; addresses.len()]
    }

    /// The kernel's debug information; `None` where it is not installed.
    fn kernel_source(&self) -> Option<&dyn KernelSource> {
        None
    }

    /// The tracepoints that belong to a system, as tracefs lists them: by name, the name of the system
    /// (`sched_switch`: `sched`). Empty where tracefs cannot be read; some tracepoints are in no system.
    fn tracepoint_systems(&self) -> &BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        NONE
    }

    /// The text of a tracepoint's `format` file in tracefs; `None` where it cannot be read.
    fn tracepoint_format(&self, system: &str, name: &str) -> Option<String> {
        let _ = (system, name);
        None
    }

    /// The newest instruction set version the kernel accepts.
    fn cpu_version(&self) -> CpuVersion;

    /// A program, as probes of processes need it.
    fn program_file(&self, name: ProgramName<'_>) -> Result<Rc<ProgramFile>, NoProgram> {
        let _ = name;
        Err(NoProgram { reason: "programs are not known here".to_string(), help: None })
    }

    /// The process of `-x`.
    fn target_process(&self) -> Option<u32> {
        None
    }

    /// Whether there is a process.
    fn has_process(&self, pid: u32) -> bool {
        let _ = pid;
        true
    }

    /// The programs whose files match a pattern: with a slash their paths, without their names in the folders of
    /// the search path. Files that are no programs do not count.
    fn programs_matching(&self, pattern: &str) -> Vec<Rc<ProgramFile>> {
        let _ = pattern;
        vec![]
    }

    /// The file that a process has mapped as code at an address, and the place in it.
    fn code_of_process(&self, pid: u32, address: u64) -> Option<(Rc<ProgramFile>, u64)> {
        let _ = (pid, address);
        None
    }

    /// The libraries of a program that a name (`libc.so.6`, a path, a pattern) stands for; at least one.
    fn libraries(
        &self,
        program: ProgramName<'_>,
        name: &str,
    ) -> Result<Vec<Rc<ProgramFile>>, NoProgram> {
        let _ = name;
        self.program_file(program).map(|program| vec![program])
    }

    /// Whether the kernel's verifier bounds loops by itself (`may_goto`, kernel 6.9). Without, it walks
    /// every round of a loop.
    fn has_may_goto(&self) -> bool {
        false
    }

    /// Whether the kernel has a helper that calls a function again and again (`bpf_loop`, kernel 5.17).
    fn has_loop_helper(&self) -> bool {
        false
    }
}
