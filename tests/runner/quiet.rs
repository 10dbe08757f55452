//! Waits until the machine has time for a case that failed beside others.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Then the case runs all the same.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits until a CPU has been idle for a while.
pub(crate) fn wait() {
    let start = Instant::now();
    while start.elapsed() < LONGEST {
        let Some(before) = idle_time() else { return };
        let looked = Instant::now();
        thread::sleep(LOOK);
        let Some(after) = idle_time() else { return };
        if after.saturating_sub(before) >= looked.elapsed().mul_f64(0.8) {
            return;
        }
    }
}

/// The time that all CPUs together had nothing to do: the fourth number of the first line of /proc/stat.
fn idle_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: u64 = text.split_whitespace().nth(4)?.parse().ok()?;
    // SAFETY: asks for a number.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    Some(Duration::from_millis(ticks * 1000 / per_second.max(1)))
}
