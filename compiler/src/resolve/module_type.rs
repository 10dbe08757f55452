//! Types that only modules have.
//!
//! They are made known when something asks for them: `@cast` by naming a module, or a structure that the kernel
//! only declares and a loaded module defines.

use super::Resolver;
use super::cast::named_type;
use crate::btf::{Btf, Kind, TypeId};

impl Resolver<'_> {
    /// The type of a name in `modules`, the third argument of `@cast` (`kernel`, or names of modules between
    /// colons), else in the kernel, else in the modules of which types are known. Where the kernel is not what is
    /// asked about by its name, in any module that is loaded.
    pub(super) fn type_of_kernel(&self, name: &str, modules: Option<&str>) -> Option<TypeId> {
        let named: Vec<&str> = modules.unwrap_or_default().split(':').collect();
        let places = self.facts.module_types(&named);
        let btf = self.facts.all_types().ok()?;
        let of_named = places.iter().flatten().find_map(|place| {
            let (kinds, plain) = super::cast::kinds_of(name);
            let is_it = |&id: &TypeId| place.contains(id) && btf.name(id) == plain;
            kinds.iter().find_map(|&kind| btf.ids(kind).find(is_it))
        });
        let asks_kernel = named.iter().copied().any(super::cast::is_kernel);
        of_named.or_else(|| named_type(btf, name)).or_else(|| {
            if asks_kernel {
                return None;
            }
            let (_, plain) = super::cast::kinds_of(name);
            self.learn_modules(plain).then(|| named_type(self.facts.all_types().ok()?, name))?
        })
    }

    /// The definition of a structure that is only declared, if a module has one.
    pub(super) fn definition(&self, btf: &Btf, declared: TypeId) -> Option<TypeId> {
        let name = btf.name(declared);
        let find = || {
            let btf = self.facts.all_types().ok()?;
            [Kind::Struct, Kind::Union].into_iter().find_map(|kind| btf.find(name, kind))
        };
        find().or_else(|| self.learn_modules(name).then(find)?)
    }

    /// Makes the types of the modules known that have this name; whether there are any.
    fn learn_modules(&self, name: &str) -> bool {
        let modules = self.facts.modules_mentioning(name);
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        self.facts.module_types(&modules).iter().any(Option::is_some)
    }
}
