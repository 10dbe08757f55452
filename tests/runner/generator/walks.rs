//! Loops over arrays, whole arrays, and aggregates.

use super::Generator;

impl Generator {
    /// A number that says something about an aggregate that is not empty, or need not be.
    pub(super) fn number_of_aggregate(&mut self, depth: u32) -> String {
        let n = self.seed;
        match self.below(6) {
            0 => format!("@count(q{n})"),
            1 => format!("@sum(q{n})"),
            2 => {
                let what = self.one(&["@min", "@max", "@avg"]);
                format!("{what}(q{n})")
            }
            3 => {
                let bucket = 60 + self.below(12);
                format!("@hist_log(q{n})[{bucket}]")
            }
            4 => {
                let key = self.key(depth - 1);
                format!("@count(y{n}[{key}])")
            }
            _ => {
                let key = self.key(depth - 1);
                format!("@sum(y{n}[{key}])")
            }
        }
    }

    /// A statement about the arrays that loops walk over, where no loop does.
    pub(super) fn array_statement(&mut self) {
        let n = self.seed;
        let key = self.key(1);
        if self.walking > 0 {
            let value = self.number(1);
            self.line(&format!("q{n} <<< {value};"));
            return;
        }
        match self.below(6) {
            0 => {
                let value = self.number(1);
                self.line(&format!("y{n}[{key}] <<< {value};"));
            }
            1 => self.line(&format!("delete y{n}[{key}];")),
            2 => {
                let text = self.text(0);
                self.line(&format!("delete z{n}[*, {text}];"));
            }
            3 if self.below(3) == 0 => {
                let name = self.one(&["y", "z"]);
                self.line(&format!("delete {name}{n};"));
            }
            4 => {
                let text = self.text(1);
                self.line(&format!("z{n}[{key}, {text}]++;"));
            }
            _ => {
                let (text, value) = (self.text(1), self.number(1));
                self.line(&format!("z{n}[{key}, {text}] = {value};"));
            }
        }
    }

    /// A loop over an array.
    pub(super) fn walk(&mut self, depth: u32) {
        let (n, level) = (self.seed, self.walking);
        let limit = match self.below(3) {
            0 => {
                let limit = self.below(4);
                format!(" limit {limit}")
            }
            _ => String::new(),
        };
        let sort = self.one(&["", "", "+", "-"]);
        match self.below(4) {
            0 => {
                self.line(&format!("foreach (k{level}{sort} in y{n}{limit}) {{"));
                self.line(&format!("a += @sum(y{n}[k{level}]) ^ k{level};"));
            }
            1 => {
                self.line(&format!("foreach (k{level} in y{n} @sum-{limit}) {{"));
                self.line(&format!("b = b * 3 + k{level};"));
            }
            2 => {
                let slice = self.text(0);
                self.line(&format!(
                    "foreach ([k{level}{sort}, l{level}] in z{n}[*, {slice}]{limit}) {{"
                ));
                self.line(&format!("a -= z{n}[k{level}, l{level}] + k{level};"));
            }
            _ => {
                self.line(&format!(
                    "foreach (r{level} = [k{level}, l{level}{sort}] in z{n}{limit}) {{"
                ));
                self.line(&format!("s = l{level}; a += r{level} + k{level};"));
            }
        }
        self.walking += 1;
        self.block(depth - 1);
        if self.below(3) == 0 {
            let (condition, word) = (self.number(1), self.one(&["break", "continue"]));
            self.line(&format!("if ({condition}) {word};"));
            self.block(0);
        }
        self.walking -= 1;
        self.line("}");
    }
}
