//! Subcommands that run no script: `check`, `fmt`, `completions`, `man`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::{Folder, NTAP, has_types, ntap, status, stderr, stdout};

/// Several scripts are checked, and what is wrong with one does not hide the next; nothing needs root.
#[test]
fn scripts_are_checked() {
    let folder = Folder::new("check");
    let file = |name: &str, text: &str| {
        let path = folder.0.join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let good = file("good.nt", "probe begin { exit() }\n");
    let bad = file("bad.nt", "probe begin {\n  é = no_such(1)\n}\n");
    let worse = file("worse.nt", "probe begin { x = no_such(1) + }\n");
    let warned = file("warned.nt", "probe begin { if (x) exit() }\n");
    let output = ntap(&["check", &good]);
    assert_eq!(
        (status(&output), stdout(&output), stderr(&output)),
        (Some(0), String::new(), String::new())
    );
    let unresolved = file("unresolved.nt", "probe begin {\n  x = \"é\" . no_such(1)\n}\n");
    let output = ntap(&["check", &bad, &good, &unresolved, &worse, "/no/such/file"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(1), ""));
    for expected in ["unresolved.nt:2:13", "[E0207]", "worse.nt:1:32", "/no/such/file"] {
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
    }

    let output = ntap(&["check", "--json", &unresolved, &good, "/no/such/file"]);
    assert_eq!((status(&output), stderr(&output).as_str()), (Some(1), ""));
    let lines: Vec<String> = stdout(&output).lines().map(str::to_string).collect();
    let path = format!("\"file\":\"{unresolved}\"");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for expected in [
        "{\"code\":\"E0207\",\"severity\":\"error\",\"message\":\"unresolved function `no_such`\",",
        &path,
        "\"line\":2,\"column\":13,\"end\":{\"line\":2,\"column\":20}",
    ] {
        assert!(lines[0].contains(expected), "{expected}: {}", lines[0]);
    }
    assert!(
        lines[1].contains("\"code\":null") && lines[1].contains("No such file"),
        "{}",
        lines[1]
    );
    let output = ntap(&["check", "--json", &warned]);
    assert_eq!(status(&output), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("\"severity\":\"warning\""), "{}", stdout(&output));
}

/// Kernel probes are checked without privileges, too.
#[test]
fn checking_needs_no_root() {
    use std::os::unix::process::CommandExt;
    if !has_types() {
        return;
    }
    let folder = Folder::new("check-nobody");
    let (program, script) = (folder.0.join("ntap"), folder.0.join("count.nt"));
    fs::copy(NTAP, &program).expect("copied");
    fs::write(&script, crate::COUNT).expect("written");
    for path in [&folder.0, &program, &script] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("readable");
    }
    let mut command = Command::new(&program);
    command.arg("check").arg(&script).current_dir("/");
    if crate::is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("ntap starts");
    assert_eq!((status(&output), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn scripts_are_formatted() {
    let folder = Folder::new("fmt");
    let path = folder.0.join("script.nt");
    let name = path.display().to_string();
    fs::write(&path, "probe begin{ # why\nprintln( 1+2 )\n exit() }").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("a mode");
    let output = ntap(&["fmt", "--check", &name]);
    assert_eq!((status(&output), stdout(&output)), (Some(1), format!("{name}\n")));
    let output = ntap(&["fmt", &name]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), ""));
    let formatted = "probe begin { # why\n  println(1 + 2)\n  exit()\n}\n";
    assert_eq!(fs::read_to_string(&path).expect("text"), formatted);
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    assert_eq!(status(&ntap(&["fmt", "--check", &name])), Some(0));
    assert_eq!(stdout(&ntap(&[&name])), "3\n");
    assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 1, "nothing else is left");

    let broken = "probe begin { print(\"no end) }";
    fs::write(&path, broken).expect("written");
    let output = ntap(&["fmt", &name]);
    assert!(status(&output) == Some(1) && stderr(&output).contains("no closing quote"));
    assert_eq!(fs::read_to_string(&path).expect("text"), broken);
    fs::write(&path, b"probe begin { print(\"\xff\") }").expect("written");
    let output = ntap(&["fmt", &name]);
    assert!(status(&output) == Some(1) && stderr(&output).contains("line 1 is not UTF-8 text"));

    let mut child = Command::new(NTAP)
        .arg("fmt")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ntap starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, b"global  a,b").expect("read");
    drop(pipe);
    assert_eq!(stdout(&child.wait_with_output().expect("ntap ends")), "global a, b\n");
}

/// Completions and the manual page know every option that the help knows.
#[test]
fn one_table_for_help_completions_and_manual() {
    let help = stdout(&ntap(&["--help"]));
    let options: Vec<&str> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()))
        .map(|word| word.split(['=', '[']).next().unwrap_or(word))
        .collect();
    assert!(options.len() > 10, "{options:?}");
    let texts: Vec<(&str, String)> = [
        ("bash", &["completions", "bash"][..]),
        ("zsh", &["completions", "zsh"]),
        ("fish", &["completions", "fish"]),
        ("man", &["man"]),
    ]
    .map(|(name, arguments)| {
        let output = ntap(arguments);
        assert_eq!((status(&output), stderr(&output).as_str()), (Some(0), ""), "{name}");
        (name, stdout(&output).replace("\\-", "-"))
    })
    .into();
    for (name, text) in &texts {
        for option in &options {
            let wanted = if *name == "fish" { option.trim_start_matches('-') } else { option };
            assert!(text.contains(wanted), "{option} in {name}");
        }
        for subcommand in ["check", "fmt", "emit", "build", "explain", "repl"] {
            assert!(text.contains(subcommand), "{subcommand} in {name}");
        }
    }
    if let Ok(checked) = Command::new("bash").args(["-n", "-c", &texts[0].1]).output() {
        assert!(checked.status.success(), "{}", stderr(&checked));
    }
}

/// Subcommands have pages of their own; that of the command has more than the options.
#[test]
fn manual_pages() {
    let page = stdout(&ntap(&["man"]));
    for section in ["SYNOPSIS", "OPTIONS", "SUBCOMMANDS", "EXAMPLES", "EXIT STATUS", "FILES"] {
        let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
        assert!(heading.iter().any(|heading| page.contains(heading)), "{section}: {page}");
    }
    let page = stdout(&ntap(&["man", "check"])).replace("\\-", "-");
    assert!(page.contains("ntap-check") && page.contains("--json"), "{page}");
    let wrong = ntap(&["man", "chek"]);
    assert_eq!(status(&wrong), Some(1));
    assert!(stderr(&wrong).contains("did you mean `check`?"), "{}", stderr(&wrong));
}
