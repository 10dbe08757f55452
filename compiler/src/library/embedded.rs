//! The files of `scripts/tapset/`, as parts of the program. A test compares the list with the folder.

use super::LibraryFile;

macro_rules! files {
    ($($name:literal)*) => {
        const FILES: &[(&str, &str)] = &[$((
            concat!("tapset/", $name, ".nt"),
            include_str!(concat!("../../../scripts/tapset/", $name, ".nt")),
        )),*];
    };
}

files! {
    "ansi"
    "clock"
    "constants"
    "errno"
    "indent"
    "macros"
    "memory"
    "queue_stats"
    "signal"
    "speculative"
    "stopwatch"
    "strings"
    "syscall_any"
    "syscall_text"
    "syscalls"
    "task"
}

/// All of them.
pub(super) fn files() -> impl Iterator<Item = LibraryFile> {
    FILES.iter().map(|&(name, text)| LibraryFile {
        name: name.into(),
        text: text.into(),
        embedded: true,
    })
}
