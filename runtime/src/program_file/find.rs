//! Which file a program's name stands for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ntap_compiler::glob;
use ntap_compiler::program_file::NoProgram;

use super::libraries;
use crate::sys;
use crate::target_process;

/// The file of a name: as written when it has a slash, else in the search path, else a library.
pub(super) fn program(name: &str) -> Result<PathBuf, NoProgram> {
    if name.contains('/') {
        return resolved(Path::new(name));
    }
    if let Some(path) = target_process::find_program(name, std::env::var_os("PATH")) {
        return resolved(Path::new(&path));
    }
    if let Some(path) = libraries::in_folders(name, &[]) {
        return resolved(&path);
    }
    Err(NoProgram {
        reason: format!("there is no program `{name}` in the search path"),
        help: Some("name the file with its folder".to_string()),
    })
}

/// More files than this are not looked at for a pattern.
const MOST_FILES: usize = 4096;

/// The executable files that match a pattern: with a slash by their paths, else in the search path. Sorted.
pub(super) fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    if pattern.contains('/') {
        let absolute = match pattern.starts_with('/') {
            true => PathBuf::from("/"),
            false => PathBuf::from("."),
        };
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        walk(&absolute, &parts, &mut found);
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        for folder in std::env::split_paths(&path) {
            walk(&folder, &[pattern], &mut found);
        }
    }
    let mut files: Vec<PathBuf> =
        found.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    files.sort();
    files.dedup();
    files
}

/// Adds the executable files below a folder whose names match the parts one after the other.
fn walk(folder: &Path, parts: &[&str], found: &mut Vec<PathBuf>) {
    let Some((part, rest)) = parts.split_first() else { return };
    let mut names: Vec<PathBuf> = match glob::is_pattern(part) {
        false => vec![folder.join(part)],
        true => {
            let Ok(entries) = fs::read_dir(folder) else { return };
            let is_named = |name: &std::ffi::OsStr| {
                name.to_str().is_some_and(|name| {
                    glob::matches(part, name) && (!name.starts_with('.') || part.starts_with('.'))
                })
            };
            let names = entries.flatten().filter(|entry| is_named(&entry.file_name()));
            names.map(|entry| entry.path()).collect()
        }
    };
    names.sort();
    for path in names {
        if found.len() >= MOST_FILES {
            return;
        }
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if rest.is_empty() {
            if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
                found.push(path);
            }
        } else if metadata.is_dir() {
            walk(&path, rest, found);
        }
    }
}

/// The program a process runs.
pub(super) fn of_process(pid: u32) -> Result<PathBuf, NoProgram> {
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    match fs::read_link(&link) {
        Ok(path) if path.exists() => resolved(&path),
        // Replaced or deleted since it was started: the link itself still leads to it.
        Ok(_) => Ok(link),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let exists = Path::new(&format!("/proc/{pid}")).exists();
            let reason = match exists {
                true => format!("process {pid} is a thread of the kernel: it runs no program"),
                false => format!("there is no process {pid}"),
            };
            Err(NoProgram { reason, help: None })
        }
        Err(error) => Err(NoProgram {
            reason: format!("process {pid}: {}", sys::error_text(&error)),
            help: None,
        }),
    }
}

/// The program a command line starts.
pub(super) fn of_command(line: &str) -> Result<PathBuf, NoProgram> {
    match target_process::program_of(line) {
        Ok(path) => resolved(&path),
        Err(error) => Err(NoProgram { reason: error.to_string(), help: None }),
    }
}

fn resolved(path: &Path) -> Result<PathBuf, NoProgram> {
    fs::canonicalize(path).map_err(|error| NoProgram {
        reason: format!("{}: {}", path.display(), sys::error_text(&error)),
        help: None,
    })
}
