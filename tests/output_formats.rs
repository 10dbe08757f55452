//! Output for programs: `-f json` is what its schema says, and holds what was traced.

#[path = "runner/json_schema.rs"]
mod json_schema;

use std::process::{Command, Output, Stdio};

use json_schema::Schema;
use serde_json::{Value, json};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");

/// Everything a script can print, in userspace.
const PRINTS: &str = r#"
    global n, last, opens, sizes, h
    probe begin {
        log("to the log")
        warn("mind the gap")
        printf("%s: %5d|\n", "größe \377\"", 5)
        println(-9223372036854775808, "x")
        system("echo from a shell; echo twice")
        n = 12; last = "bash"
        opens["b", 1] = 3; opens["a\n", -2] = 4
        sizes["x"] <<< 10; sizes["x"] <<< 32
        h <<< 3; h <<< -1; h <<< 100
        print(@hist_log(h))
        h2 <<< 5; h2 <<< 1000
        print(@hist_linear(h2, 0, 20, 10))
        exit()
    }
    global h2
    probe end { n = 1 / strtol("0", 10) }
"#;

fn ntap(arguments: &[&str]) -> Output {
    Command::new(NTAP).args(arguments).stdin(Stdio::null()).output().expect("ntap starts")
}

fn is_root() -> bool {
    // SAFETY: asks for a number and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The objects that a script prints, each one valid.
fn objects(arguments: &[&str], script: &str) -> Vec<Value> {
    let mut words = vec!["-f", "json", "-T", "60"];
    words.extend(arguments);
    words.extend(["-e", script]);
    let output = ntap(&words);
    let text = String::from_utf8(output.stdout).expect("UTF-8 text");
    let schema = Schema::read(&String::from_utf8_lossy(&ntap(&["--dump-output-schema"]).stdout));
    let objects: Vec<Value> = text
        .lines()
        .map(|line| {
            let object = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            schema.check(&object).unwrap_or_else(|why| panic!("{why}: {line}"));
            object
        })
        .collect();
    assert_eq!(objects.first().map(|o| &o["type"]), Some(&json!("start")), "{text}");
    assert_eq!(objects.last().map(|o| &o["type"]), Some(&json!("summary")), "{text}");
    objects
}

/// The objects of a type, without what differs from run to run.
fn of_type(objects: &[Value], kind: &str) -> Vec<Value> {
    let mut found: Vec<Value> = objects.iter().filter(|o| o["type"] == kind).cloned().collect();
    for object in found.iter_mut().filter_map(Value::as_object_mut) {
        object.remove("time");
        object.remove("type");
    }
    found
}

#[test]
fn what_is_printed_keeps_its_values() {
    let objects = objects(&[], PRINTS);
    let prints = of_type(&objects, "print");
    let of_begin = |mut object: Value| {
        object["probe"] = json!("begin");
        object["probe_id"] = json!(0);
        object
    };
    assert_eq!(
        prints[0],
        of_begin(json!({
            "format": "%s: %5d|\n",
            "text": "größe \\xff\":     5|\n",
            "values": ["größe \\xff\"", 5],
        }))
    );
    assert_eq!(
        prints[1],
        of_begin(json!({"text": "-9223372036854775808x\n", "values": [i64::MIN, "x"]}))
    );
    assert_eq!(prints[2], of_begin(json!({"text": "from a shell\ntwice\n", "values": []})));
    assert_eq!(of_type(&objects, "log"), [of_begin(json!({"text": "to the log"}))]);
    assert_eq!(of_type(&objects, "warning"), [of_begin(json!({"text": "mind the gap"}))]);
    let histogram = &prints[3]["values"][0]["histogram"];
    assert_eq!(histogram["kind"], "log");
    assert_eq!((&histogram["count"], &histogram["sum"]), (&json!(3), &json!(102)));
    let buckets = histogram["buckets"].as_array().expect("buckets");
    assert_eq!(buckets[0], json!({"min": -1, "max": -1, "count": 1}));
    assert_eq!(buckets[buckets.len() - 1], json!({"min": 64, "max": 127, "count": 1}));
    assert_eq!(
        prints[4]["values"][0]["histogram"],
        json!({"kind": "linear", "count": 2, "sum": 1005, "buckets": [
            {"min": 0, "max": 9, "count": 1},
            {"min": 10, "max": 19, "count": 0},
            {"min": 20, "max": 29, "count": 0},
            {"min": 30, "max": null, "count": 1},
        ]})
    );
}

#[test]
fn globals_and_the_end() {
    let with_error = objects(&[], PRINTS);
    let error = &of_type(&with_error, "error")[0];
    assert_eq!((&error["probe"], &error["text"]), (&json!("end"), &json!("division by 0")));
    assert_eq!(error["place"]["line"], 19);
    let summary = &of_type(&with_error, "summary")[0];
    assert_eq!((&summary["errors"], &summary["reason"]), (&json!(1), &json!("errors")));

    let quiet = PRINTS.replace("probe end", "probe never");
    let objects = objects(&["-t"], &quiet);
    assert_eq!(
        of_type(&objects, "global"),
        [json!({"name": "n", "value": 12}), json!({"name": "last", "value": "bash"})]
    );
    let arrays = of_type(&objects, "array");
    assert_eq!(
        arrays[0],
        json!({"name": "opens", "elements": [
            {"key": ["a\n", -2], "value": 4},
            {"key": ["b", 1], "value": 3},
        ]})
    );
    let stats = json!({"count": 2, "sum": 42, "min": 10, "max": 32, "avg": 21});
    assert_eq!(arrays[1], json!({"name": "sizes", "elements": [{"key": ["x"], "value": stats}]}));
    assert_eq!(of_type(&objects, "timing")[0]["hits"], 1);
    assert_eq!(of_type(&objects, "summary")[0]["reason"], "exit");
}

#[test]
fn nothing_but_objects_is_on_standard_output() {
    let script = "probe begin { printf(\"no line break\") warn(\"w\") }";
    let output = ntap(&["-f", "json", "-c", "sh -c 'echo aside; exit 3'", "-e", script]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "aside\n", "what the command prints goes to standard error");
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Value = serde_json::from_str(lines.lines().last().expect("a summary")).expect("JSON");
    assert_eq!((&last["reason"], &last["command_status"]), (&json!("target_ended"), &json!(3)));
    // A script that does not compile has no session: a message, and no object.
    let output = ntap(&["-f", "json", "-e", "probe begin { x = 1 + }"]);
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("E0101"));
}

#[test]
fn stacks_have_frames() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let script = r#"
        global stacks
        probe kernel.trace("sys_enter") {
            if (pid() == target()) {
                stacks[execname(), backtrace(), ubacktrace()] <<< 1
                print_backtrace()
            }
        }
    "#;
    let objects = objects(&["-c", "true"], script);
    let has_entry = |stack: &Value| {
        let frames = stack["stack"].as_array().expect("frames");
        frames.iter().any(|f| {
            f["module"] == "kernel" && f["symbol"].as_str().is_some_and(|s| s.contains("entry"))
        })
    };
    let print = &of_type(&objects, "print")[0];
    assert_eq!(print["probe"], "kernel.trace(\"sys_enter\")");
    assert!(has_entry(&print["values"][0]), "{print}");
    let arrays = of_type(&objects, "array");
    let elements = arrays[0]["elements"].as_array().expect("elements");
    assert!(elements.iter().all(|e| has_entry(&e["key"][1])), "{elements:?}");
    let in_library = elements.iter().any(|e| {
        let frames = e["key"][2]["stack"].as_array();
        let module = |f: &Value| f["module"].as_str().is_some_and(|m| m.contains("libc"));
        frames.is_some_and(|frames| frames.iter().any(module))
    });
    assert!(in_library, "{elements:?}");
}

/// Counts the system calls of a command by stack, and says on the way how many there were.
const CALLS_BY_STACK: &str = r#"
    global calls, others, n
    probe kernel.trace("sys_enter") {
        if (pid() != target()) next
        calls[execname(), backtrace()] <<< 2
        others[execname()]++
        n++
    }
    probe end { printf("%d calls\n", n); println("a;b 7") }
"#;

#[test]
fn folded_stacks_hold_every_event() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let output = ntap(&["-f", "folded", "-e", CALLS_BY_STACK, "-c", "echo out"]);
    let (folded, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().any(|line| line == "out"), "the command's output: {said}");
    let count = said.lines().find_map(|line| line.strip_suffix(" calls")).expect("a count");
    let count: i64 = count.parse().expect("a number");
    let lines: Vec<(&str, i64)> = folded
        .lines()
        .map(|line| line.rsplit_once(' ').expect("a weight"))
        .map(|(stack, weight)| (stack, weight.parse().expect("a number")))
        .collect();
    assert!(lines.contains(&("a;b", 7)), "printed lines that are stacks belong to them: {folded}");
    let counted: i64 = lines.iter().map(|(_, weight)| weight).filter(|&&w| w != 7).sum();
    assert_eq!(counted, 2 * count, "{folded}");
    let of_kernel = |stack: &str| stack.contains(";do_syscall_64_[k];");
    assert!(lines.iter().any(|(stack, _)| of_kernel(stack) && !stack.contains("+0x")), "{folded}");
}

#[test]
fn stacks_up_to_an_error_are_folded() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let script = r#"
        global calls, n
        probe kernel.trace("sys_enter") {
            if (pid() != target()) next
            calls[backtrace()] <<< 1
            if (++n == 5) error("enough")
        }
    "#;
    let output = ntap(&["-f", "folded", "-e", script, "-c", "true"]);
    let folded = String::from_utf8_lossy(&output.stdout);
    let weights = folded.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<i64>().ok());
    assert_eq!(weights.sum::<i64>(), 5, "{folded}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ERROR: enough"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_flame_graph_is_drawn() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let file = std::env::temp_dir().join(format!("ntap-flame-{}.svg", std::process::id()));
    let path = file.to_str().expect("a path in UTF-8");
    let output = ntap(&["--flamegraph", path, "-e", CALLS_BY_STACK, "-c", "true"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    // What is drawn is not shown besides; what else there is stays as it is.
    assert!(printed.contains("a;b 7\nothers[\"true\"]="), "{printed}");
    assert!(!printed.contains("calls["), "{printed}");
    let picture = std::fs::read_to_string(&file).expect("a picture");
    assert!(picture.starts_with("<?xml") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert!(picture.contains("<title>do_syscall_64 ("), "{picture}");

    // Nothing to draw: it is said, and what is there stays.
    let output = ntap(&["--flamegraph", path, "-e", "probe begin { exit() }"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("WARNING: no stacks were seen"));
    assert_eq!(std::fs::read_to_string(&file).expect("a picture"), picture);
    std::fs::remove_file(&file).expect("it goes");
    ntap(&["--flamegraph", path, "-e", "probe begin { exit() }"]);
    assert!(!file.exists(), "no empty picture");
}
