//! A kernel recorded in `tests/kernels/` by `examples/record_kernel.rs`: the same answers everywhere.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use ntap_compiler::btf::{Btf, ModuleTypes, module_mentions, module_tracepoints};
use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::facts::{Architecture, CpuVersion, Facts, KernelFunction, NoBtf, NoFunctions};
use ntap_compiler::pipeline::{self, Compiled, Options};
use ntap_compiler::program_file::{
    FunctionSymbol, Mark, NoProgram, ProgramFile, ProgramName, Segment,
};
use ntap_compiler::source::SourceMap;

/// A recorded kernel.
pub(crate) struct RecordedKernel {
    release: String,
    architecture: Architecture,
    cpu: CpuVersion,
    loop_helper: bool,
    function_probes: bool,
    config: HashMap<String, String>,
    btf: Result<Btf, NoBtf>,
    /// The type information of modules, by name.
    modules: Vec<(String, Vec<u8>)>,
    /// The types of the kernel and of all modules, from when one is asked for.
    all_types: OnceCell<(Btf, Vec<ModuleTypes>)>,
    /// Lines of address, name and, for those of modules, module.
    functions: String,
    /// Lines of a source file and its functions.
    files: String,
    tracepoint_systems: BTreeMap<String, String>,
}

impl RecordedKernel {
    /// Reads `tests/kernels/<name>/`.
    pub(crate) fn read(name: &str) -> RecordedKernel {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels").join(name);
        let facts = fs::read_to_string(folder.join("facts.txt")).expect("recorded facts");
        let types = fs::read(folder.join("types.btf")).expect("recorded types");
        let mut kernel = RecordedKernel {
            release: String::new(),
            architecture: Architecture::X86_64,
            cpu: CpuVersion::V3,
            loop_helper: false,
            function_probes: true,
            config: HashMap::new(),
            tracepoint_systems: BTreeMap::new(),
            btf: Ok(Btf::parse(types).expect("recorded types are BTF")),
            modules: modules(&folder.join("modules")),
            all_types: OnceCell::new(),
            functions: fs::read_to_string(folder.join("functions.txt")).unwrap_or_default(),
            files: fs::read_to_string(folder.join("files.txt")).unwrap_or_default(),
        };
        for line in facts.lines() {
            match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
                ["release", release] => kernel.release = release.to_string(),
                ["architecture", "x86_64"] => kernel.architecture = Architecture::X86_64,
                ["architecture", "arm64"] => kernel.architecture = Architecture::Aarch64,
                ["cpu", "3"] => kernel.cpu = CpuVersion::V3,
                ["cpu", "4"] => kernel.cpu = CpuVersion::V4,
                ["helper", "loop"] => kernel.loop_helper = true,
                ["config", name, value] => {
                    kernel.config.insert(name.to_string(), value.to_string());
                }
                ["tracepoint", system, name] => {
                    kernel.tracepoint_systems.insert(name.to_string(), system.to_string());
                }
                _ => panic!("{}: `{line}` is not understood", folder.display()),
            }
        }
        kernel
    }

    /// The same kernel built without type information.
    pub(crate) fn without_types(self) -> RecordedKernel {
        let reason = "/sys/kernel/btf/vmlinux does not exist".to_string();
        RecordedKernel { btf: Err(NoBtf { reason }), ..self }
    }

    /// The same kernel built without probes of functions.
    #[allow(dead_code, reason = "the test of the library uses it")]
    pub(crate) fn without_function_probes(self) -> RecordedKernel {
        RecordedKernel { function_probes: false, ..self }
    }

    /// The same kernel with the older instruction set.
    pub(crate) fn with_old_cpu(self) -> RecordedKernel {
        RecordedKernel { cpu: CpuVersion::V3, ..self }
    }
}

/// The type information of modules in a folder, if there is one.
fn modules(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(folder) else { return vec![] };
    let read = |file: std::io::Result<fs::DirEntry>| {
        let path = file.expect("a readable folder").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("recorded types of a module"))
    };
    let mut modules: Vec<_> = files.map(read).collect();
    modules.sort();
    modules
}

impl Facts for RecordedKernel {
    fn kernel_release(&self) -> String {
        self.release.clone()
    }

    fn architecture(&self) -> Architecture {
        self.architecture
    }

    fn kernel_config(&self, name: &str) -> Option<String> {
        self.config.get(name).cloned()
    }

    fn btf(&self) -> Result<&Btf, NoBtf> {
        self.btf.as_ref().map_err(NoBtf::clone)
    }

    fn module_types(&self, modules: &[&str]) -> Vec<Option<ModuleTypes>> {
        let Ok(btf) = &self.btf else { return vec![None; modules.len()] };
        if !self.modules.iter().any(|(name, _)| modules.contains(&name.as_str())) {
            return vec![None; modules.len()];
        }
        let (_, places) = self.all_types.get_or_init(|| {
            let data: Vec<Vec<u8>> = self.modules.iter().map(|(_, data)| data.clone()).collect();
            btf.with_modules(btf, &data).expect("recorded types of modules")
        });
        let place = |module: &&str| {
            let mut known = self.modules.iter().zip(places);
            known.find(|((name, _), _)| name == module).map(|(_, place)| *place)
        };
        modules.iter().map(place).collect()
    }

    fn module_tracepoints(&self) -> Vec<(String, String)> {
        let each = |(module, data): &(String, Vec<u8>)| {
            let names = module_tracepoints(data).into_iter();
            names.map(|name| (module.clone(), name)).collect::<Vec<_>>()
        };
        self.modules.iter().flat_map(each).collect()
    }

    fn modules_mentioning(&self, name: &str) -> Vec<String> {
        let has = |(_, data): &&(String, Vec<u8>)| module_mentions(data, name);
        self.modules.iter().filter(has).map(|(module, _)| module.clone()).collect()
    }

    fn all_types(&self) -> Result<&Btf, NoBtf> {
        self.all_types.get().map_or_else(|| self.btf(), |(types, _)| Ok(types))
    }

    fn tracepoint_systems(&self) -> &BTreeMap<String, String> {
        &self.tracepoint_systems
    }

    fn symbol_address(&self, _name: &str) -> Option<u64> {
        None
    }

    fn each_function(&self, visit: &mut dyn FnMut(KernelFunction<'_>)) -> Result<(), NoFunctions> {
        for line in self.functions.lines() {
            let mut words = line.split(' ');
            let address = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            let (Some(address), Some(name)) = (address, words.next()) else {
                panic!("`{line}` is not a function");
            };
            visit(KernelFunction { name, address, module: words.next() });
        }
        Ok(())
    }

    fn has_function_probes(&self) -> bool {
        self.function_probes
    }

    fn functions_of_file(&self, pattern: &str) -> Option<Vec<u64>> {
        let mut lines = self.files.lines().filter_map(|line| line.split_once(' '));
        let (_, names) = lines.find(|(file, _)| *file == pattern)?;
        let mut addresses = vec![];
        let listed = self.each_function(&mut |function| {
            if names.split(' ').any(|name| name == function.name) {
                addresses.push(function.address);
            }
        });
        listed.ok().map(|()| addresses)
    }

    fn files_of_functions(&self, addresses: &[u64]) -> Vec<Option<String>> {
        let lines = self.files.lines().filter_map(|line| line.split_once(' '));
        let mut of_address = HashMap::new();
        for (file, _) in lines {
            let functions = self.functions_of_file(file).unwrap_or_default();
            of_address.extend(functions.into_iter().map(|address| (address, file.to_string())));
        }
        addresses.iter().map(|address| of_address.get(address).cloned()).collect()
    }

    fn cpu_version(&self) -> CpuVersion {
        self.cpu
    }

    fn has_loop_helper(&self) -> bool {
        self.loop_helper
    }

    /// The only program is `/bin/program`.
    fn program_file(&self, name: ProgramName<'_>) -> Result<Rc<ProgramFile>, NoProgram> {
        let ProgramName::File(path @ "/bin/program") = name else {
            return Err(NoProgram { reason: "there is no such program".to_string(), help: None });
        };
        let function = |name: &str, address| FunctionSymbol {
            name: name.to_string(),
            address,
            offset: address,
            size: 16,
            exported: true,
        };
        Ok(Rc::new(ProgramFile {
            path: path.to_string(),
            inode: 1,
            functions: vec![function("main", 0x1000), function("read_line", 0x1010)],
            marks: vec![Mark {
                provider: "database".to_string(),
                name: "query__start".to_string(),
                address: 0x1004,
                offset: 0x1004,
                semaphore: 0,
                arguments: "-4@%edi 8@-8(%rbp)".to_string(),
            }],
            plt: vec![],
            code: vec![Segment { address: 0, offset: 0, size: 1 << 20 }],
            variables: vec![],
            stripped: true,
        }))
    }
}

impl RecordedKernel {
    /// Compiles a script for it; else the messages.
    #[allow(dead_code, reason = "the suites look at each stage")]
    pub(crate) fn compile(
        &self,
        name: &str,
        text: &str,
        arguments: &[String],
    ) -> Result<Compiled, String> {
        let options = Options::new(arguments, self);
        let mut sources = SourceMap::default();
        sources.add(name, text);
        let mut diagnostics = Diagnostics::default();
        pipeline::parse(&mut sources, &options, &mut diagnostics)
            .and_then(|parsed| parsed.analyze(&options, &mut diagnostics))
            .and_then(|analyzed| analyzed.compile(&sources, &options, &mut diagnostics))
            .ok_or_else(|| render(&diagnostics, &sources, RenderOptions::default()))
    }
}
