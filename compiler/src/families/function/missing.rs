//! What is said when there is no function to probe.

use super::{Wanted, plain_name};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::families::Request;
use crate::glob;
use crate::hir::Point;
use crate::source::Span;

/// Reports that nothing matches, with the names that are near and the reason where it is known.
pub(super) fn report(request: &Request<'_>, wanted: &Wanted<'_>, diagnostics: &mut Diagnostics) {
    let pattern = wanted.pattern;
    let mut names: Vec<String> = vec![];
    let mut elsewhere: Vec<String> = vec![];
    let mut has_module = false;
    let _ = request.facts.each_function(&mut |function| {
        let Some(name) = plain_name(function.name) else { return };
        if function.module == wanted.module {
            has_module = true;
            names.push(name.to_string());
        } else if glob::matches(pattern, name) {
            elsewhere.extend(function.module.map(str::to_string));
        }
    });
    let place = wanted.module.map_or(String::new(), |module| format!(" in module `{module}`"));
    let verb = if glob::is_pattern(pattern) { "matches" } else { "is called" };
    let diagnostic = diagnostics.error(
        codes::UNKNOWN_FUNCTION_POINT,
        wanted.span,
        format!("no kernel function{place} {verb} `{pattern}`"),
    );
    if let Some(module) = wanted.module.filter(|_| !has_module) {
        diagnostic
            .label("the module is not loaded")
            .help(format!("load it first (`modprobe {module}`), or write `?` behind the point"));
        return;
    }
    diagnostic.label("no such function");
    if let Some(module) = elsewhere.first() {
        diagnostic
            .help(format!("it is in a module: `module(\"{module}\").function(\"{pattern}\")`"));
        return;
    }
    let is_typed = request.facts.btf().is_ok_and(|btf| btf.function(pattern).is_some());
    if is_typed {
        diagnostic.note("the kernel's types have it: it has no code of its own that can be probed");
    }
    if !glob::is_pattern(pattern) {
        let near = suggest::nearest(pattern, names.iter().map(String::as_str), 3);
        if near.is_empty() {
            diagnostic.note(
                "functions that are inlined everywhere have no code of their own, \
                 nor have names that are macros",
            );
        } else {
            diagnostic.suggest(pattern, near);
        }
    }
}

/// Reports that no source file matches.
pub(super) fn report_file(file: &str, span: Span, diagnostics: &mut Diagnostics) {
    diagnostics
        .error(
            codes::UNKNOWN_FUNCTION_POINT,
            span,
            format!("no source file of the kernel is known that matches `{file}`"),
        )
        .label("unknown source file")
        .note(
            "files are known by a table made of other kernels: those of the kernel proper, not of modules",
        )
        .help("a path begins at the top of the kernel's sources: `*@net/socket.c`");
}

/// Reports that a function is in another file.
pub(super) fn report_elsewhere(
    wanted: &Wanted<'_>,
    file: &str,
    files: &[String],
    diagnostics: &mut Diagnostics,
) {
    let name = wanted.pattern;
    let message = format!("no kernel function `{name}` is in `{file}`");
    let help = match files {
        [one] => format!("it is in {one}: `{name}@{one}`, or `{name}` alone"),
        several => format!("functions of this name are in {}", several.join(", ")),
    };
    diagnostics
        .error(codes::UNKNOWN_FUNCTION_POINT, wanted.span, message)
        .label("it is in another source file")
        .help(help);
}

/// Reports that the kernel does not say which functions it exports.
pub(super) fn report_exports(span: Span, diagnostics: &mut Diagnostics) {
    diagnostics
        .error(
            codes::UNKNOWN_FUNCTION_POINT,
            span,
            "which functions this kernel exports is not known",
        )
        .label("needs the symbols `__ksymtab_*`")
        .note("/proc/kallsyms has them only in kernels with CONFIG_KALLSYMS_ALL")
        .help("leave out `.exported`");
}

/// Points that take debug information, where that is not installed.
pub(super) fn refuse(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let release = request.facts.kernel_release();
    diagnostics
        .error(
            codes::NEEDS_DEBUG_INFO,
            request.point.span,
            format!("`{}` needs the kernel's debug information", request.spelling()),
        )
        .label("inlined copies, calls, lines and labels are known to nothing else")
        .note(format!("on Debian it is in the package linux-image-{release}-dbg"))
        .help("functions with code of their own can be probed: `kernel.function(\"NAME\")`");
    vec![]
}

/// Points that take debug information of modules.
pub(super) fn refuse_module(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    diagnostics
        .error(
            codes::NEEDS_DEBUG_INFO,
            request.point.span,
            format!("`{}` needs the module's debug information", request.spelling()),
        )
        .label("inlined copies, calls, lines and labels are known to nothing else")
        .note("the debug information of the kernel proper is read where it is installed, that of modules is not")
        .help(
            "functions with code of their own can be probed: `module(\"MODULE\").function(\"NAME\")`",
        );
    vec![]
}

/// Points whose debug information is of no use.
pub(super) fn refuse_form(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    diagnostics
        .error(
            codes::UNSUPPORTED,
            request.point.span,
            format!("`{}` is not supported", request.spelling()),
        )
        .help(match request.position("return") {
            Some(_) => "probe the return from everywhere: `kernel.function(\"NAME\").return`",
            None => "probe the instruction: `kernel.statement(ADDRESS).absolute`",
        });
    vec![]
}
