//! Listings of probe points: `-l`, `-L`, `ntap list`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");

fn ntap(arguments: &[&str]) -> Output {
    Command::new(NTAP).args(arguments).stdin(Stdio::null()).output().expect("ntap starts")
}

/// What a listing prints, which must find something and say nothing else.
fn listed(arguments: &[&str]) -> Vec<String> {
    let output = ntap(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
}

/// Whether the kernel's types can be asked for; says when not.
fn has_types() -> bool {
    let has = Path::new("/sys/kernel/btf/vmlinux").exists();
    if !has {
        println!("skipped: this kernel has no type information");
    }
    has
}

/// Whether the kernel's symbols can be; says when not.
fn has_symbols() -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let has = symbols.lines().any(|line| !line.starts_with("0000000000000000"));
    if !has {
        println!("skipped: kernel addresses are hidden");
    }
    has
}

#[test]
fn the_forms_that_match() {
    assert_eq!(
        listed(&["-l", "timer.*sec"]),
        ["timer.msec(N)", "timer.nsec(N)", "timer.sec(N)", "timer.usec(N)"]
    );
    assert_eq!(
        listed(&["-l", "perf.sw.c*"]),
        ["context_switches", "cpu_clock", "cpu_migrations"]
            .map(|event| {
                [
                    format!("perf.sw.{event}.process(\"NAME\").counter(\"NAME\")"),
                    format!("perf.sw.{event}.process.counter(\"NAME\")"),
                    format!("perf.sw.{event}[.sample(N)][.hz(N)].process(\"NAME\")"),
                    format!("perf.sw.{event}[.sample(N)][.hz(N)][.process]"),
                ]
            })
            .concat()
    );
    assert_eq!(listed(&["-l", "begin"]), ["begin"]);
}

#[test]
fn nothing_that_matches_is_a_failure() {
    for pattern in
        ["nosuch.*", "kernel.trace(\"nosuch*\")", "timer", "(", "process(\"/nosuch\").mark(\"*\")"]
    {
        for option in ["-l", "-L"] {
            let output = ntap(&[option, pattern]);
            assert_eq!(output.status.code(), Some(1), "{pattern}");
            assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{pattern}");
        }
    }
    let output = ntap(&["-v", "-l", "timer.mss(1)"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("unknown probe point `timer.mss(1)`"), "{said}");
}

#[test]
fn tracepoints_with_their_arguments() {
    if !has_types() {
        return;
    }
    let switch = listed(&["-L", "kernel.trace(\"sched_switch\")"]);
    let shown = switch.join("\n");
    for variable in ["$preempt:bool", "$prev:struct task_struct*", "$next:struct task_struct*"] {
        assert!(shown.contains(&format!(" {variable}")), "{shown}");
    }
    assert!(shown.starts_with("kernel.trace(\"sched:sched_switch\") $"), "{shown}");
    // Behind a bar the fields of the record, without those that are arguments, too.
    let (arguments, fields) = shown.split_once(" | ").expect("fields");
    assert!(fields.starts_with("$prev_comm:char* $prev_pid:pid_t $prev_prio:int "), "{shown}");
    assert!(fields.contains("$prev_state:") != arguments.contains("$prev_state:"), "{shown}");
    // Those of system calls have nothing else.
    let calls = listed(&["-L", "kernel.trace(\"syscalls:sys_enter_openat\")"]);
    assert_eq!(
        calls,
        [
            "kernel.trace(\"syscalls:sys_enter_openat\") $__syscall_nr:int $dfd:int $filename:char* $flags:int \
          $mode:umode_t"
        ]
    );
    // As many as tracefs has, whose `available_events` has other things, too.
    let all = listed(&["-l", "kernel.trace(\"tcp:*\")"]);
    assert!(all.is_sorted() && all.iter().all(|name| name.starts_with("kernel.trace(\"tcp:tcp_")));
    assert!(all.contains(&"kernel.trace(\"tcp:tcp_retransmit_skb\")".to_string()));
    let with_variables = listed(&["-L", "kernel.trace(\"tcp:*\")"]);
    assert_eq!(with_variables.len(), all.len());
    let is_qualified = |line: &String| {
        let types = line.split('$').skip(1).filter_map(|v| v.split_once(':'));
        types
            .map(|(_, ty)| ty.trim_end_matches([' ', '|']))
            .any(|ty| ty.starts_with("const ") && !ty.ends_with('*'))
    };
    assert_eq!(with_variables.into_iter().find(is_qualified), None);
}

#[test]
fn kernel_functions() {
    if !has_types() || !has_symbols() {
        return;
    }
    let entry =
        "kernel.function(\"vfs_read\") $file:struct file* $buf:char* $count:size_t $pos:loff_t*";
    assert_eq!(listed(&["-L", "kernel.function(\"vfs_read\")"]), [entry]);
    let found = listed(&["-l", "kernel.function(\"vfs_rea*\").return"]);
    assert!(found.contains(&"kernel.function(\"vfs_read\").return".to_string()), "{found:?}");
    let returns = listed(&["-L", "kernel.function(\"vfs_read\").return"]);
    assert!(returns[0].starts_with("kernel.function(\"vfs_read\").return $return:ssize_t $file:"));
}

#[test]
fn aliases_with_what_they_define() {
    if !has_types() {
        return;
    }
    let open = listed(&["-L", "syscall.open"]);
    assert_eq!(open.len(), 1);
    let words: Vec<&str> = open[0].split(' ').collect();
    assert_eq!(words[..3], ["syscall.open", "name:string", "filename:string"]);
    for word in ["flags:long", "mode:long", "argstr:string"] {
        assert!(words.contains(&word), "{open:?}");
    }
    // Each system call has its texts, whatever the other ones are like.
    let all = listed(&["-L", "syscall.*"]);
    assert!(all.len() > 300, "{}", all.len());
    for line in &all {
        assert!(line.contains(" name:string ") && line.contains(" argstr:string"), "{line}");
        assert!(!line.contains(" __"), "{line}");
    }
    let returns = listed(&["-L", "syscall.*.return"]);
    for line in &returns {
        assert!(line.contains(" retval:long") && line.contains(" retstr:string"), "{line}");
    }
}

#[test]
fn functions_of_programs() {
    // The test is a program that knows its functions.
    let program = std::env::current_exe().expect("a path");
    let point = format!("process(\"{}\").function(\"main\")", program.display());
    let found = listed(&["-l", &point]);
    assert_eq!(found, [point]);
    let point = format!("process(\"{}\").function(\"main\").return", program.display());
    assert_eq!(listed(&["-L", &point]), [format!("{point} $return:long int")]);
}

#[test]
fn a_listing_for_programs() {
    if !has_types() {
        return;
    }
    let found = listed(&["list", "--json", "kernel.trace(\"sched_switch\")"]);
    let [line] = &found[..] else { panic!("{found:?}") };
    assert!(
        line.starts_with("{\"name\":\"kernel.trace(\\\"sched:sched_switch\\\")\",\"variables\":[{")
    );
    assert!(line.contains("{\"name\":\"$prev\",\"type\":\"struct task_struct*\"}"), "{line}");
    assert!(line.ends_with("}]}"), "{line}");
}
