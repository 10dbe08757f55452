//! What a script needs of the library, parsed.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{COUNTER_FUNCTION, GLOBALS_OF_SCRIPTS, Library, PieceId, trim};
use crate::builtins;
use crate::diagnostic::Diagnostics;
use crate::families;
use crate::printers::printer_of;
use crate::source::{FileId, SourceMap};
use crate::syntax::mentions::{Mention, each_mention, has_next};
use crate::syntax::{self, ParseOptions, ast};

/// What is wanted of aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The variables that somebody mentions.
    Mentioned,
    /// All of their variables, for a list of these.
    All,
}

/// Adds to `scripts`, the user's files, one for each piece of the library that they, or what they
/// need of the library, name.
pub(crate) fn gather(
    scripts: &mut Vec<ast::Script>,
    sources: &mut SourceMap,
    options: &ParseOptions<'_>,
    of_aliases: Wanted,
    diagnostics: &mut Diagnostics,
) {
    let mut gatherer = Gatherer {
        of_aliases,
        library: options.library,
        mentioned: HashSet::new(),
        parts_wanted: VecDeque::new(),
        in_parts: VecDeque::new(),
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
    while let Some(next) = gatherer.next() {
        let (at, file, range) = gatherer.library.piece(next.piece);
        let parts = match next.in_part {
            true => trim::kept(&file.text, range, &gatherer.mentioned),
            false => vec![range],
        };
        let id = *gatherer
            .files
            .entry(at)
            .or_insert_with(|| sources.add(file.name.to_string(), file.text.to_string()));
        let script = syntax::parse_parts(id, &parts, sources, options, diagnostics);
        gatherer.mentions(&script, Some(at));
        gatherer.extend(next.piece, &script);
        let place = next.place.unwrap_or(scripts.len());
        if next.in_part {
            let known = gatherer.mentioned.len();
            gatherer.in_parts.push_back(InPart { piece: next.piece, place, known });
        }
        match scripts.get_mut(place) {
            Some(known) => *known = script,
            None => scripts.push(script),
        }
    }
}

/// A piece that is to be parsed.
struct Next {
    piece: PieceId,
    in_part: bool,
    /// Where it is among the scripts, if it was parsed before.
    place: Option<usize>,
}

/// A piece that was parsed in part.
struct InPart {
    piece: PieceId,
    place: usize,
    /// How many variables were mentioned.
    known: usize,
}

/// The most components that are looked at behind an alias: no probe point has more.
const LONGEST_SUFFIX: usize = 8;

struct Gatherer<'l> {
    library: &'l Library,
    of_aliases: Wanted,
    /// The variables that probes mention, and aliases of other aliases.
    mentioned: HashSet<String>,
    /// The aliases that can be parsed in part, when it is known which variables are mentioned.
    parts_wanted: VecDeque<PieceId>,
    /// Those that were parsed so.
    in_parts: VecDeque<InPart>,
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
            self.note_variables(item);
            each_mention(item, &mut |mention| match mention {
                Mention::Function(name) => self.function(&name.text, file),
                Mention::Variable(name) => self.variable(name, file),
                Mention::Counter => self.function(COUNTER_FUNCTION, file),
                Mention::Changed(_) => {}
                Mention::Point(point) => self.point(point),
            });
        }
    }

    /// Notes the variables of aliases that a handler can mean. An alias of a point, and a function, has its own.
    fn note_variables(&mut self, item: &ast::Item) {
        let is_of_point = |point: &ast::ProbePoint| families::is_known(point);
        match item {
            ast::Item::Global(_) | ast::Item::Function(_) => return,
            ast::Item::Alias(alias) if alias.points.iter().all(is_of_point) => return,
            ast::Item::Alias(_) | ast::Item::Probe(_) => {}
        }
        each_mention(item, &mut |mention| match mention {
            Mention::Variable(name) | Mention::Changed(name) => {
                if !self.mentioned.contains(name) {
                    self.mentioned.insert(name.to_string());
                }
            }
            Mention::Function(_) | Mention::Counter | Mention::Point(_) => {}
        });
    }

    /// The next piece to be parsed. Those that are parsed in part come last, for others can mention their variables;
    /// and once more if even later ones have mentioned some.
    fn next(&mut self) -> Option<Next> {
        while let Some(piece) = self.wanted.pop() {
            let (_, file, range) = self.library.piece(piece);
            let text = file.text.get(range).unwrap_or("");
            let in_part = self.of_aliases == Wanted::Mentioned
                && file.embedded
                && trim::is_alias_of_a_point(text);
            if !in_part {
                return Some(Next { piece, in_part, place: None });
            }
            self.parts_wanted.push_back(piece);
        }
        if let Some(piece) = self.parts_wanted.pop_front() {
            return Some(Next { piece, in_part: true, place: None });
        }
        let known = self.mentioned.len();
        let InPart { piece, place, .. } =
            self.in_parts.pop_front().filter(|piece| piece.known < known)?;
        Some(Next { piece, in_part: true, place: Some(place) })
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
        // The index of the library takes longer to make than most scripts take to compile: it is not asked about names
        // that scripts give to variables of their own.
        let may_be_global = file.is_some()
            || name.starts_with("__")
            || name.starts_with(|first: char| first.is_ascii_uppercase())
            || GLOBALS_OF_SCRIPTS.contains(&name)
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
