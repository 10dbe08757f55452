//! What lies at limits: strings near MAXSTRINGLEN, arrays that are full, errors that functions pass on, loops that are
//! left by `return`, many keys, and arguments out of range.

use super::Generator;

/// Keys of the array with nine of them.
const NINE: &str = "1, 2, \"three\", 4, 5, \"six\", 7, 8";

impl Generator {
    /// Globals of the statements below.
    pub(super) fn edge_globals(&self) -> String {
        let n = self.seed;
        format!("global small{n}[2], nine{n}, tri{n}, best{n}\n")
    }

    /// Gives the globals their types, and something to find.
    pub(super) fn edge_input(&self) -> String {
        let n = self.seed;
        format!(
            "small{n}[7] = 8\nnine{n}[{NINE}, 0] = 1\ntri{n}[1, \"a\", 0] <<< 3\nbest{n}[\"b\"] = 2\n"
        )
    }

    /// What the globals hold is printed.
    pub(super) fn edge_end(&self) -> String {
        let n = self.seed;
        format!(
            "foreach (k in small{n}) println(\"small \", k, \" \", small{n}[k])\n\
             foreach ([e1, e2, e3, e4, e5, e6, e7, e8, e9] in nine{n}) println(\"nine \", e3, e9, nine{n}[e1, e2, e3, e4, e5, e6, e7, e8, e9])\n\
             foreach ([i, j+, k] in tri{n}) println(\"tri \", i, j, k, \" \", @count(tri{n}[i, j, k]), @max(tri{n}[i, j, k]))\n\
             foreach (f- in best{n} limit 3) println(\"best \", f, \" \", best{n}[f])\n"
        )
    }

    /// Functions that raise what they do not catch, and such that leave loops.
    pub(super) fn edge_functions(&mut self) {
        let n = self.seed;
        self.line(&format!("function fails{n}:long(a:long, s:string) {{"));
        self.line("b = 0; v = s");
        self.may_fail += 1;
        let (condition, value) = (self.number(1), self.number(2));
        self.may_fail -= 1;
        self.line(&format!("if ({condition}) error(\"failed \" . s . sprint(a));"));
        self.line(&format!("return {value};"));
        self.line("}");
        let (sort, operator) = (self.one(&["", "+", "-"]), self.one(&[">", "<", "=="]));
        self.line(&format!("function first{n}:long(a:long) {{"));
        self.line(&format!("foreach (k{sort} in small{n}) {{"));
        self.line(&format!("if (small{n}[k] {operator} a) return k;"));
        self.line("a++;");
        self.line("}");
        self.line("return -1;");
        self.line("}");
        self.line(&format!("function outer{n}:long(a:long, s:string) {{"));
        self.line("b = a;");
        self.line("for (i = 0; i < 3; i++) {");
        let word = self.one(&["continue;", "break;", "return b;", "error(s);"]);
        self.line("try {");
        self.line(&format!("b += fails{n}(a + i, s);"));
        let condition = self.one(&["b & 1", "i == 1", "b > 100", "s == \"\""]);
        self.line(&format!("if ({condition}) {word}"));
        self.line("} catch (e) {");
        let word = self.one(&["continue;", "break;", "return strlen(e);", "b ^= strlen(e);"]);
        self.line(word);
        self.line("}");
        self.line("}");
        self.line("return b;");
        self.line("}");
    }

    /// A number at a limit.
    pub(super) fn edge_number(&mut self, depth: u32) -> String {
        let n = self.seed;
        let below = depth.saturating_sub(1);
        match self.below(8) {
            0 if self.has_edge_functions && self.may_fail > 0 && self.walking == 0 => {
                let (number, text) = (self.number(below), self.text(below));
                format!("fails{n}({number}, {text})")
            }
            1 if self.has_edge_functions && self.walking == 0 => {
                let (number, text) = (self.number(below), self.text(below));
                format!("outer{n}({number}, {text})")
            }
            2 if self.has_edge_functions && self.walking == 0 => {
                format!("first{n}({})", self.number(below))
            }
            3 => {
                let key = self.key(below);
                format!("nine{n}[{NINE}, {key}]")
            }
            4 => {
                let (key, text) = (self.key(below), self.text(0));
                format!("@count(tri{n}[{key}, {text}, 1])")
            }
            5 => {
                let text = self.text(0);
                format!("([*, {text}, 1] in tri{n})")
            }
            6 if self.may_fail > 0 => {
                let (what, bucket) = (self.one(&["@hist_log(q{n})"]), self.number(below));
                format!("{}[{bucket}]", what.replace("{n}", &n.to_string()))
            }
            _ => {
                let (text, at) = (self.text(below), self.number(0));
                format!("stringat({text}, {at})")
            }
        }
    }

    /// A string at a limit.
    pub(super) fn edge_text(&mut self, depth: u32) -> String {
        let below = depth.saturating_sub(1);
        let text = self.text(below);
        match self.below(7) {
            0 => format!(
                "sprintf(\"%{}s\", {text})",
                self.one(&["255", "-300", "510", "511", "512", "600"])
            ),
            1 => format!("({text} . sprintf(\"%500s|\", s))"),
            2 => {
                let (at, length) = (self.number(0), self.number(0));
                format!("substr({text}, {at}, {length})")
            }
            3 => format!("sprintf(\"%.*s\", {}, {text})", self.number(0)),
            4 => format!("str_replace({text}, {}, {text})", self.one(&["\"\"", "\"a\"", "\"  \""])),
            5 => format!("text_strn({text}, {}, {})", self.number(0), self.below(2)),
            _ => format!("sprintf(\"%s%s%d%s\", {text}, v, a, s)"),
        }
    }

    /// A statement at a limit.
    pub(super) fn edge_statement(&mut self) {
        let n = self.seed;
        let key = self.key(1);
        match self.below(9) {
            0 | 1 if self.walking == 0 => {
                let value = self.number(1);
                let operator = self.one(&["=", "+=", "=", "^="]);
                self.line(&format!(
                    "try {{ small{n}[{key}] {operator} {value}; }} catch (e) {{ v = e; }}"
                ));
            }
            2 if self.walking == 0 => self.line(&format!("delete small{n}[{key}];")),
            3 if self.walking == 0 => {
                let value = self.number(1);
                self.line(&format!("nine{n}[{NINE}, {key}] = {value};"));
            }
            4 if self.walking == 0 => {
                let (text, value, last) = (self.text(0), self.number(1), self.below(2));
                self.line(&format!("tri{n}[{key}, {text}, {last}] <<< {value};"));
            }
            5 if self.walking == 0 => {
                let what = self.one(&["[*, \"a\", *]", "[1, *, *]", ""]).to_string();
                self.line(&format!("delete tri{n}{what};"));
            }
            6 => {
                let place = self.one(&["s", "v", "t{n}"]).replace("{n}", &n.to_string());
                self.line(&format!("{place} .= {place};"));
            }
            7 => {
                let (text, number) = (self.text(1), self.number(1));
                self.line(&format!("best{n}[{text}] = {number};"));
            }
            _ if self.walking < 2 => {
                let limit = self.number(0);
                let level = self.walking;
                self.line(&format!("foreach ([k{level}, l{level}, o{level}] in tri{n}[*, \"a\", *] limit ({limit}) & 7) {{"));
                self.line(&format!("a += k{level} * 3 + o{level}; s = l{level};"));
                self.line("}");
            }
            _ => self.line("c += 1;"),
        }
    }
}
