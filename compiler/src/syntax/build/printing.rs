//! What the printing functions need to be: literal formats that are well formed, and something to print.

use super::Builder;
use crate::{
    diagnostic::codes,
    format::{Format, MAX_CONVERSIONS},
    printers::Printer,
    source::Span,
    syntax::ast::{Expression, ExpressionKind, LiteralValue, Name},
};

impl Builder<'_, '_> {
    /// Reports what is wrong with a call whatever its arguments are: how many a format takes is looked at
    /// later, for functions that are called.
    pub(super) fn check_printing(&self, printer: &Printer, name: &Name, arguments: &[Expression]) {
        if !printer.formatted && !printer.delimited {
            if arguments.is_empty() && !printer.newline {
                let message = format!("`{}` needs a value", name.text);
                self.error(codes::FORMAT, name.span, message, |_| {});
            }
            return;
        }
        let what = if printer.formatted { "format" } else { "delimiter" };
        let Some((first, rest)) = arguments.split_first() else {
            let message = format!("`{}` needs a {what}", name.text);
            self.error(codes::FORMAT, name.span, message, |error| {
                error.label("has no arguments");
            });
            return;
        };
        let ExpressionKind::Literal(LiteralValue::String(text)) = &first.kind else {
            let message = format!("the {what} must be a literal string");
            self.error(codes::FORMAT, first.span, message, |error| {
                error.label("not a literal");
            });
            return;
        };
        if printer.formatted {
            self.check_format(text, first.span);
        } else if rest.len() < 2 {
            let message = format!("`{}` needs at least two values after the delimiter", name.text);
            self.error(codes::FORMAT, name.span, message, |_| {});
        }
    }

    fn check_format(&self, text: &str, span: Span) {
        match Format::parse(text) {
            Ok(format) if format.conversions().count() > MAX_CONVERSIONS => {
                let message = format!("more than {MAX_CONVERSIONS} conversions");
                self.error(codes::FORMAT, span, message, |_| {});
            }
            Ok(_) => {}
            Err(bad) => {
                let message = "invalid or missing conversion specifier";
                self.error(codes::FORMAT, span, message, |error| {
                    error.label(format!("`{}` is not a conversion", bad.text.escape_debug())).help(
                        "write `%%` for a percent sign; conversions are %d %u %x %p %s %c and so on",
                    );
                });
            }
        }
    }
}
