//! Scripts of a line, with what is to become of them: the grammar and the rules of the language in rows.
//!
//! A line of `tests/suite/judged/*.txt` is a verdict, a bar, and a script, in which `↵` is a newline:
//!
//! | verdict | the script |
//! |---|---|
//! | `parsed` | is one, whatever its names and types |
//! | `refused` | is none |
//! | `meant` | means something: what `-p2` takes |
//! | `wrong` | is one, but means nothing, or two things |
//!
//! Other lines are headings.

use std::fs;
use std::path::Path;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::pipeline;
use ntap_compiler::source::SourceMap;

use super::cases::Case;
use super::recorded_kernel::RecordedKernel;
use super::stages;

/// What separates a verdict from its script.
const BAR: &str = " | ";

/// A case for each line with a verdict.
pub(crate) fn cases(stage: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite").join(stage);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut cases = vec![];
    for path in files.map(|entry| entry.expect("a readable folder").path()) {
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| line.contains(BAR)) {
            let name = format!("{stage}/{stem}:{}", at + 1);
            cases.push(Case { path: path.clone(), name, text: line.to_string() });
        }
    }
    cases
}

/// Compiles the script of a line as far as its verdict goes.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let (verdict, script) = case.text.split_once(BAR).ok_or("no verdict")?;
    let kernel = RecordedKernel::read(stages::KERNEL);
    let options = stages::options(&[], &kernel);
    let mut sources = SourceMap::default();
    sources.add("script", script.replace('↵', "\n"));
    let mut diagnostics = Diagnostics::default();
    let parsed = pipeline::parse(&mut sources, &options, &mut diagnostics);
    let is_parsed = parsed.is_some();
    let is_meant = parsed.and_then(|parsed| parsed.analyze(&options, &mut diagnostics)).is_some();
    let is_right = match verdict {
        "parsed" => is_parsed,
        "refused" => !is_parsed,
        "meant" => is_meant,
        "wrong" => is_parsed && !is_meant,
        other => return Err(format!("`{other}` is no verdict")),
    };
    let reported = render(&diagnostics, &sources, RenderOptions::default());
    if is_right { Ok(()) } else { Err(format!("not {}\n{reported}", case.text)) }
}
