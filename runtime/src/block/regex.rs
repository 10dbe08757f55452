//! Matching of regular expressions, the POSIX way: of all matches the leftmost, of those the longest.
//!
//! The automaton library prefers earlier alternatives to longer matches. So a first search finds where
//! the leftmost match starts, and a second one, anchored there and told to report all matches, ends
//! with the longest.

use regex_automata::nfa::thompson::NFA;
use regex_automata::nfa::thompson::pikevm::{Builder, Cache, Config, PikeVM};
use regex_automata::{Anchored, Input, MatchKind};

/// A compiled regular expression.
struct Regex {
    leftmost: PikeVM,
    longest: PikeVM,
    caches: (Cache, Cache),
}

impl Regex {
    fn new(nfa: NFA) -> Option<Regex> {
        let all = Config::new().match_kind(MatchKind::All);
        let leftmost = Builder::new().build_from_nfa(nfa.clone()).ok()?;
        let longest = Builder::new().configure(all).build_from_nfa(nfa).ok()?;
        let caches = (leftmost.create_cache(), longest.create_cache());
        Some(Regex { leftmost, longest, caches })
    }

    /// The places of the match and its groups; `None` without a match.
    fn find(&mut self, text: &[u8]) -> Option<Vec<Option<(usize, usize)>>> {
        let mut start = [None; 2];
        self.leftmost.search_slots(&mut self.caches.0, &Input::new(text), &mut start)?;
        let start = start[0]?.get();
        let groups = self.longest.get_nfa().group_info().all_group_len();
        let mut slots = vec![None; 2 * groups];
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        self.longest.search_slots(&mut self.caches.1, &input, &mut slots)?;
        let place = |pair: &[Option<regex_automata::util::primitives::NonMaxUsize>]| {
            Some((pair[0]?.get(), pair[1]?.get()))
        };
        Some(slots.chunks_exact(2).map(place).collect())
    }
}

/// The regular expressions of a script, and the last match.
#[derive(Default)]
pub struct Regexes {
    compiled: Vec<Option<Regex>>,
    /// The texts of the last match and its groups; `None` after a failed one.
    last: Option<Vec<Option<Vec<u8>>>>,
}

impl Regexes {
    /// Those of a list, in its order. Each was compiled before by the compiler.
    pub fn new(texts: &[String]) -> Regexes {
        let compiled =
            texts.iter().map(|t| Regex::new(ntap_compiler::regex::compile(t).ok()?)).collect();
        Regexes { compiled, last: None }
    }

    /// Whether a text contains a match; what matched is kept.
    pub fn matches(&mut self, regex: usize, text: &[u8]) -> bool {
        let found =
            self.compiled.get_mut(regex).and_then(Option::as_mut).and_then(|r| r.find(text));
        self.last = found.map(|places| {
            let part = |(start, end): (usize, usize)| text.get(start..end).map(<[u8]>::to_vec);
            places.into_iter().map(|place| place.and_then(part)).collect()
        });
        self.last.is_some()
    }

    /// The text of a group of the last match, 0 being all of it; empty when the group took no part. The
    /// error says what is missing.
    pub fn matched(&self, group: i64) -> Result<&[u8], String> {
        let groups = self.groups()?;
        match usize::try_from(group).ok().and_then(|at| groups.get(at)) {
            Some(text) => Ok(text.as_deref().unwrap_or_default()),
            None => Err(format!("the regular expression has no subexpression {group}")),
        }
    }

    /// How many groups the last match has, itself included.
    pub fn count(&self) -> Result<i64, String> {
        self.groups().map(|groups| groups.len() as i64)
    }

    fn groups(&self) -> Result<&[Option<Vec<u8>>], String> {
        match &self.last {
            Some(groups) => Ok(groups),
            None => Err("the last regular expression did not match".to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(regex: &str, text: &str) -> Option<Vec<String>> {
        let mut regexes = Regexes::new(&[regex.to_string()]);
        if !regexes.matches(0, text.as_bytes()) {
            assert!(regexes.matched(0).is_err());
            return None;
        }
        let groups = 0..regexes.count().unwrap();
        assert!(regexes.matched(groups.end).is_err());
        assert!(regexes.matched(-1).is_err());
        Some(groups.map(|g| String::from_utf8_lossy(regexes.matched(g).unwrap()).into()).collect())
    }

    #[test]
    fn finds_the_leftmost_longest() {
        for (regex, text, groups) in [
            ("a|ab", "xabc", &["ab"][..]),
            ("(a|ab)(c|bcd)", "abcd", &["abcd", "a", "bcd"]),
            ("b*", "abb", &[""]),
            ("b+", "abbabbb", &["bb"]),
            ("^ab$", "ab", &["ab"]),
            ("(x)?b", "ab", &["b", ""]),
            ("[[:digit:]]{2,3}", "a1234", &["123"]),
            ("[]x-]+", "a]-x]b", &["]-x]"]),
            ("[^a-c]+", "abcdef", &["def"]),
            ("a\\.b", "axba.b", &["a.b"]),
            (".", "\n", &["\n"]),
            ("(a*)*", "aab", &["aa", "aa"]),
            ("", "abc", &[""]),
            ("()|x", "x", &["x", ""]),
        ] {
            let expected: Vec<String> = groups.iter().map(|g| g.to_string()).collect();
            assert_eq!(find(regex, text), Some(expected), "{regex} {text}");
        }
        for (regex, text) in [("a{3}", "aa"), ("^b", "ab"), ("a$", "ab"), ("[[:upper:]]", "abc")] {
            assert_eq!(find(regex, text), None, "{regex} {text}");
        }
    }

    #[test]
    fn takes_bytes_that_are_no_text() {
        let mut regexes = Regexes::new(&["a.b".to_string()]);
        assert!(regexes.matches(0, b"\xffa\xc3b"));
        assert_eq!(regexes.matched(0).unwrap(), b"a\xc3b");
    }
}
