//! The stages of the compiler, each shown as text, for a recorded kernel.
//!
//! Headers: `# args:` words after the script, `# kernel:` another recorded kernel (`6.1`, `6.12`),
//! or what differs from the newest: `without types`, `old cpu`.

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::pipeline::{self, Analyzed, Options};
use ntap_compiler::source::SourceMap;
use ntap_compiler::{partition, types};

use super::cases::Case;
use super::recorded_kernel::RecordedKernel;

/// The recorded kernel.
pub(crate) const KERNEL: &str = "6.18";
const RING_BUFFER_BYTES: u32 = 1 << 20;

/// What a case gives: the text of its stage, and what was reported on the way.
struct Shown {
    text: Option<String>,
    reported: String,
    is_wrong: bool,
}

/// What a stage makes of the analyzed script.
type Stage = fn(Analyzed, &SourceMap, &Options<'_>, &mut Diagnostics) -> Option<String>;

/// `errors`: everything reported up to the split, which must hold an error.
pub(crate) fn errors(case: &Case) -> Result<(), String> {
    let shown = show(case, |_, _, _, _| Some(String::new()));
    if !shown.is_wrong && case.header("warnings") != Some("only") {
        return Err(format!("no error was reported\n{}", shown.reported));
    }
    case.compare("err", &shown.reported)
}

/// `types`: the resolved script with its types.
pub(crate) fn types(case: &Case) -> Result<(), String> {
    let kernel = kernel(case);
    let arguments = case.words("args");
    let options = options(&arguments, &kernel);
    let mut sources = SourceMap::default();
    sources.add(case.file_name(), case.text.as_str());
    let mut diagnostics = Diagnostics::default();
    let text = pipeline::parse(&mut sources, &options, &mut diagnostics)
        .and_then(|parsed| parsed.resolve(&options, &mut diagnostics))
        .map(|(script, found)| types::print(&script, &found));
    let reported = render(&diagnostics, &sources, RenderOptions::default());
    compare(case, "types", Shown { text, reported, is_wrong: diagnostics.has_errors() })
}

/// `split`: what runs where, and what crosses.
pub(crate) fn split(case: &Case) -> Result<(), String> {
    let stage: Stage = |analyzed, _, _, _| {
        Some(partition::print(&analyzed.script, &analyzed.types, &analyzed.layout))
    };
    compare(case, "split", show(case, stage))
}

/// `clif`: both halves, not optimized.
pub(crate) fn clif(case: &Case) -> Result<(), String> {
    let stage: Stage = |analyzed, _, _, _| Some(pipeline::clif(&analyzed.lower()));
    compare(case, "clif", show(case, stage))
}

/// `bpf`: the kernel half's code.
pub(crate) fn bpf(case: &Case) -> Result<(), String> {
    let stage: Stage = |analyzed, sources, options, diagnostics| {
        let compiled = analyzed.compile(sources, options, diagnostics)?;
        Some(compiled.object.as_ref().map_or(String::new(), pipeline::disassemble))
    };
    compare(case, "bpf", show(case, stage))
}

fn compare(case: &Case, extension: &str, shown: Shown) -> Result<(), String> {
    if shown.is_wrong {
        return Err(shown.reported);
    }
    case.compare(extension, &format!("{}{}", shown.reported, shown.text.unwrap_or_default()))
}

fn show(case: &Case, stage: Stage) -> Shown {
    let kernel = kernel(case);
    let arguments = case.words("args");
    let options = options(&arguments, &kernel);
    let mut sources = SourceMap::default();
    sources.add(case.file_name(), case.text.as_str());
    let mut diagnostics = Diagnostics::default();
    let text = pipeline::parse(&mut sources, &options, &mut diagnostics)
        .and_then(|parsed| parsed.analyze(&options, &mut diagnostics))
        .and_then(|analyzed| stage(analyzed, &sources, &options, &mut diagnostics));
    let reported = render(&diagnostics, &sources, RenderOptions::default());
    Shown { text, reported, is_wrong: diagnostics.has_errors() }
}

/// The options of a compilation with these words after the script.
pub(crate) fn options<'a>(arguments: &'a [String], kernel: &'a RecordedKernel) -> Options<'a> {
    Options { ring_buffer_bytes: Some(RING_BUFFER_BYTES), ..Options::new(arguments, kernel) }
}

fn kernel(case: &Case) -> RecordedKernel {
    let recorded = RecordedKernel::read(KERNEL);
    match case.header("kernel") {
        None => recorded,
        Some(series @ ("6.1" | "6.12")) => RecordedKernel::read(series),
        Some("without types") => recorded.without_types(),
        Some("old cpu") => recorded.with_old_cpu(),
        Some(other) => panic!("{}: `# kernel: {other}` is not understood", case.name),
    }
}
