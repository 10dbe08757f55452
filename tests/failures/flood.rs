//! More events than can be printed: what was printed and what is said to be lost are all events there were, whoever
//! ends the session, and when.

use std::io::Read;
use std::time::Duration;

use crate::tracer::{Hammer, Session, cpus, number_before};

/// A reader that does not read, and an interrupt in the middle: what was printed and what is said to be lost are all
/// events there were.
#[test]
fn printed_and_lost_are_exactly_all() {
    if crate::hindrance() {
        return;
    }
    for cpu in 0..cpus() {
        let mut hammer = Hammer::new(cpu, 1, 100_000_000);
        let script = "global n probe kernel.trace(\"sys_enter\") { \
                      if (pid() == target() && $id == $1) { n++; printf(\"event %d\\n\", $id) } } \
                      probe end { printf(\"%d\\n\", n) }";
        let mut session = Session::start(&hammer, &[], script);
        let mut out = session.child.stdout.take().expect("a pipe");
        hammer.go();
        // The pipe is full, then the ring buffer; then comes Ctrl-C, or a request to end.
        hammer.wait_until_busy_for(Duration::from_millis(700));
        session.signal([libc::SIGINT, libc::SIGTERM][cpu % 2]);
        let mut text = String::new();
        out.read_to_string(&mut text).expect("text");
        let (_, messages, status) = session.end();
        assert_eq!(status, Some(0), "{messages}");
        let (events, end) = text.trim_end().rsplit_once('\n').expect("lines");
        let generated: u64 = end.parse().expect("a number");
        let expected = format!("event {}", libc::SYS_getppid);
        assert!(events.lines().all(|line| line == expected), "whole lines");
        let printed = events.lines().count() as u64;
        let lost = number_before(&messages, " records lost: the ring buffer was full");
        assert!(lost > 0, "{printed} of {generated}: {messages}");
        assert_eq!(printed + lost, generated, "on CPU {cpu}: {messages}");
    }
}

/// More stacks of processes than there is room for: a hit whose stack is lost is lost, once, and none is counted under
/// another stack.
#[test]
fn hits_whose_stacks_are_lost_are_counted_once() {
    if crate::hindrance() {
        return;
    }
    for statement in [
        r#"stacks[ubacktrace()]++; printf("event\n")"#,
        r#"printf("event\n%s\n", sprint_ubacktrace())"#,
    ] {
        let mut hammer = Hammer::new(0, cpus(), 30_000);
        let script = format!(
            "global n, stacks probe kernel.trace(\"sys_enter\") {{ \
             if (pid() == target() && $id == $1) {{ n++; {statement} }} }} \
             probe end {{ foreach (stack in stacks) printf(\"stack %d %d\\n\", strlen(stack) > 0, stacks[stack]) \
             printf(\"%d\\n\", n) }}"
        );
        let session = Session::start(&hammer, &["-s", "1"], &script);
        hammer.go();
        let (text, messages, status) = session.end();
        let generated: u64 = text.lines().last().and_then(|n| n.parse().ok()).expect("a number");
        let printed = text.lines().filter(|line| *line == "event").count() as u64;
        let lost = number_before(&messages, " records lost: the ring buffer was full");
        assert!(lost > 0, "{printed} of {generated}: {messages}");
        assert_eq!(printed + lost, generated, "{statement}: {messages}");
        assert_eq!(status, Some(0), "{messages}");
        if statement.starts_with("stacks") {
            let counted = text.lines().filter_map(|line| line.strip_prefix("stack 1 "));
            let counted: u64 = counted.filter_map(|n| n.parse::<u64>().ok()).sum();
            assert_eq!(counted, printed, "{messages}");
            assert!(!text.contains("stack 0 "), "{text}");
        }
    }
}

/// A handler calls `exit()` in the middle of a flood on all CPUs: those that run then come to their end, no other
/// begins, and nothing is lost unsaid.
#[test]
fn exit_in_a_handler_is_exact() {
    if crate::hindrance() {
        return;
    }
    let mut hammer = Hammer::new(0, cpus(), 100_000_000);
    let script = "global n probe kernel.trace(\"sys_enter\") { \
                  if (pid() == target() && $id == $1) { \
                  if (++n == 200000) exit(); printf(\"event %d\\n\", $id) } } \
                  probe end { printf(\"%d\\n\", n) }";
    let session = Session::start(&hammer, &[], script);
    hammer.go();
    let (text, messages, status) = session.end();
    let (events, end) = text.trim_end().rsplit_once('\n').expect("lines");
    let generated: u64 = end.parse().expect("a number");
    assert!((200_000..200_000 + cpus() as u64).contains(&generated), "{generated}");
    let lost = number_before(&messages, " records lost: the ring buffer was full");
    assert_eq!(events.lines().count() as u64 + lost, generated, "{messages}");
    assert_eq!(status, Some(0), "{messages}");
}

/// The reader goes away in the middle of a flood: ntap ends at once, and quietly.
#[test]
fn a_reader_goes_away() {
    if crate::hindrance() {
        return;
    }
    let mut hammer = Hammer::new(0, cpus(), 100_000_000);
    let script = "probe kernel.trace(\"sys_enter\") { \
                  if (pid() == target() && $id == $1) printf(\"event %d\\n\", $id) }";
    let mut session = Session::start(&hammer, &[], script);
    let mut out = session.child.stdout.take().expect("a pipe");
    hammer.go();
    out.read_exact(&mut [0; 10_000]).expect("events");
    drop(out);
    let closed = std::time::Instant::now();
    let (_, messages, status) = session.end();
    assert!(closed.elapsed() < Duration::from_secs(30));
    // What is lost is said all the same; but the closed pipe is no error of anybody's.
    let told = |line: &str| line.contains(" records lost: the ring buffer was full");
    assert!(messages.lines().all(told), "{messages}");
    assert_eq!(status, Some(0), "{messages}");
}

/// A number of /proc/PID/status.
fn status_of(pid: u32, member: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(':'));
    let digits = line.and_then(|text| text.split_whitespace().next());
    digits.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{member}: {status}"))
}

/// More events than anybody can read, for seconds: the memory of ntap does not grow with them, whether its reader is
/// slow or reads nothing, and whether the events are text or elements of arrays.
#[test]
fn memory_does_not_grow_with_events() {
    if crate::hindrance() {
        return;
    }
    const MOST_KIB: u64 = 24 * 1024;
    for reader_pause_ms in [5, 1500] {
        let mut hammer = Hammer::new(0, cpus(), 1_000_000_000);
        let script = "global n, a, total probe kernel.trace(\"sys_enter\") { \
                      if (pid() == target() && $id == $1) { \
                      a[tid(), n % 1000] <<< n++; printf(\"event %d %s\\n\", $id, execname()) } } \
                      probe timer.ms(20) { foreach ([t, k] in a) total += @count(a[t, k]); delete a } \
                      probe end { println(n > 0) }";
        let mut session = Session::start(&hammer, &["--overload", "100"], script);
        let pid = session.child.id();
        let mut out = session.child.stdout.take().expect("a pipe");
        hammer.go();
        let (mut bytes, mut peaks) = (vec![0; 64 * 1024], vec![]);
        for _ in 0..2 {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_millis(1500) {
                std::thread::sleep(Duration::from_millis(reader_pause_ms));
                let _ = out.read(&mut bytes).expect("text");
            }
            peaks.push(status_of(pid, "RssAnon"));
        }
        session.signal(libc::SIGINT);
        let mut rest = vec![];
        out.read_to_end(&mut rest).expect("text");
        let (_, messages, status) = session.end();
        assert_eq!(status, Some(0), "{messages}");
        let [early, late] = peaks[..] else { panic!() };
        assert!(late < MOST_KIB, "{peaks:?} KiB with a reader that waits {reader_pause_ms} ms");
        assert!(late < early + 4096, "{peaks:?} KiB with a reader that waits {reader_pause_ms} ms");
    }
}

/// A handler wakes ntap when it sleeps, and not for each record: what comes while it works is handled with it.
#[test]
fn wake_ups_are_batched() {
    if crate::hindrance() {
        return;
    }
    const CALLS: u64 = 300_000;
    let mut hammer = Hammer::new(0, 1, CALLS);
    let script = "global n probe kernel.trace(\"sys_enter\") { \
                  if (pid() == target() && $id == $1) { n++; printf(\"event\\n\") } } \
                  probe timer.s(100) { } probe end { printf(\"%d\\n\", n) }";
    let mut session = Session::start(&hammer, &["--overload", "100"], script);
    let pid = session.child.id();
    let mut out = session.child.stdout.take().expect("a pipe");
    let before = status_of(pid, "voluntary_ctxt_switches");
    hammer.go();
    let (mut text, mut switches, mut buffer) = (vec![], before, vec![0; 1 << 16]);
    loop {
        let count = out.read(&mut buffer).expect("text");
        if count == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..count]);
        // Its status is there until somebody waits for it.
        switches = switches.max(status_of(pid, "voluntary_ctxt_switches"));
    }
    let (_, messages, status) = session.end();
    assert_eq!(status, Some(0), "{messages}");
    let events = text.split(|&b| b == b'\n').filter(|line| line == b"event").count() as u64;
    assert!(events > 0);
    let slept = switches - before;
    println!("slept {slept} times for {events} events");
    assert!(slept < CALLS / 20, "slept {slept} times for {events} events");
}
