//! What words of bpftrace are here: help for those who write them by habit.

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordPlace {
    /// Where a probe or another declaration begins.
    Declaration,
    /// A function that is called.
    Function,
    /// A variable that is read.
    Variable,
}

use WordPlace::{Declaration, Function, Variable};

/// A word, where it stands, and what it is here.
const WORDS: &[(&str, WordPlace, &str)] = &[
    ("BEGIN", Declaration, "probe begin { }"),
    ("END", Declaration, "probe end { }"),
    ("fentry", Declaration, "probe kernel.function(\"NAME\") { }"),
    ("fexit", Declaration, "probe kernel.function(\"NAME\").return { }"),
    ("interval", Declaration, "probe timer.s(1) { }"),
    ("kfunc", Declaration, "probe kernel.function(\"NAME\") { }"),
    ("kprobe", Declaration, "probe kernel.function(\"NAME\") { }"),
    ("kretfunc", Declaration, "probe kernel.function(\"NAME\").return { }"),
    ("kretprobe", Declaration, "probe kernel.function(\"NAME\").return { }"),
    ("profile", Declaration, "probe timer.profile { }"),
    ("rawtracepoint", Declaration, "probe kernel.trace(\"NAME\") { }"),
    ("software", Declaration, "probe perf.sw.NAME.sample(COUNT) { }"),
    ("hardware", Declaration, "probe perf.hw.NAME.sample(COUNT) { }"),
    ("tracepoint", Declaration, "probe kernel.trace(\"SYSTEM:NAME\") { }"),
    ("uprobe", Declaration, "probe process(\"PATH\").function(\"NAME\") { }"),
    ("uretprobe", Declaration, "probe process(\"PATH\").function(\"NAME\").return { }"),
    ("usdt", Declaration, "probe process(\"PATH\").mark(\"NAME\") { }"),
    ("avg", Function, "variable <<< value, and @avg(variable) where it is printed"),
    ("clear", Function, "delete variable"),
    ("count", Function, "variable <<< 1, and @count(variable) where it is printed"),
    ("hist", Function, "variable <<< value, and print(@hist_log(variable))"),
    ("kaddr", Function, "&@var(\"NAME\")"),
    ("kstack", Function, "backtrace()"),
    ("ksym", Function, "symname(address)"),
    ("kstr", Function, "kernel_string(address)"),
    ("lhist", Function, "variable <<< value, and print(@hist_linear(variable, LOW, HIGH, STEP))"),
    ("max", Function, "variable <<< value, and @max(variable) where it is printed"),
    ("min", Function, "variable <<< value, and @min(variable) where it is printed"),
    ("ntop", Function, "ip_ntop(address)"),
    ("stats", Function, "variable <<< value, and @count, @avg and @sum of it where it is printed"),
    ("str", Function, "user_string(address) or kernel_string(address)"),
    ("strcontains", Function, "isinstr(text, part)"),
    ("strftime", Function, "ctime(gettimeofday_s())"),
    ("strncmp", Function, "substr(text, 0, length) == other"),
    ("sum", Function, "variable <<< value, and @sum(variable) where it is printed"),
    ("time", Function, "ctime(gettimeofday_s())"),
    ("ustack", Function, "ubacktrace()"),
    ("usym", Function, "usymname(address)"),
    ("zero", Function, "delete variable"),
    ("args", Variable, "$name, a variable for each argument"),
    ("comm", Variable, "execname()"),
    ("cpid", Variable, "target()"),
    ("cpu", Variable, "cpu()"),
    ("curtask", Variable, "task_current()"),
    ("elapsed", Variable, "gettimeofday_ns()"),
    ("func", Variable, "ppfunc()"),
    ("gid", Variable, "gid()"),
    ("kstack", Variable, "backtrace()"),
    ("nsecs", Variable, "gettimeofday_ns()"),
    ("pid", Variable, "pid()"),
    ("ppid", Variable, "ppid()"),
    ("retval", Variable, "$return"),
    ("tid", Variable, "tid()"),
    ("uid", Variable, "uid()"),
    ("ustack", Variable, "ubacktrace()"),
];

/// What a word of bpftrace is here.
pub fn here(word: &str, place: WordPlace) -> Option<String> {
    let is_argument = |word: &str| {
        let number = word.strip_prefix("arg").and_then(|number| number.parse::<u8>().ok());
        number
            .filter(|&number| number < 20)
            .map(|number| format!("pointer_arg({0}), int_arg({0})", number + 1))
    };
    let found = WORDS.iter().find(|&&(name, at, _)| name == word && at == place);
    let meaning = match found {
        Some((_, _, meaning)) => Some(meaning.to_string()),
        None if place == Variable => is_argument(word),
        None => None,
    };
    meaning.map(|meaning| format!("what bpftrace calls `{word}` is here `{meaning}`"))
}

/// What `@name` of bpftrace is here.
pub fn map(word: &str) -> String {
    let name = match word.trim_start_matches('@') {
        "" => "n",
        name => name,
    };
    format!("what bpftrace calls `{word}` is a global here: `global {name}`, then `{name}[key]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_meaning() {
        let help = |word, place| here(word, place).unwrap_or_default();
        assert!(help("BEGIN", Declaration).ends_with("`probe begin { }`"));
        assert!(help("arg1", Variable).ends_with("`pointer_arg(2), int_arg(2)`"));
        assert_eq!(here("comm", Function), None);
        assert!(map("@").ends_with("`global n`, then `n[key]`"));
    }
}
