//! The `$variables` of a probe point and the members of structures, with their types.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ntap_compiler::btf::{Btf, Kind, TypeId};
use ntap_compiler::diagnostic::Diagnostics;
use ntap_compiler::facts::Facts;
use ntap_compiler::library::Library;
use ntap_compiler::{list, pipeline};
use ntap_runtime::kernel::LiveKernel;

/// A name with its type in C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) ty: String,
}

/// Knows the variables of the points it has been asked about.
pub(super) struct Members {
    kernel: Rc<LiveKernel>,
    library: &'static Library,
    variables: RefCell<HashMap<String, Rc<Vec<Typed>>>>,
}

impl Members {
    pub(super) fn new(library: &'static Library, kernel: Rc<LiveKernel>) -> Members {
        Members { kernel, library, variables: RefCell::default() }
    }

    /// What can stand for the last name of `$prev->se->lo` in a handler of a probe point.
    pub(super) fn continuations(&self, point: &str, chain: &str) -> Vec<Typed> {
        let (before, last) = chain.rsplit_once("->").unwrap_or(("", chain));
        let mut found = match before {
            "" => self.variables(point).to_vec(),
            _ => self.members(point, before).unwrap_or_default(),
        };
        found.retain(|typed| typed.name.starts_with(last));
        found
    }

    /// The variables of a probe point, `$` included.
    fn variables(&self, point: &str) -> Rc<Vec<Typed>> {
        if let Some(known) = self.variables.borrow().get(point) {
            return known.clone();
        }
        let options = pipeline::Options {
            library: self.library,
            ..pipeline::Options::new(&[], &*self.kernel)
        };
        let points = list::list(point, true, &options, &mut Diagnostics::default());
        let variables = points.into_iter().next().map(|point| point.variables).unwrap_or_default();
        let found = variables.into_iter().filter(|variable| variable.name.starts_with('$'));
        let found = Rc::new(found.map(|v| Typed { name: v.name, ty: v.ty }).collect::<Vec<_>>());
        self.variables.borrow_mut().insert(point.to_string(), found.clone());
        found
    }

    /// The members of what `$variable->member` is.
    fn members(&self, point: &str, chain: &str) -> Option<Vec<Typed>> {
        let btf = self.kernel.btf().ok()?;
        let mut names = chain.split("->");
        let base = names.next()?;
        let variables = self.variables(point);
        let base = variables.iter().find(|variable| variable.name == base)?;
        let mut at = named(btf, &base.ty)?;
        for name in names {
            at = structure(btf, btf.field(at, name)?.ty)?;
        }
        let typed = |name: &str| {
            let field = btf.field(at, name)?;
            let ty = btf.describe(btf.unqualified(field.ty)).replace(" *", "*");
            Some(Typed { name: name.to_string(), ty })
        };
        Some(btf.field_names(at).into_iter().filter_map(typed).collect())
    }
}

/// The structure that a type in C, `struct task_struct*`, points to or is.
fn named(btf: &Btf, ty: &str) -> Option<TypeId> {
    let name = ty.trim_start_matches("const ").trim_end_matches('*');
    match name.split_once(' ')? {
        ("struct", name) => btf.find(name, Kind::Struct),
        ("union", name) => btf.find(name, Kind::Union),
        _ => None,
    }
}

/// The structure that a type is, or points to.
fn structure(btf: &Btf, ty: TypeId) -> Option<TypeId> {
    let ty = btf.strip(ty);
    let ty = btf.pointee(ty).map_or(ty, |pointee| btf.strip(pointee));
    matches!(btf.kind(ty), Some(Kind::Struct | Kind::Union)).then_some(ty)
}
