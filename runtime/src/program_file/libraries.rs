//! The shared libraries of a program: those it says it needs, or those a process has mapped.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ntap_compiler::glob;
use ntap_compiler::program_file::NoProgram;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH};
use object::read::elf::Dyn;
use object::read::elf::SectionHeader;

use super::{Elf, map, parse};

/// Where libraries are by default, in the order the dynamic linker looks.
const FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// The libraries a program needs, and those these need.
pub(super) fn needed(program: &Path) -> Result<Vec<PathBuf>, NoProgram> {
    let mut found: Vec<PathBuf> = vec![];
    let mut seen = BTreeSet::new();
    let mut waiting = vec![program.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let bytes = map(&path)?;
        let elf = parse(&path, &bytes)?;
        let (names, folders) = dynamic(&elf, path.parent().unwrap_or(Path::new("/")));
        for name in names {
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Some(library) = in_folders(&name, &folders)
                && let Ok(library) = fs::canonicalize(library)
                && !found.contains(&library)
            {
                found.push(library.clone());
                waiting.push(library);
            }
        }
    }
    Ok(found)
}

/// The files a process has mapped as code, without the program itself.
pub(super) fn mapped(pid: u32) -> Result<Vec<PathBuf>, NoProgram> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))
        .map_err(|_| NoProgram { reason: format!("there is no process {pid}"), help: None })?;
    let mut found = vec![];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let is_code = words.nth(1).is_some_and(|permissions| permissions.contains('x'));
        let path = words.nth(3).map(PathBuf::from);
        if let Some(path) = path.filter(|path| is_code && path.is_absolute())
            && !found.contains(&path)
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// The file a process has mapped as code at an address, and the place in it.
pub(super) fn mapped_at(pid: u32, address: u64) -> Option<(PathBuf, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    maps.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let (from, to) = (number(from)?, number(to)?);
        let is_code = words.next()?.contains('x');
        let offset = number(words.next()?)?;
        let path = PathBuf::from(words.nth(2)?);
        let is_there = is_code && path.is_absolute() && (from..to).contains(&address);
        is_there.then(|| (path, offset + (address - from)))
    })
}

/// Those of the libraries that a name stands for: a path, a file name, its beginning up to `.so`, a pattern.
pub(super) fn named(
    program: &Path,
    name: &str,
    libraries: &[PathBuf],
) -> Result<Vec<PathBuf>, NoProgram> {
    if name.contains('/') && !glob::is_pattern(name) {
        return match fs::canonicalize(name) {
            Ok(path) => Ok(vec![path]),
            Err(error) => Err(NoProgram {
                reason: format!("{name}: {}", crate::sys::error_text(&error)),
                help: None,
            }),
        };
    }
    let is_named = |path: &PathBuf| {
        let whole = path.display().to_string();
        let file = whole.rsplit('/').next().unwrap_or_default();
        match (glob::is_pattern(name), name.contains('/')) {
            (true, true) => glob::matches(name, &whole),
            (true, false) => glob::matches(name, file),
            _ => file == name || soname(path).as_deref() == Some(name),
        }
    };
    let found: Vec<PathBuf> = libraries.iter().filter(|path| is_named(path)).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let mut names: Vec<String> =
        libraries.iter().map(|path| soname(path).unwrap_or(path.display().to_string())).collect();
    names.sort();
    let help = match names.is_empty() {
        true => "it is linked statically, or loads its libraries as it runs".to_string(),
        false => format!("it uses {}", names.join(", ")),
    };
    Err(NoProgram {
        reason: format!("{} uses no library `{name}`", program.display()),
        help: Some(help),
    })
}

/// The first of the folders that has a library, then those of the system.
pub(super) fn in_folders(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    let of_environment = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let environment = std::env::split_paths(&of_environment).filter(|p| !p.as_os_str().is_empty());
    let defaults = FOLDERS.iter().map(PathBuf::from);
    let all = folders.iter().cloned().chain(environment).chain(configured()).chain(defaults);
    all.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The folders of /etc/ld.so.conf and what it includes, one a line.
fn configured() -> Vec<PathBuf> {
    let mut texts = vec![fs::read_to_string("/etc/ld.so.conf").unwrap_or_default()];
    if let Ok(entries) = fs::read_dir("/etc/ld.so.conf.d") {
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        texts.extend(files.iter().map(|file| fs::read_to_string(file).unwrap_or_default()));
    }
    let lines = texts.iter().flat_map(|text| text.lines().map(str::trim));
    lines.filter(|line| line.starts_with('/')).map(PathBuf::from).collect()
}

/// The names of the libraries an ELF file needs, and the folders it says they are in.
fn dynamic(elf: &Elf<'_>, origin: &Path) -> (Vec<String>, Vec<PathBuf>) {
    let (mut names, mut folders) = (vec![], vec![]);
    entries(elf, |tag, text| match tag {
        DT_NEEDED => names.push(text),
        DT_RPATH | DT_RUNPATH => {
            let origin = origin.display().to_string();
            let text = text.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
            folders.extend(text.split(':').filter(|f| !f.is_empty()).map(PathBuf::from));
        }
        _ => {}
    });
    (names, folders)
}

/// The name other files know a library by.
fn soname(path: &Path) -> Option<String> {
    let bytes = map(path).ok()?;
    let elf = parse(path, &bytes).ok()?;
    let mut found = None;
    entries(&elf, |tag, text| {
        if tag == object::elf::DT_SONAME {
            found = Some(text);
        }
    });
    found
}

/// The texts of the dynamic section with their tags.
fn entries(elf: &Elf<'_>, mut each: impl FnMut(i64, String)) {
    let endian = elf.endian();
    let sections = elf.elf_section_table();
    for section in sections.iter() {
        let Ok(Some((entries, strings))) = section.dynamic(endian, elf.data()) else { continue };
        let Ok(strings) = sections.strings(endian, elf.data(), strings) else { continue };
        for entry in entries {
            let tag = entry.d_tag(endian);
            if !matches!(tag, DT_NEEDED | DT_RPATH | DT_RUNPATH | object::elf::DT_SONAME) {
                continue;
            }
            if let Ok(text) = entry.string(endian, strings) {
                each(tag, OsStr::from_bytes(text).to_string_lossy().into_owned());
            }
        }
    }
}
