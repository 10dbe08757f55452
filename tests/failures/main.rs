//! What goes wrong, and what is said about it: losses are counted exactly, nothing is left behind, and messages
//! name what is missing.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

mod flood;
mod losses;
mod tracer;

use tracer::{Call, Hammer, Session, cpus, number_before};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");

/// Not root, as the kernel sees it.
const NOBODY: u32 = 65534;

/// Says why a test is skipped, if it is.
fn hindrance() -> bool {
    // SAFETY: asks for a number and cannot fail.
    let reason = if unsafe { libc::geteuid() } != 0 {
        "it needs root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "this kernel has no type information"
    } else {
        return false;
    };
    println!("skipped: {reason}");
    true
}

/// The other side of [`Hammer`]: waits for a line, and then calls getppid(2) from several threads, each on a CPU
/// of its own.
#[test]
#[ignore = "the workload of other tests"]
fn hammer() {
    let Ok(words) = std::env::var("NTAP_HAMMER") else { return };
    let numbers: Vec<u64> = words.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [first_cpu, threads, calls, call] = numbers[..] else { panic!("{words}") };
    let all_on_one = call == Call::Marked as u64;
    let call: fn() = match call {
        _ if all_on_one => || tracer::hammer_marked_call(),
        call if call == Call::WithoutFrame as u64 => tracer::getppid_without_frame,
        _ => tracer::getppid,
    };
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    std::thread::scope(|scope| {
        for cpu in first_cpu..first_cpu + threads {
            scope.spawn(move || {
                pin_to_cpu(if all_on_one { first_cpu } else { cpu } as usize);
                (0..calls).for_each(|_| call());
            });
        }
    });
}

fn pin_to_cpu(cpu: usize) {
    // SAFETY: a CPU set is plain data.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid and as long as it is said to be.
    unsafe {
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// Errors on all CPUs at a time, far more than there is room for: each is reported or counted, and no handler is
/// kept from running.
#[test]
fn errors_are_counted_exactly() {
    if hindrance() {
        return;
    }
    const CALLS: u64 = 20_000;
    let mut hammer = Hammer::new(0, cpus(), CALLS);
    let script = "global n, zero probe kernel.trace(\"sys_enter\") { \
                  if (pid() == target() && $id == $1) { n++; zero += 1 / zero } } \
                  probe end { println(n) }";
    let session = Session::start(&hammer, &["-D", "MAXERRORS=10000000"], script);
    hammer.go();
    let (text, messages, status) = session.end();
    let all = CALLS * cpus() as u64;
    assert_eq!((text.trim(), status), (all.to_string().as_str(), Some(1)), "{messages:.2000}");
    let shown = messages.lines().filter(|l| l.starts_with("ERROR: division by 0")).count() as u64;
    let counted = number_before(&messages, " errors were only counted");
    assert_eq!(shown + counted, all);
    assert_eq!(number_before(&messages, " handlers ended early: an error of the script"), all);
    assert!(messages.contains(&format!("Number of errors: {all}, skipped probes: 0")));
}

/// A handler whose own code is an event of its probe: the kernel keeps it from being entered again, and counts.
#[test]
fn hits_within_a_handler_are_counted() {
    if hindrance() {
        return;
    }
    let run = |options: &[&str]| {
        let mut hammer = Hammer::new(0, 1, 1000);
        let script = "global n probe kernel.trace(\"sys_enter\") { \
                      if (pid() == target() && $id == $1) try { user_long(16) } catch {} } \
                      probe kernel.trace(\"page_fault_kernel\") { \
                      if (pid() == target()) { n++ try { user_long(16) } catch {} } } \
                      probe end { println(n) } probe error { println(n) }";
        let session = Session::start(&hammer, options, script);
        hammer.go();
        session.end()
    };
    let (text, messages, status) = run(&[]);
    let hits: u64 = text.trim().parse().expect("a number");
    assert!(hits >= 1000, "{text}");
    let words = " events missed: the handler was already running on the CPU";
    assert_eq!(number_before(&messages, words), hits, "{messages}");
    assert!(messages.contains(&format!("Number of errors: 0, skipped probes: {hits}")));
    assert_eq!(status, Some(0));
    // MAXSKIPPED ends the session, which has failed then.
    let (_, messages, status) = run(&["-D", "MAXSKIPPED=999"]);
    assert!(messages.contains("ERROR: Skipped too many probes"), "{messages}");
    assert_eq!(status, Some(1));
    let (_, messages, status) = run(&["-D", "MAXSKIPPED=1000000"]);
    assert!(!messages.contains("ERROR"), "{messages}");
    assert_eq!(status, Some(0));
}

/// What a process holds in the kernel: the numbers of its programs and maps.
fn held(pid: u32) -> Vec<(&'static str, u32)> {
    let folder = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("descriptors");
    let texts = folder.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let mut held = vec![];
    for text in texts {
        for name in ["prog_id:", "map_id:", "link_id:"] {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            held.extend(line.and_then(|number| Some((name, number.trim().parse().ok()?))));
        }
    }
    held
}

/// Whether the kernel still has a program, a map or a link of this number.
fn exists(kind: &str, id: u32) -> bool {
    /// BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID, BPF_LINK_GET_FD_BY_ID.
    const COMMANDS: [(&str, i64); 3] = [("prog_id:", 13), ("map_id:", 14), ("link_id:", 30)];
    let command = COMMANDS.iter().find(|(name, _)| *name == kind).expect("a kind").1;
    let mut attributes = [id, 0, 0, 0];
    let size = size_of_val(&attributes);
    // SAFETY: the attributes are readable for their length and hold no addresses.
    let descriptor =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size) };
    if descriptor < 0 {
        return false;
    }
    // SAFETY: the call has just given this descriptor.
    unsafe { libc::close(descriptor as i32) };
    true
}

#[test]
fn killing_leaves_nothing_behind() {
    if hindrance() {
        return;
    }
    let hammer = Hammer::new(0, 1, 1);
    let script = "global n, a probe kernel.trace(\"sys_enter\") { n++ a[tid()] <<< $1 } \
                  probe timer.profile { n++ } probe end { println(n, @count(a[1])) }";
    let session = Session::start(&hammer, &[], script);
    let held = held(session.child.id());
    for kind in ["prog_id:", "map_id:", "link_id:"] {
        assert!(held.iter().any(|&(name, id)| name == kind && exists(kind, id)), "{held:?}");
    }
    session.signal(libc::SIGKILL);
    let (_, _, status) = session.end();
    assert_eq!(status, None, "killed");
    // The kernel frees after a grace period.
    let deadline = Instant::now() + Duration::from_secs(60);
    while held.iter().any(|&(kind, id)| exists(kind, id)) {
        assert!(Instant::now() < deadline, "left behind: {held:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The folder that a killed session had for its files goes when another session makes its own.
#[test]
fn folders_of_killed_sessions_go() {
    if hindrance() {
        return;
    }
    let start = |script: &str| {
        let mut command = Command::new(NTAP);
        command.args(["-e", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().expect("ntap starts")
    };
    let file = "probe procfs(\"answer\").read { $value = \"42\" }";
    let mut killed = start(&format!("{file} probe timer.s(60) {{ }}"));
    let folder = Path::new("/run/ntap").join(killed.id().to_string());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.join("answer").exists() {
        assert!(Instant::now() < deadline, "{} is not made", folder.display());
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    let next = start(&format!("{file} probe begin {{ exit() }}"));
    assert!(next.wait_with_output().expect("it ends").status.success());
    assert!(!folder.exists(), "{} is left", folder.display());
}

/// Where there is no room for what the process maps, that is said, whatever it is.
#[test]
fn address_space_is_limited() {
    if hindrance() {
        return;
    }
    let script = "global n[1000] probe kernel.trace(\"sys_enter\") { n[pid()]++; exit() } \
                  probe end { foreach (p in n) if (n[p] < 1) println(p) }";
    for mebibytes in (20..100).step_by(4) {
        let mut command = Command::new(NTAP);
        command.args(["-e", script]);
        let limit = move || {
            let most = mebibytes << 20;
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            // SAFETY: the limit is valid for the call.
            match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: only a system call that is allowed between fork and exec.
        unsafe { command.pre_exec(limit) };
        let Ok(output) = command.stdin(Stdio::null()).output() else { continue };
        let messages = String::from_utf8_lossy(&output.stderr);
        let is_bug = ["bug in ntap", "panicked"].iter().any(|words| messages.contains(words));
        assert!(!is_bug, "{mebibytes} MiB: {messages}");
    }
}

fn run(command: &mut Command) -> (String, String, Option<i32>) {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().expect("ntap starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(stdout), text(stderr), status.code())
}

/// The traced process ends before, or while, the session runs.
#[test]
fn the_traced_process_vanishes() {
    let mut gone = Hammer::new(0, 1, 1);
    gone.0.kill().expect("it runs");
    gone.0.wait().expect("it ends");
    let pid = gone.0.id().to_string();
    let script = "probe begin { println(\"begin\") } probe end { println(\"end\") }";
    let (text, messages, status) = run(Command::new(NTAP).args(["-x", &pid, "-e", script]));
    assert_eq!((text.as_str(), status), ("", Some(1)));
    assert!(messages.contains(&pid), "{messages}");
    if hindrance() {
        return;
    }
    let mut hammer = Hammer::new(0, 1, 1);
    let script = "probe kernel.trace(\"sys_enter\") { if ($1 < 0) println($id) } \
                  probe end { println(\"end\") }";
    let session = Session::start(&hammer, &[], script);
    hammer.0.kill().expect("it runs");
    let (text, messages, status) = session.end();
    assert_eq!((text.as_str(), messages.as_str(), status), ("end\n", "", Some(0)));
}

/// An array larger than all memory: the message names it and its size.
#[test]
fn memory_for_an_array_is_refused() {
    if hindrance() {
        return;
    }
    let memory = fs::read_to_string("/proc/meminfo").expect("text");
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .expect("the memory there is");
    // Keys of three strings and a string as value, of up to 512 bytes each.
    let elements = 1 << 24;
    if kib * 1024 > elements * 1500 {
        return println!("skipped: there is memory for any array");
    }
    let long = "sprintf(\"%500d\", pid())";
    let script = format!(
        "global big probe kernel.trace(\"sys_enter\") {{ big[{long}, {long}, {long}] = {long} }} \
         probe end {{ println(big[\"\", \"\", \"\"]) }}"
    );
    let limit = format!("MAXMAPENTRIES={elements}");
    let (text, messages, status) = run(Command::new(NTAP).args(["-D", &limit, "-e", &script]));
    assert_eq!((text.as_str(), status), ("", Some(1)));
    assert!(messages.contains("`big`"), "{messages}");
    assert!(messages.contains(&format!("{elements} elements")), "{messages}");
    assert!(messages.contains("GiB"), "{messages}");
    assert!(messages.contains("global a[N]"), "how to ask for less: {messages}");
}

const COUNT: &str =
    "global n probe kernel.trace(\"sys_enter\") { n++ } probe end { println(n > 0) }";

/// No memory may be locked, and the limit cannot be raised: newer kernels account maps otherwise.
#[test]
fn locked_memory_is_limited() {
    if hindrance() {
        return;
    }
    let copy = PublicCopy::new("memory");
    let mut command = Command::new(copy.0.join("ntap"));
    command.args(["-c", "true", "-e", COUNT]).current_dir("/");
    let limit = || {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is valid for the call.
        match unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &none) } {
            0 => keep_capabilities(&[CAP_BPF, CAP_PERFMON]),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: only system calls that are allowed between fork and exec.
    unsafe { command.pre_exec(limit) };
    let (text, messages, status) = run(&mut command);
    if status == Some(1) {
        // Before 5.11 there is nothing to be done; it has to be said.
        assert!(messages.contains("[E06"), "{messages}");
        return println!("skipped: this kernel accounts maps as locked memory: {messages}");
    }
    assert_eq!((text.as_str(), messages.as_str(), status), ("1\n", "", Some(0)));
}

const CAP_SETPCAP: u32 = 8;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Leaves the calling process these capabilities and no others, also over an exec, and makes it a user who is
/// not root.
fn keep_capabilities(kept: &[u32]) -> std::io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`: two structures of 32 capabilities each.
    const VERSION: u32 = 0x2008_0522;
    let check = |result: i64| match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    let mut sets = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    for &capability in kept {
        let set = &mut sets[capability as usize / 32];
        let bit = 1 << (capability % 32);
        *set = Sets {
            effective: set.effective | bit,
            permitted: set.permitted | bit,
            inheritable: set.inheritable | bit,
        };
    }
    let header = Header { version: VERSION, pid: 0 };
    // SAFETY: the structures are as capset(2) wants them; the other calls take numbers only.
    unsafe {
        check(i64::from(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0)))?;
        check(libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY))?;
        check(libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY))?;
        check(libc::syscall(libc::SYS_capset, &header, sets.as_ptr()))?;
        for &capability in kept {
            let raise = libc::PR_CAP_AMBIENT_RAISE;
            let result = libc::prctl(libc::PR_CAP_AMBIENT, raise, capability, 0, 0);
            check(i64::from(result))?;
        }
    }
    Ok(())
}

/// A copy of ntap where every user may start it.
struct PublicCopy(std::path::PathBuf);

impl PublicCopy {
    fn new(name: &str) -> PublicCopy {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("ntap-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        fs::copy(NTAP, folder.join("ntap")).expect("copied");
        for path in [&folder, &folder.join("ntap")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("readable");
        }
        PublicCopy(folder)
    }

    /// Runs a script with these capabilities; says what it printed to both, and its status.
    fn run(&self, capabilities: &'static [u32], script: &str) -> (String, String, Option<i32>) {
        let mut command = Command::new(self.0.join("ntap"));
        command.args(["-c", "true", "-e", script]).current_dir("/");
        // SAFETY: only system calls that are allowed between fork and exec.
        unsafe { command.pre_exec(|| keep_capabilities(capabilities)) };
        run(&mut command)
    }
}

impl Drop for PublicCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Which capability is missing is said; with both that tracing needs, it works.
#[test]
fn missing_capabilities_are_named() {
    if hindrance() {
        return;
    }
    let copy = PublicCopy::new("capabilities");
    let cases: [(&'static [u32], &str); 3] = [
        (&[], "CAP_BPF and CAP_PERFMON"),
        (&[CAP_PERFMON, CAP_SETPCAP], "CAP_BPF"),
        (&[CAP_BPF], "CAP_PERFMON"),
    ];
    for (capabilities, missing) in cases {
        let (text, messages, status) = copy.run(capabilities, COUNT);
        assert_eq!((text.as_str(), status), ("", Some(1)), "{messages}");
        assert!(messages.contains(&format!("missing {missing};")), "{capabilities:?}: {messages}");
    }
    let (text, messages, status) = copy.run(&[CAP_BPF, CAP_PERFMON], COUNT);
    assert_eq!((text.as_str(), messages.as_str(), status), ("1\n", "", Some(0)));
}

/// Root of a user namespace is nobody outside: the kernel wants the capabilities there.
#[test]
fn in_a_user_namespace() {
    if hindrance() {
        return;
    }
    let copy = PublicCopy::new("namespace");
    let mut command = Command::new(copy.0.join("ntap"));
    command.args(["-e", COUNT]).current_dir("/");
    let enter = || {
        keep_capabilities(&[])?;
        // SAFETY: takes a flag only.
        match unsafe { libc::unshare(libc::CLONE_NEWUSER) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: only system calls that are allowed between fork and exec.
    unsafe { command.pre_exec(enter) };
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return println!("skipped: no user namespaces here: {error}"),
    };
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("[E0601]") && messages.contains("CAP_BPF"), "{messages}");
}

/// A CPU goes and comes back: counts stay exact. Asked for by NTAP_HOTPLUG=1, for everything else on the machine
/// has to move.
#[test]
fn a_cpu_goes_and_comes_back() {
    if hindrance() {
        return;
    }
    let last = cpus() - 1;
    let switch = format!("/sys/devices/system/cpu/cpu{last}/online");
    if std::env::var_os("NTAP_HOTPLUG").is_none() {
        return println!("skipped: NTAP_HOTPLUG=1 allows to take {switch} away for a moment");
    }
    // An emulated CPU is slow.
    let is_emulated = std::env::var_os("NTAP_TIME_FACTOR").is_some();
    let calls: u64 = if is_emulated { 150_000 } else { 3_000_000 };
    let mut hammer = Hammer::new(0, cpus(), calls);
    let script = "global n, a, total probe kernel.trace(\"sys_enter\") { \
                  if (pid() == target() && $id == $1) { n++; a[$id] <<< 1 } } \
                  probe timer.profile { } \
                  probe timer.ms(10) { foreach (k in a) total += @count(a[k]); delete a } \
                  probe end { foreach (k in a) total += @count(a[k]); println(n, \" \", total) }";
    let session = Session::start(&hammer, &[], script);
    hammer.go();
    hammer.wait_until_busy_for(Duration::from_millis(100));
    if let Err(error) = fs::write(&switch, "0") {
        return println!("skipped: {switch}: {error}");
    }
    std::thread::sleep(Duration::from_millis(200));
    fs::write(&switch, "1").expect("the CPU comes back");
    let (text, messages, status) = session.end();
    let all = calls * (last as u64 + 1);
    assert_eq!((text, status), (format!("{all} {all}\n"), Some(0)), "{messages}");
}

/// A module goes while one of its tracepoints is probed: the kernel keeps it until the probe has gone.
#[test]
fn a_module_goes() {
    if hindrance() {
        return;
    }
    if !Path::new("/proc/modules").exists() {
        return println!("skipped: this kernel has no modules");
    }
    let loaded = |name: &str| Path::new("/sys/module").join(name).exists();
    let given = std::env::var_os("NTAP_HOTPLUG").is_some() && loaded("null_blk");
    let modprobe = || Command::new("modprobe").arg("null_blk").status().is_ok_and(|s| s.success());
    if !given && (loaded("null_blk") || !modprobe()) {
        return println!("skipped: there is no module `null_blk` to be loaded");
    }
    let hammer = Hammer::new(0, 1, 1);
    let script =
        "probe kernel.trace(\"nullb_zone_op\") { println(1) } probe end { println($1 > 0) }";
    let session = Session::start(&hammer, &[], script);
    let remove = || Command::new("rmmod").arg("null_blk").status().is_ok_and(|s| s.success());
    assert!(!remove(), "the module is in use");
    session.signal(libc::SIGINT);
    let (text, messages, status) = session.end();
    assert_eq!((text.as_str(), status), ("1\n", Some(0)), "{messages}");
    assert!(remove(), "nothing holds the module any more");
}
