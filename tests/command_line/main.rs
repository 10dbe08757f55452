//! The `ntap` command from outside: options, stages, messages, exit status.

mod bad_input;
mod dialect;
mod examples;
mod monitor;
mod passes;
mod prompt;
mod terminal;
mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");
const COUNT: &str = "global n  probe kernel.trace(\"sys_enter\") { n++ }  probe end { println(n) }";

fn ntap(arguments: &[&str]) -> Output {
    Command::new(NTAP).args(arguments).stdin(Stdio::null()).output().expect("ntap starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ntap-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_root() -> bool {
    // SAFETY: asks for a number and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Whether the kernel's types can be asked for; says when not.
fn has_types() -> bool {
    let has = Path::new("/sys/kernel/btf/vmlinux").exists();
    if !has {
        println!("skipped: this kernel has no type information");
    }
    has
}

#[test]
fn a_script_as_text_with_arguments() {
    let output = ntap(&["-e", "probe begin { println($1 + 1, @2); exit() }", "4", "two words"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "5two words\n"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_script_from_standard_input() {
    let mut child = Command::new(NTAP)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ntap starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, b"probe begin { println(\"in\"); exit() }").expect("read");
    drop(pipe);
    let output = child.wait_with_output().expect("ntap ends");
    assert_eq!(stdout(&output), "in\n");
}

#[test]
fn errors_go_to_standard_error_with_status_1() {
    let rows: &[(&[&str], &str)] = &[
        (&["-e", "probe begin { x = 1 + }"], "E0101"),
        (&["-e", "probe begin { println(exename()) }"], "did you mean `execname`"),
        (&["-e", "probe begn { }"], "did you mean `begin`?"),
        (&["-e", "probe begin { println($1) }"], "E0104"),
        (&["/no/such/script.nt"], "/no/such/script.nt"),
        (&["/"], "directory"),
        (&["-c", "/no/such/program", "-e", "probe begin { }"], "/no/such/program"),
        (&["-x", "4194999", "-e", "probe begin { }"], "4194999"),
    ];
    for (arguments, expected) in rows {
        let output = ntap(arguments);
        assert_eq!(status(&output), Some(1), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn unknown_tracepoints_are_suggested() {
    if !has_types() {
        return;
    }
    let output = ntap(&["-e", "probe kernel.trace(\"kfre_skb\") { }"]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("[E0202]"), "{}", stderr(&output));
    assert!(stderr(&output).contains("did you mean `kfree_skb`?"), "{}", stderr(&output));
}

#[test]
fn every_stage_is_printed() {
    if !has_types() {
        return;
    }
    let rows = [
        ("ast", "probe kernel.trace(\"sys_enter\")"),
        ("types", "global n: long"),
        ("split", "kernel probe kernel.trace(\"sys_enter\")"),
        ("clif", "function"),
        ("bpf", "exit"),
        ("object", "tp_btf/sys_enter"),
    ];
    for (stage, expected) in rows {
        let output = ntap(&["emit", stage, "-e", COUNT]);
        assert_eq!((status(&output), stderr(&output).as_str()), (Some(0), ""), "{stage}");
        assert!(stdout(&output).contains(expected), "{stage}:\n{}", stdout(&output));
    }
    for (pass, stage) in [("1", "ast"), ("3", "bpf")] {
        let stopped = ntap(&["-p", pass, "-e", COUNT]);
        assert_eq!(stdout(&stopped), stdout(&ntap(&["emit", stage, "-e", COUNT])), "-p {pass}");
    }
}

#[test]
fn pass_4_loads_and_does_not_run() {
    if !is_root() || !has_types() {
        return println!("skipped: not root");
    }
    let script = format!("{COUNT} probe begin {{ println(\"never\") }}");
    let output = ntap(&["-p", "4", "-e", &script]);
    assert_eq!(status(&output), Some(0), "{}", stderr(&output));
    assert!(!stdout(&output).contains("never"), "{}", stdout(&output));
}

#[test]
fn build_writes_what_bpftool_loads() {
    if !has_types() {
        return;
    }
    let folder = Folder::new("build");
    let script = folder.0.join("count.nt");
    let object = folder.0.join("count.bpf.o");
    fs::write(&script, COUNT).expect("written");
    let paths = [&script, &object].map(|path| path.display().to_string());
    let output = ntap(&["build", &paths[0], "-o", &paths[1]]);
    assert_eq!(status(&output), Some(0), "{}", stderr(&output));
    assert!(fs::read(&object).expect("an object").starts_with(b"\x7fELF"));

    let pins = format!("/sys/fs/bpf/ntap-test-{}", std::process::id());
    let run = |arguments: &[&str]| Command::new("bpftool").args(arguments).output();
    if !is_root() || run(&["version"]).is_err() || !Path::new("/sys/fs/bpf").exists() {
        return println!("skipped: the rest needs root, bpftool and /sys/fs/bpf");
    }
    let loaded = run(&["prog", "loadall", &paths[1], &pins]).expect("bpftool runs");
    let program = format!("{pins}/probe0");
    let dump = run(&["prog", "dump", "xlated", "pinned", &program, "linum"]).expect("bpftool runs");
    let _ = fs::remove_dir_all(&pins);
    if stderr(&loaded).contains("bpffs") {
        return println!("skipped: {}", stderr(&loaded));
    }
    assert!(loaded.status.success(), "{}", stderr(&loaded));
    assert!(stdout(&dump).contains("n++"), "script lines in the dump:\n{}", stdout(&dump));
}

/// The commands as a user without privileges, from a place that user can read.
#[test]
fn without_privileges() {
    const NOBODY: u32 = 65534;
    if !is_root() {
        return println!("skipped: not root, so there are no privileges to drop");
    }
    let folder = Folder::new("privileges");
    let program = folder.0.join("ntap");
    fs::copy(NTAP, &program).expect("copied");
    for path in [&folder.0, &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("readable");
    }
    let run = |script: &str| {
        Command::new(&program)
            .args(["-e", script])
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("ntap starts")
    };
    let output = run("probe begin { println(uid()); exit() }");
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "65534\n"));
    if !has_types() {
        return;
    }
    let output = run(&format!("{COUNT} probe begin {{ println(\"never\") }}"));
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("[E0601]"), "{}", stderr(&output));
    assert!(stderr(&output).contains("root"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

/// A script of user blocks makes no bpf(2) call; strace tells, where there is one.
#[test]
fn user_blocks_make_no_bpf_call() {
    let traced = Command::new("strace")
        .args(["-f", "-e", "trace=bpf", "-o", "/dev/stderr", NTAP])
        .args(["-e", "probe begin { println(1) } probe timer.ms(1) { exit() }"])
        .output();
    let Ok(output) = traced else { return println!("skipped: no strace") };
    assert_eq!(stdout(&output), "1\n");
    assert!(!stderr(&output).contains("bpf("), "{}", stderr(&output));
}

/// Output reaches a pipe when it is printed, not at the end.
#[test]
fn output_is_not_held_back() {
    let mut child = Command::new(NTAP)
        .args(["-e", "probe begin { println(\"first\") } probe timer.s(60) { exit() }"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ntap starts");
    let mut line = String::new();
    let pipe = child.stdout.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(pipe), &mut line).expect("a line");
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let status = child.wait().expect("ntap ends");
    assert_eq!((line.as_str(), status.code()), ("first\n", Some(0)));
}

/// `-o`: the script's output is in the file, that of the command is not.
#[test]
fn output_goes_to_a_file() {
    let folder = Folder::new("output");
    let name = folder.0.join("out-%Y").display().to_string();
    let output =
        ntap(&["-o", &name, "-c", "echo command", "-e", "probe end { println(\"script\") }"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "command\n"));
    let files: Vec<PathBuf> =
        fs::read_dir(&folder.0).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    assert_eq!(fs::read_to_string(file).expect("text"), "script\n");
    let name = file.file_name().and_then(|n| n.to_str()).expect("a name");
    let year = name.strip_prefix("out-").and_then(|y| y.parse::<u32>().ok());
    assert!(year.is_some_and(|y| y >= 2000), "{name}");
}

/// `-S`: the oldest files are removed, and lines are whole.
#[test]
fn output_files_are_rotated() {
    let folder = Folder::new("rotation");
    let name = folder.0.join("out").display().to_string();
    let script = "global n  probe timer.ms(1) { for (i = 0; i < 2500; i++) printf(\"%0200d\\n\", n) \
                  if (++n == 8) exit() }";
    let output = ntap(&["-o", &name, "-S", "1,2", "-e", script]);
    assert_eq!(status(&output), Some(0), "{}", stderr(&output));
    let mut files: Vec<String> = fs::read_dir(&folder.0)
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    // 8 rounds of half a megabyte: a file is left after the third, the sixth ... round.
    assert_eq!(files, ["out.1", "out.2"]);
    let last = fs::read_to_string(folder.0.join("out.2")).expect("text");
    assert_eq!(last.lines().count(), 2 * 2500);
    assert!(last.lines().all(|l| l.len() == 200), "whole lines");
}

#[test]
fn a_full_disk_is_an_error() {
    let endless = "probe timer.ms(1) { println(\"x\") }";
    let output = ntap(&["-o", "/dev/full", "-e", endless]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));
    let output = ntap(&["-o", "/no/such/folder/out", "-e", endless]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("/no/such/folder/out"), "{}", stderr(&output));
}

/// `-F`: the command returns once the probes are live, and the session goes on.
#[test]
fn a_session_goes_on_in_the_background() {
    let folder = Folder::new("background");
    let name = folder.0.join("out");
    let script = "probe timer.ms(20) { println(\"later\") exit() }";
    let output = ntap(&["-F", "-o", &name.display().to_string(), "-e", script]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), ""));
    assert!(
        stderr(&output).contains("goes on in the background as process"),
        "{}",
        stderr(&output)
    );
    for _ in 0..1200 {
        if fs::read_to_string(&name).is_ok_and(|text| text == "later\n") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nothing was written");
}

/// `-F` without `-o`: the last megabytes of what is printed are kept, whole lines of them; another process shows them
/// and ends the session.
#[test]
fn a_flight_recorder_keeps_the_last_output() {
    let name = format!("recorder-{}", std::process::id());
    let script = "global n  probe timer.ms(1) { if (n < 40000) for (i = 0; i < 500; i++) printf(\"%0100d\\n\", ++n) \
                  else if (n == 40000) { n++; warn(\"last\") } }  probe end { println(\"end\") }";
    let output = ntap(&["-F", "-s", "1", "-m", &name, "-e", script]);
    let words = format!("`ntap attach {name}` shows what it prints, and ends it");
    assert!(stderr(&output).contains(&words), "{}", stderr(&output));
    // Most of it is printed, and cut out again, before anybody looks.
    std::thread::sleep(std::time::Duration::from_millis(400));
    let mut command = Command::new(NTAP);
    command.args(["attach", &name]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("ntap starts");
    let errors = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut printed = child.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut printed).expect("text"));
    let mut lines = std::io::BufRead::lines(errors);
    assert_eq!(lines.next().expect("a line").expect("text"), "WARNING: last");
    let other = ntap(&["attach", "no-such-session"]);
    assert_eq!(status(&other), Some(1));
    assert!(stderr(&other).contains("no session `no-such-session` keeps its output in memory"));
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let text = reader.join().expect("no panic");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.pop(), Some("end"));
    let numbers: Vec<u64> = lines.iter().map(|line| line.parse().expect("a whole line")).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    assert_eq!(numbers.last(), Some(&40_000));
    // The last of 4 megabytes.
    assert!(numbers.len() >= 9_000, "{}", numbers.len());
}

/// `-t`: hits are exact, those of blocks and those of kernel handlers.
#[test]
fn hits_are_reported() {
    let output =
        ntap(&["-t", "-e", "probe begin { } probe timer.ms(1) { if (++n == 3) exit() } global n"]);
    let report = stderr(&output);
    assert!(report.contains("begin, (<input>:1:7), hits: 1, time: "), "{report}");
    assert!(report.contains("timer.ms(1), (<input>:1:23), hits: 3, time: "), "{report}");
    if !is_root() || !has_types() {
        return println!("skipped: the rest needs root");
    }
    if Command::new("perl").arg("-v").output().is_err() {
        return println!("skipped: the rest needs perl");
    }
    // The last three share a program.
    let script = "global n, p, q, u
        probe kernel.trace(\"sys_enter\") { n++ }
        probe syscall.getpid { p++ }
        probe syscall.getppid { if (pid() != target()) next; q++ }
        probe syscall.getpid.return { u++ }
        probe end { printf(\"%d %d %d %d\\n\", n, p, q, u) }";
    let command = "perl -e 'getppid() for 1..50; syscall(39) for 1..7'";
    let output = ntap(&["-t", "-c", command, "-e", script]);
    let report = stderr(&output);
    let numbers = |text: &str| -> Vec<u64> {
        let words = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        words.map(|word| word.parse().expect("a number")).collect()
    };
    let counted = numbers(&stdout(&output));
    assert_eq!(counted.len(), 4, "{report}");
    for (line, counted) in (2..).zip(counted) {
        let place = format!("(<input>:{line}:");
        let line = report.lines().find(|line| line.contains(&place)).unwrap_or_default();
        let time = numbers(line.rsplit_once("hits: ").map_or("", |(_, rest)| rest));
        let [hits, least, average, most] = time[..] else { panic!("{place}: {report}") };
        // Hits that left early are hits, too.
        let may_leave = line.contains("getppid");
        assert!(hits == counted || may_leave && hits >= counted, "{counted}: {line}");
        assert!(0 < least && least <= average && average <= most, "{line}");
    }
    assert!(!report.contains("system calls"), "what leads to the handlers is no probe: {report}");
}

/// Options may follow the script and its arguments; after `--`, and when they are numbers, words are arguments.
#[test]
fn options_may_follow_the_script() {
    let folder = Folder::new("options-follow");
    let path = folder.0.join("words.nt");
    std::fs::write(
        &path,
        "probe begin { printf(\"%d: %s %s, %d\\n\", $#, @1, @2, target() != 0) exit() }\n",
    )
    .expect("written");
    let script = path.to_str().expect("a path in UTF-8");
    let run = |words: &[&str]| stdout(&ntap(&[&[script], words].concat()));
    assert_eq!(run(&["one", "-c", "/bin/true", "list"]), "2: one list, 1\n");
    assert_eq!(run(&["-v", "--", "-c", "two"]), "2: -c two, 0\n");
    assert_eq!(run(&["-5", "run", "-w"]), "2: -5 run, 0\n");
}

#[test]
fn commands_for_systemtap_can_be_pasted() {
    let output = ntap(&["-k", "--all-modules", "-m", "name", "-e", "probe begin { exit() }"]);
    assert_eq!((status(&output), stderr(&output).as_str()), (Some(0), ""));
    let output = ntap(&["-v", "--all-modules", "-e", "probe begin { exit() }"]);
    assert!(stderr(&output).contains("--all-modules has no meaning here"), "{}", stderr(&output));
    let guru = "%( guru_mode == 1 %? probe begin { println(1) exit() } %)";
    let output = ntap(&["-g", "-e", guru]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "1\n"));
    assert_eq!(status(&ntap(&["--no-such-option"])), Some(1));
    assert_eq!(status(&ntap(&["--help"])), Some(0));
    let output = ntap(&["-E", "global g = 3", "-e", "probe begin { println(g) exit() }"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "3\n"));
}

/// A folder with a library: a global that a begin probe sets, what uses it, and a macro.
fn library_folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    let write = |file: &str, text: &str| {
        fs::write(folder.0.join(file), text).expect("a writable folder");
    };
    write(
        "one.stp",
        "global start, unused\nprivate global count\nprobe begin(-1) { start = 40 }\n\
         @define local %( 1 %)\nfunction next_one() { count++ return start + helper() }\n\
         private function helper() { return count + @local }\n\
         probe one.point = begin { from_alias = 7 }\nprobe one.other = begin { no_such() }\n",
    );
    write(
        "two.stp",
        "private function helper() { return 1000 }\nfunction other() { return helper() }\n",
    );
    write("public.stpm", "@define twice(x) %( (@x * 2) %)\n");
    write("bad.stp", "function broken() { return + }\n");
    write(
        "wrong.stp",
        "function wrong() { return \"a\" + 1 }\nfunction unknown() { no_such_thing() }\n",
    );
    folder
}

#[test]
fn a_library_of_ones_own() {
    let folder = library_folder("library");
    let directory = folder.0.to_str().expect("a UTF-8 path");
    let run = |script: &str| ntap(&["-I", directory, "-e", script]);
    let output = run(
        "probe begin { println(next_one(), \" \", next_one(), \" \", other(), \" \", @twice(21)) }\
         probe one.point { println(from_alias, start) exit() }",
    );
    assert_eq!((status(&output), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(stdout(&output), "42 43 1000 42\n740\n");
    let output = run("function other() { if (1) next } probe begin { println(other()) exit() }");
    assert_eq!(stdout(&output), "1000\n", "{}", stderr(&output));
    let output = run("probe begin { unknown() }");
    let message = stderr(&output);
    assert!(message.contains("wrong.stp:2:22") && message.contains("<input>:1:15"), "{message}");
    let output = run("probe begin { broken() }");
    assert!(stderr(&output).contains("bad.stp:1:30"), "{}", stderr(&output));
    let output = ntap(&["-I", directory, "--dump-functions"]);
    assert!(stdout(&output).contains("\nnext_one:unknown ()\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\ntask_pid:long (task:long)\n"), "{}", stdout(&output));
    let output = ntap(&["-I", directory, "--dump-probe-aliases"]);
    assert!(stdout(&output).contains("one.other = begin\n"), "{}", stdout(&output));
    let output = ntap(&["-I", "/no/such/folder", "-e", "probe begin { exit() }"]);
    assert!(status(&output) == Some(1) && stderr(&output).contains("/no/such/folder"));
}

#[test]
fn codes_are_explained() {
    let output = ntap(&["explain", "e0203"]);
    assert_eq!(status(&output), Some(0));
    assert!(
        stdout(&output).starts_with("E0203: unknown context variable\n"),
        "{}",
        stdout(&output)
    );
    let output = ntap(&["explain", "E9203"]);
    assert_eq!(status(&output), Some(1));
    assert!(stderr(&output).contains("did you mean"), "{}", stderr(&output));
}

/// A handler that takes too much of the machine is detached for a while, and it is said for how long.
#[test]
fn handlers_that_take_too_much_are_paused() {
    if !is_root() || !has_types() {
        return println!("skipped: not root");
    }
    let script = "global n  probe kernel.trace(\"sys_enter\") { for (i = 0; i < 300; i++) n += i }";
    let busy = "timeout 4 dd if=/dev/zero of=/dev/null bs=1";
    let report = |overload: &str| {
        let output = ntap(&["--overload", overload, "-c", busy, "-e", script]);
        stderr(&output)
    };
    // On a busy machine it has a small part of the CPUs only.
    let paused = report("1");
    let name = "WARNING: kernel.trace(\"sys_enter\"): ";
    assert!(paused.contains(&format!("{name}its handler took ")), "{paused}");
    let times = paused.lines().find_map(|line| line.strip_prefix(&format!("{name}paused ")));
    assert!(times.is_some_and(|times| times.starts_with(['1', '2'])), "{paused}");
    let never = report("100");
    assert!(!never.contains("paused"), "{never}");
}

#[test]
fn options_that_have_nothing_to_do_here() {
    let script = "probe begin { println(1) exit() }";
    for option in [
        "--semantic-keep-going",
        "--build-as=me",
        "--remote-prefix",
        "--benchmark-sdt-loops=5",
        "--use-http-server=http://localhost",
    ] {
        let output = ntap(&[option, "-e", script]);
        assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "1\n"), "{option}");
        let output = ntap(&["-v", option, "-e", script]);
        let name = option.split('=').next().expect("a name");
        assert!(stderr(&output).contains(name), "{option}: {}", stderr(&output));
    }
    for option in ["--language-server", "--list-servers", "--trust-servers=ssl"] {
        let output = ntap(&[option, "-e", script]);
        let name = option.split('=').next().expect("a name");
        assert_eq!((status(&output), stdout(&output).as_str()), (Some(1), ""), "{option}");
        assert!(stderr(&output).contains(&format!("`{name}` is not there: ")), "{option}");
    }
}
