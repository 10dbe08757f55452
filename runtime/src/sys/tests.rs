//! Tests against this kernel; without privileges they say so and do nothing.

use std::os::fd::AsFd;

use super::*;

/// Whether eBPF can be used here; says why not.
pub(crate) fn privileged() -> bool {
    let missing = missing_capabilities();
    for capability in &missing {
        eprintln!("skipped: no {}", capability.name());
    }
    missing.is_empty()
}

const HASH: u32 = 1;
const PER_CPU_HASH: u32 = 5;
const RAW_TRACEPOINT: u32 = 17;

/// `r0 = value; exit`.
fn returns(value: u8) -> [u8; 16] {
    [0xb7, 0, 0, 0, value, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
}

fn raw_tracepoint(instructions: &[u8]) -> ProgramSpec<'_> {
    ProgramSpec {
        name: "ntap test",
        program_type: RAW_TRACEPOINT,
        instructions,
        ..ProgramSpec::default()
    }
}

fn hash_of(map_type: u32, elements: u32) -> std::os::fd::OwnedFd {
    create_map(&MapSpec {
        name: "ntap_test",
        map_type,
        key_size: 4,
        value_size: 4,
        max_entries: elements,
        ..MapSpec::default()
    })
    .unwrap()
}

#[test]
fn single_elements() {
    if !privileged() {
        return;
    }
    let map = hash_of(HASH, 4);
    let map = map.as_fd();
    let (key, mut value) = (7u32.to_ne_bytes(), [0; 4]);
    // SAFETY: keys and values of this map have 4 bytes, as all buffers here.
    unsafe {
        assert!(!lookup_element(map, &key, &mut value).unwrap());
        assert!(!next_key(map, None, &mut value).unwrap());
        update_element(map, &key, &[1, 2, 3, 4], 0).unwrap();
        assert!(lookup_element(map, &key, &mut value).unwrap());
        assert_eq!(value, [1, 2, 3, 4]);
        assert!(next_key(map, None, &mut value).unwrap());
        assert_eq!(value, key);
        assert_eq!(update_element(map, &key, &[0; 4], 1).unwrap_err().errno(), libc::EEXIST);
        assert!(delete_element(map, &key).unwrap());
        assert!(!delete_element(map, &key).unwrap());
    }
}

#[test]
fn batches_of_a_hash() {
    if !privileged() {
        return;
    }
    // More than one batch, and 0 and 1 elements.
    for count in [0u32, 1, 3000] {
        let map = hash_of(HASH, count.max(1));
        let map = map.as_fd();
        for i in 0..count {
            // SAFETY: keys and values of this map have 4 bytes.
            unsafe { update_element(map, &i.to_ne_bytes(), &(i * 3).to_ne_bytes(), 0) }.unwrap();
        }
        // SAFETY: keys and values of this map have 4 bytes.
        let entries = unsafe { lookup_batch(map, 4, 4) }.unwrap();
        let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap());
        let mut found: Vec<(u32, u32)> =
            entries.iter().map(|(key, value)| (word(key), word(value))).collect();
        found.sort();
        let expected: Vec<(u32, u32)> = (0..count).map(|i| (i, i * 3)).collect();
        assert_eq!(found, expected);
        // Every third element, and some that are not there.
        let keys: Vec<u8> =
            (0..count + 10).filter(|i| i % 3 == 0).flat_map(u32::to_ne_bytes).collect();
        // SAFETY: keys and values of this map have 4 bytes.
        let drained = unsafe {
            delete_batch(map, 4, &keys).unwrap();
            lookup_and_delete_batch(map, 4, 4).unwrap()
        };
        assert_eq!(drained.len() as u32, (0..count).filter(|i| i % 3 != 0).count() as u32);
        // SAFETY: as above.
        assert!(unsafe { lookup_batch(map, 4, 4) }.unwrap().is_empty());
    }
}

#[test]
fn batches_of_a_per_cpu_hash() {
    if !privileged() {
        return;
    }
    let cpus = crate::kernel::LiveKernel::new().possible_cpus();
    let bytes = value_stride(4) * cpus;
    let map = hash_of(PER_CPU_HASH, 600);
    let map = map.as_fd();
    for i in 0..600u32 {
        let mut value = vec![0; bytes];
        for cpu in 0..cpus {
            value[cpu * 8..cpu * 8 + 4].copy_from_slice(&(i + cpu as u32).to_ne_bytes());
        }
        // SAFETY: the key has 4 bytes, the value the room for all CPUs.
        unsafe { update_element(map, &i.to_ne_bytes(), &value, 0) }.unwrap();
    }
    // SAFETY: keys have 4 bytes, values the room for all CPUs.
    let entries = unsafe { lookup_batch(map, 4, bytes) }.unwrap();
    assert_eq!(entries.len(), 600);
    for (key, value) in entries.iter() {
        let key = u32::from_ne_bytes(key.try_into().unwrap());
        for cpu in 0..cpus {
            let word: [u8; 4] = value[cpu * 8..cpu * 8 + 4].try_into().unwrap();
            assert_eq!(u32::from_ne_bytes(word), key + cpu as u32);
        }
    }
}

#[test]
fn programs_load_run_and_attach() {
    if !privileged() {
        return;
    }
    let code = returns(42);
    let program = load_program(&raw_tracepoint(&code)).unwrap();
    assert_eq!(test_run(program.as_fd(), &[1, 2]).unwrap().returned, 42);
    let statistics = enable_run_time_statistics().unwrap();
    let link = open_raw_tracepoint(program.as_fd(), Some("sys_enter")).unwrap();
    for _ in 0..10 {
        // SAFETY: takes no address.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    drop(link);
    let info = program_info(program.as_fd()).unwrap();
    assert!(info.run_count >= 10, "{info:?}");
    assert!(info.translated_bytes >= 16 && info.verified_instructions >= 2, "{info:?}");
    assert_eq!(info.recursion_misses, 0);
    drop(statistics);
    let error = open_raw_tracepoint(program.as_fd(), Some("no_such_point")).unwrap_err();
    assert_eq!(error.errno(), libc::ENOENT);
    membarrier_global().unwrap();
}

#[test]
fn refused_programs_come_with_a_log() {
    if !privileged() {
        return;
    }
    // r0 = *(u64 *)(r2 + 0), r2 never set.
    let code = [0x79, 0x20, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let refused = load_program(&raw_tracepoint(&code)).unwrap_err();
    assert!(refused.log.contains("R2 !read_ok"), "{}", refused.log);
    assert_eq!(refused.error.object, "ntap test");
}

#[test]
fn endless_programs_are_told_apart() {
    if !privileged() {
        return;
    }
    // r0 = 0; do r0 += 1 while r0 < 10000000; exit.
    let [a, b, c, d] = 10_000_000i32.to_le_bytes();
    let mut code = [0; 32];
    code[0] = 0xb7;
    code[8..16].copy_from_slice(&[0x07, 0, 0, 0, 1, 0, 0, 0]);
    code[16..24].copy_from_slice(&[0xa5, 0, 0xfe, 0xff, a, b, c, d]);
    code[24] = 0x95;
    let refused = load_program(&raw_tracepoint(&code)).unwrap_err();
    assert_eq!(refused.error.errno(), libc::E2BIG);
    let error = crate::load::LoadError::from(refused);
    assert!(!error.is_bug() && error.to_string().contains("too complex"), "{error}");
}

#[test]
fn tracefs_is_read_without_being_mounted() {
    if !privileged() {
        return;
    }
    match read_tracefs("events/raw_syscalls/sys_enter/id") {
        Ok(id) => assert!(id.trim().parse::<u32>().is_ok(), "{id}"),
        // CAP_SYS_ADMIN is needed to mount it.
        Err(error) => eprintln!("skipped: {error}"),
    }
    assert!(read_tracefs("events/raw_syscalls/no_such_event/id").is_err());
}
