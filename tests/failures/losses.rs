//! What is said to be lost, for each cause: exactly what was, whichever CPU it was lost on, as text and as objects.

use crate::tracer::{Hammer, Session, cpus, number_before};

/// How often each CPU makes the call that something is lost at.
const CALLS: u64 = 3000;

/// Runs a script whose global `n` counts what is lost for one cause; each call of the process is one. `what` is the
/// probe's name, `cause` the name of the cause among objects, `words` what is said of it.
fn check(options: &[&str], script: &str, what: &str, cause: &str, words: &str) {
    if crate::hindrance() {
        return;
    }
    let script = format!("global n {script} probe end {{ println(n) }}");
    let options = &[options, &["--no-global-var-display"]].concat()[..];
    for cpu in 0..cpus() {
        let mut hammer = Hammer::with_broken_frames(cpu, 1, CALLS);
        let session = Session::start(&hammer, options, &script);
        hammer.go();
        let (text, messages, status) = session.end();
        assert_eq!(text, format!("{CALLS}\n"), "on CPU {cpu}: {messages}");
        let said = format!("WARNING: {what}: {CALLS} {words}");
        assert!(messages.contains(&said), "on CPU {cpu}: {messages}");
        assert_eq!(number_before(&messages, words), CALLS);
        assert_eq!(status, Some(0), "{messages}");
    }
    let mut hammer = Hammer::with_broken_frames(0, cpus(), CALLS);
    let session = Session::start(&hammer, &[options, &["-f", "json"]].concat(), &script);
    hammer.go();
    let (text, messages, _) = session.end();
    let all = CALLS * cpus() as u64;
    let objects = text.lines().filter(|line| line.starts_with("{\"type\":\"lost\""));
    let objects: Vec<_> = objects.collect();
    let [object] = objects[..] else { panic!("{text}{messages}") };
    assert!(object.contains(&format!("\"cause\":\"{cause}\"")), "{object}");
    assert!(object.contains(&format!("\"count\":{all}")), "{object}");
    assert!(object.contains(&format!("\"probe\":{}", quoted(what))), "{object}");
    let summary = text.lines().last().unwrap_or_default();
    assert!(summary.contains(&format!("\"lost\":{all}")), "{summary}");
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

/// The condition of all handlers: the call that the process makes.
const CALL: &str = "kernel.trace(\"sys_enter\") { if (pid() == target() && $id == $1)";
const POINT: &str = "kernel.trace(\"sys_enter\")";

#[test]
fn elements_without_room_are_counted() {
    let script = format!("global a[1] probe {CALL} {{ a[\"here\"]++ n++ a[\"no room\"]++ }} }}");
    check(
        &["--suppress-handler-errors"],
        &script,
        POINT,
        "array_full",
        "elements lost: an array was full",
    );
}

#[test]
fn reads_that_fault_are_counted() {
    check(
        &["--suppress-handler-errors"],
        &format!("global x probe {CALL} {{ n++ x += kernel_long(8) }} }}"),
        POINT,
        "fault",
        "handlers ended early: memory could not be read",
    );
}

#[test]
fn handlers_with_too_many_statements_are_counted() {
    check(
        &["--suppress-handler-errors", "-D", "MAXACTION=100"],
        &format!("global x probe {CALL} {{ n++ while (1) x++ }} }}"),
        POINT,
        "action_limit",
        "handlers ended early: too many statements (MAXACTION)",
    );
}

#[test]
fn errors_of_scripts_are_counted() {
    check(
        &["--suppress-handler-errors"],
        &format!("global x probe {CALL} {{ n++ x += 1 / (n - n) }} }}"),
        POINT,
        "error",
        "handlers ended early: an error of the script",
    );
}

/// A handler whose own code is an event of its probe.
#[test]
fn hits_within_handlers_are_counted() {
    let point = "kernel.trace(\"page_fault_kernel\")";
    check(
        &[],
        &format!(
            "probe {CALL} try {{ user_long(16) }} catch {{}} }} \
             probe {point} {{ if (pid() == target()) {{ n++ try {{ user_long(16) }} catch {{}} }} }}"
        ),
        point,
        "recursion",
        "events missed: the handler was already running on the CPU",
    );
}

/// More records than the ring buffer holds, as objects: those printed and those lost are all there were.
#[test]
fn records_without_room_are_counted() {
    if crate::hindrance() {
        return;
    }
    use std::io::Read;
    for cpu in 0..cpus() {
        let mut hammer = Hammer::new(cpu, 1, 100_000_000);
        let script = format!(
            "global n probe {CALL} {{ n++ printf(\"event\\n\") }} }} probe end {{ println(n) }}"
        );
        let mut session = Session::start(&hammer, &["-f", "json"], &script);
        let mut out = session.child.stdout.take().expect("a pipe");
        hammer.go();
        std::thread::sleep(std::time::Duration::from_millis(300));
        session.signal(libc::SIGINT);
        let mut text = String::new();
        out.read_to_string(&mut text).expect("text");
        let (_, messages, status) = session.end();
        assert_eq!(status, Some(0), "{messages}");
        let printed = text.lines().filter(|line| line.contains("\"text\":\"event\\n\"")).count();
        let number = |line: &str, member: &str| -> Option<u64> {
            let rest = line.split_once(member)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let is_end =
            |line: &&str| line.contains("\"type\":\"print\"") && line.contains("\"probe\":\"end\"");
        let generated = text.lines().find(is_end).and_then(|line| number(line, "\"text\":\""));
        let is_lost = |line: &&str| line.contains("\"cause\":\"buffer_full\"");
        let lost = text.lines().find(is_lost).and_then(|line| number(line, "\"count\":"));
        let lost = lost.unwrap_or_else(|| panic!("nothing is lost of {generated:?}"));
        assert_eq!(generated, Some(printed as u64 + lost), "on CPU {cpu}: {messages}");
        let summary = text.lines().last().unwrap_or_default();
        assert_eq!(number(summary, "\"lost\":"), Some(lost), "{summary}");
    }
}

/// More threads than a CPU has room for in a handler, where one may be taken off the CPU in the middle of it: those
/// that find no room are counted.
#[test]
fn handlers_without_room_are_counted() {
    if crate::hindrance() {
        return;
    }
    const THREADS: usize = 24;
    let program = std::env::current_exe().expect("this program");
    for cpu in 0..cpus() {
        let mut hammer = Hammer::on_one_cpu(cpu, THREADS, CALLS);
        let script = format!(
            "global n probe process(\"{}\").function(\"hammer_marked_call\") {{ \
             if (pid() != target()) next \
             for (i = 0; i < 100; i++) text = sprintf(\"%d %d\", i, tid()) \
             n += strlen(text) > 4 }} \
             probe end {{ println(n, $1 > 0 ? \"\" : \"\") }}",
            program.display()
        );
        let options = ["--overload", "100", "-D", "MAXACTION=10000"];
        let session = Session::start(&hammer, &options, &script);
        hammer.go();
        let (text, messages, status) = session.end();
        let handled: u64 = text.trim().parse().expect("a number");
        let busy = number_before(
            &messages,
            " events missed: too many threads were in the handler on one CPU",
        );
        println!("{handled} handled, {busy} found no room");
        assert_eq!(handled + busy, THREADS as u64 * CALLS, "on CPU {cpu}: {messages}");
        assert_eq!(status, Some(0), "{messages}");
    }
}
