//! The types of numbers that C has words for: `unsigned long`, `long unsigned int`.

/// What compilers call a type in the types of a program or kernel, and its size in bytes, by the words of C for it in any
/// order; `None` where the words name none, or leave no choice of words.
pub(crate) fn c_integer(name: &str) -> Option<(&'static str, i64)> {
    let mut words: Vec<&str> = name.split_whitespace().collect();
    words.retain(|word| !matches!(*word, "const" | "volatile"));
    let has = |wanted: &str| words.contains(&wanted);
    let (unsigned, signed) = (has("unsigned"), has("signed"));
    words.retain(|word| !matches!(*word, "signed" | "unsigned"));
    words.sort_unstable();
    Some(match (&words[..], unsigned) {
        ([] | ["int"], true) => ("unsigned int", 4),
        ([], false) if signed => ("int", 4),
        (["int"], false) => ("int", 4),
        (["char"], true) => ("unsigned char", 1),
        (["char"], false) if signed => ("signed char", 1),
        (["char"], false) => ("char", 1),
        (["short"] | ["int", "short"], true) => ("short unsigned int", 2),
        (["short"] | ["int", "short"], false) => ("short int", 2),
        (["long"] | ["int", "long"], true) => ("long unsigned int", 8),
        (["long"] | ["int", "long"], false) => ("long int", 8),
        (["long", "long"] | ["int", "long", "long"], true) => ("long long unsigned int", 8),
        (["long", "long"] | ["int", "long", "long"], false) => ("long long int", 8),
        (["_Bool"] | ["bool"], false) => ("_Bool", 1),
        _ => return None,
    })
}

/// What compilers call the integer of a size in bytes.
pub(crate) fn sized(bytes: u8, signed: bool) -> &'static str {
    match (bytes, signed) {
        (1, false) => "unsigned char",
        (1, true) => "signed char",
        (2, false) => "short unsigned int",
        (2, true) => "short int",
        (4, false) => "unsigned int",
        (4, true) => "int",
        (_, false) => "long unsigned int",
        (_, true) => "long int",
    }
}

#[cfg(test)]
mod tests {
    use super::c_integer;

    #[test]
    fn words_in_any_order() {
        for (words, expected) in [
            ("long", Some(("long int", 8))),
            ("unsigned", Some(("unsigned int", 4))),
            ("unsigned long int", Some(("long unsigned int", 8))),
            ("long unsigned int", Some(("long unsigned int", 8))),
            ("const unsigned char", Some(("unsigned char", 1))),
            ("long long", Some(("long long int", 8))),
            ("signed", Some(("int", 4))),
            ("", None),
            ("u64", None),
            ("unsigned u64", None),
        ] {
            assert_eq!(c_integer(words), expected, "{words}");
        }
    }
}
