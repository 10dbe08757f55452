//! Probes of programs in C++ and Rust: functions by the names of their sources, and how they take their parameters.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");

/// Builds a program; `None`, with the reason said, where there is no compiler or no right to probe.
fn build(name: &str, compiler: &[&str]) -> Option<PathBuf> {
    // SAFETY: asks for a number and cannot fail.
    if unsafe { libc::geteuid() } != 0 || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: probes need root and the kernel's types");
        return None;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("names-{name}"));
    let built = Command::new(compiler[0]).args(&compiler[1..]).arg("-o").arg(&path).output();
    match built {
        Ok(output) if output.status.success() => Some(path),
        Ok(output) => panic!("{compiler:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("skipped: {}: {error}", compiler[0]);
            None
        }
    }
}

/// What a script prints, without what the program does, which stands for `PROGRAM` in it.
fn printed(program: &Path, script: &str) -> String {
    let path = program.to_str().expect("a path of text");
    let script = script.replace("PROGRAM", &format!("process(\"{path}\")"));
    let mut command = Command::new("timeout");
    command.args(["60", NTAP, "-c", &format!("'{path}'"), "-e", &script]);
    let output = command.stdin(Stdio::null()).output().expect("ntap starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().filter(|line| !line.starts_with("program: "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn functions_of_cpp() {
    let source = format!("{PROGRAMS}/classes.cc");
    for options in [["-g", "-O0"], ["-g", "-O2"]] {
        let name = format!("cpp{}", options[1]);
        let compiler = ["c++", options[0], options[1], &source];
        let Some(program) = build(&name, &compiler) else { return };
        let script = r#"
            probe PROGRAM.function("area") { printf("%s %d %d %d\n", ppfunc(), $this->width, $this->base, $times) }
            probe PROGRAM.function("Shape::area").return { println("Shape ", @entry($this->height)) }
            probe PROGRAM.function("ns::*::count").return { println("made ", $return, " ", @var("made@classes.cc")) }
            probe PROGRAM.function("twice") { println(ppfunc(), " ", $value) }
            probe PROGRAM.function("take@classes.cc") {
              printf("%d %d %d ", $more, $shape->width, $other->height)
              printf("%d %s\n", $text->_M_string_length, user_string($text->_M_dataplus->_M_p))
            }
            probe PROGRAM.function("over").return { println("over ", $return) }
            probe PROGRAM.function("main").callee("count") { println("count ", $more) }"#;
        assert_eq!(
            printed(&program, script),
            "area 3 7 2\nShape 4\ncount 1\nmade 5 4\ntwice<int> 21\n6 3 4 5 hello\nover 2\nover 4\n",
            "{name}"
        );
        let script = r#"probe PROGRAM.function("ns::Shape::count") { println(pp()) }"#;
        let place = format!("process(\"{}\").function(\"count@{source}:23\")\n", program.display());
        assert_eq!(printed(&program, script), place, "{name}");
    }
}

#[test]
fn functions_of_rust() {
    let source = format!("{PROGRAMS}/arguments.rs");
    for level in ["0", "2"] {
        let level = format!("-Copt-level={level}");
        let compiler =
            ["rustc", "--edition", "2024", "--crate-name", "program", "-g", &level, &source];
        let Some(program) = build(&format!("rust{level}"), &compiler) else { return };
        // What is larger than two words is taken by its address, two words in two registers.
        let script = r#"
            probe PROGRAM.function("inner::pair") { println(ppfunc(), " ", $next, " ", @var("COUNTER")) }
            probe PROGRAM.function("program::inner::large") { printf("%d %d %s\n", $next, $large->b, $large$) }
            probe PROGRAM.function("text") { println($next, " ", $large->c) }
            probe PROGRAM.function("main@arguments.rs") { println(ppfunc()) }"#;
        assert_eq!(
            printed(&program, script),
            "main\npair 5 42\n9 2 {.a=1, .b=2, .c=3}\n10 3\n",
            "{level}"
        );
    }
}
