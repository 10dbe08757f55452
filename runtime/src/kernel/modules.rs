//! Type information of the modules that are loaded.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ntap_compiler::btf::{Btf, ModuleTypes, TypeId, module_mentions, module_tracepoints};
use ntap_compiler::facts::NoBtf;

/// Where the kernel offers its type information and that of each module (5.11), under its name.
const FOLDER: &str = "/sys/kernel/btf";
/// The kernel's own.
const KERNEL: &str = "vmlinux";

/// What has been asked about modules.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// The types that are among the known ones.
    known: RefCell<HashMap<String, Option<ModuleTypes>>>,
    /// The type information of all modules, by name.
    all: OnceCell<Vec<(String, Vec<u8>)>>,
}

impl Modules {
    /// Whether a type is one of a module.
    pub(super) fn contain(&self, id: TypeId) -> bool {
        self.known.borrow().values().flatten().any(|types| types.contains(id))
    }

    /// The places of the types of some modules. Those that are not known yet are given to `add` behind all types
    /// known so far.
    pub(super) fn types<'a>(
        &self,
        modules: &[&str],
        kernel: Result<&Btf, NoBtf>,
        so_far: impl FnOnce() -> Option<&'a Btf>,
        add: impl FnOnce(Btf),
    ) -> Vec<Option<ModuleTypes>> {
        let mut known = self.known.borrow_mut();
        let mut new = vec![];
        for &module in modules {
            if !known.contains_key(module) {
                known.insert(module.to_string(), None);
                new.extend(read(module).map(|data| (module, data)));
            }
        }
        let (names, data): (Vec<&str>, Vec<Vec<u8>>) = new.into_iter().unzip();
        if !names.is_empty()
            && let (Ok(kernel), Some(so_far)) = (kernel, so_far())
            && let Ok((types, places)) = so_far.with_modules(kernel, &data)
        {
            add(types);
            known.extend(names.into_iter().map(str::to_string).zip(places.into_iter().map(Some)));
        }
        modules.iter().map(|&module| known.get(module).copied().flatten()).collect()
    }

    /// Module and name of each tracepoint.
    pub(super) fn tracepoints(&self) -> Vec<(String, String)> {
        let modules = self.all().iter();
        let each = |(module, data): &(String, Vec<u8>)| {
            let names = module_tracepoints(data).into_iter();
            names.map(|name| (module.clone(), name)).collect::<Vec<_>>()
        };
        modules.flat_map(each).collect()
    }

    /// The modules that have a name the kernel's types have not got.
    pub(super) fn mentioning(&self, name: &str) -> Vec<String> {
        let has = |(_, data): &&(String, Vec<u8>)| module_mentions(data, name);
        self.all().iter().filter(has).map(|(module, _)| module.clone()).collect()
    }

    fn all(&self) -> &[(String, Vec<u8>)] {
        self.all.get_or_init(|| {
            let Ok(entries) = fs::read_dir(FOLDER) else { return vec![] };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let mut names: Vec<String> = names.filter(|name| name != KERNEL).collect();
            names.sort_unstable();
            names.into_iter().filter_map(|name| read(&name).map(|data| (name, data))).collect()
        })
    }
}

fn read(module: &str) -> Option<Vec<u8>> {
    // A name from a script must not lead elsewhere. Types from a file the user names are another kernel's for all
    // that is known.
    if module.contains('/') || module == KERNEL || std::env::var_os(super::BTF_VARIABLE).is_some() {
        return None;
    }
    fs::read(Path::new(FOLDER).join(module)).ok()
}
