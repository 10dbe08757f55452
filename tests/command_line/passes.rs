//! `-p` and `-v`: the passes, as users of SystemTap know them.

use crate::{is_root, ntap, status, stderr, stdout};

const SCRIPT: &str = "global n, s\n\
    function twice(x) { y = x; return 2 * y }\n\
    probe begin, end { n[s] <<< 1 }\n\
    probe timer.s(1) { s = \"a\"; k = twice(@count(n[s])); println(k); exit() }";

#[test]
fn pass_2_prints_an_outline() {
    let output = ntap(&["-p2", "-e", SCRIPT]);
    let expected = "# globals\n\
        n:stats [string]\n\
        s:string\n\
        # functions\n\
        twice:long (x:long)\n\
        \x20 # locals\n\
        \x20 y:long\n\
        # probes\n\
        begin /* <- begin */\n\
        end /* <- end */\n\
        timer.s(1) /* <- timer.s(1) */\n\
        \x20 # locals\n\
        \x20 k:long\n";
    assert_eq!(stdout(&output), expected);
    assert_eq!(status(&output), Some(0));
}

#[test]
fn verbose_says_what_each_pass_did() {
    let said = |arguments: &[&str]| stderr(&ntap(arguments));
    let passes = said(&["-v", "-p3", "-e", SCRIPT]);
    let lines: Vec<&str> = passes.lines().collect();
    assert!(lines[0].starts_with("Pass 1: parsed user script and "), "{passes}");
    assert!(lines[0].contains(" library scripts using ") && lines[0].ends_with("real ms."));
    let analyzed = "Pass 2: analyzed script: 3 probes, 1 function, 0 embeds, 2 globals using ";
    assert!(lines[1].starts_with(analyzed), "{passes}");
    assert!(lines[2].starts_with("Pass 3: translated to 0 programs of eBPF using "), "{passes}");

    let failed = said(&["-v", "-e", "probe begin { x = }"]);
    assert!(failed.ends_with("Pass 1: parse failed.\n"), "{failed}");
    let failed = said(&["-v", "-e", "probe begin { x = nothing() }"]);
    assert!(failed.ends_with("Pass 2: analysis failed.\n"), "{failed}");

    let run = said(&["-v", "-e", "probe begin { exit() }"]);
    assert!(run.contains("\nPass 5: starting run.\n"), "{run}");
    assert!(
        run.lines().last().is_some_and(|l| l.starts_with("Pass 5: run completed in ")),
        "{run}"
    );
    if is_root() {
        let loaded =
            said(&["-v", "-p4", "-e", "global n probe kernel.trace(\"sys_enter\") { n++ }"]);
        assert!(loaded.contains("\nPass 4: loaded 1 program into the kernel using "), "{loaded}");
    }
}

#[test]
fn forms_of_probe_points_are_listed() {
    let types = stdout(&ntap(&["--dump-probe-types"]));
    for form in ["begin(number)", "kernel.trace(string)", "timer.ms(number).randomize(number)"] {
        assert!(types.lines().any(|line| line == form), "{form}: {types}");
    }
}
