//! The live kernel, as the compiler and the runtime ask about it.
//!
//! Every fact is found on first use and kept: making a [`LiveKernel`] touches nothing, and a script
//! that needs no kernel makes no system call here.

mod config;
mod cpus;
mod debug_file;
mod function_files;
mod isa;
pub mod kallsyms;
mod memory;
mod modules;
mod source;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;

use ntap_compiler::btf::{Btf, Kind, ModuleTypes, TypeId};
use ntap_compiler::facts::{Architecture, CpuVersion, Facts, KernelFunction, NoBtf, NoFunctions};
use ntap_compiler::kernel_source::KernelSource;
use ntap_compiler::program_file::{
    FunctionVariables, Label, NoProgram, Place, ProgramFile, ProgramName, ProgramVariable,
};

use crate::program_file::{self, KernelDebugInfo, Programs};
use crate::sys::{self, Mapping};
pub use cpus::parse_cpu_list;
pub(crate) use cpus::possible as possible_cpus;
pub(crate) use isa::has_uprobe_multi;
pub use kallsyms::{Kallsyms, Symbol};

/// Where the kernel offers its type information.
const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Environment variable that names another file with the kernel's type information: for kernels that
/// do not offer it themselves.
const BTF_VARIABLE: &str = "NTAP_BTF";

/// Environment variable that names what the kernel is taken not to have, for tests of what is done on older
/// ones: `may_goto`, `bpf_loop`, `cpu4`, `uprobe_multi`, `kprobe_multi`,
/// `function_probes`.
const WITHOUT_VARIABLE: &str = "NTAP_WITHOUT";

/// Whether the kernel is taken not to have something.
pub(crate) fn is_without(feature: &str) -> bool {
    let without = std::env::var(WITHOUT_VARIABLE).unwrap_or_default();
    without.split([' ', ',']).any(|word| word == feature)
}

/// The kernel this process runs on.
#[derive(Debug, Default)]
pub struct LiveKernel {
    release: OnceLock<String>,
    config: OnceLock<Option<Vec<u8>>>,
    btf: OnceLock<Result<Btf, NoBtf>>,
    more_types: OnceLock<Box<MoreTypes>>,
    modules: modules::Modules,
    cpu_version: OnceLock<CpuVersion>,
    function_probes: OnceLock<bool>,
    kallsyms: OnceLock<Kallsyms>,
    traceable: OnceLock<Traceable>,
    exported: OnceLock<HashSet<String>>,
    program_variables: RefCell<HashMap<VariableKey, Option<ProgramVariable>>>,
    program_types: RefCell<HashMap<TypeKey, Option<TypeId>>>,
    possible_cpus: OnceLock<usize>,
    reader: OnceLock<Option<memory::Reader>>,
    programs: Programs,
    debug_info: OnceCell<Option<KernelDebugInfo>>,
    /// The types that it named, among all that are known.
    debug_info_types: RefCell<Vec<std::ops::Range<u32>>>,
    kernel_variables: RefCell<HashMap<source::VariableKey, Option<ProgramVariable>>>,
    tracepoint_systems: OnceLock<BTreeMap<String, String>>,
}

/// Path, place, name and source file of a variable that was asked about.
type VariableKey = (String, u64, String, Option<String>);

/// Path, kinds and name of a type that was asked about.
type TypeKey = (String, Vec<Kind>, String);

/// The types known so far with those of a program, and what came after them.
#[derive(Debug)]
struct MoreTypes {
    types: Btf,
    next: OnceLock<Box<MoreTypes>>,
}

impl LiveKernel {
    /// Asks nothing yet.
    pub fn new() -> LiveKernel {
        LiveKernel::default()
    }

    /// The kernel's symbols. The first call reads all of /proc/kallsyms.
    pub fn kallsyms(&self) -> &Kallsyms {
        self.kallsyms.get_or_init(Kallsyms::read)
    }

    /// The programs of this machine.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// How many CPUs there can ever be: how many values an element of a per-CPU map has.
    pub fn possible_cpus(&self) -> usize {
        *self.possible_cpus.get_or_init(cpus::possible)
    }

    /// The CPUs that are running now.
    pub fn online_cpus(&self) -> Vec<u32> {
        cpus::online()
    }

    /// The bytes at an address of the kernel's, at most 512; `None` when they cannot be read. The first
    /// call loads a program.
    pub fn memory(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.reader()?.bytes(address, length)
    }

    /// The string at an address of the kernel's, cut to so many bytes with its terminator, at most 512.
    pub fn text(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        self.reader()?.text(address, most)
    }

    /// The address of the structure of this thread.
    pub fn current_task(&self) -> Option<u64> {
        self.reader()?.current_task()
    }

    /// The source file and line of the kernel's code at an address, where its debug information is installed.
    pub fn source_line(&self, address: u64) -> Option<(String, u64)> {
        self.debug_info()?.line_at(address)
    }

    fn debug_info(&self) -> Option<&KernelDebugInfo> {
        let find = || debug_file::open(&self.kernel_release(), self.kallsyms());
        self.debug_info.get_or_init(find).as_ref()
    }

    fn reader(&self) -> Option<&memory::Reader> {
        self.reader.get_or_init(|| memory::Reader::new().ok()).as_ref()
    }

    /// Makes types known behind those that are.
    fn add_types(&self, types: Btf) -> Option<()> {
        let more = MoreTypes { types, next: OnceLock::new() };
        let mut place = &self.more_types;
        while let Some(more) = place.get() {
            place = &more.next;
        }
        place.set(Box::new(more)).ok()
    }

    fn read_btf() -> Result<Btf, NoBtf> {
        let no_btf = |reason: String| NoBtf { reason };
        let named = std::env::var_os(BTF_VARIABLE).map(PathBuf::from);
        let path = named.as_deref().unwrap_or(Path::new(BTF_PATH));
        let shown = path.display();
        let file = File::open(path).map_err(|e| match (e.kind(), &named) {
            (std::io::ErrorKind::NotFound, None) => no_btf(format!(
                "{shown} does not exist (the kernel is built without CONFIG_DEBUG_INFO_BTF)"
            )),
            _ => no_btf(format!("{shown}: {}", sys::error_text(&e))),
        })?;
        let len = file.metadata().map_or(0, |metadata| metadata.len() as usize);
        // The file can be mapped since 6.16; before, a copy of it must do.
        let parsed = match Mapping::read_only(file.as_fd(), len) {
            Ok(mapping) => Btf::parse(MappedFile(mapping)),
            Err(_) => {
                let bytes = std::fs::read(path)
                    .map_err(|e| no_btf(format!("{shown}: {}", sys::error_text(&e))))?;
                Btf::parse(bytes)
            }
        };
        parsed.map_err(|error| no_btf(format!("{shown}: {error}")))
    }
}

impl Facts for LiveKernel {
    fn kernel_release(&self) -> String {
        self.release.get_or_init(sys::kernel_release).clone()
    }

    fn architecture(&self) -> Architecture {
        // Native code of a script's user half is made for this machine, so it is what we were built for.
        if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 }
    }

    fn kernel_config(&self, name: &str) -> Option<String> {
        let text = self.config.get_or_init(|| config::read(&self.kernel_release())).as_deref()?;
        config::option(text, name)
    }

    fn btf(&self) -> Result<&Btf, NoBtf> {
        self.btf.get_or_init(LiveKernel::read_btf).as_ref().map_err(NoBtf::clone)
    }

    fn all_types(&self) -> Result<&Btf, NoBtf> {
        let mut last = None;
        let mut next = self.more_types.get();
        while let Some(more) = next {
            last = Some(&more.types);
            next = more.next.get();
        }
        last.map_or_else(|| self.btf(), Ok)
    }

    fn is_program_type(&self, ty: u32) -> bool {
        let of_kernel = |ty| self.debug_info_types.borrow().iter().any(|ids| ids.contains(&ty));
        ty as usize > self.btf().map_or(0, Btf::type_count)
            && !self.modules.contain(TypeId(ty))
            && !of_kernel(ty)
    }

    fn function_variables(
        &self,
        path: &str,
        places: &[Place<'_>],
    ) -> Option<Vec<Option<FunctionVariables>>> {
        let none = Btf::none();
        let base = self.all_types().unwrap_or(&none);
        let (found, types) = program_file::function_variables(Path::new(path), places, base)?;
        self.add_types(base.with_more(&types).ok()?)?;
        Some(found)
    }

    fn program_variable(
        &self,
        path: &str,
        offset: u64,
        name: &str,
        file: Option<&str>,
    ) -> Option<ProgramVariable> {
        let key = (path.to_string(), offset, name.to_string(), file.map(str::to_string));
        if let Some(known) = self.program_variables.borrow().get(&key) {
            return known.clone();
        }
        let find = || {
            let address = self.program_file(ProgramName::File(path)).ok()?.address_of(offset)?;
            let none = Btf::none();
            let base = self.all_types().unwrap_or(&none);
            let path = Path::new(path);
            let (found, types) = program_file::variable(path, address, name, file, base)?;
            self.add_types(base.with_more(&types).ok()?)?;
            Some(found)
        };
        let found = find();
        self.program_variables.borrow_mut().insert(key, found.clone());
        found
    }

    fn program_type(&self, path: &str, kinds: &[Kind], name: &str) -> Option<TypeId> {
        let key = (path.to_string(), kinds.to_vec(), name.to_string());
        if let Some(known) = self.program_types.borrow().get(&key) {
            return *known;
        }
        let find = || {
            let none = Btf::none();
            let base = self.all_types().unwrap_or(&none);
            let (found, types) = program_file::named_type(Path::new(path), kinds, name, base)?;
            self.add_types(base.with_more(&types).ok()?)?;
            Some(found)
        };
        let found = find();
        self.program_types.borrow_mut().insert(key, found);
        found
    }

    fn lines(&self, path: &str, file: &str, lines: RangeInclusive<u64>) -> Vec<(u64, u64)> {
        program_file::lines(Path::new(path), file, &lines)
    }

    fn inlined(&self, path: &str, pattern: &str) -> Vec<(String, u64)> {
        self.programs().inlined(Path::new(path), pattern)
    }

    fn functions_of_source(&self, program: &ProgramFile, pattern: &str) -> Vec<usize> {
        program_file::functions_of_source(program, pattern)
    }

    fn calls(&self, path: &str, function: u64) -> Vec<String> {
        program_file::calls(Path::new(path), function)
    }

    fn labels(&self, path: &str, function: &str) -> Vec<Label> {
        program_file::labels(Path::new(path), function)
    }

    fn module_types(&self, modules: &[&str]) -> Vec<Option<ModuleTypes>> {
        let add = |types| {
            self.add_types(types);
        };
        self.modules.types(modules, self.btf(), || self.all_types().ok(), add)
    }

    fn module_tracepoints(&self) -> Vec<(String, String)> {
        self.modules.tracepoints()
    }

    fn modules_mentioning(&self, name: &str) -> Vec<String> {
        self.modules.mentioning(name)
    }

    fn symbol_address(&self, name: &str) -> Option<u64> {
        self.kallsyms().address(name)
    }

    fn each_function(&self, visit: &mut dyn FnMut(KernelFunction<'_>)) -> Result<(), NoFunctions> {
        let kallsyms = self.kallsyms();
        if let Some(reason) = kallsyms.hidden() {
            return Err(NoFunctions { reason: reason.to_string() });
        }
        for symbol in kallsyms.functions() {
            // Programs and what the kernel writes for its own probes, as `__builtin__ftrace`, cannot be probed.
            let is_made = |module: &str| module == "bpf" || module.starts_with("__builtin__");
            if !symbol.module.is_some_and(is_made) {
                visit(KernelFunction {
                    name: symbol.name,
                    address: symbol.start,
                    module: symbol.module,
                });
            }
        }
        Ok(())
    }

    fn is_exported(&self, name: &str) -> Option<bool> {
        const PREFIX: &str = "__ksymtab_";
        let exported = self.exported.get_or_init(|| {
            let all = self.kallsyms().iter().filter_map(|symbol| symbol.name.strip_prefix(PREFIX));
            all.map(str::to_string).collect()
        });
        // A handful of them is there even where the kernel leaves out what is not code.
        (exported.len() > 100).then(|| exported.contains(name))
    }

    fn is_traceable(&self, address: u64) -> Option<bool> {
        match self.traceable.get_or_init(Traceable::read) {
            Traceable::Unknown => None,
            Traceable::Addresses(listed) => {
                let at = listed.partition_point(|&entry| entry < address);
                Some(listed.get(at).is_some_and(|&entry| entry - address <= Traceable::ENTRY))
            }
            // A function is listed under one of its names.
            Traceable::Names(listed) => {
                let mut names = self.kallsyms().names(address);
                Some(names.any(|name| listed.contains(name)))
            }
        }
    }

    fn has_function_probes(&self) -> bool {
        let events = || Path::new("/sys/bus/event_source/devices/kprobe/type").exists();
        *self.function_probes.get_or_init(|| !is_without("function_probes") && events())
    }

    fn kernel_source(&self) -> Option<&dyn KernelSource> {
        self.debug_info()?;
        Some(self)
    }

    fn functions_of_file(&self, pattern: &str) -> Option<Vec<u64>> {
        if let Some(info) = self.debug_info() {
            return info.functions_of(|path| function_files::is_meant(pattern, path));
        }
        function_files::functions_of(self.kallsyms(), pattern)
    }

    fn files_of_functions(&self, addresses: &[u64]) -> Vec<Option<String>> {
        if let Some(info) = self.debug_info() {
            return addresses.iter().map(|&at| info.file_of(at).map(str::to_string)).collect();
        }
        function_files::files_of(self.kallsyms(), addresses)
    }

    fn tracepoint_systems(&self) -> &BTreeMap<String, String> {
        self.tracepoint_systems.get_or_init(|| {
            let text = sys::read_tracefs("available_events").unwrap_or_default();
            let events = text.lines().filter_map(|line| line.split_once(':'));
            events.map(|(system, name)| (name.to_string(), system.to_string())).collect()
        })
    }

    fn tracepoint_format(&self, system: &str, name: &str) -> Option<String> {
        // The words of a script must not lead elsewhere.
        if [system, name].iter().any(|word| word.contains(['/', '.'])) {
            return None;
        }
        sys::read_tracefs(&format!("events/{system}/{name}/format")).ok()
    }

    fn cpu_version(&self) -> CpuVersion {
        let probe = || if is_without("cpu4") { CpuVersion::V3 } else { isa::probe() };
        *self.cpu_version.get_or_init(probe)
    }

    fn program_file(&self, name: ProgramName<'_>) -> Result<Rc<ProgramFile>, NoProgram> {
        self.programs.program(name)
    }

    fn target_process(&self) -> Option<u32> {
        self.programs.target_process()
    }

    fn has_process(&self, pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    fn programs_matching(&self, pattern: &str) -> Vec<Rc<ProgramFile>> {
        self.programs.matching(pattern)
    }

    fn code_of_process(&self, pid: u32, address: u64) -> Option<(Rc<ProgramFile>, u64)> {
        self.programs.code_of_process(pid, address)
    }

    fn libraries(
        &self,
        program: ProgramName<'_>,
        name: &str,
    ) -> Result<Vec<Rc<ProgramFile>>, NoProgram> {
        self.programs.libraries(program, name)
    }

    fn has_may_goto(&self) -> bool {
        !is_without("may_goto") && isa::probe_may_goto()
    }

    fn has_loop_helper(&self) -> bool {
        // A program with it needs type information to load, which the kernel's has the helper's number in.
        let listed = || self.btf().is_ok_and(|btf| btf.enumerator("BPF_FUNC_loop").is_some());
        !is_without("bpf_loop") && listed()
    }
}

/// The functions that can be traced.
#[derive(Debug)]
enum Traceable {
    /// tracefs cannot be read.
    Unknown,
    /// The places that are patched, ascending (kernel 6.5).
    Addresses(Vec<u64>),
    /// Names, which several functions may have.
    Names(HashSet<String>),
}

impl Traceable {
    /// How far behind a function's first byte the place to patch can be: behind instructions that mark targets
    /// of jumps.
    const ENTRY: u64 = 12;

    fn read() -> Traceable {
        if let Ok(text) = sys::read_tracefs("available_filter_functions_addrs") {
            // `address name`, or `address name [module]`.
            let address = |line: &str| u64::from_str_radix(line.split(' ').next()?, 16).ok();
            let mut listed: Vec<u64> = text.lines().filter_map(address).collect();
            listed.sort_unstable();
            // Zeros where addresses are hidden.
            if listed.first().is_some_and(|&first| first != 0) {
                return Traceable::Addresses(listed);
            }
        }
        let Ok(text) = sys::read_tracefs("available_filter_functions") else {
            return Traceable::Unknown;
        };
        let names = text.lines().filter_map(|line| line.split(' ').next());
        Traceable::Names(names.map(str::to_string).collect())
    }
}

/// A mapped file whose bytes do not change.
struct MappedFile(Mapping);

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is readable for its length as long as `self` lives, and the kernel's
        // type information never changes.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.0.len()) }
    }
}
