//! `@cast`, and the types its text can name.

use super::context::{Reached, Space, Ty, What};
use super::{Resolver, Scope};
use crate::btf::{Btf, Kind, TypeId};
use crate::c_integer::c_integer;
use crate::diagnostic::codes;
use crate::hir::Attach;
use crate::program_file::ProgramName;
use crate::source::Span;
use crate::syntax::ast::{Expression, Literal, LiteralValue};

impl Resolver<'_> {
    /// `@cast(value, "type", "modules")`: a value as a pointer to a structure. The modules say whose memory
    /// it points into: that of the process where all of them are headers (`<linux/in.h>`) or files.
    pub(super) fn cast(
        &mut self,
        scope: &mut Scope<'_>,
        value: &Expression,
        type_name: &Literal,
        module: Option<&Literal>,
        span: Span,
    ) -> Option<Reached> {
        let expr = self.expression(scope, value)?;
        let modules = match module {
            Some(Literal { value: LiteralValue::String(modules), .. }) => modules.as_str(),
            _ => "kernel",
        };
        let into =
            if modules.split(':').all(is_of_programs) { Space::Process } else { Space::Kernel };
        let LiteralValue::String(name) = &type_name.value else { return None };
        let facts = self.facts;
        let btf = match facts.all_types() {
            Ok(btf) => btf,
            Err(missing) => {
                self.diagnostics.error(
                    codes::NO_BTF,
                    type_name.span,
                    format!("no kernel types: {missing}"),
                );
                return None;
            }
        };
        // Probes of programs mean their types first.
        let in_process = scope.point.is_some_and(|point| point.attach.in_process());
        let of_program = in_process.then(|| self.program_type(btf, name)).flatten();
        let of_program = of_program.or_else(|| self.type_of_file(scope, name, module));
        let of_modules = match module {
            Some(Literal { value: LiteralValue::String(modules), .. }) => Some(modules.as_str()),
            _ => None,
        };
        let found = of_program.or_else(|| self.type_of_kernel(name, of_modules));
        if found.is_none() {
            let plain = name.trim_start_matches("struct ").trim();
            let names: Vec<&str> = btf.names(Kind::Struct).collect();
            let diagnostic = self
                .diagnostics
                .error(codes::UNKNOWN_TYPE, type_name.span, format!("unknown type `{name}`"))
                .label("not a type of this kernel")
                .suggest(plain, names);
            if !modules.split(':').any(is_kernel) {
                diagnostic.note(
                    "types of headers and programs that the kernel itself does not have would take a C \
                     compiler or debug information, those of modules need the module to be loaded",
                );
            }
        }
        let found = found?;
        // Without modules these are types of the program, and so are numbers.
        let is_of_process = in_process
            && module.is_none()
            && (of_program.is_some() || btf.kind(btf.strip(found)) == Some(Kind::Integer));
        let into = if is_of_process { Space::Process } else { into };
        let what = What::Value { expr, into };
        Some(Reached { what, ty: Ty::PointerTo(found), span })
    }

    /// The type of the first of the files that the modules name; without modules, of the program that is probed.
    fn type_of_file(
        &self,
        scope: &Scope<'_>,
        name: &str,
        module: Option<&Literal>,
    ) -> Option<TypeId> {
        let (kinds, plain) = kinds_of(name);
        let Some(Literal { value: LiteralValue::String(modules), .. }) = module else {
            let Attach::Instruction(instruction) = &scope.point?.attach else { return None };
            return self.facts.program_type(&instruction.path, kinds, plain);
        };
        modules.split(':').filter(|module| is_file(module)).find_map(|module| {
            let file = self.facts.program_file(ProgramName::File(module)).ok()?;
            self.facts.program_type(&file.path, kinds, plain)
        })
    }

    /// The type of a program of this name.
    fn program_type(&self, btf: &Btf, name: &str) -> Option<TypeId> {
        let (kinds, plain) = kinds_of(name);
        let is_it = |&id: &TypeId| self.facts.is_program_type(id.0) && btf.name(id) == plain;
        kinds.iter().find_map(|&kind| btf.ids(kind).find(is_it))
    }
}

/// Whether a module of `@cast` is a header of programs, `<header.h>`, or a file.
fn is_of_programs(module: &str) -> bool {
    module.starts_with('<') || is_file(module)
}

/// Whether a module of `@cast` is the path of a program or library.
fn is_file(module: &str) -> bool {
    module.contains('/') && !module.contains('<')
}

/// Whether a part of `@cast`'s third argument means the kernel: `kernel`, or a header of it.
pub(super) fn is_kernel(module: &str) -> bool {
    module == "kernel" || module.starts_with("kernel<")
}

/// The type of a name as `@cast` takes it: `struct sk_buff`, `sk_buff`, `u32`, with or without a star.
pub(super) fn named_type(btf: &Btf, name: &str) -> Option<TypeId> {
    let (kinds, plain) = kinds_of(name);
    kinds.iter().find_map(|&kind| btf.find(plain, kind))
}

/// Which kinds of types a name can stand for, and the name alone.
pub(super) fn kinds_of(name: &str) -> (&'static [Kind], &str) {
    let name = name.trim().trim_end_matches('*').trim_end();
    let (kinds, plain): (&[Kind], &str) = if let Some(plain) = name.strip_prefix("struct ") {
        (&[Kind::Struct], plain)
    } else if let Some(plain) = name.strip_prefix("union ") {
        (&[Kind::Union], plain)
    } else if let Some(plain) = name.strip_prefix("enum ") {
        (&[Kind::Enum, Kind::Enum64], plain)
    } else if let Some((integer, _)) = c_integer(name) {
        (&[Kind::Integer], integer)
    } else {
        (&[Kind::Struct, Kind::Typedef, Kind::Union, Kind::Integer, Kind::Enum, Kind::Enum64], name)
    };
    (kinds, plain.trim())
}
