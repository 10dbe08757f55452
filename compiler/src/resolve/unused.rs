//! Functions of the user's that nothing calls: they become no part of the script, but the names in them have
//! to mean something.

use std::collections::HashMap;

use super::{Pointees, Resolver};
use crate::diagnostic::{Code, Diagnostics, Severity, codes};
use crate::facts::Facts;
use crate::hir::FunctionId;
use crate::library::Library;
use crate::source::Span;
use crate::syntax::ast;

/// What is wrong with a function whoever calls it. What depends on its callers, on the kernel, or on what
/// this version supports is not looked at before somebody calls it.
const ALWAYS_WRONG: &[Code] = &[
    codes::UNKNOWN_FUNCTION,
    codes::ARITY,
    codes::UNKNOWN_NAME,
    codes::UNKNOWN_CONTEXT,
    codes::WRONG_PLACE,
    codes::FORMAT,
];

/// Reports what is wrong with functions of the user's that are not among the ones called.
pub(super) fn check<'a>(
    scripts: &'a [ast::Script],
    user_files: usize,
    library: &'a Library,
    facts: &'a dyn Facts,
    called: &HashMap<Span, FunctionId>,
    diagnostics: &mut Diagnostics,
) {
    let users = scripts.iter().take(user_files).flat_map(|script| &script.items);
    let functions = users.filter_map(|item| match item {
        ast::Item::Function(function) => Some(function),
        ast::Item::Global(_) | ast::Item::Probe(_) | ast::Item::Alias(_) => None,
    });
    let unused: Vec<&ast::FunctionDeclaration> =
        functions.filter(|function| !called.contains_key(&function.name.span)).collect();
    if unused.is_empty() {
        return;
    }
    let mut found = Diagnostics::default();
    let pointees = Pointees::default();
    let mut resolver = Resolver::new(facts, library, user_files, &mut found, pointees);
    resolver.declare(scripts);
    for function in unused {
        resolver.resolve_unused(function);
    }
    let wrong = found.iter().filter(|diagnostic| {
        diagnostic.severity == Severity::Error && ALWAYS_WRONG.contains(&diagnostic.code)
    });
    for diagnostic in wrong {
        diagnostics.push(diagnostic.clone());
    }
}
