//! Where the declarations of a library are.

use std::collections::HashMap;
use std::ops::Range;

use super::{LibraryFile, PieceId};
use crate::syntax::declarations::{self, Declaration, Keyword};

/// A part of a file that is parsed on its own.
pub(super) struct Piece {
    pub(super) file: usize,
    /// Bytes of the file's text.
    pub(super) range: Range<usize>,
}

/// Names to pieces.
#[derive(Default)]
pub(super) struct Index {
    pub(super) pieces: Vec<Piece>,
    pub(super) functions: HashMap<String, Vec<PieceId>>,
    pub(super) globals: HashMap<String, Vec<PieceId>>,
    /// What is `private`, by file and name.
    pub(super) privates: HashMap<(u32, String), Vec<PieceId>>,
    /// The names of the components of aliases.
    pub(super) aliases: Vec<(Vec<String>, PieceId)>,
    /// Probes that are no aliases, with the files they are in.
    pub(super) probes: Vec<(usize, PieceId)>,
    /// File and bytes of the definitions of public macros.
    pub(super) macros: HashMap<String, (usize, Range<usize>)>,
}

impl Index {
    pub(super) fn new(files: &[LibraryFile]) -> Index {
        let mut index = Index::default();
        for (at, file) in files.iter().enumerate() {
            if file.embedded {
                index.pieces_of(at, &file.text);
            } else {
                index.whole(at, file);
            }
        }
        index
    }

    fn piece(&mut self, file: usize, range: Range<usize>) -> PieceId {
        self.pieces.push(Piece { file, range });
        PieceId(self.pieces.len() as u32 - 1)
    }

    /// A file whose declarations begin in the first column.
    fn pieces_of(&mut self, file: usize, text: &str) {
        let mut declarations = declarations::in_first_column(text).peekable();
        while let Some(declaration) = declarations.next() {
            let end = declarations.peek().map_or(text.len(), |next| next.start);
            if declaration.keyword == Keyword::Define {
                self.define_macro(file, &declaration, end);
            } else {
                let id = self.piece(file, declaration.start..end);
                self.add(file, id, &declaration);
            }
        }
    }

    /// A file that is one piece.
    fn whole(&mut self, at: usize, file: &LibraryFile) {
        let id = self.piece(at, 0..file.text.len());
        let has_macros = file.name.ends_with("m");
        for declaration in declarations::anywhere(&file.text) {
            match declaration.keyword {
                Keyword::Define if has_macros => {
                    self.define_macro(at, &declaration, file.text.len())
                }
                Keyword::Define => {}
                Keyword::Function | Keyword::Global | Keyword::Probe => {
                    self.add(at, id, &declaration);
                }
            }
        }
    }

    fn define_macro(&mut self, file: usize, declaration: &Declaration, end: usize) {
        for name in &declaration.names {
            // Files that were given come before those of the program.
            self.macros.entry(name.clone()).or_insert((file, declaration.start..end));
        }
    }

    fn add(&mut self, file: usize, id: PieceId, declaration: &Declaration) {
        if declaration.keyword == Keyword::Probe {
            match &declaration.names[..] {
                [] => self.probes.push((file, id)),
                names => self.aliases.push((names.to_vec(), id)),
            }
            return;
        }
        for name in declaration.names.iter().cloned() {
            let pieces = match declaration.keyword {
                _ if declaration.private => self.privates.entry((file as u32, name)).or_default(),
                Keyword::Function => self.functions.entry(name).or_default(),
                Keyword::Global | Keyword::Probe | Keyword::Define => {
                    self.globals.entry(name).or_default()
                }
            };
            pieces.push(id);
        }
    }
}
