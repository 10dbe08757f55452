//! Probes of programs by their debug information: `$variables` of functions and lines.
//!
//! `tests/programs/variables.c` is built as people build their programs, with and without optimization, and what
//! scripts read of it is compared with what it does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/variables.c");

/// Builds the program; `None`, with the reason said, where there is no compiler or no right to probe.
fn program(name: &str, options: &[&str]) -> Option<PathBuf> {
    // SAFETY: asks for a number and cannot fail.
    if unsafe { libc::geteuid() } != 0 || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: probes need root and the kernel's types");
        return None;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let built = Command::new("cc").args(options).arg("-o").arg(&path).arg(SOURCE).output();
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
    command.args(["60", NTAP, "-c", program, "-e", &script]);
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
    assert_eq!(functions, ["main", "add", "add", "make", "half", "walk"]);
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
