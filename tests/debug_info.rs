//! Probes of programs by their debug information: `$variables` of functions and lines.
//!
//! `tests/programs/variables.c` is built as people build their programs, with and without optimization, and what
//! scripts read of it is compared with what it does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/variables.c");
const COPIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/copies.c");

const PLACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/places.c");

fn program(name: &str, options: &[&str]) -> Option<PathBuf> {
    build(SOURCE, name, options)
}

/// Builds a program; `None`, with the reason said, where there is no compiler or no right to probe.
fn build(source: &str, name: &str, options: &[&str]) -> Option<PathBuf> {
    // SAFETY: asks for a number and cannot fail.
    if unsafe { libc::geteuid() } != 0 || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: probes need root and the kernel's types");
        return None;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let built = Command::new("cc").args(options).arg("-o").arg(&path).arg(source).output();
    match built {
        Ok(output) if output.status.success() => Some(path),
        Ok(output) => panic!("cc: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("skipped: cc: {error}");
            None
        }
    }
}

/// Runs a script about the program, which stands for `PROGRAM` in it.
fn trace(program: &Path, script: &str) -> Output {
    let program = program.to_str().expect("a path of text");
    let script = script.replace("PROGRAM", &format!("process(\"{program}\")"));
    let mut command = Command::new("timeout");
    command.args(["60", NTAP, "-c", &format!("'{program}'"), "-e", &script]);
    command.stdin(Stdio::null()).output().expect("ntap starts")
}

/// What the script prints, without what the program does.
fn printed(program: &Path, script: &str) -> String {
    let output = trace(program, script);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let lines = text.lines().filter(|line| !line.starts_with("program: "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn refused(program: &Path, script: &str) -> String {
    let output = trace(program, script);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The ways to build that are tried.
const BUILDS: [(&str, &[&str]); 5] = [
    ("plain", &["-g", "-O0"]),
    ("optimized", &["-g", "-O2"]),
    ("fixed", &["-g", "-O0", "-no-pie"]),
    ("packed", &["-g", "-O2", "-gz=zlib"]),
    ("dwarf4", &["-gdwarf-4", "-O1"]),
];

#[test]
fn parameters_by_name() {
    for (name, options) in BUILDS {
        let Some(program) = program(&format!("parameters-{name}"), options) else { return };
        let script = r#"
            probe PROGRAM.function("add") {
              printf("%d %d %c %d %s %d\n", $a, $b, $c, $d, user_string($text), $seventh)
            }
            probe PROGRAM.function("half") { println("half of ", $n) }
            probe PROGRAM.function("make") { println("make ", $seed) }"#;
        assert_eq!(
            printed(&program, script),
            "-5 1099511627776 x 65535 hello 77\n-6 1099511627776 x 65535 hello 77\nmake 42\nhalf of 9\n",
            "{name}"
        );
    }
}

#[test]
fn members_through_pointers() {
    for (name, options) in BUILDS {
        let Some(program) = program(&format!("members-{name}"), options) else { return };
        let script = r#"
            probe PROGRAM.function("walk") {
              printf("%s x=%d y=%d flags=%d small=%d\n", user_string($n->next->name), $n->next->at->x,
                     $n->next->at->y, $n->next->at->flags, $n->next->at->small)
              printf("%s %d %d\n", user_string($n->tag), $n->next->color, $n->bytes[1])
              println(@cast($n, "struct node")->at->x, @cast($n, "node_t")->at->y)
              p = $n
              println(p->next->next)
              println($n->at$)
              println(@defined($n->at->z), @defined($n->at->y), @defined($nothing))
            }"#;
        assert_eq!(
            printed(&program, script),
            "second x=3 y=-4 flags=5 small=-3\none -1 5\n12\n0\n{.x=1, .y=2, .flags=7, .small=3}\n010\n",
            "{name}"
        );
    }
}

#[test]
fn results_with_their_types_and_parameters_of_the_entry() {
    for (name, options) in BUILDS {
        let Some(program) = program(&format!("results-{name}"), options) else { return };
        let script = r#"
            probe PROGRAM.function("add").return { printf("%d for %d, x=%d\n", $return, $a, @entry($n->at->x)) }
            probe PROGRAM.function("walk").return { printf("%s %d\n", user_string($return->name), $depth) }"#;
        assert_eq!(
            printed(&program, script),
            "64728 for -5, x=1\n64727 for -6, x=1\nsecond 5\n",
            "{name}"
        );
    }
}

#[test]
fn all_parameters_and_functions_of_a_file() {
    let Some(program) = program("variables-parms", &["-g", "-O0"]) else { return };
    let script = r#"
        probe PROGRAM.function("*@variables.c").call { printf("%s(%s)\n", ppfunc(), $$parms) }"#;
    let text = printed(&program, script);
    let functions: Vec<&str> = text.lines().filter_map(|line| line.split('(').next()).collect();
    assert_eq!(functions, ["main", "add", "add", "make", "half", "walk", "count_up", "count_up"]);
    assert!(text.contains("make(seed=0x2a)"), "{text}");
    let unknown = refused(&program, "probe PROGRAM.function(\"add@nosuch.c\") {}");
    assert!(unknown.contains("no function"), "{unknown}");
}

#[test]
fn lines_with_variables_of_the_function() {
    let Some(program) = program("variables-lines", &["-g", "-O0"]) else { return };
    let source = std::fs::read_to_string(SOURCE).expect("the source");
    let line = source.lines().position(|l| l.contains("sum += d")).expect("a line") + 1;
    let script = r#"
        probe PROGRAM.statement("add@variables.c:LINE") { printf("%d %d %d %d\n", $sum, $a, $seventh, $n->at->x) }"#;
    let script = script.replace("LINE", &line.to_string());
    assert_eq!(printed(&program, &script), "115 -5 77 1\n114 -6 77 1\n");
    let nothing = refused(&program, "probe PROGRAM.statement(\"*@variables.c:1\") {}");
    assert!(nothing.contains("has no code of line 1 of variables.c"), "{nothing}");
}

#[test]
fn without_debug_information() {
    let Some(program) = program("variables-none", &["-O0"]) else { return };
    let unknown = refused(&program, "probe PROGRAM.function(\"add\") { println($a) }");
    assert!(unknown.contains("`$a` is not available"), "{unknown}");
    assert!(unknown.contains("build the program with -g"), "{unknown}");
    let unknown = refused(&program, "probe PROGRAM.function(\"add@variables.c\") {}");
    assert!(unknown.contains("known by debug information only"), "{unknown}");
    let unknown = refused(&program, "probe PROGRAM.statement(\"add@variables.c:20\") {}");
    assert!(unknown.contains("known by debug information only"), "{unknown}");
}

#[test]
fn inlined_functions_with_their_parameters() {
    for (name, options) in BUILDS {
        let Some(program) = build(COPIES, &format!("inlined-{name}"), options) else { return };
        let script = r#"
            probe PROGRAM.function("twice").inline { printf("%s(%s)\n", ppfunc(), $$parms) }
            probe PROGRAM.function("twice") { n++ }
            global n
            probe end { println(n) }"#;
        assert_eq!(
            printed(&program, script),
            "twice(value=0x0)\ntwice(value=0x1)\ntwice(value=0x14)\ntwice(value=0x15)\n\
             twice(value=0x28)\ntwice(value=0x29)\n6\n",
            "{name}"
        );
        let called = refused(&program, "probe PROGRAM.function(\"twice\").call {}");
        assert!(called.contains("has no function `twice`"), "{called}");
        let never = refused(&program, "probe PROGRAM.function(\"outer\").inline {}");
        assert!(never.contains("`outer` was inlined nowhere"), "{never}");
    }
}

#[test]
fn labels() {
    let Some(program) = build(COPIES, "labels", &["-g", "-O0"]) else { return };
    let script = r#"probe PROGRAM.function("work").label("*") { printf("%s %d\n", pp(), $sum) }"#;
    let point =
        format!("process(\"{}\").function(\"work@{COPIES}:16\").label(\"out\")", program.display());
    assert_eq!(printed(&program, script), format!("{point} 44\n{point} 124\n{point} 162\n"));
    let unknown = refused(&program, "probe PROGRAM.function(\"work\").label(\"outt\") {}");
    assert!(unknown.contains("did you mean `out`?"), "{unknown}");
}

#[test]
fn lines_by_range_by_distance_and_nearest() {
    let Some(program) = build(COPIES, "lines", &["-g", "-O0"]) else { return };
    let lines = |place: &str| -> Vec<String> {
        let script = format!(
            "probe PROGRAM.statement({place} {{ n[pp()]++ }} global n
                              probe end {{ foreach (p+ in n) println(p, \" \", n[p]) }}"
        );
        let text = printed(&program, &script);
        let after = |line: &str| line.split("copies.c:").nth(1).map(|rest| rest.replace("\")", ""));
        text.lines().filter_map(after).collect()
    };
    assert_eq!(lines("\"work@copies.c:18-20\")"), ["18 3", "19 3", "20 3"]);
    assert_eq!(lines("\"work@copies.c+5\")"), ["21 1"]);
    assert_eq!(lines("\"work@copies.c:23\").nearest"), ["22 2", "24 3"]);
    assert_eq!(lines("\"work@copies.c\")"), ["16 3"]);
    assert_eq!(lines("\"work\")"), ["16 3"]);
    assert_eq!(lines("\"outer@*/copies.c:*\")"), ["29 3", "30 3", "31 3"]);
    let locals =
        r#"probe PROGRAM.statement("work@copies.c:24") { printf("%s|%s\n", $$parms, $$locals) }"#;
    assert_eq!(
        printed(&program, locals),
        "count=0x0|sum=0x2c\ncount=0x14|sum=0x7c\ncount=0x28|sum=0xa2\n"
    );
}

#[test]
fn calls_of_libraries() {
    for (name, options) in BUILDS {
        let Some(program) = build(COPIES, &format!("calls-{name}"), options) else { return };
        let script = r#"
            probe PROGRAM.plt("[pf]*") { println($$name) }
            probe PROGRAM.plt("malloc") { printf("%d %s\n", ulong_arg(1), ppfunc()) }
            probe PROGRAM.plt("malloc").return { println($return != 0) }"#;
        assert_eq!(printed(&program, script), "17 malloc\n1\nprintf\nfree\n", "{name}");
        let unknown = refused(&program, "probe PROGRAM.plt(\"mallloc\") {}");
        assert!(unknown.contains("did you mean `malloc`?"), "{unknown}");
    }
}

/// The address of a symbol, as `nm` shows it.
fn address(program: &Path, name: &str) -> Option<u64> {
    let output = Command::new("nm").arg(program).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.ends_with(&format!(" {name}")))?;
    u64::from_str_radix(line.split(' ').next()?, 16).ok()
}

#[test]
fn addresses() {
    for (name, options) in BUILDS {
        let Some(program) = build(COPIES, &format!("addresses-{name}"), options) else { return };
        let (Some(outer), Some(work)) = (address(&program, "outer"), address(&program, "work"))
        else {
            return println!("skipped: no nm");
        };
        let script = format!(
            "probe PROGRAM.statement({outer}) {{ printf(\"%s %d\\n\", ppfunc(), int_arg(1)) }}
             probe PROGRAM.function({work}).return {{ printf(\"%s %d\\n\", ppfunc(), $return) }}"
        );
        assert_eq!(
            printed(&program, &script),
            "outer 0\nwork 44\nouter 20\nwork 124\nouter 40\nwork 162\n",
            "{name}"
        );
    }
    let Some(program) = build(COPIES, "addresses", &["-g"]) else { return };
    let nowhere = refused(&program, "probe PROGRAM.statement(0x10) {}");
    assert!(nowhere.contains("has no code at 0x10"), "{nowhere}");
}

#[test]
fn memory_that_is_watched() {
    let Some(program) = build(COPIES, "watched", &["-g", "-O0", "-no-pie"]) else { return };
    let Some(shared) = address(&program, "shared") else { return println!("skipped: no nm") };
    let script = format!(
        "probe kernel.data({shared}).length(4).rw ? {{ if (pid() == target()) n++ }} global n
         probe kernel.data({shared}).length(4).write ? {{ if (pid() == target()) w++ }} global w
         probe end {{ println(n, w) }}"
    );
    // Read where the sum is at most 100; never written.
    match printed(&program, &script).as_str() {
        "00\n" => println!("skipped: the processor has no debug registers"),
        text => assert_eq!(text, "20\n"),
    }
    let unaligned = refused(&program, "probe kernel.data(0x1001).length(4).write {}");
    assert!(unaligned.contains("0x1001 is not a multiple of 4"), "{unaligned}");
}

/// The line of the program's source with this text.
fn line_of(source: &str, text: &str) -> usize {
    let source = std::fs::read_to_string(source).expect("the source");
    source.lines().position(|line| line.contains(text)).expect("a line") + 1
}

#[test]
fn structures_and_arrays_in_memory() {
    let Some(program) = program("aggregates", &["-g", "-O0"]) else { return };
    let script = r#"
        probe PROGRAM.statement("main@variables.c:LINE") {
          printf("%s\n", $$locals)
          printf("%d %d %s %d\n", $first->at->x, $second->bytes[1], user_string($first->tag), $first->next == &$second)
          printf("%s\n", $second$)
          exit()
        }"#;
    let script = script.replace("LINE", &line_of(SOURCE, "r += add").to_string());
    let text = printed(&program, &script);
    let mut lines = text.lines();
    let locals = lines.next().unwrap_or_default();
    assert!(locals.starts_with("second=? first=? r=0x0 hello=0x"), "{text}");
    assert_eq!(lines.next(), Some("1 2 one 1"), "{text}");
    assert_eq!(
        lines.next(),
        Some(
            "{.next=0x0, .name=\"second\", .at={...}, .tag=\"tagged\", .color=-1, .bytes=\"\u{1}\u{2}\u{3}\"}"
        ),
        "{text}"
    );
}

#[test]
fn variables_of_no_function() {
    for (name, options) in BUILDS {
        let Some(program) = program(&format!("globals-{name}"), options) else { return };
        let path = program.display();
        let script = format!(
            r#"probe PROGRAM.function("walk") {{
                 printf("%d %d %d ", $total, @var("total@variables.c"), @var("total", "{path}"))
                 println(user_int(&$total), @defined($totally), @defined(@var("total@other.c")))
               }}"#
        );
        assert_eq!(printed(&program, &script), "7 7 7 700\n", "{name}");
    }
}

#[test]
fn variables_of_no_function_at_a_return() {
    for (name, options) in BUILDS {
        let Some(program) = program(&format!("globals-later-{name}"), options) else { return };
        // As parameters they are those of the entry; with their file they are read at the return.
        let script = r#"probe PROGRAM.function("count_up").return {
             printf("%d %d %d ", $by, $total, @var("total"))
             println(@var("total@variables.c"), " ", $return, @defined($totally))
           }"#;
        assert_eq!(printed(&program, script), "10 7 7 17 170\n10 17 17 27 270\n", "{name}");
    }
}

#[test]
fn variables_without_a_value() {
    let Some(program) = program("valueless", &["-g", "-O2"]) else { return };
    let script = r#"probe PROGRAM.function("half") { println($$parms, @defined($x)) }"#;
    assert_eq!(printed(&program, script), "x=? n=0x90\n");
    let unknown = refused(&program, "probe PROGRAM.function(\"half\") { println($x) }");
    assert!(unknown.contains("no value here that a handler can read"), "{unknown}");
}

#[test]
fn source_lines_of_addresses() {
    let Some(program) = program("source-lines", &["-g", "-O0"]) else { return };
    let script = r#"
        probe PROGRAM.function("walk") {
          printf("%s %s\n", usymfileline(uaddr()), usymline(uaddr()))
          printf("%s\n", usymfile(uaddr()))
          print_ubacktrace_fileline()
          printf("%s", sprint_ubacktrace_fileline())
        }"#;
    let text = printed(&program, script);
    let lines: Vec<&str> = text.lines().collect();
    let (own, called) = (line_of(SOURCE, "node_t *walk") + 1, line_of(SOURCE, "= walk("));
    assert_eq!(lines[0], format!("{SOURCE}:{own} {own}"), "{text}");
    assert_eq!(lines[1], SOURCE, "{text}");
    let path = program.display().to_string();
    assert!(lines[2].contains(" : walk+0x0/"), "{text}");
    assert!(lines[2].ends_with(&format!(" at {SOURCE}:{own} [{path}]")), "{text}");
    assert!(lines[3].ends_with(&format!(" at {SOURCE}:{called} [{path}]")), "{text}");
    assert!(text.contains(&format!("walk+0x0 at {SOURCE}:{own} [source-lines]")), "{text}");
}

#[test]
fn functions_called_from_others() {
    let Some(program) = build(COPIES, "callee", &["-g", "-O0"]) else { return };
    let script = r#"
        probe PROGRAM.function("outer").callee("work") { n++; last = $count }
        probe PROGRAM.function("main").callee("work") { wrong++ }
        probe PROGRAM.function("work").callee("twice") { inlined += $value }
        global n, last, wrong, inlined
        probe end { println(n, " ", last, " ", wrong, " ", inlined) }"#;
    assert_eq!(printed(&program, script), "3 40 0 123\n");
    let unknown = refused(&program, "probe PROGRAM.function(\"outer\").callees {}");
    assert!(unknown.contains("compilers note calls in debug information"), "{unknown}");
    let Some(program) = build(COPIES, "callees", &["-g", "-O1", "-fno-optimize-sibling-calls"])
    else {
        return;
    };
    let script = r#"
        probe PROGRAM.function("main").callees { n[ppfunc()]++ }
        probe PROGRAM.function("main").callees(2) { m[ppfunc()]++ }
        global n, m
        probe end {
          foreach (f+ in n) println(f, " ", n[f])
          foreach (f+ in m) println(f, " ", m[f])
        }"#;
    assert_eq!(printed(&program, script), "outer 3\nouter 3\nwork 3\n");
}

/// A pattern finds the functions of the source; without debug information, all symbols.
#[test]
fn patterns_find_functions_of_the_source() {
    let Some(plain) = program("patterns-plain", &["-g", "-O0"]) else { return };
    let script = r#"
        global n
        probe PROGRAM.function("*").call { n[ppfunc()]++ }
        probe end { foreach (f+ in n) println(f, " ", n[f]) }"#;
    let names = "add 2\ncount_up 2\nhalf 1\nmain 1\nmake 1\nwalk 1\n";
    assert_eq!(printed(&plain, script), names);
    let Some(bare) = program("patterns-bare", &["-O0"]) else { return };
    let found = printed(&bare, script);
    assert!(found.contains("_start 1\n") && found.contains("\nadd 2\n"), "{found}");
}

/// `@cast` with a program's file: also in functions, which belong to no probe.
#[test]
fn casts_to_types_of_a_program() {
    for (name, options) in BUILDS {
        let Some(program) = program(&format!("casts-{name}"), options) else { return };
        let script = r#"
            function names:string(at:long) {
              while (at) {
                text .= user_string(@cast(at, "struct node", "FILE")->name) . " "
                at = @cast(at, "node_t", "FILE")->next
              }
              return text
            }
            probe PROGRAM.function("walk") {
              println(names($n), @cast($n, "node")->at->x, " ", @cast($n, "node", "FILE")->color == 5)
              println(@cast(&$n->at, "point", "FILE")$)
            }"#;
        let script = script.replace("FILE", program.to_str().expect("a path of text"));
        let expected = "first second 1 1\n{.x=1, .y=2, .flags=7, .small=3}\n";
        assert_eq!(printed(&program, &script), expected, "{name}");
    }
    let Some(program) = program("casts-unknown", &["-g", "-O0"]) else { return };
    let script = r#"probe PROGRAM.function("walk") { println(@cast($n, "no_such_type", "/no/such/file")->x) }"#;
    let message = refused(&program, script);
    assert!(message.contains("unknown type `no_such_type`"), "{message}");
}

#[test]
fn own_variables_at_the_entry() {
    for (name, options) in BUILDS {
        let Some(program) = build(PLACES, &format!("own-{name}"), options) else { return };
        let script = r#"
            probe PROGRAM.function("next") { printf("%d %s\n", $calls, $$locals) }
            probe PROGRAM.function("next").return { printf("%d %d %s\n", $calls, $return, $$vars) }"#;
        assert_eq!(
            printed(&program, script),
            "5 calls=0x5\n5 8 by=0x2 calls=0x5\n6 calls=0x6\n6 10 by=0x3 calls=0x6\n",
            "{name}"
        );
    }
}

#[test]
fn addresses_of_variables_and_arrays_of_arrays() {
    let Some(program) = build(PLACES, "places", &["-g", "-O0"]) else { return };
    let line = line_of(PLACES, "fill(&sum)");
    // The file by a pattern.
    let script = r#"
        probe PROGRAM.statement("work@*/places.c:LINE") {
          printf("%d %d\n", &$sum == $pointer, user_int(&$sum))
          printf("%d %s %s %d\n", $table[1][2], $table$, $table[0]$, &$table[1][1] - &$table[0][0])
        }"#;
    let script = script.replace("LINE", &line.to_string());
    assert_eq!(printed(&program, &script), "1 42\n6 [[...], [...]] [1, 2, 3] 16\n");
}

#[test]
fn parameters_on_the_stack_with_a_frame_pointer() {
    if !Path::new("/usr/bin/clang").exists() {
        println!("skipped: no clang");
        return;
    }
    let Some(path) = program("stack", &["-g", "-O0"]) else { return };
    let built = Command::new("clang").args(["-g", "-O0", SOURCE, "-o"]).arg(&path).status();
    assert!(built.expect("clang starts").success());
    let script = r#"probe PROGRAM.function("add") { println($seventh, " ", $c) }"#;
    assert_eq!(printed(&path, script), "77 120\n77 120\n");
}
