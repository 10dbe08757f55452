//! Functions by the names that their sources have for them.
//!
//! Compilers of C++ and Rust give functions symbols that hold namespaces and types (`_ZN2ns5Shape4areaEi` for
//! `ns::Shape::area(int)`); optimizing C compilers add what they have done (`walk.isra.0`).

use cpp_demangle::DemangleOptions;
use ntap_compiler::glob;
use ntap_compiler::program_file::ProgramFile;

/// Which functions of a program a name or pattern is of as sources have them: `area`, `Shape::area` and
/// `ns::Shape::area` are one. By their positions in [`ProgramFile::functions`].
pub(super) fn functions(program: &ProgramFile, pattern: &str) -> Vec<usize> {
    let functions = program.functions.iter().enumerate();
    let named = functions.filter(|(_, function)| {
        source_name(&function.name).is_some_and(|name| is_named(&name, pattern))
    });
    named.map(|(at, _)| at).collect()
}

/// The name in the source with what it is in, without parameters; `None` where the symbol is that name.
fn source_name(symbol: &str) -> Option<String> {
    if (symbol.starts_with("_R") || symbol.starts_with("_ZN"))
        && let Ok(name) = rustc_demangle::try_demangle(symbol)
    {
        return Some(format!("{name:#}"));
    }
    if symbol.starts_with("_Z") {
        let options = DemangleOptions::default().no_params().no_return_type();
        let name = cpp_demangle::Symbol::new(symbol).ok()?.demangle_with_options(&options).ok()?;
        let name = name.split(" [clone").next().unwrap_or_default();
        return Some(name.to_string());
    }
    let (name, change) = symbol.split_once('.')?;
    let is_whole = change.starts_with("isra.") || change.starts_with("constprop.");
    is_whole.then(|| name.to_string())
}

/// Whether a name is what a pattern means: all of it or its end, with or without the types in angle brackets.
fn is_named(name: &str, pattern: &str) -> bool {
    let matches = |name: &str| match glob::is_pattern(pattern) {
        true => glob::matches(pattern, name),
        false => name == pattern,
    };
    let is_end = |name: &str| ends(name).any(matches);
    is_end(name) || (name.contains('<') && is_end(&without_types(name)))
}

/// The name and what is behind each `::` that is not inside of brackets.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0i32;
    let bytes = name.as_bytes();
    let behind = (0..name.len()).filter(move |&at| {
        match bytes[at] {
            b'<' | b'(' | b'{' => depth += 1,
            b'>' | b')' | b'}' => depth -= 1,
            _ => {}
        }
        depth == 0 && at >= 1 && bytes[at] == b':' && bytes[at - 1] == b':'
    });
    std::iter::once(name).chain(behind.map(move |at| &name[at + 1..]))
}

/// `twice<int>` as `twice`, `Vec::<u8>::push` as `Vec::push`.
fn without_types(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut depth = 0;
    for character in name.chars() {
        match character {
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    text.replace("::::", "::").trim_end_matches("::").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_symbols() {
        for (symbol, pattern, expected) in [
            ("_ZN2ns5Shape4areaEi", "area", true),
            ("_ZN2ns5Shape4areaEi", "Shape::area", true),
            ("_ZN2ns5Shape4areaEi", "ns::Shape::area", true),
            ("_ZN2ns5Shape4areaEi", "ns::*::ar?a", true),
            ("_ZN2ns5Shape4areaEi", "hape::area", false),
            ("_ZN2ns5Shape4areaEi", "ns::area", false),
            ("_ZN2ns5Shape4areaEi.isra.0", "area", true),
            ("_ZN2ns5twiceIiEET_S1_", "twice", true),
            ("_ZN2ns5twiceIiEET_S1_", "twice<int>", true),
            ("_ZN2ns5twiceIiEET_S1_", "int", false),
            ("_Z4overd", "over", true),
            ("_ZN7program4main17h0123456789abcdefE", "program::main", true),
            ("_ZN7program4main17h0123456789abcdefE", "main", true),
            ("walk.isra.0", "walk", true),
            ("walk.constprop.1", "walk", true),
            ("walk.cold", "walk", false),
            ("walk", "walk", false),
        ] {
            let found = source_name(symbol).is_some_and(|name| is_named(&name, pattern));
            assert_eq!(found, expected, "{symbol} {pattern}: {:?}", source_name(symbol));
        }
    }
}
