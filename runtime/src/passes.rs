//! `-v`: what each pass took, in the lines that users of SystemTap know.
//!
//! ```text
//! Pass 1: parsed user script and 31 library scripts using 12044virt/9216res/7040shr/4012data kb, in 2usr/0sys/3real ms.
//! ```

use std::fs;
use std::time::{Duration, Instant};

/// Measures pass after pass.
pub struct PassClock {
    begun: Instant,
    /// What the process had used of the CPUs then.
    user: Duration,
    system: Duration,
}

impl PassClock {
    /// The first pass begins.
    pub fn start() -> PassClock {
        let (user, system) = used();
        PassClock { begun: Instant::now(), user, system }
    }

    /// Says on standard error what a pass did, and begins the next.
    pub fn finish(&mut self, number: u8, done: &str) {
        eprintln!("Pass {number}: {done} using {} kb, in {}.", memory(), self.took());
    }

    /// Says that the run has ended.
    pub fn finish_run(&mut self, failed: bool) {
        let how = if failed { "failed" } else { "completed" };
        eprintln!("Pass 5: run {how} in {}.", self.took());
    }

    /// The time since the last pass.
    fn took(&mut self) -> String {
        let now = PassClock::start();
        let before = std::mem::replace(self, now);
        let ms = |duration: Duration| duration.as_millis();
        let real = ms(self.begun - before.begun);
        format!(
            "{}usr/{}sys/{real}real ms",
            ms(self.user - before.user),
            ms(self.system - before.system)
        )
    }
}

/// A number of things: `1 probe`, `2 probes`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What the process has used of the CPUs: in its own code, and in the kernel.
fn used() -> (Duration, Duration) {
    // SAFETY: all bytes zero is a valid value of this structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes into the structure; cannot fail with these arguments.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let duration = |time: libc::timeval| {
        Duration::new(time.tv_sec.unsigned_abs(), 1000 * time.tv_usec.unsigned_abs() as u32)
    };
    (duration(usage.ru_utime), duration(usage.ru_stime))
}

/// The memory of the process, from `/proc/self/statm`, see proc_pid_statm(5): virtual, resident, shared, data; KiB.
fn memory() -> String {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.unsigned_abs() / 1024;
    let words: Vec<u64> =
        text.split_whitespace().map(|word| word.parse().unwrap_or(0) * page).collect();
    let word = |at: usize| words.get(at).copied().unwrap_or(0);
    format!("{}virt/{}res/{}shr/{}data", word(0), word(1), word(2), word(5))
}
