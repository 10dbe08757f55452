//! The library: functions, aliases, globals and macros that scripts use without declaring them.
//!
//! It is written in the language (`scripts/tapset/*.nt`) and is part of the program; `-I` adds
//! directories. A script gets what it names, what that names in turn, and no more ([`gather`]). Only
//! the pieces needed are ever parsed: an [`Index`] of names, made when a script first names something
//! it does not declare, says where they are.
//!
//! In the files of the program declarations begin in the first column, so that the index is made
//! without cutting the texts into tokens, and each is a piece of its own. Their globals are `private`
//! or begin with two underscores. Other files are one piece each.
//!
//! Macros of the program's files and of `.stpm` files are public, those of other files are known only
//! inside of them.

mod documentation;
mod embedded;
mod gather;
mod index;
pub mod refused;
mod trim;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

pub use documentation::{Entry, EntryKind, documentation};
pub(crate) use gather::{Wanted, gather};

use crate::glob::alternatives;
use crate::syntax::ast::{Component, ProbePoint};
use index::Index;

/// The function behind `@perf`: it takes the number of a counter.
pub(crate) const COUNTER_FUNCTION: &str = "__perf";

/// The program's globals that are for scripts, without those that count for them, which begin with a capital letter, as
/// `InSegs`.
pub const GLOBALS_OF_SCRIPTS: &[&str] = &["argc", "argv"];

/// A library: the files a script may take declarations from.
pub struct Library {
    files: Vec<LibraryFile>,
    index: OnceLock<Index>,
}

/// One file of a library.
pub struct LibraryFile {
    /// What it is called in messages.
    pub name: Cow<'static, str>,
    /// Its text.
    pub text: Cow<'static, str>,
    /// Whether it is a part of the program.
    pub embedded: bool,
}

/// A piece of a library: the unit in which it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PieceId(u32);

static EMBEDDED: LazyLock<Library> =
    LazyLock::new(|| Library { files: embedded::files().collect(), index: OnceLock::new() });

impl Library {
    /// The library that is a part of the program.
    pub fn embedded() -> &'static Library {
        &EMBEDDED
    }

    /// The program's library with more files, by name and text, which come first.
    pub fn with_files(files: impl IntoIterator<Item = (String, String)>) -> Library {
        let own = files.into_iter().map(|(name, text)| LibraryFile {
            name: name.into(),
            text: text.into(),
            embedded: false,
        });
        Library { files: own.chain(embedded::files()).collect(), index: OnceLock::new() }
    }

    /// The files.
    pub fn files(&self) -> &[LibraryFile] {
        &self.files
    }

    /// Whether it is no more than the program's: then nothing in it has the name of a builtin, or a
    /// global that scripts are to see.
    pub(crate) fn is_plain(&self) -> bool {
        self.files.iter().all(|file| file.embedded)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.files))
    }

    /// Where a piece is: its file and the bytes of it.
    pub(crate) fn piece(&self, id: PieceId) -> (usize, &LibraryFile, Range<usize>) {
        let piece = &self.index().pieces[id.0 as usize];
        (piece.file, &self.files[piece.file], piece.range.clone())
    }

    /// The pieces that declare a function.
    pub(crate) fn functions(&self, name: &str) -> &[PieceId] {
        self.index().functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The pieces that declare a global.
    pub(crate) fn globals(&self, name: &str) -> &[PieceId] {
        self.index().globals.get(name).map_or(&[], Vec::as_slice)
    }

    /// The pieces of a file that declare something private of this name.
    pub(crate) fn privates(&self, file: usize, name: &str) -> &[PieceId] {
        let key = (file as u32, name.to_string());
        self.index().privates.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The text from the definition of a macro on; `name` is without the `@`.
    pub(crate) fn macro_definition(&self, name: &str) -> Option<&str> {
        let (file, range) = self.index().macros.get(name)?;
        self.files[*file].text.get(range.clone())
    }

    /// The names of the public macros, without their `@`.
    pub(crate) fn macro_names(&self) -> impl Iterator<Item = &str> {
        self.index().macros.keys().map(String::as_str)
    }

    /// The names of the functions.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.index().functions.keys().map(String::as_str)
    }

    /// The pieces with aliases that may stand at the beginning of a point.
    pub(crate) fn aliases(&self, point: &ProbePoint) -> Vec<(usize, PieceId)> {
        let is_candidate = |alias: &Vec<String>| may_begin(alias, &point.components);
        let rows = self.index().aliases.iter();
        let mut candidates: Vec<(usize, PieceId)> = rows
            .filter(|(alias, _)| is_candidate(alias))
            .map(|(alias, piece)| (alias.len(), *piece))
            .collect();
        // Those that name most of it take it, where every part of it is one component.
        let is_plain = |component: &Component| {
            let name = &component.name.text;
            component.argument.is_none() && !name.contains("**") && !name.contains('{')
        };
        if point.components.iter().all(is_plain) {
            let longest = candidates.iter().map(|(length, _)| *length).max();
            candidates.retain(|(length, _)| Some(*length) == longest);
        }
        candidates
    }

    /// The names of the components of every alias.
    pub(crate) fn alias_names(&self) -> impl Iterator<Item = &[String]> {
        self.index().aliases.iter().map(|(alias, _)| alias.as_slice())
    }

    /// The pieces of a file with probes.
    pub(crate) fn probes(&self, file: usize) -> impl Iterator<Item = PieceId> {
        self.index().probes.iter().copied().filter(move |&(of, _)| of == file).map(|(_, id)| id)
    }
}

/// How many components of a point may have braces: no alias has so many, and their choices would take long to follow.
const MOST_BRACES: usize = 6;

/// Whether the names of an alias's components match those of a point, as far as both go; `**` of the point may
/// stand for anything.
fn may_begin(alias: &[String], point: &[Component]) -> bool {
    let names: Vec<&str> = point.iter().map(|c| c.name.text.as_str()).collect();
    let braces = names.iter().filter(|name| name.contains('{')).count();
    braces <= MOST_BRACES && may_begin_names(alias, &names)
}

fn may_begin_names(alias: &[String], point: &[&str]) -> bool {
    let with_braces =
        point.iter().enumerate().find_map(|(at, name)| Some((at, alternatives(name)?)));
    if let Some((at, choices)) = with_braces {
        return choices.iter().any(|choice| {
            // A choice may be several components.
            let chosen = choice.split('.');
            let names =
                point[..at].iter().copied().chain(chosen).chain(point[at + 1..].iter().copied());
            may_begin_names(alias, &names.collect::<Vec<_>>())
        });
    }
    if point.iter().any(|name| name.contains("**")) {
        return crate::glob::matches_path(&point.join("."), &alias.join("."));
    }
    let matches = |(name, pattern): (&String, &&str)| crate::glob::matches(pattern, name);
    alias.len() <= point.len() && alias.iter().zip(point).all(matches)
}
