//! The printing functions: what their names mean, and their formats.

use super::{Resolver, Scope, counted};
use crate::diagnostic::codes;
use crate::format::{Format, MAX_CONVERSIONS};
use crate::hir::Print;
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, LiteralValue, Name};

/// A member of the `print` family.
pub(super) struct Printer {
    /// Its name.
    pub(super) name: &'static str,
    /// The first argument is a format.
    formatted: bool,
    /// The first argument stands between the others.
    delimited: bool,
    newline: bool,
    /// Gives a string instead of printing.
    pub(super) to_text: bool,
}

const fn printer(
    name: &'static str,
    formatted: bool,
    delimited: bool,
    newline: bool,
    to_text: bool,
) -> Printer {
    Printer { name, formatted, delimited, newline, to_text }
}

/// Whether a name is that of a printing function.
pub(crate) fn is_printer(name: &str) -> bool {
    PRINTERS.iter().any(|printer| printer.name == name)
}

/// All of them.
pub(super) const PRINTERS: &[Printer] = &[
    printer("print", false, false, false, false),
    printer("println", false, false, true, false),
    printer("printf", true, false, false, false),
    printer("printd", false, true, false, false),
    printer("printdln", false, true, true, false),
    printer("sprint", false, false, false, true),
    printer("sprintln", false, false, true, true),
    printer("sprintf", true, false, false, true),
    printer("sprintd", false, true, false, true),
    printer("sprintdln", false, true, true, true),
];

impl Resolver<'_> {
    /// The call of a printing function.
    pub(super) fn print(
        &mut self,
        scope: &mut Scope<'_>,
        printer: &Printer,
        name: &Name,
        arguments: &[Expression],
    ) -> Option<Print> {
        let mut rest = arguments;
        let mut format = None;
        let mut delimiter = String::new();
        if printer.formatted || printer.delimited {
            let what = if printer.formatted { "format" } else { "delimiter" };
            let Some((first, others)) = arguments.split_first() else {
                self.diagnostics
                    .error(codes::FORMAT, name.span, format!("`{}` needs a {what}", name.text))
                    .label("has no arguments");
                return None;
            };
            let ExpressionKind::Literal(LiteralValue::String(text)) = &first.kind else {
                self.diagnostics
                    .error(
                        codes::FORMAT,
                        first.span,
                        format!("the {what} must be a literal string"),
                    )
                    .label("not a literal");
                return None;
            };
            rest = others;
            if printer.formatted {
                format = Some(self.format(text, first.span, others, name.span)?);
            } else {
                delimiter.clone_from(text);
                if rest.len() < 2 {
                    self.diagnostics.error(
                        codes::FORMAT,
                        name.span,
                        format!("`{}` needs at least two values after the delimiter", name.text),
                    );
                    return None;
                }
            }
        } else if rest.is_empty() && !printer.newline {
            self.diagnostics.error(
                codes::FORMAT,
                name.span,
                format!("`{}` needs a value", name.text),
            );
            return None;
        }
        let plain = !printer.formatted && !printer.delimited;
        let arguments: Vec<_> = rest
            .iter()
            .map(|a| if plain { self.printed(scope, a) } else { self.expression(scope, a) })
            .collect();
        let mut arguments = arguments.into_iter().collect::<Option<Vec<_>>>()?;
        if let Some(whole) = format {
            let (parts, values) = self.expand_memory(whole, arguments, name.span)?;
            format = Some(parts);
            arguments = values;
        }
        Some(Print { format, delimiter, newline: printer.newline, arguments })
    }

    fn format(
        &mut self,
        text: &str,
        span: Span,
        arguments: &[Expression],
        call: Span,
    ) -> Option<Format> {
        let format = match Format::parse(text) {
            Ok(format) => format,
            Err(bad) => {
                self.diagnostics
                    .error(codes::FORMAT, span, "invalid or missing conversion specifier")
                    .label(format!("`{}` is not a conversion", bad.text.escape_debug()))
                    .help("write `%%` for a percent sign; conversions are %d %u %x %p %s %c and so on");
                return None;
            }
        };
        if format.conversions().count() > MAX_CONVERSIONS {
            self.diagnostics.error(
                codes::FORMAT,
                span,
                format!("more than {MAX_CONVERSIONS} conversions"),
            );
            return None;
        }
        let wanted = format.argument_kinds().len();
        if wanted != arguments.len() {
            let diagnostic = self.diagnostics.error(
                codes::FORMAT,
                call,
                "wrong number of arguments to formatted print",
            );
            diagnostic
                .label(format!("{} given", counted(arguments.len(), "value")))
                .also(span, format!("the format takes {wanted}"));
            return None;
        }
        Some(format)
    }
}
