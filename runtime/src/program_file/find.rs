//! Which file a program's name stands for.

use std::fs;
use std::path::{Path, PathBuf};

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
