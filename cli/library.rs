//! The library of a command: the program's own, and the directories of `-I`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ntap_compiler::builtins::{self, Builtin, Kind};
use ntap_compiler::families;
use ntap_compiler::library::{self, EntryKind, Library};

use crate::errors::Failure;

/// What the names of files in a directory end in that are read.
const EXTENSIONS: [&str; 3] = ["nt", "stp", "stpm"];

/// The program's library, or one of this command with the files of `directories`, which lives as long
/// as the process.
pub(crate) fn library(directories: &[std::path::PathBuf]) -> Result<&'static Library, Failure> {
    if directories.is_empty() {
        return Ok(Library::embedded());
    }
    let mut files = vec![];
    for directory in directories {
        read_directory(directory, &mut BTreeSet::new(), &mut files).map_err(|error| {
            let text = format!("cannot read the library in {}: {error}", directory.display());
            Failure::message(text, Some("`-I` takes a directory of .nt, .stp and .stpm files"))
        })?;
    }
    Ok(Box::leak(Box::new(Library::with_files(files))))
}

/// Reads the files of a directory and of those in it, by name; each directory once, as links may lead back. What is no
/// file, such as a pipe, which would be waited for, is left out.
fn read_directory(
    directory: &Path,
    seen: &mut BTreeSet<PathBuf>,
    files: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    if !seen.insert(directory.canonicalize()?) {
        return Ok(());
    }
    let mut paths = vec![];
    for entry in std::fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            read_directory(&path, seen, files)?;
        } else if path.is_file() && extension.is_some_and(|e| EXTENSIONS.contains(&e)) {
            let bytes = std::fs::read(&path)?;
            files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(())
}

/// A builtin function as `name:type (parameter:type, ...)`.
pub(crate) fn signature(row: &Builtin) -> String {
    let type_name = |kind| match kind {
        Kind::Long | Kind::Pointer(_) => "long",
        Kind::Text(_) => "string",
        Kind::Nothing => "unknown",
    };
    let parameters: Vec<String> =
        row.parameters.iter().map(|p| format!("{}:{}", p.name, type_name(p.kind))).collect();
    format!("{}:{} ({})", row.name, type_name(row.result), parameters.join(", "))
}

/// Every function scripts may call, one to a line.
pub(crate) fn functions(library: &Library) -> String {
    let builtins = builtins::all().filter(|row| !row.is_internal()).map(signature);
    listed(builtins.chain(heads(library, EntryKind::Function)))
}

/// Every alias, one to a line: `name = points`.
pub(crate) fn aliases(library: &Library) -> String {
    listed(heads(library, EntryKind::Alias))
}

/// Every form of probe point, one to a line.
pub(crate) fn probe_types() -> String {
    let families = families::all().filter(|family| !family.is_internal());
    listed(families.flat_map(families::ways_to_write))
}

fn heads(library: &Library, kind: EntryKind) -> impl Iterator<Item = String> {
    let entries = library::documentation(library).into_iter();
    entries.filter(move |entry| entry.kind == kind).map(|entry| entry.head)
}

fn listed(lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines.dedup();
    lines.iter().map(|line| format!("{line}\n")).collect()
}
