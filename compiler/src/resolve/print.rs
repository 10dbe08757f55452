//! Calls of the printing functions.

use super::{Resolver, Scope, counted};
use crate::diagnostic::codes;
use crate::format::Format;
use crate::hir::Print;
use crate::printers::Printer;
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, LiteralValue, Name};

impl Resolver<'_> {
    /// The call of a printing function.
    pub(super) fn print(
        &mut self,
        scope: &mut Scope<'_>,
        printer: &Printer,
        name: &Name,
        arguments: &[Expression],
    ) -> Option<Print> {
        // The parser has made sure of literals, and that there is something to print.
        let mut rest = arguments;
        let mut format = None;
        let mut delimiter = String::new();
        if printer.formatted || printer.delimited {
            let (first, others) = arguments.split_first()?;
            let ExpressionKind::Literal(LiteralValue::String(text)) = &first.kind else {
                return None;
            };
            rest = others;
            if printer.formatted {
                format = Some(self.format(text, first.span, others, name.span)?);
            } else {
                delimiter.clone_from(text);
            }
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
        let format = Format::parse(text).ok()?;
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
