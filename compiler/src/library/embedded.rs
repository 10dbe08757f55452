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
    "byte_order"
    "device"
    "ip"
    "macros"
    "path"
    "socket"
    "task"
    "tcp"
}

/// All of them.
pub(super) fn files() -> impl Iterator<Item = LibraryFile> {
    FILES.iter().map(|&(name, text)| LibraryFile {
        name: name.into(),
        text: text.into(),
        embedded: true,
    })
}
