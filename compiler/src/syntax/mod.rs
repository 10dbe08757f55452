//! From the text of a script to its syntax tree.
//!
//! ```text
//! text --preprocess--> tokens --items--> one top-level item each --grammar--> pairs --build--> ast
//! ```
//!
//! The language pastes tokens (script arguments, macros, conditionals), so a hand-written tokenizer
//! runs first; what it yields is plain text again, with a table that leads every token back to the
//! place in the user's text it came from. That text is cut into top-level items and each is parsed by
//! the pest grammar in `grammar/ntap.pest` on its own, so an error in one does not hide those in the
//! next. All spans of the tree point into the user's text. Nothing is resolved here.

pub mod ast;
mod build;
pub(crate) mod constant;
pub(crate) mod declarations;
pub mod edit;
mod expected;
pub mod format;
mod items;
pub(crate) mod mentions;
mod nesting;
mod parser;
mod preprocess;
mod print;
mod words;

pub(crate) use build::{number, refuse_embedded};
pub use preprocess::{token_name, unused_arguments};
pub use print::print;
pub(crate) use print::print_expression;

use std::ops::Range;

use crate::{
    diagnostic::Diagnostics,
    facts::Facts,
    library::Library,
    source::{FileId, SourceMap},
};

/// What a script is parsed against.
#[derive(Clone, Copy)]
pub struct ParseOptions<'a> {
    /// The words after the script on the command line: `$1`, `@1` and so on.
    pub arguments: &'a [String],
    /// The machine that conditionals such as `kernel_v` and `CONFIG_x` ask about.
    pub facts: &'a dyn Facts,
    /// Where macros come from that the script does not define.
    pub library: &'a Library,
    /// What the command line says about the language.
    pub dialect: Dialect<'a>,
}

/// What the command line says about the language; conditionals ask for it.
#[derive(Clone, Copy, Debug)]
pub struct Dialect<'a> {
    /// What `guru_mode` is in conditionals, and whether C code is an error only where it would have to run.
    pub guru: bool,
    /// What `runtime` is: scripts are told that of SystemTap's that can do all the language says.
    pub runtime: &'a str,
    /// What `systemtap_v` is.
    pub version: &'a str,
}

impl Default for Dialect<'_> {
    fn default() -> Self {
        Dialect { guru: false, runtime: "kernel", version: "5.6" }
    }
}

/// Parsing stops after this many errors: what follows is seldom a help.
const MOST_ERRORS: usize = 20;

/// Parses one file. Errors are reported; the result is what could be parsed.
pub fn parse(
    file: FileId,
    sources: &SourceMap,
    options: &ParseOptions<'_>,
    diagnostics: &mut Diagnostics,
) -> ast::Script {
    let whole = 0..sources.file(file).text.len();
    parse_parts(file, &[whole], sources, options, diagnostics)
}

/// Parses the declarations in some parts of a file's text, as if there were nothing between these.
pub(crate) fn parse_parts(
    file: FileId,
    parts: &[Range<usize>],
    sources: &SourceMap,
    options: &ParseOptions<'_>,
    diagnostics: &mut Diagnostics,
) -> ast::Script {
    let text = &sources.file(file).text;
    let expanded = preprocess::preprocess(file, text, parts, options, diagnostics);
    let mut script = ast::Script::default();
    let before = diagnostics.len();
    for item in items::split(&expanded) {
        if diagnostics.len() - before >= MOST_ERRORS {
            if let Some(last) = diagnostics.last_mut() {
                last.note("further errors are not shown");
            }
            break;
        }
        if items::check(&expanded, &item, diagnostics) {
            parser::parse_item(&expanded, item, options.dialect.guru, diagnostics, &mut script);
        }
    }
    script
}
