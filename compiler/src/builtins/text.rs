//! Strings.
//!
//! `tokenize`, `matched` and `ngroups` go on from a call before: what they keep is one for the whole
//! script, for user blocks run one at a time.

use super::{Builtin, Kernel, Kind, NONE, Parameter, User};
use crate::lower::Operand;
use crate::runtime_functions::RuntimeFunction;
use crate::types::MAX_STRING;

const fn text(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text(0) }
}

const fn long(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Long }
}

const TEXT: Kind = Kind::Text(MAX_STRING);

pub(super) const ROWS: &[Builtin] = &[
    Builtin {
        name: "strlen",
        parameters: &[text("text")],
        result: Kind::Long,
        summary: "The length of a string in bytes.",
        example: "probe begin { println(strlen(\"four\")); exit() }",
        kernel: Kernel::Pure(|k, a| Operand::Long(k.text_length(a[0].text()))),
        user: User::Runtime(RuntimeFunction::TextLength),
    },
    Builtin {
        name: "substr",
        parameters: &[text("text"), long("start"), long("length")],
        result: TEXT,
        summary: "So many bytes of a string from a position, the first being 0.",
        example: "probe begin { println(substr(\"kernel\", 1, 3)); exit() }",
        kernel: Kernel::Pure(|k, a| k.text_part(a)),
        user: User::Runtime(RuntimeFunction::TextPart),
    },
    Builtin {
        name: "isinstr",
        parameters: &[text("text"), text("part")],
        result: Kind::Long,
        summary: "1 when a string contains another, else 0.",
        example: "probe begin { println(isinstr(\"kernel\", \"ern\")); exit() }",
        kernel: Kernel::Pure(|k, a| k.text_contains(a)),
        user: User::Runtime(RuntimeFunction::TextContains),
    },
    Builtin {
        name: "strpos",
        parameters: &[text("text"), text("part")],
        result: Kind::Long,
        summary: "Where a string first contains another, -1 when it does not.",
        example: "probe begin { println(strpos(\"kernel\", \"ern\")); exit() }",
        kernel: Kernel::Pure(|k, a| k.text_position(a)),
        user: User::Runtime(RuntimeFunction::TextPosition),
    },
    Builtin {
        name: "strtol",
        parameters: &[text("text"), long("base")],
        result: Kind::Long,
        summary: "The number a string starts with, 0 when it starts with none; base 0 takes `0x` and `0` as prefixes.",
        example: "probe begin { println(strtol(\"0x1f\", 16)); exit() }",
        kernel: Kernel::Pure(|k, a| k.text_to_long(a)),
        user: User::Runtime(RuntimeFunction::TextToLong),
    },
    Builtin {
        name: "stringat",
        parameters: &[text("text"), long("position")],
        result: Kind::Long,
        summary: "The byte at a position of a string, 0 outside of it.",
        example: "probe begin { println(stringat(\"A\", 0)); exit() }",
        kernel: Kernel::Pure(|k, a| k.text_byte(a)),
        user: User::Runtime(RuntimeFunction::TextByte),
    },
    Builtin {
        name: "str_replace",
        parameters: &[text("text"), text("search"), text("replacement")],
        result: TEXT,
        summary: "A string with every occurrence of another replaced.",
        example: "probe begin { println(str_replace(\"a-b\", \"-\", \"+\")); exit() }",
        kernel: Kernel::Pure(|k, a| k.text_replace(a)),
        user: User::Runtime(RuntimeFunction::TextReplace),
    },
    Builtin {
        name: "text_str",
        parameters: &[text("text")],
        result: TEXT,
        summary: "A string with escapes for bytes that cannot be printed.",
        example: "probe begin { println(text_str(\"a\\tb\")); exit() }",
        kernel: Kernel::Deferred,
        user: User::WithNumbers(RuntimeFunction::TextEscape, &[0, 0]),
    },
    Builtin {
        name: "text_strn",
        parameters: &[text("text"), long("length"), long("quoted")],
        result: TEXT,
        summary: "The same in at most so many bytes (0: no limit), and in quotes when asked.",
        example: "probe begin { println(text_strn(\"abcdefgh\", 6, 1)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TextEscape),
    },
    Builtin {
        name: "string_quoted",
        parameters: &[text("text")],
        result: TEXT,
        summary: "A string in quotes, with escapes for bytes that cannot be printed.",
        example: "probe begin { println(string_quoted(\"a\\tb\")); exit() }",
        kernel: Kernel::Deferred,
        user: User::WithNumbers(RuntimeFunction::TextEscape, &[0, 1]),
    },
    Builtin {
        name: "tokenize",
        parameters: &[text("text"), text("delimiters")],
        result: TEXT,
        summary: "The next part of a string between any of the delimiters; an empty string goes on with the one before, and the empty result is its end.",
        example: "probe begin { println(tokenize(\"a b\", \" \")); println(tokenize(\"\", \" \")); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TextToken),
    },
    Builtin {
        name: "tokenize",
        parameters: &[text("delimiters")],
        result: TEXT,
        summary: "The next part of the string that an earlier call with two arguments began.",
        example: "probe begin { println(tokenize(\"a b\", \" \")); println(tokenize(\" \")); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TextNextToken),
    },
    Builtin {
        name: "__part_or",
        parameters: &[text("text"), long("length"), text("otherwise")],
        result: TEXT,
        summary: "The start of a text, or another in place of one that cannot be read.",
        example: "probe begin { println(__part_or(\"abc\", 2, \"\")); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TextPartOr),
    },
    Builtin {
        name: "__quoted_or",
        parameters: &[text("text"), long("address")],
        result: TEXT,
        summary: "A text in quotes, or an address in place of one that cannot be read.",
        example: "probe begin { println(__quoted_or(\"a\", 0)); exit() }",
        kernel: Kernel::Deferred,
        user: User::Runtime(RuntimeFunction::TextQuotedOr),
    },
    Builtin {
        name: "matched",
        parameters: &[long("group")],
        result: TEXT,
        summary: "What a group of the last regular expression that was tested matched; group 0 is all of it.",
        example: "probe begin { if (\"ab12\" =~ \"([0-9]+)\") println(matched(1)); exit() }",
        kernel: Kernel::Deferred,
        user: User::WithSite(RuntimeFunction::RegexMatched),
    },
    Builtin {
        name: "ngroups",
        parameters: NONE,
        result: Kind::Long,
        summary: "How many groups the last regular expression that was tested has, with the whole match as group 0.",
        example: "probe begin { if (\"ab12\" =~ \"([0-9]+)\") println(ngroups()); exit() }",
        kernel: Kernel::Deferred,
        user: User::WithSite(RuntimeFunction::RegexGroups),
    },
];

impl Builtin {
    /// Whether it tells about the last match of a regular expression, which is then to be made by
    /// userspace.
    pub fn tells_about_match(&self) -> bool {
        use RuntimeFunction::{RegexGroups, RegexMatched};
        matches!(self.user, User::WithSite(RegexMatched | RegexGroups))
    }
}
