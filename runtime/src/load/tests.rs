//! Tests against this kernel with a small object made here; without privileges they say so.

use std::sync::atomic::Ordering;

use super::*;
use crate::attach::{AttachPoint, Rate, attach};
use crate::kernel::LiveKernel;
use crate::sys::CountedEvent;
use crate::sys::tests::privileged;
use ntap_compiler::btf;
use ntap_compiler::facts::Facts;
use test_object::{CALLS, MATCHED_PROCESS, MATCHED_SYSCALL, TICKS};

mod test_object;

/// A system call no other thread of this process makes.
const RARE_SYSCALL: i64 = libc::SYS_sched_get_priority_max;

fn plan(name: &str, kind: ProgramKind) -> LoadPlan {
    LoadPlan {
        programs: vec![ProgramPlan { name: name.into(), kind, module: None }],
        map_sizes: vec![("events".into(), 1 << 16)],
    }
}

/// Loads, attaches, makes some system calls, and looks whether each was seen.
fn counts_calls(kind: ProgramKind, point: &AttachPoint) {
    let mut loaded = load(&test_object::bytes(), &plan("count", kind)).unwrap();
    let globals = loaded.take_globals().unwrap();
    globals.u64_at(MATCHED_SYSCALL).store(RARE_SYSCALL as u64, Ordering::Relaxed);
    globals.u64_at(MATCHED_PROCESS).store(std::process::id().into(), Ordering::Relaxed);
    let mut events = loaded.take_ring_buffer("events").unwrap();
    let link = match attach(loaded.program("count").unwrap().as_fd(), point) {
        Ok(link) => link,
        Err(error) if error.error.operation == "mount" => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let call = || {
        for _ in 0..100 {
            // SAFETY: takes no address.
            unsafe { libc::syscall(RARE_SYSCALL, 0) };
        }
    };
    // The other tests here make the same call.
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let alone = ONE_AT_A_TIME.lock().unwrap();
    let before = globals.u64_at(CALLS).load(Ordering::Relaxed);
    call();
    let counted = globals.u64_at(CALLS).load(Ordering::Relaxed) - before;
    assert_eq!(counted, 100, "{point}");
    drop(link);
    call();
    assert_eq!(globals.u64_at(CALLS).load(Ordering::Relaxed) - before, 100, "detached");
    drop(alone);
    let mut records = 0;
    while let Some(record) = events.next() {
        assert_eq!(record.as_ref(), (RARE_SYSCALL as u64).to_ne_bytes());
        records += 1;
    }
    assert_eq!(records, before + 100, "{point}");
    assert_eq!(globals.bytes(MATCHED_PROCESS, 4), std::process::id().to_ne_bytes());
}

#[test]
fn raw_tracepoint() {
    if privileged() {
        counts_calls(
            ProgramKind::RawTracepoint,
            &AttachPoint::RawTracepoint { name: "sys_enter".into() },
        );
    }
}

#[test]
fn typed_tracepoint() {
    if !privileged() {
        return;
    }
    let kernel = LiveKernel::new();
    let types = match kernel.btf() {
        Ok(types) => types,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let btf_id = btf::tracepoint(types, "sys_enter").unwrap().typedef_id.0;
    counts_calls(ProgramKind::TpBtf { btf_id }, &AttachPoint::TpBtf { name: "sys_enter".into() });
}

#[test]
fn tracefs_tracepoint() {
    if privileged() {
        let (category, name) = ("raw_syscalls".into(), "sys_enter".into());
        counts_calls(ProgramKind::Tracepoint, &AttachPoint::Tracepoint { category, name });
    }
}

#[test]
fn clock_on_every_cpu() {
    if !privileged() {
        return;
    }
    let loaded = load(&test_object::bytes(), &plan("tick", ProgramKind::PerfEvent)).unwrap();
    let program = loaded.program("tick").unwrap();
    for rate in [Rate::Hertz(500), Rate::Period(2_000_000)] {
        let ticks = loaded.globals().unwrap().u64_at(TICKS);
        let before = ticks.load(Ordering::Relaxed);
        let point = AttachPoint::Counted {
            name: "timer.profile".into(),
            event: CountedEvent::CPU_CLOCK,
            rate,
            process: None,
        };
        let link = attach(program.as_fd(), &point).unwrap();
        assert_eq!(link.places(), LiveKernel::new().online_cpus().len());
        // 100 ms have enough of them, unless the machine stalls.
        for _ in 0..100 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            if ticks.load(Ordering::Relaxed) - before >= 20 {
                break;
            }
        }
        drop(link);
        let counted = ticks.load(Ordering::Relaxed) - before;
        assert!(counted >= 20, "{counted} ticks at {rate:?}");
    }
}

#[test]
fn refusal_cites_the_script() {
    if !privileged() {
        return;
    }
    let error = load(&test_object::bytes(), &plan("bad", ProgramKind::RawTracepoint)).unwrap_err();
    let LoadError::Rejected { program, location, log, .. } = &error else { panic!("{error}") };
    let location = location.as_ref().unwrap();
    assert_eq!((program.as_str(), location.text.as_str()), ("bad", "x = $bad"));
    if location.line.is_some() {
        assert_eq!((location.file.as_deref(), location.line), (Some("test.nt"), Some(3)));
    }
    assert!(log.ends_with("R2 !read_ok"), "{log}");
    assert!(error.is_bug());
}

#[test]
fn names_that_are_not_there() {
    if !privileged() {
        return;
    }
    let error = load(&test_object::bytes(), &plan("none", ProgramKind::RawTracepoint)).unwrap_err();
    assert_eq!(error.to_string(), "the object has no program `none`");
    let mut sizes = plan("count", ProgramKind::RawTracepoint);
    sizes.map_sizes.push(("none".into(), 1));
    let error = load(&test_object::bytes(), &sizes).unwrap_err();
    assert_eq!(error.to_string(), "the object has no map `none`");
    let mut loaded =
        load(&test_object::bytes(), &plan("count", ProgramKind::RawTracepoint)).unwrap();
    assert!(loaded.take_map("none").is_none());
    assert!(loaded.map_descriptor("events").is_some());
    assert!(loaded.take_map("events").is_some());
    assert!(loaded.take_ring_buffer("events").is_err());
}

#[test]
fn bytes_that_are_no_object() {
    let error = load(b"hello", &LoadPlan::default()).unwrap_err();
    assert!(error.to_string().starts_with("read object: "), "{error}");
}
