//! Which global a name stands for.
//!
//! `private` ones are known in their file only. Those of the library exist when something uses them.

use std::collections::HashMap;

use super::{Resolver, Scope};
use crate::diagnostic::codes;
use crate::hir::{Constant, Global, GlobalId, Shape};
use crate::source::{FileId, Span};
use crate::syntax::ast::{GlobalDeclaration, LiteralValue};

/// The globals by file, which is `None` for public ones, and name.
#[derive(Default)]
pub(super) struct Globals<'a> {
    declared: HashMap<(Option<FileId>, &'a str), Declared<'a>>,
}

#[derive(Clone, Copy)]
enum Declared<'a> {
    Used(GlobalId),
    /// Of the library, and not used yet.
    Unused(&'a GlobalDeclaration),
}

impl<'a> Resolver<'a> {
    /// Notes a declaration.
    pub(super) fn declare_global(&mut self, declaration: &'a GlobalDeclaration) {
        let name = &declaration.name;
        let file = declaration.private.then_some(name.span.file);
        let key = (file, name.text.as_str());
        let first = match self.globals.declared.get(&key) {
            Some(Declared::Used(first)) => Some(self.script.globals[*first].span),
            Some(Declared::Unused(first)) => Some(first.name.span),
            None => None,
        };
        if let Some(first) = first {
            self.diagnostics
                .error(codes::DUPLICATE, name.span, format!("duplicate global `{}`", name.text))
                .label("declared again")
                .also(first, "first declared here");
            return;
        }
        let declared = if self.is_library(name.span) {
            Declared::Unused(declaration)
        } else {
            Declared::Used(self.make_global(declaration))
        };
        self.globals.declared.insert(key, declared);
    }

    /// The global that a name stands for at a place.
    pub(super) fn global(&mut self, scope: &Scope<'_>, name: &str, span: Span) -> Option<GlobalId> {
        // Parameters of functions hide globals; no other local has the name of one.
        if scope.locals.contains_key(name) {
            return None;
        }
        // Keys that are asked for live as long as the question.
        let declared: &HashMap<(Option<FileId>, &str), Declared<'a>> = &self.globals.declared;
        let (file, declared) = [Some(span.file), None]
            .into_iter()
            .find_map(|file| Some((file, *declared.get(&(file, name))?)))?;
        match declared {
            Declared::Used(id) => Some(id),
            Declared::Unused(declaration) => {
                let id = self.make_global(declaration);
                self.globals.declared.insert((file, &declaration.name.text), Declared::Used(id));
                Some(id)
            }
        }
    }

    /// The names that are known in a file, to suggest.
    pub(super) fn global_names(&self, span: Span) -> Vec<&'a str> {
        let known = |file: Option<FileId>| file.is_none_or(|file| file == span.file);
        let keys = self.globals.declared.keys().filter(|(file, _)| known(*file));
        let mut names: Vec<&str> = keys.map(|(_, name)| *name).collect();
        names.sort_unstable();
        names
    }

    fn make_global(&mut self, declaration: &GlobalDeclaration) -> GlobalId {
        let name = &declaration.name;
        let initial = declaration.initial.as_ref().map(|literal| match &literal.value {
            LiteralValue::Number(n) => Constant::Number(*n),
            LiteralValue::String(text) => Constant::Text(text.clone()),
        });
        let id = self.script.globals.push(Global {
            name: name.text.clone(),
            span: name.span,
            size: declaration.size.map(|(size, _)| size),
            wrap: declaration.wrap.is_some(),
            initial,
            shape: Shape::Unknown,
            variance_shift: None,
            histogram: None,
            library: self.is_library(name.span),
            pointer: false,
        });
        if declaration.initial.is_some() {
            self.use_as(id, Shape::Scalar(name.span));
        }
        id
    }
}
