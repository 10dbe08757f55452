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
        suffixes: HashMap::new(),
        targets: HashMap::new(),
    };
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
        let script = syntax::parse_part(id, range, sources, options, diagnostics);
        gatherer.mentions(&script, Some(file));
        gatherer.extend(piece, &script);
        scripts.push(script);
    }
}

/// The most components that are looked at behind an alias: no probe point has more.
const LONGEST_SUFFIX: usize = 8;

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
    /// What follows an alias where it is named.
    suffixes: HashMap<PieceId, Vec<Vec<ast::Component>>>,
    /// What the aliases of the pieces there are stand for.
    targets: HashMap<PieceId, Vec<ast::ProbePoint>>,
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
        if !self.variables.contains(name) {
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
        if !families::is_known(point) {
            let aliases = self.library.aliases(point);
            for (components, piece) in aliases {
                self.take(&[piece]);
                // An alias may stand for the begin of others: `tp_syscall` of `tp_syscall.read`.
                let suffix = point.components.get(components..).unwrap_or_default();
                let known = self.suffixes.entry(piece).or_default();
                let is_new = !known.iter().any(|other| same_names(other, suffix));
                if !(1..=LONGEST_SUFFIX).contains(&suffix.len()) || !is_new {
                    continue;
                }
                known.push(suffix.to_vec());
                for target in self.targets.get(&piece).cloned().unwrap_or_default() {
                    self.point(&extended(target, suffix));
                }
            }
        }
    }

    /// Wants what the aliases of a piece lead to where more follows them.
    fn extend(&mut self, piece: PieceId, script: &ast::Script) {
        let mut targets = vec![];
        for item in &script.items {
            if let ast::Item::Alias(alias) = item {
                targets.extend(alias.points.iter().cloned());
            }
        }
        self.targets.insert(piece, targets.clone());
        for suffix in self.suffixes.get(&piece).cloned().unwrap_or_default() {
            for target in &targets {
                self.point(&extended(target.clone(), &suffix));
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

/// A probe point with more components.
fn extended(mut point: ast::ProbePoint, suffix: &[ast::Component]) -> ast::ProbePoint {
    point.components.extend(suffix.iter().cloned());
    point
}

/// Whether components have the same names, and so stand for the same aliases.
fn same_names(left: &[ast::Component], right: &[ast::Component]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.name.text == b.name.text)
}
