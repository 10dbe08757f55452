//! POSIX extended regular expressions: from their text to an automaton.
//!
//! In: the right side of `=~`, its string escapes already replaced. Out: an NFA over bytes, or what is
//! wrong and where. Characters, `.` (any byte), brackets with ranges and named classes, `^` and `$` (the
//! ends of the text), groups, `|`, `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`; a backslash takes the special
//! meaning from a character. There are no back-references, and no classes like `\d`.

use std::collections::HashMap;

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

/// The most repetitions `{n,m}` can ask for: RE_DUP_MAX.
const MAX_REPEAT: u32 = 255;
/// The most nested groups.
const MAX_DEPTH: usize = 100;
/// Bytes an automaton may take.
const MAX_NFA_BYTES: usize = 1 << 20;

/// Why a regular expression cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError {
    /// Where, in bytes from the start.
    pub position: usize,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Compiles a regular expression.
pub fn compile(text: &str) -> Result<NFA, RegexError> {
    let mut parser = Parser { text: text.as_bytes(), at: 0, groups: 0, depth: 0 };
    let expression = parser.alternation()?;
    if parser.at < parser.text.len() {
        return Err(parser.error("found ) without ("));
    }
    let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_NFA_BYTES));
    thompson::Compiler::new().configure(config).build_from_hir(&expression).map_err(|_| {
        RegexError {
            position: 0,
            what: "it is too large".to_string(),
            help: Some("use smaller repetition counts".to_string()),
        }
    })
}

/// The state of an [`Automaton`] in which a match was found.
pub const MATCHED: u16 = 0;
/// The state in which none can be found any more.
const DEAD: u16 = 1;
/// The state at the start of a text. From this one on the answer is open.
pub const START: u16 = 2;
/// Bytes of the table that says which class a byte is in.
pub const CLASSES_BYTES: u32 = 256;
/// Bytes that a table may take, and the work to make it.
const MAX_TABLE_BYTES: usize = 1 << 16;

/// A table by which kernel code tells whether a text contains a match, one byte after another.
///
/// ```text
/// 0    u8 class[256]                  byte 0, the end of the text, is in the last class
/// 256  u16 next[states][classes]      little-endian
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automaton {
    classes: [u8; CLASSES_BYTES as usize],
    next: Vec<Vec<u16>>,
}

impl Automaton {
    /// The automaton of a regular expression; `None` when it is wrong, or its table too large.
    pub fn new(text: &str) -> Option<Automaton> {
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(4 * MAX_TABLE_BYTES))
            .determinize_size_limit(Some(4 * MAX_TABLE_BYTES));
        let nfa = compile(text).ok()?;
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        let mut ids = HashMap::from([(start, START)]);
        let mut states = vec![start];
        let mut rows: Vec<Vec<u16>> = vec![];
        while let Some(&state) = states.get(rows.len()) {
            let mut number = |id: StateID| {
                if dfa.is_match_state(id) {
                    MATCHED
                } else if dfa.is_dead_state(id) || dfa.is_quit_state(id) {
                    DEAD
                } else {
                    *ids.entry(id).or_insert_with(|| {
                        states.push(id);
                        START + states.len() as u16 - 1
                    })
                }
            };
            // The automaton tells a match one byte late: at the latest at the end.
            let at_end = dfa.is_match_state(dfa.next_eoi_state(state));
            let end = if at_end { MATCHED } else { DEAD };
            let others = (1..=255).map(|byte| number(dfa.next_state(state, byte)));
            rows.push([end].into_iter().chain(others).collect());
        }
        // Bytes that lead to the same states everywhere are one class.
        let mut columns: Vec<Vec<u16>> = vec![];
        let mut classes = [0; CLASSES_BYTES as usize];
        let class_of = |byte: usize, columns: &mut Vec<Vec<u16>>| {
            let column: Vec<u16> = rows.iter().map(|row| row[byte]).collect();
            let known = columns.iter().position(|c| *c == column);
            known.unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            })
        };
        for (byte, class) in classes.iter_mut().enumerate().skip(1) {
            *class = class_of(byte, &mut columns) as u8;
        }
        classes[0] = columns.len() as u8;
        columns.push(rows.iter().map(|row| row[0]).collect());
        let settled = [MATCHED, DEAD].map(|state| vec![state; columns.len()]);
        let open = (0..rows.len()).map(|at| columns.iter().map(|c| c[at]).collect());
        let automaton = Automaton { classes, next: settled.into_iter().chain(open).collect() };
        (automaton.bytes().len() <= MAX_TABLE_BYTES).then_some(automaton)
    }

    /// How many states there are.
    pub fn states(&self) -> u32 {
        self.next.len() as u32
    }

    /// How many classes of bytes there are.
    pub fn classes(&self) -> u32 {
        self.next[0].len() as u32
    }

    /// The table, its size a multiple of 8.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.classes.to_vec();
        bytes.extend(self.next.iter().flatten().flat_map(|state| state.to_le_bytes()));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// Whether a text contains a match.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut state = START;
        for &byte in text.iter().chain(&[0]) {
            state = self.next[usize::from(state)][usize::from(self.classes[usize::from(byte)])];
            if state < START {
                break;
            }
        }
        state == MATCHED
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    groups: u32,
    depth: usize,
}

type Result<T, E = RegexError> = std::result::Result<T, E>;

impl Parser<'_> {
    fn error(&self, what: impl Into<String>) -> RegexError {
        RegexError { position: self.at, what: what.into(), help: None }
    }

    /// `expected X, found Y`, for what stands here.
    fn expected(&self, what: &str) -> RegexError {
        let found = match self.text.get(self.at) {
            Some(&byte) => char::from(byte).to_string(),
            None => "end of regex".to_string(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// `branch ("|" branch)*`
    fn alternation(&mut self) -> Result<Hir> {
        let mut branches = vec![self.branch()?];
        while self.take(b'|') {
            branches.push(self.branch()?);
        }
        Ok(Hir::alternation(branches))
    }

    fn branch(&mut self) -> Result<Hir> {
        let mut pieces = vec![];
        while !matches!(self.peek(), None | Some(b'|' | b')')) {
            let mut piece = self.atom()?;
            while let Some((min, max)) = self.repetition()? {
                let sub = Box::new(piece);
                piece = Hir::repetition(Repetition { min, max, greedy: true, sub });
            }
            pieces.push(piece);
        }
        Ok(Hir::concat(pieces))
    }

    fn atom(&mut self) -> Result<Hir> {
        let Some(byte) = self.peek() else { return Err(self.expected("an expression")) };
        match byte {
            b'(' => return self.group(),
            b'[' => return self.bracket(),
            b'\\' => return self.escape(),
            b'*' | b'+' | b'?' | b'{' => {
                let what = format!("found {} with nothing to repeat", char::from(byte));
                return Err(self.error(what));
            }
            _ => {}
        }
        self.at += 1;
        Ok(match byte {
            b'.' => class([ClassBytesRange::new(0, 255)]),
            b'^' => Hir::look(Look::Start),
            b'$' => Hir::look(Look::End),
            byte => Hir::literal([byte]),
        })
    }

    fn group(&mut self) -> Result<Hir> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("groups are nested too deeply"));
        }
        self.at += 1;
        self.depth += 1;
        self.groups += 1;
        let index = self.groups;
        let sub = Box::new(self.alternation()?);
        self.depth -= 1;
        if !self.take(b')') {
            return Err(self.expected(")"));
        }
        Ok(Hir::capture(Capture { index, name: None, sub }))
    }

    fn escape(&mut self) -> Result<Hir> {
        let Some(&byte) = self.text.get(self.at + 1) else {
            self.at += 1;
            return Err(self.expected("a character"));
        };
        if byte.is_ascii_alphanumeric() {
            let instead = match byte {
                b'd' => Some("[0-9]"),
                b's' => Some("[[:space:]]"),
                b'w' => Some("[[:alnum:]_]"),
                _ => None,
            };
            let what = if byte.is_ascii_digit() {
                "back-references are not supported".to_string()
            } else {
                format!("\\{} has no meaning in POSIX expressions", char::from(byte))
            };
            let help = instead.map(|i| format!("write `{i}`"));
            return Err(RegexError { position: self.at, what, help });
        }
        self.at += 2;
        Ok(Hir::literal([byte]))
    }

    /// `*`, `+`, `?` or `{n,m}`: the fewest and the most.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>> {
        let range = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => return self.counted().map(Some),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(range))
    }

    fn counted(&mut self) -> Result<(u32, Option<u32>)> {
        self.at += 1;
        let min = self.number()?;
        let max = if !self.take(b',') {
            Some(min)
        } else if self.peek() == Some(b'}') {
            None
        } else {
            Some(self.number()?)
        };
        if max.is_some_and(|max| max < min) {
            return Err(self.error("the most repetitions are fewer than the least"));
        }
        if !self.take(b'}') {
            return Err(self.expected("}"));
        }
        Ok((min, max))
    }

    fn number(&mut self) -> Result<u32> {
        let digits = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.expected("a number"));
        }
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]).unwrap_or_default();
        match text.parse() {
            Ok(number) if number <= MAX_REPEAT => {
                self.at += digits;
                Ok(number)
            }
            _ => Err(self.error(format!("at most {MAX_REPEAT} repetitions are possible"))),
        }
    }

    /// `[...]`: a backslash in it is a backslash, a `]` at its start a bracket.
    fn bracket(&mut self) -> Result<Hir> {
        self.at += 1;
        let negated = self.take(b'^');
        let mut set = ClassBytes::empty();
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(self.expected("]")),
                Some(b']') if !first => break,
                Some(b'[') if matches!(self.text.get(self.at + 1), Some(b':' | b'.' | b'=')) => {
                    self.named_class(&mut set)?;
                }
                Some(low) => {
                    self.at += 1;
                    let high = self.range_end()?.unwrap_or(low);
                    if high < low {
                        return Err(self.error("the range ends before it starts"));
                    }
                    set.push(ClassBytesRange::new(low, high));
                }
            }
            first = false;
        }
        self.at += 1;
        if negated {
            set.negate();
        }
        Ok(Hir::class(Class::Bytes(set)))
    }

    /// `-x` in a bracket; a `-` before the end stands for itself.
    fn range_end(&mut self) -> Result<Option<u8>> {
        match (self.peek(), self.text.get(self.at + 1)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                self.at += 2;
                Ok(Some(high))
            }
            _ => Ok(None),
        }
    }

    /// `[:name:]` in a bracket.
    fn named_class(&mut self, set: &mut ClassBytes) -> Result<()> {
        let rest = &self.text[self.at..];
        if rest[1] != b':' {
            return Err(self.error("collating elements are not supported"));
        }
        let Some(length) = rest[2..].windows(2).position(|w| w == b":]") else {
            self.at = self.text.len();
            return Err(self.expected(":]"));
        };
        let name = &rest[2..2 + length];
        let Some((_, is)) = CLASSES.iter().find(|(n, _)| n.as_bytes() == name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            let names: Vec<&str> = CLASSES.iter().map(|(n, _)| *n).collect();
            let mut error = self.error(format!("unknown character class [:{name}:]"));
            error.help = Some(format!("the classes are {}", names.join(", ")));
            return Err(error);
        };
        for byte in (0..=127).filter(is) {
            set.push(ClassBytesRange::new(byte, byte));
        }
        self.at += length + 4;
        Ok(())
    }
}

fn class(ranges: impl IntoIterator<Item = ClassBytesRange>) -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

type Predicate = fn(&u8) -> bool;

const CLASSES: &[(&str, Predicate)] = &[
    ("alnum", u8::is_ascii_alphanumeric),
    ("alpha", u8::is_ascii_alphabetic),
    ("blank", |b| matches!(b, b' ' | b'\t')),
    ("cntrl", u8::is_ascii_control),
    ("digit", u8::is_ascii_digit),
    ("graph", u8::is_ascii_graphic),
    ("lower", u8::is_ascii_lowercase),
    ("print", |b| matches!(b, b' '..=b'~')),
    ("punct", u8::is_ascii_punctuation),
    ("space", |b| matches!(b, b' ' | b'\t'..=b'\r')),
    ("upper", u8::is_ascii_uppercase),
    ("xdigit", u8::is_ascii_hexdigit),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong() {
        for (text, position, what) in [
            ("(", 1, "expected ), found end of regex"),
            ("a)", 1, "found ) without ("),
            ("*a", 0, "found * with nothing to repeat"),
            ("a|+", 2, "found + with nothing to repeat"),
            ("a{2", 3, "expected }, found end of regex"),
            ("a{x}", 2, "expected a number, found x"),
            ("a{300}", 2, "at most 255 repetitions are possible"),
            ("a{3,2}", 5, "the most repetitions are fewer than the least"),
            ("[a", 2, "expected ], found end of regex"),
            ("[z-a]", 4, "the range ends before it starts"),
            ("[[:foo:]]", 1, "unknown character class [:foo:]"),
            ("[[.a.]]", 1, "collating elements are not supported"),
            ("\\", 1, "expected a character, found end of regex"),
            ("\\1", 0, "back-references are not supported"),
            ("a\\d", 1, "\\d has no meaning in POSIX expressions"),
            ("((((a{255}){255}){255}){255}){255}", 0, "it is too large"),
        ] {
            let error = compile(text).unwrap_err();
            assert_eq!((error.position, error.what.as_str()), (position, what), "{text}");
        }
        let deep = "(".repeat(10_000);
        assert!(compile(&deep).unwrap_err().what.contains("too deeply"));
    }

    #[test]
    fn tables_find_matches() {
        for (regex, text, found) in [
            ("abc", "xxabcxx", true),
            ("abc", "xxabxc", false),
            ("^abc", "abcd", true),
            ("^abc", "xabc", false),
            ("abc$", "xabc", true),
            ("abc$", "abcx", false),
            ("^$", "", true),
            ("^$", "x", false),
            ("", "", true),
            ("a|^b", "cb", false),
            ("[[:digit:]]{3}", "12a345", true),
            ("(foo|bar)+$", "xfoobarfoo", true),
            (".", "\u{e9}", true),
        ] {
            let automaton = Automaton::new(regex).expect("small");
            assert_eq!(automaton.matches(text.as_bytes()), found, "{regex} {text}");
        }
        assert_eq!(Automaton::new("(a|b)*a(a|b){12}"), None);
    }

    #[test]
    fn compiles_what_is_right() {
        for text in ["", "a|", "()", "a**", "[]a]", "[^]a]", "[a-]", "\\.\\*", "^a.b$", "a{2,}{3}"]
        {
            assert!(compile(text).is_ok(), "{text}");
        }
    }
}
