//! Stacks of programs with the functions that were inlined into others.
//!
//! `tests/programs/inlines.rs` is built as people build their programs, also with its debug information apart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/inlines.rs");
const COPIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/copies.c");

/// Builds a program in a folder of its own; `None`, with the reason said, where that cannot be, or nothing probed.
fn build(name: &str, compiler: &[&str]) -> Option<PathBuf> {
    // SAFETY: asks for a number and cannot fail.
    if unsafe { libc::geteuid() } != 0 || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: probes need root and the kernel's types");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("inlined-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("program");
    run(compiler, &["-o", program.to_str()?]).then_some(program)
}

fn rust(name: &str, options: &[&str]) -> Option<PathBuf> {
    build(name, &[&["rustc", "--edition", "2024", SOURCE], options].concat())
}

/// Runs a tool; false, with the reason said, where there is no such tool.
fn run(words: &[&str], more: &[&str]) -> bool {
    match Command::new(words[0]).args(&words[1..]).args(more).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => panic!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("skipped: {}: {error}", words[0]);
            false
        }
    }
}

/// The lines that a script prints, without that of the program, which stands for `PROGRAM` in them.
fn printed(program: &Path, options: &[&str], script: &str) -> Vec<String> {
    let path = program.to_str().expect("a path of text");
    let mut command = Command::new("timeout");
    command.args(["60", NTAP, "-c", &format!("'{path}'"), "-e", script]).args(options);
    let output = command.stdin(Stdio::null()).output().expect("ntap starts");
    let text = String::from_utf8_lossy(&output.stdout).replace(path, "PROGRAM");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().filter(|line| !line.starts_with("program: "));
    lines.map(str::to_string).collect()
}

/// The line of a source with this text.
fn line_of(source: &str, text: &str) -> usize {
    let source = std::fs::read_to_string(source).expect("the source");
    source.lines().position(|line| line.contains(text)).expect("a line") + 1
}

/// The names in lines of stacks, with the mark of inlined functions.
fn names(lines: &[String]) -> Vec<String> {
    let name = |line: &String| {
        let line = line.split_once(" : ").map_or(line.as_str(), |(_, rest)| rest);
        match line.split_once(" [inline]") {
            Some((name, _)) => format!("{name} [inline]"),
            None => line.split("+0x").next().unwrap_or(line).to_string(),
        }
    };
    lines.iter().map(name).collect()
}

const AREA: &str = "<program::shapes::Square as program::shapes::Shape>::area [inline]";
const TOTAL: &str = "program::shapes::total [inline]";

#[test]
fn stacks_name_inlined_functions() {
    let Some(program) = rust("names", &["--crate-name", "program", "-g", "-O"]) else { return };
    let printers = [
        "print_ubacktrace()",
        "print_ubacktrace_brief()",
        "print_usyms(ubacktrace())",
        "print_ustack(ubacktrace())",
        "print_ubacktrace_fileline()",
    ];
    for printer in printers {
        let script = format!("probe process.function(\"leaf\") {{ {printer} }}");
        let lines = printed(&program, &[], &script);
        // At its first instruction `leaf` has called nothing, though that is code of what is inlined there.
        let expected = ["leaf", AREA, TOTAL, "outer", "program::main"];
        assert_eq!(names(&lines)[..5], expected, "{printer}: {lines:#?}");
        let lines = printed(&program, &["--no-inlined"], &script);
        assert_eq!(names(&lines)[..3], ["leaf", "outer", "program::main"], "{printer}");
        assert!(!lines.iter().any(|line| line.contains("[inline]")), "{printer}: {lines:#?}");
    }
}

#[test]
fn inlined_frames_have_the_address_the_file_and_lines() {
    let Some(program) = rust("lines", &["--crate-name", "program", "-g", "-O"]) else { return };
    let script =
        r#"probe process.function("leaf") { print_ubacktrace(); print_ubacktrace_fileline() }"#;
    let lines = printed(&program, &[], script);
    let half = lines.len() / 2;
    let (plain, places) = lines.split_at(half);
    let address = plain[3].split(" : ").next().expect("an address");
    assert_eq!(plain[1], format!("{address} : {AREA} [PROGRAM]"));
    assert_eq!(plain[2], format!("{address} : {TOTAL} [PROGRAM]"));
    for (at, function, text) in
        [(1, AREA, "// in area"), (2, TOTAL, "// in total"), (3, "outer+", "// in outer")]
    {
        let place = format!(" at {SOURCE}:{} [PROGRAM]", line_of(SOURCE, text));
        assert!(places[at].starts_with(&format!("{address} : {function}")), "{places:#?}");
        assert!(places[at].ends_with(&place), "{place}: {places:#?}");
    }
}

#[test]
fn texts_and_names_of_addresses_are_those_of_symbols() {
    let Some(program) = rust("texts", &["--crate-name", "program", "-g", "-O"]) else { return };
    let script = r#"probe process.function("leaf") {
        print(sprint_ubacktrace())
        println(usymname(ustack(1)))
        println(usymdata(ustack(1)))
    }"#;
    let lines = printed(&program, &[], script);
    assert_eq!(names(&lines)[..3], ["leaf", "outer", "program::main"], "{lines:#?}");
    assert_eq!(names(&lines)[lines.len() - 2..], ["outer", "outer"], "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("[inline]")), "{lines:#?}");
}

#[test]
fn folded_stacks_and_objects_mark_inlined_functions() {
    let Some(program) = rust("marked", &["--crate-name", "program", "-g", "-O"]) else { return };
    let script = r#"global n probe process.function("leaf") { n[ubacktrace()] <<< 1 }"#;
    let lines = printed(&program, &["-f", "folded"], script);
    let (area, total) = (AREA.replace(" [inline]", "_[i]"), TOTAL.replace(" [inline]", "_[i]"));
    let stack = format!(";program::main;outer;{total};{area};leaf 1");
    assert!(lines.iter().any(|line| line.ends_with(&stack)), "{stack}: {lines:#?}");
    let lines = printed(&program, &["-f", "json"], script);
    let frame = format!("\"symbol\":\"{}\"", TOTAL.replace(" [inline]", ""));
    let frame = format!("{frame},\"module\":\"PROGRAM\",\"inlined\":true}}");
    assert!(lines.iter().any(|line| line.contains(&frame)), "{frame}: {lines:#?}");
}

#[test]
fn ways_to_build() {
    let builds: [(&str, &[&str]); 6] = [
        ("plain", &["-g", "-O2"]),
        ("dwarf4", &["-gdwarf-4", "-O1"]),
        ("fixed", &["-g", "-O2", "-no-pie"]),
        ("packed", &["-g", "-O2", "-gz=zlib"]),
        ("without-aranges", &["-g", "-O2", "-gno-pubnames"]),
        ("whole-program", &["-g", "-O2", "-flto"]),
    ];
    for (name, options) in builds {
        let compiler = [&["cc", COPIES], options].concat();
        let Some(program) = build(&format!("c-{name}"), &compiler) else { return };
        let script = r#"probe process.statement("twice@copies.c:*") { print_ubacktrace_brief() }"#;
        let lines = printed(&program, &[], script);
        let is_named = names(&lines).windows(3).any(|l| l == ["twice [inline]", "work", "outer"]);
        assert!(is_named, "{name}: {lines:#?}");
    }
}

#[test]
fn debug_information_apart() {
    for (name, id, place) in [
        ("beside", "-Wl,--build-id", "program.debug"),
        ("folder", "-Wl,--build-id=none", ".debug/program.debug"),
    ] {
        let compiler = ["cc", COPIES, "-g", "-O2", id];
        let Some(program) = build(&format!("apart-{name}"), &compiler) else { return };
        let path = program.to_str().expect("a path of text");
        let debug = program.with_file_name(place);
        std::fs::create_dir_all(debug.parent().expect("a folder")).expect("a folder");
        let debug = debug.to_str().expect("a path of text");
        if !run(&["objcopy", "--only-keep-debug"], &[path, debug]) {
            return;
        }
        assert!(run(&["objcopy", "--strip-all"], &[&format!("--add-gnu-debuglink={debug}"), path]));
        let script = r#"
            probe process.statement("twice@copies.c:*") { print_ubacktrace_brief() }"#;
        let lines = printed(&program, &[], script);
        let is_named = names(&lines).windows(3).any(|l| l == ["twice [inline]", "work", "outer"]);
        assert!(is_named, "{name}: {lines:#?}");
        // A file of another build is none of this program.
        let other = program.with_file_name("other");
        let other = other.to_str().expect("a path of text");
        assert!(run(&["cc", COPIES, "-g", "-O1", id, "-o", other], &[]));
        assert!(run(&["objcopy", "--only-keep-debug"], &[other, debug]));
        let script = r#"probe process.statement("twice@copies.c:*")? {} probe begin { exit() }"#;
        assert_eq!(printed(&program, &[], script), [""; 0], "{name}");
    }
}
