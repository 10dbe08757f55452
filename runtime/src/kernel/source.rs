//! [`KernelSource`]: the kernel's debug information as the compiler asks for it, with its types behind those that are
//! known.

use std::ops::{Range, RangeInclusive};

use ntap_compiler::btf::Btf;
use ntap_compiler::facts::Facts;
use ntap_compiler::kernel_source::KernelSource;
use ntap_compiler::program_file::{FunctionVariables, Label, Place, ProgramVariable};

use super::{LiveKernel, function_files};
use crate::program_file::KernelDebugInfo;

/// Name and source file of a variable that was asked about.
pub(super) type VariableKey = (String, Option<String>);

impl LiveKernel {
    /// Asks for something that names types: the kernel's own, and those known so far, are given.
    fn with_types<T>(
        &self,
        ask: impl FnOnce(&KernelDebugInfo, &Btf, &Btf) -> Option<(T, Vec<u8>)>,
    ) -> Option<T> {
        let none = Btf::none();
        let own = self.btf().unwrap_or(&none);
        let base = self.all_types().unwrap_or(&none);
        let (found, types) = ask(self.debug_info()?, own, base)?;
        let more = Btf::parse(types.clone()).ok()?;
        if more.type_count() > 0 {
            let all = base.with_more(&types).ok()?;
            let (from, to) = (base.type_count() as u32 + 1, all.type_count() as u32 + 1);
            self.debug_info_types.borrow_mut().push(from..to);
            self.add_types(all)?;
        }
        Some(found)
    }
}

impl KernelSource for LiveKernel {
    fn lines(&self, file: &str, lines: RangeInclusive<u64>) -> Vec<(u64, u64)> {
        self.debug_info().map_or(vec![], |info| info.lines(file, &lines))
    }

    fn inlined(&self, pattern: &str, file: Option<&str>) -> Vec<(String, u64)> {
        let is_meant = |path: &str| file.is_none_or(|file| function_files::is_meant(file, path));
        self.debug_info().map_or(vec![], |info| info.inlined(pattern, file.is_some(), is_meant))
    }

    fn inlined_into(&self, function: u64) -> Vec<(String, u64)> {
        self.debug_info().map_or(vec![], |info| info.inlined_into(function))
    }

    fn labels(&self, function: &str) -> Vec<Label> {
        self.debug_info().map_or(vec![], |info| info.labels(function))
    }

    fn calls(&self, function: u64) -> Vec<String> {
        self.debug_info().map_or(vec![], |info| info.calls(function))
    }

    fn code(&self, function: u64) -> Vec<Range<u64>> {
        self.debug_info().map_or(vec![], |info| info.code(function))
    }

    fn variables(&self, places: &[Place<'_>]) -> Vec<Option<FunctionVariables>> {
        if places.is_empty() {
            return vec![];
        }
        let found = self.with_types(|info, own, base| Some(info.variables(places, own, base)));
        found.unwrap_or_else(|| vec![None; places.len()])
    }

    fn variable(&self, name: &str, file: Option<&str>) -> Option<ProgramVariable> {
        let key = (name.to_string(), file.map(str::to_string));
        if let Some(known) = self.kernel_variables.borrow().get(&key) {
            return known.clone();
        }
        let found = self.with_types(|info, own, base| info.variable(name, file, own, base));
        self.kernel_variables.borrow_mut().insert(key, found.clone());
        found
    }
}
