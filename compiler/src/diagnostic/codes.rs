//! The stable codes of diagnostics, in ranges by phase. A code is never reused.
//!
//! | range | phase |
//! |---|---|
//! | E01xx | syntax and preprocessing |
//! | E02xx | names and probe points |
//! | E03xx | types |
//! | E04xx | what can run where (kernel half, user half) |
//! | E05xx | limits of the compiled program |
//! | E06xx | loading and attaching |
//! | W0xxx | warnings, same ranges |

/// A stable code with the text `ntap explain` shows.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `E0201`, the form shown in messages.
    pub id: &'static str,
    /// One line: what the code stands for.
    pub title: &'static str,
    /// A paragraph: why it is an error and what to do.
    pub explanation: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Code) -> bool {
        self.id == other.id
    }
}
impl Eq for Code {}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $title:literal, $explanation:literal;)*) => {
        $($(#[$doc])* #[doc = $title] pub const $name: Code = Code { id: $id, title: $title, explanation: $explanation };)*
        /// Every code, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    SYNTAX = "E0101", "syntax error",
        "The text is not a script at this place. The message says what was expected and what was found. Parsing goes on at the next declaration, so several such errors can be shown at once.";
    UNTERMINATED = "E0102", "unterminated string, comment or block",
        "A string must end on the line it starts on; a comment `/* */`, a conditional `%( %)` and embedded text `%{ %}` must be closed before the end of the file.";
    NUMBER_RANGE = "E0103", "number out of range",
        "Numbers are 64 bits wide. Decimal, hexadecimal (0x) and octal (0) literals up to 18446744073709551615 are accepted; those above 9223372036854775807 wrap to negative values.";
    ARGUMENT_RANGE = "E0104", "script argument out of range",
        "`$1` and `@1` stand for the first word after the script on the command line, and so on. The script uses one that was not given.";
    CONDITIONAL = "E0105", "malformed preprocessor conditional",
        "A conditional has the form `%( condition %? tokens %: tokens %)`. Conditions compare kernel_v, kernel_vr, arch, CONFIG_ names, arguments, numbers or strings and may be joined by `&&` and `||`.";
    MACRO = "E0106", "malformed or unknown macro",
        "`@define name(parameters) %( tokens %)` defines a macro, `@name(arguments)` uses it. The number of arguments must match.";
    EMBEDDED_C = "E0107", "embedded C code is not supported",
        "`%{ ... %}` holds C code for a kernel module. ntap compiles to eBPF and has no C compiler; use kernel structure access (`$arg->member`, `@cast`) or a library function instead.";
    FORMAT = "E0108", "malformed format string",
        "A conversion is `%`, one flag of `0 + - space #`, a width or `*`, a precision or `.*`, an optional `l`, and one of `d i u o x X p s c b m M`.";
    TOO_DEEP = "E0109", "nested too deeply",
        "Brackets, statements without braces and operators in one expression may be nested 200 levels deep in total. Split a long expression into several statements, or move a part of it into a function.";
    TARGET = "E0110", "cannot be changed or deleted",
        "The left side of an assignment and the operand of `++`, `--` and `delete` must be a variable, an array element, or a context variable and its members.";
    MISPLACED = "E0111", "statement or operand out of place",
        "`return` stands only in functions, `break` and `continue` only in loops, and `*` as an index only in `delete`, `in` and the slice of a `foreach`.";
}
