//! Strings made by functions and formats, and numbers made of strings.

use super::Generator;

/// Formats of a number and a string.
const FORMATS: &[&str] = &[
    "%d:%s",
    "<%x %s>",
    "%u%s",
    "%d%%%s\\n",
    "%5d|%-6s|",
    "%-5d|%3s",
    "%05d%.2s",
    "%+d %s",
    "%#x%10s",
    "%o,%s",
    "%X/%s",
    "%.3d%s",
    "% d%-2s",
    "%p=%s",
];

impl Generator {
    /// A string that a function or a format makes.
    pub(super) fn made_text(&mut self, depth: u32) -> String {
        let (number, text) = (self.number(depth - 1), self.text(depth - 1));
        match self.below(8) {
            0 | 1 => {
                let format = self.one(FORMATS);
                format!("sprintf(\"{format}\", {number}, {text})")
            }
            2 => {
                let length = self.below(12);
                format!("substr({text}, ({number}) & 7, {length})")
            }
            3 => {
                let (search, other) = (self.one(&["a", "1", "12", "bc", " "]), self.text(0));
                format!("str_replace({text}, \"{search}\", {other})")
            }
            4 => format!("symname(({number}) & 0xffff)"),
            5 => format!("text_str({text})"),
            6 => format!("ctime(({number}) & 0xffffff)"),
            _ => format!("sprint({number}, {text})"),
        }
    }

    /// A number that says something about a string.
    pub(super) fn number_of_text(&mut self, depth: u32) -> String {
        let text = self.text(depth - 1);
        match self.below(5) {
            0 => format!("strlen({text})"),
            1 => {
                let part = self.text(0);
                format!("isinstr({text}, {part})")
            }
            2 => {
                let base = self.one(&["10", "16", "8", "0"]);
                format!("strtol({text}, {base})")
            }
            3 => {
                let at = self.below(20);
                format!("stringat({text}, {at})")
            }
            _ => {
                let part = self.one(&["a", "1", "bc", "6789"]);
                format!("strpos({text}, \"{part}\")")
            }
        }
    }
}
