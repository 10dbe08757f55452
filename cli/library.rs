//! The library of a command: the program's own, and the directories of `-I`.

use std::path::{Path, PathBuf};

use ntap_compiler::builtins::{self, Builtin, Kind};
use ntap_compiler::facts::Facts;
use ntap_compiler::families;
use ntap_compiler::library::{self, EntryKind, Library};
use ntap_runtime::kernel::LiveKernel;

use crate::errors::Failure;

/// What the names of files in a directory end in that are read.
const EXTENSIONS: [&str; 3] = ["nt", "stp", "stpm"];

/// The program's library, or one of this command with the files of `directories`, which lives as long
/// as the process.
pub(crate) fn library(directories: &[PathBuf]) -> Result<&'static Library, Failure> {
    if directories.is_empty() {
        return Ok(Library::embedded());
    }
    let mut files = vec![];
    let kernel = LiveKernel::new();
    let release = kernel.kernel_release();
    for directory in directories {
        let failure = |error| {
            let text = format!("cannot read the library in {}: {error}", directory.display());
            Failure::message(text, Some("`-I` takes a directory of .nt, .stp and .stpm files"))
        };
        std::fs::read_dir(directory).map_err(failure)?;
        for folder in folders(directory, &release, kernel.architecture().name()) {
            read_folder(&folder, &mut files).map_err(failure)?;
        }
    }
    Ok(Box::leak(Box::new(Library::with_files(files))))
}

/// The folders of a directory that are for a kernel and an architecture: what is for fewer of them first. As those of
/// SystemTap, they are called after the release, which gets shorter part by part, and the architecture.
fn folders(directory: &Path, release: &str, architecture: &str) -> Vec<PathBuf> {
    let mut names = vec![];
    let mut version = release;
    loop {
        names.push(format!("{version}/{architecture}"));
        names.push(version.to_string());
        match version.rfind(['-', '.']) {
            Some(end) => version = &version[..end],
            None => break,
        }
    }
    names.push(architecture.to_string());
    names.push(String::new());
    let of_runtime = |name: &String| directory.join("linux").join(name);
    let own = names.iter().map(|name| directory.join(name));
    own.chain(names.iter().map(of_runtime)).collect()
}

/// Reads the files of a folder, by name; there need not be one.
fn read_folder(folder: &Path, files: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) && path.is_file() {
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
