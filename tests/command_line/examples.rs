//! The scripts that are parts of the program: `ntap examples`, `ntap --example`.

use super::{ntap, status, stderr, stdout};

#[test]
fn examples_are_found_by_words() {
    let all = stdout(&ntap(&["examples"]));
    assert!(all.lines().count() > 35, "{all}");
    let found = stdout(&ntap(&["examples", "TCP", "again"]));
    assert_eq!(
        found,
        "net/tcpretrans  Which TCP packets are sent again, and to which hosts most?\n"
    );
    let output = ntap(&["examples", "nothing-like-this"]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("no example is about `nothing-like-this`"));
}

/// Questions as people type them.
#[test]
fn examples_are_found_by_questions() {
    for (question, answer) in [
        ("packet drops", "net/dropwatch "),
        ("why is my disk slow", "io/biolatency "),
        ("which process writes", "io/iotop "),
        ("cpu hot spots", "profiling/profile "),
        ("memory leaks", "memory/heapgrowth "),
        ("out of memory", "memory/oomkill "),
        ("lock contention", "process/futexes "),
        ("who is using the network", "net/nettop "),
    ] {
        let found = stdout(&ntap(&["examples", question]));
        assert!(found.lines().any(|line| line.starts_with(answer)), "{question}: {found}");
        assert!(found.lines().count() < 30, "{question}: {found}");
    }
}

#[test]
fn examples_are_shown() {
    let text = include_str!("../../scripts/net/tcpstates.nt");
    for name in ["tcpstates", "net/tcpstates", "tcpstates.nt"] {
        assert_eq!(stdout(&ntap(&["examples", "--show", name])), text);
    }
    let output = ntap(&["examples", "--show", "tcpst"]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("there are tcpstates"), "{}", stderr(&output));
}

/// What comes after the name is for the script.
#[test]
fn examples_take_arguments() {
    let output = ntap(&["-p1", "--example", "count-functions", "vfs_read"]);
    assert_eq!(status(&output), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("kernel.function(\"vfs_read\")"), "{}", stdout(&output));
    let output = ntap(&["--example", "count-function"]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("no example `count-function`"), "{}", stderr(&output));
}

#[test]
fn examples_say_what_they_need() {
    let output = ntap(&["--example", "count-functions"]);
    assert_eq!(status(&output), Some(1));
    let expected = "needs words after its name: ntap --example count-functions 'tcp_*'";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    let output = ntap(&["--example", "slowcals"]);
    assert!(stderr(&output).contains("did you mean `slowcalls`?"), "{}", stderr(&output));
}
