//! `procfs.*` and the standard input: user blocks that other programs run by reading or writing.

use super::{Argument, Argument::*, Family, Request};
use crate::diagnostic::{Diagnostics, codes};
use crate::hir::{Attach, Exchange, FilePoint, InputUnit, Point};

/// The path of a point that names none.
const DEFAULT_PATH: &str = "command";
/// Files are for their owner.
const DEFAULT_UMASK: u32 = 0o077;
/// The largest size that can be asked for.
const MOST_BYTES: i64 = 1 << 26;

const READ: &str = "When somebody reads the file PATH of the session, `/run/ntap/NAME/PATH`: what the handler \
                    assigns or appends (`.=`) to `$value` is what is read. `umask` takes permissions away from \
                    0444, without it 077; at most `maxsize` - 1 bytes can be read.";
const WRITE: &str = "When somebody writes to the file PATH of the session, `/run/ntap/NAME/PATH`: `$value` is \
                     what was written. `umask` takes permissions away from 0222.";

macro_rules! files {
    ($argument:expr, $path:literal) => {
        [
            Family {
                form: &[
                    ("procfs", $argument),
                    ("umask?", Number),
                    ("read", Argument::None),
                    ("maxsize?", Number),
                ],
                summary: READ,
                example: concat!(
                    "global n probe procfs",
                    $path,
                    ".read { $value = sprintf(\"%d\\n\", n++) } probe begin { exit() }"
                ),
                resolve: |request, diagnostics| file(request, diagnostics, Exchange::Given),
            },
            Family {
                form: &[("procfs", $argument), ("umask?", Number), ("write", Argument::None)],
                summary: WRITE,
                example: concat!(
                    "probe procfs",
                    $path,
                    ".write { printf(\"told: %s\", $value) } probe begin { exit() }"
                ),
                resolve: |request, diagnostics| file(request, diagnostics, Exchange::Taken),
            },
        ]
    };
}

pub(super) const FAMILIES: &[Family] = &{
    let [read, write] = files!(Text, "(\"level\")");
    let [read_default, write_default] = files!(Argument::None, "");
    [read, write, read_default, write_default, INPUT]
};

/// The library gives it its names, and calls the text `line` or `char`.
const INPUT: Family = Family {
    form: &[("__input", Argument::None), ("line|char", Argument::None)],
    summary: "",
    example: "probe __input.line { println($value) } probe begin { exit() }",
    resolve: |request, _| {
        let unit = match request.position("line") {
            Some(_) => InputUnit::Line,
            Option::None => InputUnit::Character,
        };
        vec![Point::new(request.spelling(), Attach::Input(unit))]
    },
};

fn file(request: &Request<'_>, diagnostics: &mut Diagnostics, exchange: Exchange) -> Vec<Point> {
    let path = match request.text(0) {
        Some((path, span)) => {
            if let Some(why) = fault_of_path(path) {
                diagnostics
                    .error(codes::FILE_POINT, span, format!("no file can be called \"{path}\""))
                    .label(why)
                    .help("the path is below the folder of the session: \"value\", \"disk/reads\"");
                return vec![];
            }
            path
        }
        Option::None => DEFAULT_PATH,
    };
    let umask = match request.number_of("umask") {
        Some((bits @ 0..=0o777, _)) => bits as u32,
        Some((bits, span)) => {
            diagnostics
                .error(codes::FILE_POINT, span, "umask out of range (0, 0777)")
                .label(format!("{bits} has bits that are no permissions"))
                .help("it is an octal number: 0022 lets everybody read");
            return vec![];
        }
        Option::None => DEFAULT_UMASK,
    };
    let most_bytes = match request.number_of("maxsize") {
        Some((bytes @ 1..=MOST_BYTES, _)) => Some(bytes as u32),
        Some((bytes, span)) => {
            diagnostics
                .error(codes::FILE_POINT, span, format!("maxsize out of range (1, {MOST_BYTES})"))
                .label(format!("{bytes} is not between 1 and {MOST_BYTES}"));
            return vec![];
        }
        Option::None => Option::None,
    };
    let file = FilePoint { path: path.to_string(), exchange, umask, most_bytes };
    vec![Point::new(request.spelling(), Attach::File(file))]
}

/// Why a path cannot be one of a file below a folder.
fn fault_of_path(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("the path is empty");
    }
    if path.starts_with('/') {
        return Some("it begins with a `/`");
    }
    if path.len() > 200 {
        return Some("it is longer than 200 bytes");
    }
    let mut parts = path.split('/');
    if parts.any(|part| part.is_empty() || part.starts_with('.') || part.contains('\0')) {
        return Some("a part of it is empty or begins with a dot");
    }
    Option::None
}
