//! What a script needs of the library, parsed.

use std::collections::{HashMap, HashSet};

use super::{Library, PieceId};
use crate::builtins;
use crate::diagnostic::Diagnostics;
use crate::families;
use crate::printers::printer_of;
use crate::source::{FileId, SourceMap};
use crate::syntax::mentions::{Mention, each_mention, has_next};
use crate::syntax::{self, ParseOptions, ast};

/// Adds to `scripts`, the user's files, one for each piece of the library that they, or what they
/// need of the library, name.
pub(crate) fn gather(
    scripts: &mut Vec<ast::Script>,
    sources: &mut SourceMap,
    options: &ParseOptions<'_>,
    diagnostics: &mut Diagnostics,
) {
    let mut gatherer = Gatherer {
        library: options.library,
        functions: HashSet::new(),
        variables: HashSet::new(),
        files: HashMap::new(),
        taken: HashSet::new(),
        wanted: vec![],
        suffixes: vec![],
    };
    let parse_options = ParseOptions { arguments: &[], ..*options };
    gatherer.declare(scripts);
    for script in &*scripts {
        gatherer.mentions(script, None);
    }
    while let Some(piece) = gatherer.wanted.pop() {
        let (file, range) = gatherer.library.piece(piece);
        let id = *gatherer.files.entry(file).or_insert_with(|| {
            let file = &gatherer.library.files()[file];
            sources.add(file.name.to_string(), file.text.to_string())
        });
        let script = syntax::parse_part(id, range, sources, &parse_options, diagnostics);
        gatherer.mentions(&script, Some(file));
        gatherer.extended(&script);
        scripts.push(script);
    }
}

struct Gatherer<'l> {
    library: &'l Library,
    /// The functions the user declares, and whether the library's of this name are left out: nothing
    /// goes on to them.
    functions: HashSet<String>,
    /// The globals the user declares.
    variables: HashSet<String>,
    /// The library's files of which something is used.
    files: HashMap<usize, FileId>,
    taken: HashSet<PieceId>,
    wanted: Vec<PieceId>,
    /// What follows aliases where they are named.
    suffixes: Vec<Vec<ast::Component>>,
}

impl Gatherer<'_> {
    fn declare(&mut self, scripts: &[ast::Script]) {
        let mut open = vec![];
        for item in scripts.iter().flat_map(|s| &s.items) {
            match item {
                ast::Item::Global(global) => {
                    self.variables.insert(global.name.text.clone());
                }
                ast::Item::Function(function) => {
                    self.functions.insert(function.name.text.clone());
                    if has_next(&function.body) {
                        open.push(&function.name.text);
                    }
                }
                ast::Item::Probe(_) | ast::Item::Alias(_) => {}
            }
        }
        for name in open {
            self.functions.remove(name);
        }
    }

    /// Wants what a script names; `file` is that of the library which it is from.
    fn mentions(&mut self, script: &ast::Script, file: Option<usize>) {
        for item in &script.items {
            each_mention(item, &mut |mention| match mention {
                Mention::Function(name) => self.function(&name.text, file),
                Mention::Variable(name) => self.variable(name, file),
                Mention::Changed(_) => {}
                Mention::Point(point) => self.point(point),
            });
        }
    }

    fn function(&mut self, name: &str, file: Option<usize>) {
        if let Some(file) = file {
            self.want(file, true, name);
        }
        let is_known = self.functions.contains(name)
            || printer_of(name).is_some()
            || self.library.is_plain() && builtins::find(name).is_some();
        if !is_known {
            self.take(self.library.functions(name));
        }
    }

    fn variable(&mut self, name: &str, file: Option<usize>) {
        if let Some(file) = file {
            self.want(file, false, name);
        }
        // The program's own globals are for its own files, and for macros; those that count for scripts begin with a
        // capital letter, as `InSegs`.
        let may_be_global = file.is_some()
            || name.starts_with("__")
            || name.starts_with(|first: char| first.is_ascii_uppercase())
            || !self.library.is_plain();
        if may_be_global && !self.variables.contains(name) {
            let pieces = self.library.globals(name);
            self.take(pieces);
            for piece in pieces {
                self.probes_of(self.library.piece(*piece).0);
            }
        }
    }

    /// What is private in a file of the library.
    fn want(&mut self, file: usize, is_function: bool, name: &str) {
        let pieces = self.library.privates(file, name);
        self.take(pieces);
        if !is_function && !pieces.is_empty() {
            self.probes_of(file);
        }
    }

    /// The probes of a file, which set its globals.
    fn probes_of(&mut self, file: usize) {
        let probes: Vec<PieceId> = self.library.probes(file).collect();
        self.take(&probes);
    }

    fn point(&mut self, point: &ast::ProbePoint) {
        for length in self.aliases(point) {
            // An alias may stand for the begin of others: `tp_syscall` of `tp_syscall.read`.
            let suffix = &point.components[length.min(point.components.len())..];
            if !suffix.is_empty() && !self.suffixes.iter().any(|known| known == suffix) {
                self.suffixes.push(suffix.to_vec());
            }
        }
    }

    /// Wants the aliases a point may begin with. Gives how many components each has.
    fn aliases(&mut self, point: &ast::ProbePoint) -> Vec<usize> {
        if families::is_known(point) {
            return vec![];
        }
        let (lengths, pieces): (Vec<usize>, Vec<PieceId>) =
            self.library.aliases(point).into_iter().unzip();
        self.take(&pieces);
        lengths
    }

    /// Wants what aliases that stand for the begin of others lead to.
    fn extended(&mut self, script: &ast::Script) {
        for item in &script.items {
            let ast::Item::Alias(alias) = item else { continue };
            // A point that is whole begins no other.
            let begins = alias.points.iter().filter(|target| !families::is_known(target));
            for target in begins {
                for suffix in self.suffixes.clone() {
                    let mut point = target.clone();
                    point.components.extend(suffix);
                    self.aliases(&point);
                }
            }
        }
    }

    fn take(&mut self, pieces: &[PieceId]) {
        for &piece in pieces {
            if self.taken.insert(piece) {
                self.wanted.push(piece);
            }
        }
    }
}
