//! From the grammar's pairs to the syntax tree.
//!
//! In: the pairs of one item. Out: its declarations, with spans into the user's text. What the grammar
//! is too coarse for is checked here: number ranges, what can be assigned to, operators that do not
//! chain, statements out of place. One file for each kind of construct.

mod expression;
mod item;
mod literal;
mod operator;
mod primary;
mod printing;
mod probe;
mod statement;

use std::cell::{Cell, RefCell};

use pest::iterators::Pair;

use super::{
    ast::{Expression, ExpressionKind, Name, Statement, StatementKind},
    parser::Rule,
    preprocess::Expanded,
};
use crate::{
    diagnostic::{Code, Diagnostic, Diagnostics, codes},
    source::Span,
};

pub(crate) use literal::number;

/// Builds the tree of one item. Interior mutability, as the operator-precedence parser wants several
/// closures that all build.
pub(super) struct Builder<'e, 'd> {
    expanded: &'e Expanded<'e>,
    /// Where the item begins in the preprocessed text.
    base: usize,
    /// C code is kept, for what asks for it to be refused.
    guru: bool,
    diagnostics: RefCell<&'d mut Diagnostics>,
    /// Inside a function body.
    in_function: Cell<bool>,
    /// Loops around the statement being built.
    loops: Cell<usize>,
    /// `*` may stand among the indices of the next array element.
    wildcards: Cell<bool>,
}

impl<'e, 'd> Builder<'e, 'd> {
    /// A builder for the item that begins at `base`.
    pub(super) fn new(
        expanded: &'e Expanded<'e>,
        base: usize,
        guru: bool,
        diagnostics: &'d mut Diagnostics,
    ) -> Builder<'e, 'd> {
        Builder {
            expanded,
            base,
            guru,
            diagnostics: RefCell::new(diagnostics),
            in_function: Cell::new(false),
            loops: Cell::new(0),
            wildcards: Cell::new(false),
        }
    }

    /// Where a pair stands in the user's text.
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        self.expanded.origin(self.base + span.start(), self.base + span.end())
    }

    fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().to_string(), span: self.span(pair) }
    }

    fn error(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        more: impl FnOnce(&mut Diagnostic),
    ) {
        let mut diagnostics = self.diagnostics.borrow_mut();
        more(diagnostics.error(code, span, message));
    }

    /// `%{ ... %}`: refused, or kept for what runs it to be refused.
    fn embedded(&self, pair: &Pair<'_, Rule>) -> ExpressionKind {
        if !self.guru {
            refuse_embedded(&mut self.diagnostics.borrow_mut(), self.span(pair));
        }
        ExpressionKind::Embedded(pair.as_str().to_string())
    }

    /// A block, also around embedded C code.
    fn body(&self, pair: Pair<'_, Rule>) -> Statement {
        if pair.as_rule() == Rule::embedded {
            let span = self.span(&pair);
            let code = Expression { kind: self.embedded(&pair), span };
            let statement = Statement { kind: StatementKind::Expression(code), span };
            return Statement { kind: StatementKind::Block(vec![statement]), span };
        }
        self.statement(pair)
    }
}

/// Reports C code.
pub(crate) fn refuse_embedded(diagnostics: &mut Diagnostics, span: Span) {
    diagnostics
        .error(codes::EMBEDDED_C, span, "embedded C code is not supported")
        .label("C code for a kernel module")
        .help("read kernel data with `$argument->member`, `@cast(...)` or a library function")
        .note("scripts are compiled to eBPF, which the kernel verifies; there is no C compiler");
}

/// The pairs inside a pair that carry meaning: no punctuation, no keywords.
fn parts<'i>(pair: Pair<'i, Rule>) -> impl Iterator<Item = Pair<'i, Rule>> {
    pair.into_inner().filter(|pair| {
        !matches!(
            pair.as_rule(),
            Rule::open_parenthesis
                | Rule::close_parenthesis
                | Rule::open_bracket
                | Rule::close_bracket
                | Rule::open_brace
                | Rule::close_brace
                | Rule::comma
                | Rule::semicolon
                | Rule::colon
                | Rule::dot
                | Rule::assign_sign
                | Rule::probe_word
                | Rule::global_word
                | Rule::function_word
                | Rule::if_word
                | Rule::else_word
                | Rule::while_word
                | Rule::for_word
                | Rule::foreach_word
                | Rule::in_word
                | Rule::limit_word
                | Rule::break_word
                | Rule::continue_word
                | Rule::next_word
                | Rule::return_word
                | Rule::delete_word
                | Rule::try_word
                | Rule::catch_word
                | Rule::cast_word
                | Rule::defined_word
                | Rule::probe_write_word
                | Rule::entry_word
                | Rule::perf_word
                | Rule::var_word
                | Rule::constant_word
                | Rule::enumeration_name_word
        )
    })
}
