//! The load: a thread on one CPU that does one thing without end and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a load is watched.
const WATCHED: Duration = Duration::from_millis(400);

/// Time for the clock of the CPU and the caches to settle.
const WARM_UP: Duration = Duration::from_millis(100);

/// A running load; dropping it ends it.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    calls: AtomicU64,
    /// Processor time of the thread when it last counted: it may not have the CPU for itself.
    nanoseconds: AtomicU64,
}

impl Load {
    /// Starts a load and lets it warm up. `operation` is done so many times without a look at the clock, which is a
    /// system call itself.
    pub fn start(cpu: usize, operation: fn(), times: u64) -> Load {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                crate::pin_to_cpu(cpu);
                while !shared.stop.load(Ordering::Relaxed) {
                    for _ in 0..times {
                        operation();
                    }
                    shared.calls.fetch_add(times, Ordering::Relaxed);
                    shared.nanoseconds.store(thread_time_ns(), Ordering::Relaxed);
                }
            }
        });
        std::thread::sleep(WARM_UP);
        Load { shared, thread: Some(thread) }
    }

    /// Watches the load for a while: processor time of the thread for each time.
    pub fn nanoseconds_per_call(&self) -> f64 {
        let look = || {
            (
                self.shared.calls.load(Ordering::Relaxed),
                self.shared.nanoseconds.load(Ordering::Relaxed),
            )
        };
        let start = Instant::now();
        let (calls, nanoseconds) = look();
        std::thread::sleep(WATCHED.saturating_sub(start.elapsed()));
        let (calls_after, nanoseconds_after) = look();
        assert!(calls_after > calls, "the load does not run");
        (nanoseconds_after - nanoseconds) as f64 / (calls_after - calls) as f64
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load does not panic");
        }
    }
}

fn thread_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and every thread has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// getppid(2), the shortest system call.
pub fn getppid() {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_getppid) };
}
