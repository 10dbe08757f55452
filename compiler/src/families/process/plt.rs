//! `process(..).plt`: calls of functions of libraries.

use super::{files, instruction, limited, returned};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::families::Request;
use crate::glob;
use crate::hir::{Attach, Identity, Instruction, Point};

pub(super) fn calls(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let (pattern, span) = request.text_of("plt").unwrap_or(("*", request.point.span));
    let returns = request.position("return").is_some();
    let files = files(request, diagnostics);
    let mut points = vec![];
    for looked in &files {
        for entry in looked.file.plt.iter().filter(|entry| glob::matches(pattern, &entry.name)) {
            let suffix = if returns { ".return" } else { "" };
            let name = format!("{}.plt(\"{}\"){suffix}", looked.prefix, entry.name);
            let context = match returns {
                true => returned(request.facts.architecture(), None),
                false => vec![],
            };
            let attach =
                Attach::Instruction(Instruction { returns, ..instruction(looked, entry.offset) });
            let identity = Identity {
                function: entry.name.clone(),
                texts: vec![("$$name", entry.name.clone())],
            };
            points.push(Point { context, identity, ..Point::new(name, attach) });
        }
    }
    if let (true, Some(first)) = (points.is_empty(), files.first()) {
        let path = &first.file.path;
        let names: Vec<&str> = first.file.plt.iter().map(|entry| entry.name.as_str()).collect();
        if names.is_empty() {
            diagnostics
                .error(codes::UNKNOWN_SYMBOL, span, format!("{path} calls no functions by a table"))
                .note("it is linked statically, or with -fno-plt: calls then go through addresses")
                .help("probe the function where it is: `.library(\"NAME\").function(\"NAME\")`");
        } else {
            let message = format!("{path} calls no function `{pattern}` of a library");
            let diagnostic = diagnostics.error(codes::UNKNOWN_SYMBOL, span, message);
            let near = suggest::nearest(pattern, names.iter().copied(), 3);
            if !near.is_empty() {
                diagnostic.suggest(pattern, near);
            }
        }
    }
    limited(points, span, diagnostics)
}
