//! Records what the compiler asks about the running kernel, for the tests of `tests/kernels/`.
//!
//! ```text
//! cargo run --example record_kernel -- tests/kernels/6.18 kfree_skb sys_enter ... function:vfs_read ... \
//!     type:mount type:nfsd:svc_rqst ...
//! ```
//!
//! Writes `types.btf`, the kernel's BTF reduced to what scripts on these tracepoints and functions can
//! reach and to these structures, `modules/NAME.btf`, the same of each module that has one of them,
//! `functions.txt`, the functions with their addresses and modules, and `facts.txt`. Structures behind more than
//! [`types::POINTERS_FOLLOWED`] pointers are declared, not defined; the functions that pointers in structures lead
//! to are left out.

mod types;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use ntap_compiler::btf::Kind;
use ntap_compiler::facts::{CpuVersion, Facts};
use ntap_runtime::kernel::LiveKernel;
use types::{Strings, Types};

/// What stands before the name of a function.
const FUNCTION: &str = "function:";
/// What stands before the name of a structure that `@cast` names, or that of a module, `:` and the name.
const TYPE: &str = "type:";
/// Configuration options tests ask for.
const OPTIONS: &[&str] = &["CONFIG_NET", "CONFIG_HZ", "CONFIG_BPF", "CONFIG_SMP", "CONFIG_MODULES"];
/// Where the kernel offers its types and those of each module.
const KERNEL_TYPES: &str = "/sys/kernel/btf";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let usage =
        "usage: record_kernel FOLDER TRACEPOINT... function:FUNCTION... type:[MODULE:]STRUCTURE...";
    let folder = words.next().ok_or(usage)?;
    let folder = Path::new(&folder);
    let wanted = Wanted::new(words);
    let kernel = LiveKernel::new();
    fs::create_dir_all(folder)?;
    write_types(&wanted, folder)?;
    let mut listed = String::new();
    let listing = kernel.each_function(&mut |function| {
        if wanted.functions.contains(function.name) {
            let module = function.module.map_or(String::new(), |module| format!(" {module}"));
            listed.push_str(&format!("{:x} {}{module}\n", function.address, function.name));
        }
    });
    listing.map_err(|missing| missing.reason)?;
    fs::write(folder.join("functions.txt"), listed)?;
    fs::write(folder.join("facts.txt"), facts(&kernel, &wanted))?;
    Ok(())
}

/// What is to be recorded. One list serves several kernels: what this one has not got is what tests are to see
/// missing.
struct Wanted {
    tracepoints: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// Each with its module, if it is to be one of a module.
    structures: Vec<(Option<String>, String)>,
}

impl Wanted {
    fn new(words: impl Iterator<Item = String>) -> Wanted {
        let (mut tracepoints, mut functions) = (BTreeSet::new(), BTreeSet::new());
        let mut structures = vec![];
        for word in words {
            if let Some(name) = word.strip_prefix(FUNCTION) {
                functions.insert(name.to_string());
            } else if let Some(name) = word.strip_prefix(TYPE) {
                structures.push(match name.split_once(':') {
                    Some((module, name)) => (Some(module.to_string()), name.to_string()),
                    None => (None, name.to_string()),
                });
            } else {
                tracepoints.insert(word);
            }
        }
        Wanted { tracepoints, functions, structures }
    }

    /// What of it is among the own types of a module, or of the kernel proper.
    fn roots(&self, types: &Types<'_>, module: Option<&str>) -> Vec<u32> {
        let mut roots = vec![];
        for (of, name) in &self.structures {
            // What the kernel proper has, modules have not got again.
            if module.is_none() || of.as_deref() == module {
                let found = types.find(name, Kind::Struct);
                if found.is_none() && of.is_none() {
                    eprintln!("no structure `{name}` in the kernel");
                }
                roots.extend(found);
            }
        }
        roots.extend(types.find_each(Kind::Function, |name| {
            let function = name.strip_prefix("__traceiter_");
            self.functions.contains(name) || function.is_some_and(|n| self.tracepoints.contains(n))
        }));
        roots.extend(types.find_each(Kind::Typedef, |name| {
            name.strip_prefix("btf_trace_").is_some_and(|name| self.tracepoints.contains(name))
        }));
        roots
    }
}

/// Writes the types of the kernel proper, which are also those that modules build on, and those of the modules.
fn write_types(wanted: &Wanted, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let data = fs::read(format!("{KERNEL_TYPES}/vmlinux"))?;
    let kernel = Types::read(&data, None).ok_or("the kernel's BTF is malformed")?;
    let mut depths = kernel.depths(&wanted.roots(&kernel, None));
    let mut modules = vec![];
    for entry in fs::read_dir(KERNEL_TYPES)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "vmlinux" {
            modules.push((fs::read(format!("{KERNEL_TYPES}/{name}"))?, name));
        }
    }
    modules.sort_by(|(_, one), (_, other)| one.cmp(other));
    let mut of_modules = vec![];
    for (data, name) in &modules {
        let malformed = || format!("the BTF of {name} is malformed");
        let types = Types::read(data, Some(&kernel)).ok_or_else(malformed)?;
        let roots = wanted.roots(&types, Some(name));
        if roots.is_empty() {
            continue;
        }
        let reached = types.depths(&roots);
        // What a module reaches of the kernel's types is there as near as the nearest way to it.
        for (&id, &depth) in reached.iter().filter(|(id, _)| !types.is_own(**id)) {
            let known = depths.entry(id).or_insert(depth);
            *known = depth.min(*known);
        }
        of_modules.push((name, types, reached));
    }
    let (ids, mut strings) = (kernel.numbers(&depths, &HashMap::new()), Strings::new());
    let reduced = kernel.write(&depths, &ids, &mut strings);
    fs::write(folder.join("types.btf"), &reduced)?;
    println!("{}: {} bytes of types", folder.display(), reduced.len());
    if !of_modules.is_empty() {
        fs::create_dir_all(folder.join("modules"))?;
    }
    for (name, types, reached) in of_modules {
        // How deep the kernel's types are cut is the same for all.
        let ids = types.numbers(&reached, &ids);
        let reduced = types.write(&reached, &ids, &mut strings.behind());
        fs::write(folder.join("modules").join(format!("{name}.btf")), &reduced)?;
        println!("{name}: {} bytes of types", reduced.len());
    }
    Ok(())
}

/// The text of `facts.txt`.
fn facts(kernel: &LiveKernel, wanted: &Wanted) -> String {
    let release = kernel.kernel_release();
    let version = release.split('-').next().unwrap_or_default();
    let mut facts = format!("release {version}\n");
    facts.push_str(&format!("architecture {}\n", kernel.architecture().name()));
    facts.push_str(match kernel.cpu_version() {
        CpuVersion::V3 => "cpu 3\n",
        CpuVersion::V4 => "cpu 4\n",
    });
    // Where the verifier bounds loops by itself, the helper is not asked for.
    if kernel.has_loop_helper() && !kernel.has_may_goto() {
        facts.push_str("helper loop\n");
    }
    for option in OPTIONS {
        if let Some(value) = kernel.kernel_config(option) {
            facts.push_str(&format!("config {option} {value}\n"));
        }
    }
    let mut missing = vec![];
    for name in &wanted.tracepoints {
        match kernel.tracepoint_systems().get(name) {
            Some(system) => facts.push_str(&format!("tracepoint {system} {name}\n")),
            None => missing.push(name.as_str()),
        }
    }
    eprintln!("not in this kernel: {}", missing.join(" "));
    facts
}
