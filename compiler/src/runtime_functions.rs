//! The functions of the user half's runtime that compiled user blocks call.
//!
//! One row each: the compiler takes the signature from here, the runtime must supply an address for
//! every row (an exhaustive match, so a row without one does not compile). All take the block
//! context first, then 64-bit words, and return one 64-bit word. Strings are pointers to
//! NUL-terminated bytes that live until the block ends. `keys` are pointers to an array of words,
//! one for each key (a number or a string pointer); the array knows which.
//!
//! A *fallible* function sets [`context::ERROR`] in the block context when it fails; compiled code
//! tests that word after the call and leaves the block, or goes to the `catch`.

use crate::hir::{Aggregate, Quantile, Sort, SortBy, SortDirection};

/// Layout of the block context: byte offsets of 64-bit words, the first things in the runtime's
/// `BlockContext`.
pub mod context {
    /// Not zero once an error was raised: [`RAISED`] or [`FINAL`].
    pub const ERROR: u32 = 0;
    /// Address of the payload of the record being handled, for continuations of kernel handlers.
    pub const RECORD: u32 = 8;
    /// Address of an array of pointers: the script's string literals.
    pub const LITERALS: u32 = 16;
    /// Address of the numeric globals that only user blocks use, 8 bytes each.
    pub const CELLS: u32 = 24;
    /// Address of the `.bss` section shared with kernel code.
    pub const SHARED: u32 = 32;

    /// Address of the values that the shared cells of `Layout::counters` had when the block began, with what the
    /// block has added since; one word for each shared cell.
    pub const SEEN: u32 = 40;

    /// An error that `try` catches.
    pub const RAISED: i64 = 1;
    /// An error that ends the block whatever surrounds it.
    pub const FINAL: i64 = 2;
}

macro_rules! runtime_functions {
    ($($(#[$doc:meta])* $name:ident($($parameter:ident),*) $(fallible $fallible:tt)?;)*) => {
        /// A function of the runtime.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum RuntimeFunction { $($(#[$doc])* $name),* }

        impl RuntimeFunction {
            /// All of them; the position is the index in the CLIF namespace.
            pub const ALL: &[RuntimeFunction] = &[$(RuntimeFunction::$name),*];

            /// How many words it takes after the context.
            pub fn arity(self) -> usize {
                match self { $(RuntimeFunction::$name => <[&str]>::len(&[$(stringify!($parameter)),*]),)* }
            }

            /// Whether it can fail.
            pub fn fallible(self) -> bool {
                match self { $(RuntimeFunction::$name => false $(|| $fallible)?,)* }
            }

            /// Its name in printed CLIF.
            pub fn name(self) -> &'static str {
                match self { $(RuntimeFunction::$name => stringify!($name),)* }
            }
        }
    };
}

runtime_functions! {
    /// Raises the error of a site of the error table.
    Raise(site) fallible true;
    /// The message of the error that was raised, which is no longer raised.
    Caught();
    /// A function is entered; fails when calls nest too deep.
    Enter(site) fallible true;
    /// A function that was entered is left.
    Leave();
    /// Counts statements; fails after too many, with an error that cannot be caught.
    Count(statements, site) fallible true;
    /// Ends the session after this block.
    Exit();
    /// Raises an error with the script's own text.
    Error(text, site) fallible true;
    /// Prints a line to the error stream.
    Log(text);
    /// The same, marked as a warning.
    Warn(text);

    /// The element's value, or 0 or "" when there is none.
    ArrayGet(array, keys);
    /// Sets an element; fails when the array is full.
    ArraySet(array, keys, value, site) fallible true;
    /// Adds to an element; returns the value before.
    ArrayAdd(array, keys, delta, site) fallible true;
    /// 1 when the element exists.
    ArrayContains(array, keys);
    /// 1 when an element exists whose keys in the mask are these; the lowest bit is the first key.
    ArrayContainsMatching(array, keys, mask);
    /// Deletes the elements whose keys in the mask are these.
    ArrayDeleteMatching(array, keys, mask);
    /// Deletes an element.
    ArrayDelete(array, keys);
    /// Deletes all elements.
    ArrayClear(array);
    /// Adds a value to an aggregate.
    StatsRecord(array, keys, value, site) fallible true;
    /// A property of an aggregate; fails when it is empty and the property has no value then.
    StatsExtract(array, keys, aggregate, site) fallible true;

    /// The text of the histogram of an aggregate; fails when it is empty.
    HistogramText(array, keys, site) fallible true;
    /// The count in a bucket of the histogram of an aggregate; fails when that is empty, or when there
    /// is no such bucket.
    HistogramBucket(array, keys, bucket, empty, outside) fallible true;

    /// Starts a loop over the elements whose keys in the mask are these; returns its handle. The limit counts
    /// the others as well.
    ForeachBegin(array, sort, limit, keys, mask);
    /// Goes to the next element; 0 at the end.
    ForeachNext(handle);
    /// A key of the current element.
    ForeachKey(handle, index);
    /// The value of the current element.
    ForeachValue(handle);

    /// Compares two strings by their bytes: negative, 0 or positive.
    TextCompare(left, right);
    /// Joins two strings.
    TextConcatenate(left, right);
    /// Prints by an entry of the print table.
    Print(print, arguments);
    /// The text that would be printed.
    Sprint(print, arguments);

    /// The number of so many bytes at an address of ntap's own, extended by its sign when the last is 1.
    OwnInteger(address, bytes, signed, site) fallible true;
    /// The same, or 0 where it cannot be read.
    OwnIntegerOrZero(address, bytes, signed);
    /// The string at an address of ntap's own.
    OwnText(address, site) fallible true;
    /// The same, or the other string where it cannot be read.
    OwnTextOtherwise(address, text);
    /// A register: fails.
    NoRegister(which, site) fallible true;
    /// The number of so many bytes at an address of the kernel's, not extended.
    KernelNumber(address, bytes, site) fallible true;
    /// The same, extended to 64 bits, by its sign when that is 1.
    KernelInteger(address, bytes, signed, site) fallible true;
    /// The string at an address of the kernel's.
    KernelText(address, site) fallible true;
    /// The same, or the other string where it cannot be read.
    KernelTextOtherwise(address, text);
    /// The address of the structure of the current task; 0 when it cannot be had.
    CurrentTask();

    /// `pid()`.
    Pid();
    /// `tid()`.
    Tid();
    /// `uid()`.
    Uid();
    /// `gid()`.
    Gid();
    /// `cpu()`.
    Cpu();
    /// `execname()`.
    Execname();
    /// A text about the probe point of the running block, by the number of `hir::HitText`.
    HitText(what);
    /// `target()`.
    Target();
    /// The process id of ntap itself.
    OwnPid();
    /// An operation on two numbers with a point (`builtins::floating_operation`).
    FloatingPoint(left, right, operation);
    /// `fp_sqrt(value)`.
    FloatSquareRoot(value);
    /// `long_to_fp(value)`.
    FloatOfLong(value);
    /// `fp32_to_fp64(value)`.
    FloatOfSingle(value);
    /// `fp_to_long(value, rounding, exact)`.
    FloatToLong(value, rounding, exact);
    /// `string_to_fp(text)`.
    FloatOfText(text);
    /// `fp_to_string(value, precision)`.
    FloatText(value, precision);
    /// Nanoseconds since 1970.
    RealTimeNs();
    /// Nanoseconds of the monotonic clock.
    MonotonicNs();
    /// `ctime(seconds)`.
    Ctime(seconds);
    /// `tz_ctime(seconds)`.
    TzCtime(seconds);
    /// `symname(address)`.
    SymbolName(address);
    /// `symdata(address)`.
    SymbolData(address);
    /// An empty text.
    NoText();
    /// The same, of one argument.
    Nothing(number);
    /// `symname(address)` and the address.
    Caller(address);
    /// `modname(address)`.
    ModuleName(address, site) fallible true;
    /// `print_stack(stack)`.
    PrintStack(stack);
    /// `print_syms(addresses)`.
    PrintSymbols(addresses);
    /// `sprint_stack(stack)`.
    StackText(stack);
    /// `ubacktrace()` of a copy of a stack.
    UserStack(copy);
    /// `ucallers(n)` of a copy of a stack.
    UserCallers(n, copy);
    /// `ustack(n)` of a copy of a stack.
    UserStackAddress(n, copy);
    /// `print_ustack(stack)` of a process.
    PrintUserStack(stack, process);
    /// The same, shorter.
    PrintUserStackBrief(stack, process);
    /// `print_usyms(addresses)` of a process.
    PrintUserSymbols(addresses, process);
    /// `sprint_ustack(stack)` of a process.
    UserStackText(stack, process);
    /// `usymname(address)` of a process.
    UserSymbolName(address, process);
    /// `usymdata(address)` of a process.
    UserSymbolData(address, process);
    /// `symfile(address)`.
    SourceFile(address);
    /// `symline(address)`.
    SourceLine(address);
    /// `symfileline(address)`.
    SourcePlace(address);
    /// `print_stack(stack)` with source files and lines.
    PrintStackPlaces(stack);
    /// `sprint_stack(stack)` with source files and lines.
    StackPlaces(stack);
    /// `usymfile(address)` of a process.
    UserSourceFile(address, process);
    /// `usymline(address)` of a process.
    UserSourceLine(address, process);
    /// `usymfileline(address)` of a process.
    UserSourcePlace(address, process);
    /// `print_ubacktrace_fileline()` of a stack of a process.
    PrintUserStackPlaces(stack, process);
    /// `sprint_ubacktrace()` with source files and lines.
    UserStackPlaces(stack, process);
    /// `umodname(address)` of a process.
    UserModuleName(address, process);
    /// Whether a text contains a match of an entry of the regex table.
    RegexMatch(regex, text);
    /// `matched(n)`.
    RegexMatched(group, site) fallible true;
    /// `ngroups()`.
    RegexGroups(site) fallible true;
    /// `substr(text, start, length)`.
    TextPart(text, start, length);
    /// `isinstr(text, part)`.
    TextContains(text, part);
    /// `strpos(text, part)`.
    TextPosition(text, part);
    /// `strtol(text, base)`.
    TextToLong(text, base);
    /// `str_replace(text, search, replacement)`.
    TextReplace(text, search, replacement);
    /// `stringat(text, position)`.
    TextByte(text, position);
    /// `text_strn(text, length, quoted)`.
    TextEscape(text, length, quoted);
    /// `tokenize(text, delimiters)`.
    TextToken(text, delimiters);
    /// `strlen(text)`.
    TextLength(text);
    /// `__name_of(value, names, otherwise)`.
    NameOf(value, names, otherwise);
    /// `__system_call(number)`.
    CallName(number);
    /// `__flags_of(value, names, none)`.
    FlagsOf(value, names, none);
    /// `__buffer_quoted(address, length, shown, can_read, words)`.
    BufferQuoted(address, length, shown, can_read, a, b, c, d, e, f);
    /// `__result(format, result, error)`.
    ResultText(format, result, error);
    /// `__address_of_socket(address, words, path)`.
    SocketAddress(address, a, b, c, d, path);
    /// `__ip_of(words)`.
    SocketIp(a, b, c);
    /// `__signal_set(mask, names)`.
    SignalSet(mask, names);
    /// `tokenize(delimiters)`.
    TextNextToken(delimiters);
    /// The start of a text, or another when the text is the mark of one that cannot be read.
    TextPartOr(text, length, otherwise);
    /// A text in quotes, or an address when the text is the mark of one that cannot be read.
    TextQuotedOr(text, address);
    /// `abort()`.
    Abort() fallible true;
    /// `system(command)`.
    System(command);
    /// `ftrace(text)`.
    TraceMarker(text);
    /// `speculate(id, text)`.
    Speculate(id, text);
    /// `commit(id)` and `discard(id)`.
    EndSpeculation(id, print);
    /// `__indent(index, description, now, delta)`.
    Indent(index, description, now, delta);
    /// `__indent_depth(index, delta)`.
    IndentDepth(index, delta);
    /// `raise(signal)`.
    SendSignal(signal);
    /// `printk(level, message)`.
    KernelLog(level, message);
    /// Whether standard output is a terminal.
    PrintsToTerminal();
    /// `module_name()`.
    SessionName();
    /// `$value`: the text that the block exchanges with another program.
    ExchangedText();
    /// `$value = text`.
    ExchangeText(text);
    /// `$value .= text`.
    ExchangeMoreText(text);
    /// A random number of 32 bits.
    Random();
    /// `tz_gmtoff()`.
    ZoneOffset();
    /// `tz_name()`.
    ZoneName();
    /// A load average in hundredths: of one minute (0), five (1), fifteen (2).
    LoadAverage(number);
}

/// What the library puts in place of a string that cannot be read.
pub const UNREADABLE_TEXT: &str = "\x7f\x01unreadable";

impl RuntimeFunction {
    /// Whether it follows the copy of a process's stack, which the handler makes.
    pub fn walks_copied_stacks(self) -> bool {
        matches!(
            self,
            RuntimeFunction::UserStack
                | RuntimeFunction::UserCallers
                | RuntimeFunction::UserStackAddress
        )
    }

    /// Whether it is about addresses of processes: what they map has to be followed from the start.
    pub fn names_user_addresses(self) -> bool {
        self.walks_copied_stacks()
            || matches!(
                self,
                RuntimeFunction::PrintUserStack
                    | RuntimeFunction::PrintUserStackBrief
                    | RuntimeFunction::PrintUserSymbols
                    | RuntimeFunction::UserStackText
                    | RuntimeFunction::UserSymbolName
                    | RuntimeFunction::UserSymbolData
                    | RuntimeFunction::UserSourceFile
                    | RuntimeFunction::UserSourceLine
                    | RuntimeFunction::UserSourcePlace
                    | RuntimeFunction::PrintUserStackPlaces
                    | RuntimeFunction::UserStackPlaces
                    | RuntimeFunction::UserModuleName
            )
    }
}

/// The limit of a `foreach` that states none.
pub const NO_LIMIT: i64 = i64::MAX;

/// The order of a `foreach` as a word.
pub fn encode_sort(sort: Option<Sort>) -> i64 {
    let Some(sort) = sort else { return 0 };
    let by = match sort.by {
        SortBy::Value => 1,
        SortBy::Aggregate(aggregate) => 2 + encode_aggregate(aggregate),
        SortBy::Key(index) => 16 + index as i64,
    };
    match sort.direction {
        SortDirection::Ascending => by,
        SortDirection::Descending => -by,
    }
}

/// The order a word stands for.
pub fn decode_sort(word: i64) -> Option<Sort> {
    let by = match word.abs() {
        0 => return None,
        1 => SortBy::Value,
        code @ 2..16 => SortBy::Aggregate(decode_aggregate(code - 2)?),
        code => SortBy::Key(code as usize - 16),
    };
    let direction = if word > 0 { SortDirection::Ascending } else { SortDirection::Descending };
    Some(Sort { by, direction })
}

const AGGREGATES: [Aggregate; 8] = [
    Aggregate::Count,
    Aggregate::Sum,
    Aggregate::Avg,
    Aggregate::Min,
    Aggregate::Max,
    Aggregate::Variance,
    Aggregate::HistLog,
    Aggregate::HistLinear,
];

/// The word of `@percentile`; above it stand the rank, and of how many, in 28 bits each.
const PERCENTILE: i64 = AGGREGATES.len() as i64;

/// An extractor as a word.
pub fn encode_aggregate(aggregate: Aggregate) -> i64 {
    if let Aggregate::Percentile(Quantile { rank, of }) = aggregate {
        return PERCENTILE | i64::from(rank) << 8 | i64::from(of) << 36;
    }
    AGGREGATES.iter().position(|&a| a == aggregate).unwrap_or(0) as i64
}

/// The extractor a word stands for.
pub fn decode_aggregate(word: i64) -> Option<Aggregate> {
    if word & 0xff == PERCENTILE {
        let part = |shift: u32| (word >> shift & 0xfff_ffff) as u32;
        return Some(Aggregate::Percentile(Quantile { rank: part(8), of: part(36) }));
    }
    AGGREGATES.get(usize::try_from(word).ok()?).copied()
}
