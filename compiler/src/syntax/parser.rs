//! One top-level item through the grammar.

use pest::Parser as _;

use super::{ast::Script, build::Builder, expected, items::Item, preprocess::Expanded};
use crate::diagnostic::Diagnostics;

pub(super) use self::generated::Rule;

#[allow(missing_docs, unreachable_pub)]
mod generated {
    /// The parser made from the grammar file.
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/ntap.pest"]
    pub struct Grammar;
}

/// Parses the tokens of one item and adds what it declares to `script`.
pub(super) fn parse_item(
    expanded: &Expanded<'_>,
    item: Item,
    guru: bool,
    diagnostics: &mut Diagnostics,
    script: &mut Script,
) {
    let (Some(first), Some(last)) =
        (expanded.pieces.get(item.start), expanded.pieces.get(item.end.wrapping_sub(1)))
    else {
        return;
    };
    let base = first.start as usize;
    let text = expanded.text.get(base..last.end as usize).unwrap_or("");
    match generated::Grammar::parse(Rule::single_item, text) {
        Ok(pairs) => {
            let builder = Builder::new(expanded, base, guru, diagnostics);
            for pair in pairs {
                builder.item(pair, &mut script.items);
            }
        }
        Err(error) => expected::report(&error, expanded, item, base, diagnostics),
    }
}
