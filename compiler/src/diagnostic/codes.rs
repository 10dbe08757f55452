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

/// A stable code with the text of its entry in the reference.
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

    UNKNOWN_PROBE = "E0201", "unknown probe point",
        "No probe family has a point of this form. The help names what could stand here.";
    UNKNOWN_TRACEPOINT = "E0202", "unknown tracepoint",
        "The kernel this script is compiled for has no tracepoint of this name. Tracepoints differ between kernel versions: add alternatives with `?` or `!`.";
    UNKNOWN_SYSCALL = "E0220", "unknown system call",
        "The kernel this script is compiled for has no system call of this name, or ntap does not know it for this architecture.";
    UNKNOWN_CONTEXT = "E0203", "unknown context variable",
        "`$name` stands for an argument of the probe point. This point has none of that name. Use `@defined($name)` or `@choose_defined($name, 0)` where kernels differ.";
    UNKNOWN_MEMBER = "E0204", "unknown member",
        "The structure has no member of this name in the kernel this script is compiled for. Use `@defined` where kernels differ.";
    CONTEXT_TYPE = "E0205", "wrong use of a kernel value",
        "`->` needs a structure or a pointer to one, `[ ]` an array or a pointer; a whole structure is not a value.";
    UNKNOWN_NAME = "E0206", "unknown name",
        "Arrays and aggregates are global and must be declared: `global name`.";
    UNKNOWN_FUNCTION = "E0207", "unknown function",
        "Neither the script nor the library defines a function of this name.";
    ARITY = "E0208", "wrong number of arguments",
        "The function takes another number of arguments.";
    DUPLICATE = "E0209", "duplicate declaration",
        "Two globals have the same name.";
    WRONG_PLACE = "E0210", "construct in the wrong place",
        "The construct means nothing here: `break` outside of a loop, `return` outside of a function, an assignment to something that is no variable, a change of an array inside a loop over it.";
    NO_BTF = "E0211", "kernel type information is missing",
        "Arguments of kernel probes are typed by BTF, which kernels built with CONFIG_DEBUG_INFO_BTF offer in /sys/kernel/btf/vmlinux.";
    NO_PROBES = "E0212", "no probes found",
        "Nothing in the script would ever run: it has no probe, or none of its optional ones exists.";
    POINT_RANGE = "E0213", "number in a probe point out of range",
        "Timers run from every 10 microseconds to once a day. The type, the event and the period of a performance event are those of perf_event_open(2), and a probe has a period or a frequency. Memory is watched in 1, 2, 4 or 8 bytes at a multiple of as many.";
    ARRAY_SIZE = "E0214", "bad array size",
        "The size of an array is a literal number from 1 to 1000000.";
    INITIAL_VALUE = "E0215", "bad initial value",
        "Globals that are scalars can be initialised, with a literal; compute anything else, and fill arrays, in `probe begin`.";
    AGGREGATE = "E0230", "bad use of an aggregate",
        "An aggregate keeps one histogram, with literal bounds and at most 128 buckets, and its variance with one shift. Where two are wanted, record the values in two globals.";
    REGEX = "E0231", "malformed regular expression",
        "The right side of `=~` and `!~` is a POSIX extended regular expression: characters, `.`, `[a-z]`, `[[:alpha:]]`, `^`, `$`, `( )`, `|`, `*`, `+`, `?` and `{n,m}`; a backslash before a special character takes away its meaning. In a string literal it is written twice.";
    UNKNOWN_TYPE = "E0216", "unknown type or constant",
        "The kernel's type information has no type or enum constant of this name. Types of user programs and most C macros are not known to it.";
    UNKNOWN_VARIABLE = "E0219", "unknown variable of the kernel",
        "`@var(\"name\")` is a global variable of the kernel. Its symbol has to be in /proc/kallsyms, where kernels built without CONFIG_KALLSYMS_ALL list functions only.";
    UNKNOWN_FUNCTION_POINT = "E0217", "no such kernel function",
        "The kernel has no function of this name with code of its own that can be probed: it may be spelled otherwise, be inlined everywhere, be in a module that is not loaded, or be one that the kernel does not allow to be probed.";
    NEEDS_DEBUG_INFO = "E0218", "needs debug information",
        "Local variables, lines, labels and inlined copies of functions are described by debug information only. The kernel's own type information has functions, their parameters and all structures.";
    NO_PROGRAM = "E0240", "program cannot be probed",
        "A probe of a process names a program file, a program of the search path, the number of a process, or with neither the process of `-c` or `-x`. The file has to be an ELF program or library of this machine's architecture that ntap may read.";
    UNKNOWN_SYMBOL = "E0241", "unknown function or mark of a program",
        "The program or library has no function or mark of this name. Functions are found by their symbols: of a stripped program only exported ones are known, unless its debug symbols are installed.";
    NOT_PROBED = "E0242", "cannot be probed",
        "The probe point is one of SystemTap's that eBPF programs have no way to: what is to be watched is no event of the kernel's.";
    FILE_POINT = "E0250", "bad file of a session",
        "`procfs(\"PATH\")` names a file below the folder of the session, `umask` takes permissions away from it, and `maxsize` says how much can be read from it.";
    UNSUPPORTED = "E0290", "not supported yet",
        "The language has this construct; this version of ntap does not.";

    TYPE_MISMATCH = "E0301", "type mismatch",
        "Numbers, strings and aggregates do not mix, and there are no conversions: each variable, key and value has one type everywhere.";
    SHAPE = "E0302", "array and scalar mixed up",
        "A global is an array, with the same number of keys everywhere, or a scalar.";
    UNRESOLVED_TYPE = "E0304", "unresolved type",
        "The value of a variable is used, but nothing in the script says whether it is a number or a string: it is never given a value, and no use of it asks for one of the two.";
    NEVER_ASSIGNED = "W0303", "never-assigned variable",
        "The variable is read, but nothing ever sets it: it is 0 or the empty string. Often a typing mistake.";

    WITHOUT_EFFECT = "W0305", "code without effect",
        "A value that nothing reads, a statement behind one that leaves the handler, function or loop, or an expression that only computes something is left out of the program. Often another variable was meant, or a comparison stands where an assignment should. `-w` silences the warning.";

    KERNEL_ONLY_PART = "E0401", "cannot run in a kernel probe",
        "Handlers of kernel probes are compiled to eBPF, which the kernel verifies. What is only printed is computed later in userspace; what the handler itself needs must be computable in the kernel.";

    LOST_UPDATE = "W0402", "update that another CPU can undo",
        "Handlers run on all CPUs at a time, and take no locks as those of SystemTap do. `n++`, `n += x` and `<<<` are one step, and lose nothing. In `n = n * 2`, or `n |= 4`, a variable that all handlers share is read, changed and written back: what another CPU has written in between is lost. Give each thread or CPU an element of its own, as in `flags[tid()] |= 4`, or record the values in an aggregate. `-w` silences the warning.";

    LATE_CHANGE = "W0403", "change that comes later than the event",
        "What only userspace can do in a handler, and what follows it, is done there a little after the event. When it changes a variable that kernel handlers use, these are continued in userspace, too, so that all comes in order. Here one of them cannot be: it wants something, such as a string in the memory of a process, that can be had only while the event happens. It may see the variable before the change. Change the variable before the handler does what only userspace can do. `-w` silences the warning.";
    LOSSY_DELETE = "W0404", "delete that can lose what arrives",
        "A block looks at an aggregate, or an element of one, and deletes it, while kernel handlers add to it: what they add in between is lost. Where they ask for its elements, too, they are continued in userspace, so that nothing is. Here one of them cannot be: it wants something, such as a string in the memory of a process, that can be had only while the event happens. Delete the array whole and each time, have the handlers only add to it, or let the first statements of the handler take what they need of the event. `-w` silences the warning.";

    RECORD_SIZE = "E0501", "too much printed at once",
        "The values one statement prints are sent in one record.";
    STACK = "E0502", "handler needs too much stack",
        "The kernel gives a handler 512 bytes of stack. Long strings and many variables at a time use it up.";
    INTERNAL = "E0590", "internal error",
        "A bug in ntap. Please report it with the script.";

    PRIVILEGE = "E0601", "missing privilege",
        "Loading kernel probes takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, or root.";
    REJECTED = "E0602", "the kernel rejected a handler",
        "The kernel's verifier did not accept the code ntap made of a handler. That is a bug in ntap. Please report it with the script and the message.";
    ATTACH = "E0603", "cannot attach",
        "The kernel refused to attach a handler to its probe point.";
    LOAD = "E0604", "cannot load",
        "The kernel refused a map or a program for want of memory or of a feature.";
}
