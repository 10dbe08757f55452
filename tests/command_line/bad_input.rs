//! What is no script, and readers that go away: a message that says what is wrong, never a panic.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::terminal::Terminal;
use crate::{Folder, NTAP, ntap, status, stderr, stdout};

/// What ntap says to a script on standard input.
fn ntap_reads(script: &[u8]) -> Output {
    let mut child = Command::new(NTAP)
        .args(["-T", "60", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ntap starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    // It need not read all of it.
    let _ = pipe.write_all(script);
    drop(pipe);
    child.wait_with_output().expect("ntap ends")
}

#[test]
fn what_is_no_script_is_refused() {
    let huge = [&b"# "[..], &vec![b'x'; 5 << 20]].concat();
    let rows: &[(&[u8], &str)] = &[
        (b"", "no probes found"),
        (b"\n\n", "no probes found"),
        (b"# nothing\n", "no probes found"),
        (b"\xef\xbb\xbf", "no probes found"),
        (b"\x7fELF\x02\x01\x01\x00", "is not a script"),
        (b"probe begin { print(\"a\0b\") }", "is not a script"),
        (b"probe begin { x\xff = 1 }", "outside of a string or comment"),
        (b"probe begin { print(\"a\n\") }", "no closing quote"),
        (b"probe begin { /* ", "[E01"),
        (b"probe begin {", "needs a `}`"),
        (&huge, "too large for a script"),
    ];
    for (script, expected) in rows {
        let shown = String::from_utf8_lossy(&script[..script.len().min(40)]).into_owned();
        let output = ntap_reads(script);
        assert_eq!(status(&output), Some(1), "{shown:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{shown:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{shown:?}");
    }
    let folder = Folder::new("no-script");
    let path = folder.0.display().to_string();
    assert!(stderr(&ntap(&[&path])).contains("it is a directory"));
    assert!(stderr(&ntap(&["/dev/zero"])).contains("is not a script"));
    assert!(stderr(&ntap(&["/no/such/file"])).contains("No such file"));
}

/// Scripts that would take for ever, or more stack than there is, are refused at once, or run.
#[test]
fn what_grows_without_bound_is_bounded() {
    let chain = |length: usize| {
        let calls =
            (1..length).map(|n| format!("function f{n}(a) {{ return f{}(a + 1) }}\n", n - 1));
        let calls: String = calls.collect();
        let last = length - 1;
        format!(
            "function f0(a) {{ return a }}\n{calls}probe begin {{ println(f{last}(1)); exit() }}"
        )
    };
    let doubled = (1..60).map(|n| {
        let before = n - 1;
        let further = if n > 1 { n - 2 } else { 0 };
        format!("function f{n}(a) {{ if (a > 0) return f{before}(a - 1); return f{further}(a) }}\n")
    });
    let doubled: String = doubled.collect();
    let doubled = format!(
        "function f0(a) {{ return 7 }}\n{doubled}probe begin {{ println(f59(1)); exit() }}"
    );
    let aliases = (1..30).map(|n| format!("probe a{n} = a{0}, a{0} {{ }}\n", n - 1));
    let aliases: String = aliases.collect();
    let aliases = format!("probe a0 = begin {{ }}\n{aliases}probe a29 {{ println(1) }}");
    let braces = "{a,b}".repeat(40);
    let dotted = vec!["{a,b}"; 30].join(".");
    let stars = "**a".repeat(20);
    let rows: &[(String, Result<&str, &str>)] = &[
        (chain(900), Ok("900\n")),
        (chain(3000), Err("functions call each other too deeply")),
        (doubled, Ok("7\n")),
        (aliases, Err("more than 20000 probe points")),
        (format!("probe kernel.trace(\"{braces}\") {{ }}"), Err("more than 20000 probe points")),
        (format!("probe syscall.{dotted} {{ println(1) }}"), Err("more than 20000 probe points")),
        (format!("probe {stars} {{ println(1) }}"), Err("unknown probe point")),
    ];
    for (script, expected) in rows {
        let shown: String = script.chars().take(60).collect();
        let begun = std::time::Instant::now();
        let output = ntap_reads(script.as_bytes());
        let said = stderr(&output);
        match expected {
            Ok(text) => assert_eq!((stdout(&output), said), (text.to_string(), String::new())),
            Err(message) => {
                assert_eq!(status(&output), Some(1), "{shown}: {said}");
                assert!(said.contains(message), "{shown}: {said}");
            }
        }
        assert!(begun.elapsed().as_secs() < 60, "{shown}: {:?}", begun.elapsed());
    }
}

/// What is no file in a directory of `-I` is not read: a pipe would be waited for, links may lead back.
#[test]
fn a_library_is_made_of_files() {
    let folder = Folder::new("odd-library");
    fs::write(folder.0.join("own.stp"), "function seven() { return 7 }").expect("written");
    for name in ["a", "b"] {
        std::os::unix::fs::symlink(".", folder.0.join(name)).expect("a link");
    }
    let pipe = std::ffi::CString::new(folder.0.join("pipe.stp").display().to_string());
    // SAFETY: the path ends with a zero.
    let made = unsafe { libc::mkfifo(pipe.expect("a path").as_ptr(), 0o600) };
    assert_eq!(made, 0);
    let path = folder.0.display().to_string();
    let output = ntap(&["-I", &path, "-e", "probe begin { println(seven()); exit() }"]);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("7\n", ""));
}

/// Other line ends, a byte order mark, and bytes that are no UTF-8 text change nothing.
#[test]
fn texts_of_other_systems_are_scripts() {
    let rows: &[(&[u8], &[u8])] = &[
        (b"\xef\xbb\xbfprobe begin {\r\n  println(\"a\")\r\n  exit()\r\n}\r\n", b"a\n"),
        (b"probe begin { println(\"a\xffb\") exit() } // \xff\xfe", b"a\xffb\n"),
        ("probe begin { println(\"é\u{10ffff}\") exit() }".as_bytes(), "é\u{10ffff}\n".as_bytes()),
    ];
    for (script, expected) in rows {
        let output = ntap_reads(script);
        assert_eq!(stderr(&output), "");
        assert_eq!(output.stdout, *expected);
    }
}

#[test]
fn words_that_are_nearly_right_are_suggested() {
    let rows: &[(&[&str], &str)] = &[
        (&["--suppres-handler-errors", "-e", "x"], "--suppress-handler-errors"),
        (&["--dump-function"], "--dump-functions"),
        (&["chek", "x.nt"], "did you mean `check`?"),
        (&["completions", "bsh"], "bash"),
        (&["-p", "7", "-e", "x"], "7"),
    ];
    for (arguments, expected) in rows {
        let output = ntap(arguments);
        assert_ne!(status(&output), Some(0), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

/// A reader that has seen enough ends the session, without a word.
#[test]
fn a_broken_pipe_is_quiet() {
    let rows: &[&[&str]] = &[
        &["-T", "60", "-e", "probe timer.ms(1) { println(\"x\") }"],
        &["--dump-functions"],
        &["man"],
        &["completions", "bash"],
        &["emit", "ast", "-e", "probe begin { }"],
    ];
    for arguments in rows {
        let mut child = Command::new(NTAP)
            .args(*arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ntap starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        child.wait().expect("ntap ends");
        assert_eq!(said, "", "{arguments:?}");
    }
}

/// Colour is for terminals, and for who asks for it.
#[test]
fn colour_is_for_terminals() {
    let wrong = "probe begin { x( }";
    assert!(!stderr(&ntap(&["-e", wrong])).contains('\x1b'));
    assert!(stderr(&ntap(&["--color=always", "-e", wrong])).contains('\x1b'));
    assert!(stderr(&ntap(&["--color", "-e", wrong])).contains('\x1b'));
    let rows = [("xterm", "", true), ("xterm", "1", false), ("dumb", "", false)];
    for (kind, no_color, expected) in rows {
        let mut command = Command::new(NTAP);
        command.args(["-e", wrong]).env("TERM", kind).env("NO_COLOR", no_color);
        let terminal = Terminal::start(&mut command, 24, 80);
        terminal.wait_for("E0101");
        terminal.wait_for("╯");
        let is_coloured = terminal.formatted().contains("\x1b[31m");
        assert_eq!(is_coloured, expected, "{kind} {no_color}: {:?}", terminal.formatted());
    }
}

/// A script that names its interpreter is a program.
#[test]
fn scripts_are_programs() {
    let folder = Folder::new("program");
    let script = folder.0.join("hello");
    fs::write(&script, "#!/usr/bin/env ntap\nprobe begin { println(@1, $#); exit() }\n")
        .expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = std::path::Path::new(NTAP).parent().expect("a folder").display().to_string();
    let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(&script).args(["a b", "c"]).env("PATH", path).output().expect("runs");
    assert_eq!(
        (status(&output), stdout(&output).as_str()),
        (Some(0), "a b2\n"),
        "{}",
        stderr(&output)
    );
}
