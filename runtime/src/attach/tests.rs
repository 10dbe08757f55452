//! Tests of refusals; that attached programs see events is tested with the loader.

use std::os::fd::AsFd;

use super::*;
use crate::sys::tests::privileged;
use crate::sys::{CountedEvent, ProgramSpec, load_program};

#[test]
fn refusals_name_the_point() {
    if !privileged() {
        return;
    }
    const RAW_TRACEPOINT: u32 = 17;
    let code = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let spec =
        ProgramSpec { program_type: RAW_TRACEPOINT, instructions: &code, ..ProgramSpec::default() };
    let program = load_program(&spec).unwrap();
    let message = |point: AttachPoint| attach(program.as_fd(), &point).unwrap_err().to_string();
    let raw = AttachPoint::RawTracepoint { name: "no_such".into() };
    assert_eq!(message(raw), "attach tracepoint no_such: there is no such tracepoint");
    for category in ["none", "../events"] {
        let point = AttachPoint::Tracepoint { category: category.into(), name: "none".into() };
        let expected = format!("attach tracepoint {category}:none: there is no such tracepoint");
        assert_eq!(message(point), expected);
    }
    // A program of the wrong type.
    let event = AttachPoint::Counted {
        name: "timer.profile".into(),
        event: CountedEvent::CPU_CLOCK,
        rate: Rate::Hertz(10),
        process: None,
    };
    assert!(message(event).starts_with("attach timer.profile: "));
}
