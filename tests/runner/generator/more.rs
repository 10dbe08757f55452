//! Regular expressions, functions that call themselves or pass on, arrays that wrap, and what else few programs
//! have.

use super::Generator;

/// Regular expressions, most of which some text matches.
const PATTERNS: &[&str] = &[
    "a",
    "^a",
    "b$",
    "^$",
    "[0-9]+",
    "^[a-z]*$",
    "(ab|12)3?",
    "a.*b",
    "[^a-c]",
    "1{2,3}|x",
    "^.{8}",
    "a+b*c?",
    "[[:alpha:]][[:digit:]]",
];

/// Formats of a width or precision, a number and a string.
const STARRED: &[&str] =
    &["%*d|%s", "%-*d|%s", "%0*d %s", "%.*d<%s>", "%*x;%4s", "%*u%-3s.", "%+*d%.1s"];

impl Generator {
    /// Functions that call themselves, and such with several bodies.
    pub(super) fn more_functions(&mut self) {
        let n = self.seed;
        self.line(&format!("function again{n}(a, s) {{"));
        // What the statements make of `a` must not decide how deep it goes.
        self.line("b = a + 0; c = a; v = s . \"\"");
        let base = self.number(1);
        self.line(&format!("if (a <= 0) return {base};"));
        self.statement(1);
        let (operator, rest) = (self.one(&["+", "^", "-", "*"]), self.number(1));
        let text = self.text(1);
        self.line(&format!("return again{n}(c - 1, {text}) {operator} {rest};"));
        self.line("}");
        for last in [false, true] {
            self.line(&format!("function pick{n}:string(a:long, s:string) {{"));
            self.line("b = a; v = s");
            if !last {
                let condition = self.number(1);
                self.line(&format!("if ({condition}) next;"));
            }
            let value = self.text(1);
            self.line(&format!("return {value};"));
            self.line("}");
        }
        self.line(&format!("function careful{n}:long(a:long, s:string) {{"));
        self.line("b = 0; v = s");
        self.line("try {");
        self.may_fail += 1;
        let value = self.number(2);
        self.line(&format!("b = {value};"));
        let condition = self.number(1);
        self.line(&format!("if ({condition}) error(\"refused \" . s);"));
        self.may_fail -= 1;
        self.line("} catch (e) {");
        self.line("v = e;");
        self.line("}");
        self.line("return b + strlen(v);");
        self.line("}");
    }

    /// A number of what few programs have.
    pub(super) fn rare_number(&mut self, depth: u32) -> String {
        let n = self.seed;
        match self.below(7) {
            0 | 1 => {
                let (text, pattern) = (self.text(depth - 1), self.one(PATTERNS));
                let operator = self.one(&["=~", "!~"]);
                format!("({text} {operator} \"{pattern}\")")
            }
            2 if self.has_more_functions && self.walking == 0 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("again{n}(({number}) & 7, {text})")
            }
            3 if self.has_more_functions && self.walking == 0 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("careful{n}({number}, {text})")
            }
            4 => {
                let text = self.text(depth - 1);
                format!("([*, {text}] in z{n})")
            }
            5 => {
                let key = self.key(depth - 1);
                format!("ring{n}[{key}]")
            }
            6 if self.may_fail > 0 => {
                let key = self.key(depth - 1);
                let what = self.one(&["@min", "@max", "@avg"]);
                format!("{what}(y{n}[{key}])")
            }
            _ => {
                let shape = self.one(&["@variance(lin{n})", "@hist_linear(lin{n}, 0, 50, 5)[3]"]);
                let shape = shape.replace("{n}", &n.to_string());
                format!("(@count(lin{n}) ? {shape} : @sum(lin{n}))")
            }
        }
    }

    /// A string of what few programs have.
    pub(super) fn rare_text(&mut self, depth: u32) -> String {
        let n = self.seed;
        match self.below(5) {
            0 if self.has_more_functions && self.walking == 0 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("pick{n}({number}, {text})")
            }
            1 => {
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("sprintd(\"-\", {number}, {text})")
            }
            2 => {
                let number = self.number(depth - 1);
                format!("sprintf(\"%c%s\", 97 + (({number}) & 15), s)")
            }
            _ => {
                let (format, width) = (self.one(STARRED), self.number(depth - 1));
                let (number, text) = (self.number(depth - 1), self.text(depth - 1));
                format!("sprintf(\"{format}\", ({width}) & 15, {number}, {text})")
            }
        }
    }

    /// A statement that few programs have.
    pub(super) fn rare_statement(&mut self) {
        let n = self.seed;
        match self.below(8) {
            0 | 1 => {
                let (key, value) = (self.key(1), self.number(2));
                self.line(&format!("ring{n}[{key}] = {value};"));
            }
            2 => {
                let key = self.key(1);
                self.line(&format!("ring{n}[{key}]++;"));
            }
            3 => {
                let value = self.number(1);
                self.line(&format!("lin{n} <<< ({value}) & 127;"));
            }
            4 => {
                let (number, text) = (self.number(2), self.text(1));
                self.line(&format!("printdln(\",\", {number}, {text}, {number});"));
            }
            5 => {
                let place = self.one(&["h{n}", "u{n}", "a", "s"]).replace("{n}", &n.to_string());
                self.line(&format!("delete {place};"));
            }
            6 => {
                let print = self.one(&["@hist_log(q{n})", "@hist_linear(lin{n}, 0, 50, 5)"]);
                let of = if print.contains('q') { "q" } else { "lin" };
                let print = print.replace("{n}", &n.to_string());
                self.line(&format!("if (@count({of}{n})) print({print});"));
            }
            _ => {
                let (condition, value) = (self.number(1), self.number(1));
                self.line(&format!("while ({condition}) {{ a = {value}; break; }}"));
            }
        }
    }
}
