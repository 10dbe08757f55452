//! `-l`, `-L` and `ntap list`: the probe points a pattern stands for.
//!
//! In stap's format, a point to a line: the name, and with `-L` the variables as `name:type`; of a
//! tracepoint, behind a bar, the fields of its record.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::list::{self, Listed, Variable};
use ntap_compiler::pipeline;
use ntap_compiler::source::SourceMap;
use ntap_runtime::json::Json;
use ntap_runtime::kernel::LiveKernel;

use crate::errors::Failure;
use crate::library;
use crate::options::{ListRequest, Options};

/// Prints the points; fails when nothing matches, and says why with `-v` or from `ntap list`.
pub(crate) fn list(
    request: &ListRequest,
    options: &Options,
    kernel: &LiveKernel,
) -> Result<ExitCode, Failure> {
    let library = library::library(&options.library_directories)?;
    let compile_options = pipeline::Options { library, ..pipeline::Options::new(&[], kernel) };
    let mut diagnostics = Diagnostics::default();
    let points =
        list::list(&request.pattern, request.with_variables, &compile_options, &mut diagnostics);
    if points.is_empty() {
        if options.verbose > 0 {
            let mut sources = SourceMap::default();
            sources.add("<pattern>".to_string(), list::script_of(&request.pattern));
            let render_options = RenderOptions { color: options.color() };
            eprint!("{}", render(&diagnostics, &sources, render_options));
        }
        return Ok(ExitCode::FAILURE);
    }
    let lines: String = points.iter().map(if request.json { json } else { text }).collect();
    // A reader that went away has seen enough.
    let _ = std::io::stdout().write_all(lines.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn text(point: &Listed) -> String {
    let mut line = point.name.clone();
    for variable in &point.variables {
        let _ = write!(line, " {}:{}", variable.name, variable.ty);
    }
    if !point.fields.is_empty() {
        line.push_str(" |");
    }
    for field in &point.fields {
        let _ = write!(line, " {}:{}", field.name, field.ty);
    }
    line + "\n"
}

fn json(point: &Listed) -> String {
    let variable = |name: &str, ty: &str| {
        Json::Object(vec![("name", Json::text(name)), ("type", Json::text(ty))])
    };
    let all = |of: &[Variable]| Json::List(of.iter().map(|v| variable(&v.name, &v.ty)).collect());
    let mut members = vec![("name", Json::text(&point.name)), ("variables", all(&point.variables))];
    if !point.fields.is_empty() {
        members.push(("fields", all(&point.fields)));
    }
    format!("{}\n", Json::Object(members))
}
