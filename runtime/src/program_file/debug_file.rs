//! The files in which debug information is installed apart from programs.
//!
//! They are found as debuggers find them: by the build id (`/usr/lib/debug/.build-id/ab/cdef.debug`), or by the name
//! in `.gnu_debuglink`, beside the program, in `.debug` there, and in the same folder under `/usr/lib/debug`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::read::elf::SectionHeader;
use object::{Object, elf};

use super::{Elf, map, parse};

/// Where packages with debug symbols are installed.
const FOLDER: &str = "/usr/lib/debug";

/// The file with the debug information of a program, if there is one.
pub(super) fn of(path: &Path, elf: &Elf<'_>) -> Option<PathBuf> {
    by_build_id(elf).filter(|path| path.exists()).or_else(|| by_link(path, elf))
}

fn by_build_id(elf: &Elf<'_>) -> Option<PathBuf> {
    let id = build_id(elf).filter(|id| id.len() > 2)?;
    Some(PathBuf::from(format!("{FOLDER}/.build-id/{}/{}.debug", &id[..2], &id[2..])))
}

fn by_link(path: &Path, elf: &Elf<'_>) -> Option<PathBuf> {
    let (name, _) = elf.gnu_debuglink().ok()??;
    let name = Path::new(OsStr::from_bytes(name)).file_name()?;
    let folder = path.parent()?;
    let candidates = [
        folder.join(name),
        folder.join(".debug").join(name),
        Path::new(FOLDER).join(folder.strip_prefix("/").ok()?).join(name),
    ];
    candidates.into_iter().find(|found| found != path && is_of_same_build(found, elf))
}

/// Whether a file was made along with a program: by the build id, without one by the code's places.
fn is_of_same_build(debug: &Path, elf: &Elf<'_>) -> bool {
    let Ok(bytes) = map(debug) else { return false };
    let Ok(debug) = parse(debug, &bytes) else { return false };
    match (build_id(elf), build_id(&debug)) {
        (Some(id), Some(of_debug)) => id == of_debug,
        (None, None) => code_sections(elf) == code_sections(&debug),
        _ => false,
    }
}

/// Where the sections with code are, and how large. Files of debug information have their headers, too.
fn code_sections(elf: &Elf<'_>) -> Vec<(u64, u64)> {
    let endian = elf.endian();
    let is_code = u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR);
    let sections = elf.elf_section_table().iter();
    let code = sections.filter(|section| section.sh_flags(endian) & is_code == is_code);
    code.map(|section| (section.sh_addr(endian), section.sh_size(endian))).collect()
}

/// The build id as hexadecimal digits.
pub(super) fn build_id(elf: &Elf<'_>) -> Option<String> {
    let id = elf.build_id().ok()??;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}
