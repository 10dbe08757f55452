//! Places in source files, as `statement` takes them: `vfs_read@fs/read_write.c:450`.

use crate::diagnostic::{Diagnostics, codes};
use crate::source::Span;

/// Which lines a place names.
#[derive(Clone, Copy)]
pub(super) enum Lines {
    /// The function's entry.
    Entry,
    /// These.
    Range(u64, u64),
    /// So many behind the function's own.
    After(u64),
}

/// `FUNCTION[@FILE[:LINE|:FIRST-LAST|:*|+LINES]]`.
pub(super) struct SourcePlace<'a> {
    pub(super) function: &'a str,
    pub(super) file: Option<&'a str>,
    pub(super) lines: Lines,
}

fn parse(text: &str) -> Option<SourcePlace<'_>> {
    let Some((function, source)) = text.split_once('@') else {
        return Some(SourcePlace { function: text, file: None, lines: Lines::Entry });
    };
    if let Some((file, lines)) = source.rsplit_once('+')
        && let Ok(after) = lines.parse()
    {
        return Some(SourcePlace {
            function,
            file: Some(file.trim_end_matches(':')),
            lines: Lines::After(after),
        });
    }
    let Some((file, lines)) = source.rsplit_once(':') else {
        return Some(SourcePlace { function, file: Some(source), lines: Lines::Entry });
    };
    let lines = match lines.split_once('-') {
        Some((first, last)) => Lines::Range(first.parse().ok()?, last.parse().ok()?),
        None if lines == "*" => Lines::Range(1, u64::MAX),
        None => Lines::Range(lines.parse().ok()?, lines.parse().ok()?),
    };
    Some(SourcePlace { function, file: Some(file), lines })
}

/// What a text names; reports what is none.
pub(super) fn source_place<'t>(
    text: &'t str,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Option<SourcePlace<'t>> {
    let place = parse(text);
    if place.is_none() {
        diagnostics
            .error(codes::UNKNOWN_SYMBOL, span, format!("`{text}` is no place in a source file"))
            .help("a place is written `FUNCTION@FILE:LINE`; `*` stands for any function");
    }
    place
}
