//! Syntax errors in words: what was expected, what was found.
//!
//! The grammar knows every rule that could have gone on at the place where none did. Rules are put
//! into a few groups a user knows (a statement, an expression, an operator) and only the widest group
//! is named.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::{
    items::Item,
    parser::Rule,
    preprocess::{Expanded, TokenKind},
    words,
};
use crate::diagnostic::bpftrace::{self, WordPlace};
use crate::diagnostic::{Diagnostics, codes};

/// What a rule is to the user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    /// A place for a declaration.
    Declaration,
    /// A place for a statement.
    Statement,
    /// A place for an operand.
    Expression,
    /// Something with a name of its own.
    Named(&'static str),
    /// Behind an operand: any operator.
    Operator,
    /// Never worth naming.
    Silent,
}

/// Reports that the grammar does not accept an item.
pub(super) fn report(
    error: &Error<Rule>,
    expanded: &Expanded<'_>,
    item: Item,
    base: usize,
    diagnostics: &mut Diagnostics,
) {
    let offset = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => base + at,
    };
    let at = expanded.piece_at(offset).min(item.end);
    let piece = expanded.pieces.get(at).filter(|_| at < item.end);
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else {
        let span = piece.map_or_else(|| expanded.end_of_text(), |piece| piece.origin);
        diagnostics.error(codes::TOO_DEEP, span, "nested too deeply");
        return;
    };
    if let Some(brace) = missing_probe_point(expanded, &item) {
        diagnostics
            .error(codes::SYNTAX, brace, "expected a probe point, found `{`")
            .label("expected a probe point before this")
            .help("say when the handler runs, such as `probe begin {`");
        return;
    }
    let mut meanings: Vec<Meaning> = positives.iter().map(|&rule| meaning(rule)).collect();
    meanings.sort();
    meanings.dedup();
    let expected = describe(&meanings);

    let Some(piece) = piece else {
        // The brackets match, so the item ends too early: `global`, `probe begin`.
        let last = expanded.pieces[item.end - 1].origin;
        let next = expanded.pieces.get(item.end);
        let found = match next {
            Some(next) => format!("`{}`", shorten(expanded.piece_text(next))),
            None => "the end of the script".to_string(),
        };
        let error =
            diagnostics.error(codes::SYNTAX, last, format!("expected {expected}, found {found}"));
        error.label(format!("expected {expected} after this"));
        if let Some(next) = next {
            error.also(next.origin, "before this");
        }
        return;
    };
    let text = expanded.piece_text(piece);
    let message = format!("expected {expected}, found `{}`", shorten(text));
    let error = diagnostics.error(codes::SYNTAX, piece.origin, message);
    error.label(format!("expected {expected}"));
    let before = at.checked_sub(1).filter(|before| *before >= item.start);
    let before = before.map_or("", |before| expanded.piece_text(&expanded.pieces[before]));
    let wants_name = meanings.contains(&Meaning::Named("a name"));
    let wants_any = wants_name
        || meanings.contains(&Meaning::Statement)
        || meanings.contains(&Meaning::Expression);
    if piece.kind == TokenKind::Word && text == "else" {
        error.help("`else` belongs directly behind the statement of an `if`");
    } else if piece.kind == TokenKind::Word && words::is_keyword(text) && wants_any {
        error.help(format!("`{text}` is a reserved word; choose another name"));
    } else if let Some(help) = bpftrace::here(text, WordPlace::Declaration)
        && meanings.contains(&Meaning::Declaration)
    {
        error.help(help);
    } else if meanings.contains(&Meaning::Declaration) {
        error.help("statements stand in the braces of a probe or function");
    } else if matches!(before, "=~" | "!~") {
        error.help("a regular expression must be a literal string");
    } else if wants_name && text.starts_with('$') {
        error.help("names with `$` are parts of the probed context and cannot be declared");
    }
}

/// The brace of `probe { ... }`, which the grammar takes for braces of a probe point.
fn missing_probe_point(expanded: &Expanded<'_>, item: &Item) -> Option<crate::source::Span> {
    let text = |at: usize| expanded.pieces.get(at).map_or("", |piece| expanded.piece_text(piece));
    if text(item.start) != "probe" || text(item.start + 1) != "{" {
        return None;
    }
    let mut depth = 0usize;
    let closing = (item.start + 1..item.end).find(|&at| {
        match text(at) {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    (closing? + 1 == item.end).then(|| expanded.pieces[item.start + 1].origin)
}

/// The groups as a list in words.
fn describe(meanings: &[Meaning]) -> String {
    let wide = meanings.first().copied().unwrap_or(Meaning::Silent);
    let mut list: Vec<&str> = match wide {
        Meaning::Declaration => vec!["`probe`", "`global`", "`function`", "`private`"],
        Meaning::Statement => vec!["a statement"],
        Meaning::Expression => vec!["an expression"],
        Meaning::Named(_) | Meaning::Operator | Meaning::Silent => vec![],
    };
    // A probe point can go on in many ways, but what is missing behind it is the handler.
    let in_probe_point =
        meanings.contains(&Meaning::Named("`{`")) && meanings.contains(&Meaning::Named("`.`"));
    if in_probe_point {
        return "`,` or `{`".to_string();
    }
    // What a statement or an expression begins with, and what continues an operand, is clear.
    let behind_operand = meanings.contains(&Meaning::Operator);
    list.extend(meanings.iter().filter_map(|meaning| match (wide, meaning) {
        (Meaning::Declaration, _) => None,
        (Meaning::Statement, Meaning::Named(name)) => Some(*name).filter(|name| *name == "`}`"),
        (Meaning::Expression, Meaning::Named("`(`" | "`[`" | "a name" | "a string")) => None,
        (_, Meaning::Named("`(`" | "`[`" | "`in`" | "a string")) if behind_operand => None,
        (_, Meaning::Named(name)) => Some(*name),
        _ => None,
    }));
    if behind_operand && matches!(wide, Meaning::Named(_) | Meaning::Operator) {
        list.push("an operator");
    }
    match list.as_slice() {
        [] => "something else".to_string(),
        [one] => one.to_string(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// A token short enough for a message, on one line.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= 40 && line.len() == text.len() {
        return text.to_string();
    }
    let head: String = line.chars().take(36).collect();
    format!("{head}...")
}

fn meaning(rule: Rule) -> Meaning {
    use Meaning::{Declaration, Expression, Named, Operator, Silent, Statement};
    match rule {
        Rule::function_declaration | Rule::global_declaration | Rule::probe_declaration => {
            Declaration
        }
        Rule::empty_statement
        | Rule::expression_statement
        | Rule::if_statement
        | Rule::while_statement
        | Rule::for_statement
        | Rule::foreach_statement
        | Rule::break_statement
        | Rule::continue_statement
        | Rule::next_statement
        | Rule::return_statement
        | Rule::delete_statement
        | Rule::try_statement => Statement,
        Rule::block | Rule::open_brace => Named("`{`"),
        Rule::expression
        | Rule::parenthesized
        | Rule::named
        | Rule::tuple_membership
        | Rule::context
        | Rule::number
        | Rule::unary
        | Rule::increment_before
        | Rule::address_of
        | Rule::aggregate
        | Rule::cast
        | Rule::defined
        | Rule::probe_write
        | Rule::entry
        | Rule::perf
        | Rule::global_variable
        | Rule::constant
        | Rule::enumeration_name
        | Rule::raw
        | Rule::for_init
        | Rule::for_condition
        | Rule::for_step => Expression,
        Rule::assignment
        | Rule::ternary
        | Rule::logical_or
        | Rule::logical_and
        | Rule::bit_or
        | Rule::bit_xor
        | Rule::bit_and
        | Rule::membership
        | Rule::equality_or_order
        | Rule::matching
        | Rule::shift
        | Rule::concatenation
        | Rule::additive
        | Rule::multiplicative
        | Rule::increment_after
        | Rule::arrow
        | Rule::subscript
        | Rule::pretty => Operator,
        Rule::string | Rule::quoted => Named("a string"),
        Rule::signed_literal | Rule::sign => Named("a number or string"),
        Rule::identifier | Rule::parameter | Rule::global_name | Rule::foreach_name => {
            Named("a name")
        }
        Rule::member_name => Named("a member name"),
        Rule::component | Rule::component_name | Rule::probe_point | Rule::probe_points => {
            Named("a probe point")
        }
        Rule::braces | Rule::brace_rest | Rule::brace_list | Rule::brace_entry => {
            Named("a probe point")
        }
        Rule::declared_type => Named("`long` or `string`"),
        Rule::foreach_keys => Named("a name or `[`"),
        Rule::foreach_array => Named("an array"),
        Rule::wildcard => Named("`*`"),
        Rule::open_parenthesis | Rule::component_argument | Rule::arguments => Named("`(`"),
        Rule::close_parenthesis => Named("`)`"),
        Rule::open_bracket | Rule::indices | Rule::global_size => Named("`[`"),
        Rule::close_bracket => Named("`]`"),
        Rule::close_brace => Named("`}`"),
        Rule::comma => Named("`,`"),
        Rule::semicolon => Named("`;`"),
        Rule::colon | Rule::type_mark | Rule::priority => Named("`:`"),
        Rule::dot => Named("`.`"),
        Rule::assign_sign | Rule::alias_sign => Named("`=`"),
        Rule::in_word => Named("`in`"),
        Rule::limit_word | Rule::foreach_limit => Named("`limit`"),
        Rule::catch_word => Named("`catch`"),
        Rule::global_word => Named("`global`"),
        Rule::function_word => Named("`function`"),
        Rule::EOI
        | Rule::WHITESPACE
        | Rule::COMMENT
        | Rule::single_item
        | Rule::item
        | Rule::wrap_mark
        | Rule::optional_mark
        | Rule::sufficient_mark
        | Rule::condition
        | Rule::statement
        | Rule::test
        | Rule::foreach_value
        | Rule::sort_mark
        | Rule::operand
        | Rule::reference
        | Rule::access
        | Rule::lone_dollar
        | Rule::infix
        | Rule::primary
        | Rule::index
        | Rule::operator_call
        | Rule::word_character
        | Rule::word_rest
        | Rule::keyword
        | Rule::embedded
        | Rule::probe_word
        | Rule::private_word
        | Rule::if_word
        | Rule::else_word
        | Rule::while_word
        | Rule::for_word
        | Rule::foreach_word
        | Rule::break_word
        | Rule::continue_word
        | Rule::next_word
        | Rule::return_word
        | Rule::delete_word
        | Rule::try_word
        | Rule::aggregate_word
        | Rule::cast_word
        | Rule::defined_word
        | Rule::probe_write_word
        | Rule::entry_word
        | Rule::perf_word
        | Rule::var_word
        | Rule::constant_word
        | Rule::enumeration_name_word
        | Rule::raw_word => Silent,
    }
}
