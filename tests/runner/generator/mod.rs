//! Makes well-typed programs by chance: the same for the same seed.
//!
//! A program ends soon, raises no error that it does not catch, and says at its end what all its
//! variables are.

mod edges;
mod more;
mod texts;
mod walks;

use super::both::Parts;

/// How deep expressions nest.
const EXPRESSION_DEPTH: u32 = 3;
/// How deep statements nest.
const STATEMENT_DEPTH: u32 = 2;

/// Numbers at which something changes.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "8",
    "10",
    "63",
    "64",
    "100",
    "255",
    "256",
    "65535",
    "0x7fffffff",
    "0x80000000",
    "0xffffffff",
    "0x100000000",
    "0x7fffffffffffffff",
    "0x8000000000000000",
    "(-1)",
    "(-2)",
    "(-10)",
    "(-128)",
    "(-1000000007)",
    "(-4294967296)",
];

/// Strings at whose lengths something changes.
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "abc",
    "Abc",
    "1234567",
    "12345678",
    "123456789",
    "123456789012345",
    "1234567890123456",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a string of some more words than others",
    "123456789012345678901234567890123456789012345678901234567890123",
    "1234567890123456789012345678901234567890123456789012345678901234",
    "%d",
    "é",
    "tab\\t",
    " ",
];

const ARITHMETIC: &[&str] = &["+", "-", "*", "&", "|", "^", "+", "-"];
const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

/// A program of the seed; the names of what is global hold it.
pub(crate) fn generate(seed: u64) -> Parts {
    let mut generator = Generator {
        random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        seed,
        out: String::new(),
        loops: 0,
        loop_budget: 2,
        in_function: false,
        may_fail: 0,
        has_functions: false,
        has_more_functions: false,
        has_edge_functions: false,
        walking: 0,
    };
    for _ in 0..8 {
        generator.below(2);
    }
    generator.program()
}

struct Generator {
    random: u64,
    seed: u64,
    out: String,
    /// Loops around the statement.
    loops: usize,
    /// Loops that may still be made: the verifier follows every round.
    loop_budget: usize,
    in_function: bool,
    /// Constructs around that catch errors.
    may_fail: usize,
    has_functions: bool,
    /// Whether there are those of `more`, too.
    has_more_functions: bool,
    /// Whether there are those of `edges`.
    has_edge_functions: bool,
    /// Loops over arrays around the statement: what these walk over must not change.
    walking: usize,
}

impl Generator {
    fn program(mut self) -> Parts {
        let n = self.seed;
        let mut parts = Parts {
            declarations: format!(
                "global g{n}, h{n}, t{n}, u{n}, m{n}, w{n}, x{n}, q{n}, y{n}, z{n}, lin{n}, ring{n}[3]%\n"
            ),
            ..Parts::default()
        };
        self.in_function = true;
        for (head, result) in [(format!("number{n}(a, s)"), 0), (format!("text{n}(a, s)"), 1)] {
            self.line(&format!("function {head} {{"));
            // Parameters have a type even if nothing says so.
            self.line("b = a + 0; v = s . \"\"");
            for _ in 0..1 + self.below(2) {
                self.statement(1);
            }
            let value = if result == 0 { self.number(2) } else { self.text(1) };
            self.line(&format!("return {value}"));
            self.line("}");
        }
        let has_more = self.below(2) == 0;
        if has_more {
            self.more_functions();
        }
        let has_edges = self.below(3) == 0;
        if has_edges {
            self.edge_functions();
        }
        self.in_function = false;
        self.has_functions = true;
        self.has_edge_functions = has_edges;
        self.has_more_functions = has_more;
        parts.declarations.push_str(&self.edge_globals());
        parts.declarations.push_str(&std::mem::take(&mut self.out));

        let (a, b) = (self.constant(), self.constant());
        let (t, u) = (self.literal(), self.literal());
        parts.input = format!(
            "g{n} = {a}\nh{n} = {b}\nt{n} = {t}\nu{n} = {u}\nm{n}[1] = {b}\nm{n}[g{n}] = 5\nw{n}[{u}] = {a}\nx{n}[2, {t}] = {u}\nq{n} <<< {b}\ny{n}[1] <<< {a}\nz{n}[{b}, {t}] = {a}\nlin{n} <<< 7; ring{n}[1] = {a}\n"
        );

        parts.input.push_str(&self.edge_input());

        self.line(&format!("println(\"program {n}\")"));
        self.line(&format!("a = g{n}; b = h{n}; c = 5; s = t{n}; v = u{n}"));
        for _ in 0..4 + self.below(6) {
            self.statement(STATEMENT_DEPTH);
        }
        self.line("println(a, \" \", b, \" \", c, \" \", s, \"|\", v)");
        parts.body = std::mem::take(&mut self.out);

        parts.end = format!(
            "println(\"end {n} \", g{n}, \" \", h{n}, \" \", t{n}, \"|\", u{n}, \" \", @count(q{n}), \" \", @sum(q{n}), \" \", @min(q{n}), \" \", @max(q{n}))\n\
             println(@count(lin{n}), \" \", @sum(lin{n}))\n\
             foreach (k in ring{n}) println(k, \" \", ring{n}[k])\n\
             foreach (k+ in y{n}) println(k, \" \", @count(y{n}[k]), \" \", @sum(y{n}[k]))\n\
             foreach ([i, j] in z{n}) println(i, \" \", j, \" \", z{n}[i, j])\n\
             foreach (k in m{n}) println(k, \" \", m{n}[k])\n\
             foreach (k{n} in w{n}) println(k{n}, \" \", w{n}[k{n}])\n\
             foreach ([i, j] in x{n}) println(i, \" \", j, \" \", x{n}[i, j])\n"
        );
        parts.end.push_str(&self.edge_end());
        parts
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 11) % bound.max(1) as u64) as usize
    }

    fn one<'s>(&mut self, of: &[&'s str]) -> &'s str {
        of[self.below(of.len())]
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn constant(&mut self) -> String {
        self.one(NUMBERS).to_string()
    }

    fn literal(&mut self) -> String {
        format!("\"{}\"", self.one(TEXTS))
    }

    /// A variable or element that holds a number.
    fn number_place(&mut self, depth: u32) -> String {
        let n = self.seed;
        match self.below(8) {
            0 | 1 => "a".to_string(),
            2 | 3 => "b".to_string(),
            4 => format!("g{n}"),
            5 => format!("h{n}"),
            6 => {
                let key = self.key(depth);
                format!("m{n}[{key}]")
            }
            _ => {
                let key = self.text(depth.saturating_sub(1).min(1));
                format!("w{n}[{key}]")
            }
        }
    }

    /// A variable or element that holds a string.
    fn text_place(&mut self, depth: u32) -> String {
        let n = self.seed;
        match self.below(7) {
            0 | 1 => "s".to_string(),
            2 | 3 => "v".to_string(),
            4 => format!("t{n}"),
            5 => format!("u{n}"),
            _ => {
                let key = self.key(depth);
                let text = self.text(0);
                format!("x{n}[{key}, {text}]")
            }
        }
    }

    /// A number of which there are few, so that elements are met again.
    fn key(&mut self, depth: u32) -> String {
        match self.below(3) {
            0 => self.below(4).to_string(),
            1 => "a & 3".to_string(),
            _ => {
                let number = self.number(depth.saturating_sub(1));
                format!("({number}) & 3")
            }
        }
    }

    fn number(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.below(3) {
                0 => self.constant(),
                _ => self.number_place(0),
            };
        }
        let n = self.seed;
        match self.below(25) {
            24 => self.edge_number(depth),
            0..=3 => self.number_place(depth),
            22 | 23 => self.rare_number(depth),
            20 => self.number_of_text(depth),
            21 => self.number_of_aggregate(depth),
            4 => self.constant(),
            5..=7 => {
                let operator = self.one(ARITHMETIC);
                self.binary(operator, depth)
            }
            8 => {
                let operator = self.one(&["/", "%"]);
                let (left, right) = (self.number(depth - 1), self.number(depth - 1));
                let one = if self.may_fail > 0 && self.below(2) == 0 { "" } else { " | 1" };
                format!("({left} {operator} ({right}{one}))")
            }
            9 => {
                let (operator, value) = (self.one(&["/", "%"]), self.number(depth - 1));
                let divisor = self.one(&["1", "2", "3", "-1", "-7", "10", "64", "1000000007"]);
                format!("({value} {operator} {divisor})")
            }
            10 => {
                let operator = self.one(&["<<", ">>", ">>>"]);
                let (left, right) = (self.number(depth - 1), self.number(depth - 1));
                format!("({left} {operator} ({right} & 63))")
            }
            11 => {
                let operator = self.one(COMPARISONS);
                self.binary(operator, depth)
            }
            12 | 13 => {
                let operator = self.one(COMPARISONS);
                let (left, right) = (self.text(depth - 1), self.text(depth - 1));
                format!("({left} {operator} {right})")
            }
            14 => {
                let operator = self.one(&["&&", "||"]);
                self.binary(operator, depth)
            }
            15 => {
                let (operator, operand) = (self.one(&["-", "~", "!"]), self.number(depth - 1));
                format!("({operator} {operand})")
            }
            16 => {
                let condition = self.number(depth - 1);
                let (left, right) = (self.number(depth - 1), self.number(depth - 1));
                format!("({condition} ? {left} : {right})")
            }
            17 => {
                let place = self.number_place(depth - 1);
                let form = self.below(5);
                match form {
                    0 => format!("({place}++)"),
                    1 => format!("(--{place})"),
                    2 => format!("({place}--)"),
                    3 => {
                        let value = self.number(depth - 1);
                        format!("({place} = {value})")
                    }
                    _ => {
                        let (operator, value) = (
                            self.one(&["+=", "-=", "*=", "^=", "|=", "&="]),
                            self.number(depth - 1),
                        );
                        format!("({place} {operator} {value})")
                    }
                }
            }
            18 => {
                let key = self.key(depth - 1);
                match self.below(3) {
                    0 => format!("(({key}) in m{n})"),
                    1 => {
                        let text = self.text(depth - 1);
                        format!("([{key}, {text}] in x{n})")
                    }
                    _ => {
                        let text = self.text(depth - 1);
                        format!("(({text}) in w{n})")
                    }
                }
            }
            _ if self.has_functions && self.walking == 0 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("number{n}({number}, {text})")
            }
            _ => self.number_place(depth),
        }
    }

    fn binary(&mut self, operator: &str, depth: u32) -> String {
        let (left, right) = (self.number(depth - 1), self.number(depth - 1));
        format!("({left} {operator} {right})")
    }

    fn text(&mut self, depth: u32) -> String {
        if depth == 0 {
            return if self.below(3) == 0 { self.literal() } else { self.text_place(0) };
        }
        let n = self.seed;
        match self.below(16) {
            15 => self.edge_text(depth),
            0..=2 => self.text_place(depth),
            14 => self.rare_text(depth),
            12 | 13 => self.made_text(depth),
            3 => self.literal(),
            4 | 5 => {
                let (left, right) = (self.text(depth - 1), self.text(depth - 1));
                format!("({left} . {right})")
            }
            6 => {
                let condition = self.number(depth - 1);
                let (left, right) = (self.text(depth - 1), self.text(depth - 1));
                format!("({condition} ? {left} : {right})")
            }
            7 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                let format = self.one(&["%d:%s", "<%x %s>", "%u%s", "%d%%%s\\n"]);
                format!("sprintf(\"{format}\", {number}, {text})")
            }
            8 => {
                let number = self.number(depth - 1);
                format!("sprint({number})")
            }
            9 | 10 => {
                let place = self.text_place(0);
                let operator = self.one(&["=", ".="]);
                let value = self.text(depth - 1);
                format!("({place} {operator} {value})")
            }
            _ if self.has_functions && self.walking == 0 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("text{n}({number}, {text})")
            }
            _ => self.text_place(depth),
        }
    }

    fn block(&mut self, depth: u32) {
        for _ in 0..1 + self.below(3) {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        let n = self.seed;
        match self.below(16) {
            0 | 1 => return self.rare_statement(),
            2 => return self.edge_statement(),
            _ => {}
        }
        match self.below(if depth == 0 { 12 } else { 18 }) {
            0 | 1 => {
                let (place, value) = (self.number_place(1), self.number(EXPRESSION_DEPTH));
                self.line(&format!("{place} = {value};"));
            }
            2 => {
                let operator = self.one(&["+=", "-=", "*=", "&=", "|=", "^="]);
                let (place, value) = (self.number_place(1), self.number(2));
                self.line(&format!("{place} {operator} {value};"));
            }
            3 => {
                let operator = self.one(&["<<=", ">>="]);
                let (place, value) = (self.number_place(1), self.number(1));
                self.line(&format!("{place} {operator} ({value}) & 63;"));
            }
            4 | 5 => {
                let (place, value) = (self.text_place(1), self.text(2));
                let operator = self.one(&["=", "=", ".="]);
                self.line(&format!("{place} {operator} {value};"));
            }
            6 => {
                let (number, text) = (self.number(2), self.text(2));
                self.line(&format!("println({number}, \" \", {text});"));
            }
            7 => {
                let (number, text) = (self.number(2), self.text(1));
                let format = self.one(&["%d %s\\n", "%5d|%-6s|\\n", "%x,%s\\n", "%+d %.3s\\n"]);
                self.line(&format!("printf(\"{format}\", {number}, {text});"));
            }
            8 => {
                let key = self.key(1);
                match self.below(3) {
                    0 => self.line(&format!("delete m{n}[{key}];")),
                    1 => {
                        let text = self.text(1);
                        self.line(&format!("delete w{n}[{text}];"));
                    }
                    _ => {
                        let text = self.text(0);
                        self.line(&format!("delete x{n}[{key}, {text}];"));
                    }
                }
            }
            9 => {
                let value = self.number(2);
                self.line(&format!("q{n} <<< {value};"));
            }
            10 | 11 => self.array_statement(),
            12 | 13 if self.walking < 2 => self.walk(depth),
            14 | 15 => {
                let condition = self.number(2);
                self.line(&format!("if ({condition}) {{"));
                self.block(depth - 1);
                if self.below(2) == 0 {
                    self.line("} else {");
                    self.block(depth - 1);
                }
                self.line("}");
            }
            16 if self.loop_budget > 0 && self.loops == 0 && !self.in_function => {
                self.repeat(depth);
            }
            _ => {
                self.line("try {");
                self.may_fail += 1;
                self.block(depth - 1);
                if self.below(3) == 0 {
                    let condition = self.number(1);
                    self.line(&format!("if ({condition}) error(\"raised\");"));
                }
                self.may_fail -= 1;
                self.line("} catch (e) {");
                self.line("v = e;");
                self.line("}");
            }
        }
    }

    /// A loop of few rounds.
    fn repeat(&mut self, depth: u32) {
        self.loop_budget -= 1;
        let counter = format!("i{}", self.loop_budget);
        let rounds = 1 + self.below(4);
        match self.below(3) {
            0 => self.line(&format!("for ({counter} = 0; {counter} < {rounds}; {counter}++) {{")),
            1 => {
                self.line(&format!("{counter} = {rounds};"));
                self.line(&format!("while ({counter}-- > 0) {{"));
            }
            _ => {
                self.line(&format!("for ({counter} = a & 3; {counter} > 0; {counter}--) {{"));
            }
        }
        self.loops += 1;
        self.block(depth - 1);
        if self.below(3) == 0 {
            let (condition, word) = (self.number(1), self.one(&["break", "continue"]));
            self.line(&format!("if ({condition}) {word};"));
            self.block(0);
        }
        self.loops -= 1;
        self.line("}");
    }
}
