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
