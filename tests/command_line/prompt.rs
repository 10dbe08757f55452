//! The prompt: lines through a pipe, and keys at a terminal, with what is shown then.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::terminal::Terminal;
use crate::{Folder, NTAP, has_types, is_root};

/// Files of `tests/command_line/FOLDER` with an extension, in order.
fn cases(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command_line").join(folder);
    let entries = fs::read_dir(&folder).expect("a folder of cases");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

/// Compares with the text beside a case, or writes it; says whether it is the same.
fn is_expected(case: &Path, extension: &str, text: &str) -> bool {
    let file = case.with_extension(extension);
    if std::env::var_os("NTAP_BLESS").is_some() {
        fs::write(&file, text).expect("written");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if expected != text {
        println!("---- {}\n{text}---- expected\n{expected}", file.display());
    }
    expected == text
}

/// A case may need root or the kernel's types: `# needs: kernel`.
fn can_run(text: &str) -> bool {
    !text.starts_with("# needs: kernel") || is_root() && has_types()
}

/// ntap with no history of the user's, and nothing of the environment that changes what it shows.
fn ntap(home: &Folder) -> Command {
    let mut command = Command::new(NTAP);
    command.env_remove("VISUAL").env("EDITOR", "sed -i s/once/twice/");
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
    command.env("HOME", &home.0).env("XDG_STATE_HOME", home.0.join("state"));
    command.current_dir(&home.0);
    command
}

#[test]
fn lines_from_a_pipe() {
    let mut failed = vec![];
    for case in cases("prompt", "in") {
        let text = fs::read_to_string(&case).expect("text");
        if !can_run(&text) {
            println!("skipped: {}: not root, or no types", case.display());
            continue;
        }
        let home = Folder::new("prompt");
        let both = home.0.join("both");
        let output = fs::File::create(&both).expect("a file");
        let mut child = ntap(&home)
            .args(["-i", "-T", "60"])
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output)
            .spawn()
            .expect("ntap starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        // It may leave before it has read all.
        let _ = pipe.write_all(text.as_bytes());
        drop(pipe);
        let status = child.wait().expect("ntap ends");
        let shown = fs::read_to_string(&both).expect("text");
        if !is_expected(&case, "out", &shown) || !status.success() {
            failed.push(case);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// A line of a `.keys` file: a key, a wait, or what is typed with Enter behind it.
fn act(terminal: &mut Terminal, line: &str) {
    let key = |name: &str| match name {
        "Tab" => "\t".to_string(),
        "Enter" => "\r".to_string(),
        "Up" => "\x1b[A".to_string(),
        "Right" => "\x1b[C".to_string(),
        "Ctrl-C" => "\x03".to_string(),
        "Ctrl-D" => "\x04".to_string(),
        "Ctrl-R" => "\x12".to_string(),
        "Ctrl-U" => "\x15".to_string(),
        "Ctrl-Z" => "\x1a".to_string(),
        _ => panic!("unknown key {name}"),
    };
    match line.split_once(": ").unwrap_or((line, "")) {
        ("key", name) => terminal.type_keys(&key(name)),
        ("keys", text) => type_and_see(terminal, text),
        ("type", text) => type_and_see(terminal, &format!("{text}\r")),
        ("wait", text) => terminal.wait_for(text),
        ("prompt", "") => terminal.wait_for_prompt(),
        ("resize", size) => {
            let (rows, columns) = size.split_once('x').expect("ROWSxCOLUMNS");
            terminal.resize(rows.parse().expect("rows"), columns.parse().expect("columns"));
        }
        _ => panic!("unknown line `{line}`"),
    }
}

/// Types, and waits until it is on the screen: the prompt that stands there before is not the one behind it.
fn type_and_see(terminal: &mut Terminal, keys: &str) {
    let before = terminal.text();
    terminal.type_keys(keys);
    terminal.wait_until("echo", |screen| screen != before);
}

#[test]
fn screens() {
    let mut failed = vec![];
    for case in cases("screens", "keys") {
        let text = fs::read_to_string(&case).expect("text");
        if !can_run(&text) {
            println!("skipped: {}: not root, or no types", case.display());
            continue;
        }
        println!("{}", case.display());
        let home = Folder::new("screen");
        let mut terminal = Terminal::start(&mut ntap(&home), 24, 80);
        terminal.wait_for_prompt();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            act(&mut terminal, line);
        }
        if !is_expected(&case, "screen", &terminal.text()) {
            failed.push(case);
        }
        terminal.type_keys("\x03");
        // What is typed before the key has been read is dropped with the line.
        std::thread::sleep(Duration::from_millis(100));
        assert!(terminal.end_with(":quit\r").success());
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// The README shows a screen as it is.
#[test]
fn the_readme_shows_the_prompt() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let screen = root.join("tests/command_line/screens/readme.screen");
    let screen = fs::read_to_string(screen).expect("a screen");
    let shown = screen.trim_end().trim_end_matches("ntap>").trim_end();
    assert!(readme.contains(shown), "{shown}");
}

/// Keywords, strings and numbers are coloured, unless the environment asks for none.
#[test]
fn input_is_coloured() {
    for (no_color, expected) in [("", true), ("1", false)] {
        let home = Folder::new("colour");
        let mut terminal = Terminal::start(ntap(&home).env("NO_COLOR", no_color), 24, 80);
        terminal.wait_for_prompt();
        terminal.type_keys("probe begin { println(\"a\", 12) ");
        terminal.wait_for("12)");
        let formatted = terminal.formatted();
        let coloured = formatted.contains("\x1b[34;1mprobe");
        assert_eq!(coloured, expected, "{formatted:?}");
    }
}

/// Ctrl-Z stops the prompt and a session like any program, `fg` goes on with them, also in a window of
/// another size.
#[test]
fn stopped_and_resized() {
    let home = Folder::new("stopped");
    let mut terminal = Terminal::start(
        Command::new("sh")
            .env("HOME", &home.0)
            .env("TERM", "xterm")
            .env("PS1", "shell> ")
            .arg("-i"),
        24,
        80,
    );
    let wait_for_shell = |terminal: &Terminal| terminal.wait_for("^shell>");
    wait_for_shell(&terminal);
    terminal.type_keys(&format!("PS1='shell> '; clear; '{NTAP}'\r"));
    terminal.wait_for_prompt();
    terminal
        .type_keys("probe timer.ms(50) { printf(\"%s %d\\n\", \"li\" . \"ve\", c++) } global c\r");
    let lives = |screen: &str| {
        let counts = screen.lines().filter_map(|l| l.strip_prefix("live ")?.parse::<u32>().ok());
        counts.max().unwrap_or(0)
    };
    terminal.wait_until("third", |screen| lives(screen) > 2);
    terminal.type_keys("\x1a");
    wait_for_shell(&terminal);
    let seen = lives(&terminal.text());
    terminal.resize(10, 40);
    terminal.type_keys("fg\r");
    terminal.wait_until("next", |screen| lives(screen) > seen);
    terminal.type_keys("\x03");
    terminal.wait_for_prompt();
    terminal.type_keys("40 + \x1a");
    wait_for_shell(&terminal);
    terminal.resize(24, 80);
    terminal.type_keys("fg\r");
    terminal.wait_for("40 +");
    terminal.type_keys("2\r");
    terminal.wait_for("^42");
    terminal.wait_for_prompt();
    terminal.type_keys(":quit\r");
    wait_for_shell(&terminal);
    terminal.type_keys("exit\r");
    terminal.end();
}

/// What was typed in one session is there in the next.
#[test]
fn history_lives_on() {
    let home = Folder::new("history");
    for round in 0..2 {
        let mut terminal = Terminal::start(&mut ntap(&home), 24, 80);
        terminal.wait_for_prompt();
        match round {
            0 => terminal.type_keys("40 + 2\r"),
            _ => terminal.type_keys("\x1b[A\r"),
        }
        terminal.wait_for("^42");
        terminal.wait_for_prompt();
        terminal.type_keys("\x04");
        assert!(terminal.end().success());
    }
}

/// Whatever says where the script is, at a terminal it is run, and there is no prompt.
#[test]
fn scripts_run_at_a_terminal() {
    let home = Folder::new("at-a-terminal");
    fs::write(home.0.join("own.nt"), "probe begin { exit() }").expect("a script");
    let ways: [&[&str]; 4] = [
        &["--example", "dropwatch"],
        &["-e", "probe begin { exit() }"],
        &["-E", "probe begin { exit() }"],
        &["own.nt"],
    ];
    for way in ways {
        let terminal = Terminal::start(ntap(&home).arg("-p1").args(way), 24, 80);
        terminal.wait_for("probe");
        let text = terminal.text();
        assert!(!text.contains("ntap> "), "{way:?}: {text}");
        assert!(terminal.end().success(), "{way:?}");
    }
}
