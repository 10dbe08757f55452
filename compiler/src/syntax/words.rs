//! The reserved words of the language.

/// Keywords; still allowed as probe point components and as members behind `->`.
#[rustfmt::skip]
pub(super) const KEYWORDS: &[&str] = &[
    "probe", "global", "private", "function", "if", "else", "for", "foreach", "in", "limit",
    "return", "delete", "while", "break", "continue", "next", "string", "long", "try", "catch",
];

/// Words with `@` that are operators; any other is a macro.
#[rustfmt::skip]
pub(super) const OPERATORS: &[&str] = &[
    "@avg", "@cast", "@const", "@count", "@defined", "@entry", "@enum", "@enumname", "@hist_linear",
    "@hist_log", "@kderef", "@kregister", "@max", "@min", "@percentile", "@perf", "@probewrite", "@sum", "@uderef",
    "@uregister", "@var", "@variance",
];

/// Whether a declaration begins with this word.
pub(super) fn starts_item(word: &str) -> bool {
    matches!(word, "probe" | "global" | "private" | "function")
}

/// Whether a word is reserved.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}
