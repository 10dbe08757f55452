//! `ntap fmt`: formats scripts in place, or says which are not formatted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::pipeline::{self, Options};
use ntap_compiler::source::SourceMap;
use ntap_compiler::syntax::format::format;
use ntap_runtime::kernel::LiveKernel;

use crate::compile::read_bytes;
use crate::errors::Failure;
use crate::options::Script;
use crate::write_out;

/// Formats files, or standard input without any. With `only_check` nothing is written, and the status is 1
/// when a file is not formatted.
pub(crate) fn fmt(files: &[PathBuf], only_check: bool, color: bool) -> ExitCode {
    let standard_input = [PathBuf::from("-")];
    let files = if files.is_empty() { &standard_input } else { files };
    let mut status = ExitCode::SUCCESS;
    for file in files {
        match format_file(file, only_check, color) {
            Ok(true) => {}
            Ok(false) => status = ExitCode::FAILURE,
            Err(failure) => {
                failure.print(color);
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

/// Formats one file; false when it was only to be checked and is not formatted.
fn format_file(file: &Path, only_check: bool, color: bool) -> Result<bool, Failure> {
    let is_input = file == Path::new("-");
    let script = match is_input {
        true => Script::StandardInput,
        false => Script::File(file.to_path_buf()),
    };
    let (name, bytes) = read_bytes(&script)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
        let text = format!("{name} is left as it is: line {line} is not UTF-8 text");
        Failure::message(text, Some("such bytes can be written as `\\377` in strings"))
    })?;
    let Some(formatted) = format(&text) else { return Err(wrong(name, text, color)) };
    if only_check {
        if formatted != text {
            write_out(&format!("{name}\n"));
        }
        return Ok(formatted == text);
    }
    if is_input {
        write_out(&formatted);
    } else if formatted != text {
        replace(file, &formatted)
            .map_err(|e| Failure::message(format!("cannot write {}: {e}", file.display()), None))?;
    }
    Ok(true)
}

/// Why a text cannot be formatted, in the words of the parser.
fn wrong(name: String, text: String, color: bool) -> Failure {
    let mut sources = SourceMap::default();
    sources.add(name.clone(), text);
    let mut diagnostics = Diagnostics::default();
    let kernel = LiveKernel::new();
    pipeline::parse(&mut sources, &Options::new(&[], &kernel), &mut diagnostics);
    if diagnostics.has_errors() {
        eprint!("{}", render(&diagnostics, &sources, RenderOptions { color }));
        return Failure::Shown;
    }
    Failure::message(format!("{name} cannot be formatted: a string or comment has no end"), None)
}

/// Writes a file anew, so that it is whole at any time; its mode stays.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    // What a link names is the file, not the link.
    let file = std::fs::canonicalize(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let new = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut output = std::fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
        output.set_permissions(std::fs::metadata(&file)?.permissions())?;
        output.write_all(text.as_bytes())?;
        std::fs::rename(&new, &file)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}
