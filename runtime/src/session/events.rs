//! What a session waits for: signals, timers, records, the end of the traced process.
//!
//! Everything is a descriptor in one epoll set; nothing polls. Records do not wake the reader one by
//! one: it reads what is there, then looks again every few milliseconds as long as records keep
//! coming, and asks for a wake-up only before it sleeps for good.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ntap_compiler::hir::ProbeId;

use super::kernel_half::KernelHalf;
use crate::sys::{Result, SysError};

/// How long records may wait while more keep coming.
const BATCH_MS: i32 = 10;

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// There may be records.
    Records,
    /// A timer of the script fired.
    Timer(ProbeId),
    /// Ctrl-C or a request to terminate.
    Interrupt,
    /// The time limit is reached.
    TimeLimit,
    /// The traced process has ended.
    TargetEnded,
    /// It is time to look at what handlers cost.
    Watch,
    /// Another program may ask something.
    Asked,
    /// There may be something on the standard input.
    Input,
    /// The kernel tells of modules.
    Modules,
    /// Output is to go on in the next file (SIGUSR2).
    NextFile,
    /// It is time to draw the screen.
    Draw,
    /// Keys were pressed.
    Keys,
}

/// What a descriptor in the epoll set stands for.
enum Source {
    Signals,
    Records,
    /// There is much to be known of processes: it is taken in before records are handled.
    Processes,
    Timer {
        probe: ProbeId,
        descriptor: OwnedFd,
        period_ns: u64,
        randomize_ns: u64,
    },
    TimeLimit(#[allow(dead_code)] OwnedFd),
    Watch(OwnedFd),
    Draw(OwnedFd),
    Keys,
    Target,
    Outlets,
    Modules,
    /// The descriptor that stands for the standard input, and one that is always readable where that is
    /// a file, which cannot be waited for.
    Input(i32, #[allow(dead_code)] Option<OwnedFd>),
}

/// The set of what a session waits for.
pub(super) struct Events {
    epoll: OwnedFd,
    signals: OwnedFd,
    sources: Vec<Source>,
    /// Whether the last look at the ring buffer found records.
    busy: bool,
    random: u64,
    /// The signals that were blocked before.
    blocked_before: libc::sigset_t,
}

/// How many interrupts came: the second one breaks out of a block that does not end.
static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

/// Whether an interrupt is waiting that came while one was being handled.
pub fn interrupted_twice() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 1
}

/// Nanoseconds of the monotonic clock, the one kernel code reads.
pub fn monotonic_ns() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

impl Events {
    /// A set with the signals that end a session, which are blocked from now on.
    pub(super) fn new() -> Result<Events> {
        // SAFETY: takes a flag only.
        let epoll = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }, "epoll_create")?;
        // SAFETY: a signal set is plain data; the calls below fill it.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        let mut blocked_before = set;
        INTERRUPTS.store(0, Ordering::Relaxed);
        // SAFETY: the sets are valid for the calls.
        let signals = unsafe {
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGINT);
            libc::sigaddset(&mut set, libc::SIGTERM);
            libc::sigaddset(&mut set, libc::SIGHUP);
            libc::sigaddset(&mut set, libc::SIGUSR2);
            libc::sigprocmask(libc::SIG_BLOCK, &set, &mut blocked_before);
            libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        let signals = own(signals, "signalfd")?;
        let seed = monotonic_ns() as u64 | 1;
        let (sources, busy) = (vec![], false);
        let mut events = Events { epoll, signals, sources, busy, random: seed, blocked_before };
        let descriptor = events.signals.as_raw_fd();
        events.add(descriptor, Source::Signals)?;
        Ok(events)
    }

    /// To be called by a process that has gone on as another one: signals are waited for by process.
    pub(super) fn follow_process(&mut self) -> Result<()> {
        let descriptor = self.signals.as_raw_fd();
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        for operation in [libc::EPOLL_CTL_DEL, libc::EPOLL_CTL_ADD] {
            // SAFETY: both descriptors are open, and the event is valid for the call.
            let result = unsafe {
                libc::epoll_ctl(self.epoll.as_raw_fd(), operation, descriptor, &mut event)
            };
            if result < 0 {
                return Err(SysError::new("epoll_ctl", "signals", io::Error::last_os_error()));
            }
        }
        Ok(())
    }

    fn add(&mut self, descriptor: i32, source: Source) -> Result<()> {
        let mut event =
            libc::epoll_event { events: libc::EPOLLIN as u32, u64: self.sources.len() as u64 };
        // SAFETY: both descriptors are open, and the event is valid for the call.
        let result = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &mut event)
        };
        if result < 0 {
            return Err(SysError::new("epoll_ctl", "event", io::Error::last_os_error()));
        }
        self.sources.push(source);
        Ok(())
    }

    /// Watches the ring buffer.
    pub(super) fn watch_records(&mut self, ring: BorrowedFd<'_>) -> Result<()> {
        self.add(ring.as_raw_fd(), Source::Records)
    }

    /// Watches what processes map.
    pub(super) fn watch_processes(&mut self, records: BorrowedFd<'_>) -> Result<()> {
        self.add(records.as_raw_fd(), Source::Processes)
    }

    /// Watches a process by its pidfd.
    pub(super) fn watch_target(&mut self, pidfd: BorrowedFd<'_>) -> Result<()> {
        self.add(pidfd.as_raw_fd(), Source::Target)
    }

    /// Watches what other programs ask.
    pub(super) fn watch_outlets(&mut self, outlets: BorrowedFd<'_>) -> Result<()> {
        self.add(outlets.as_raw_fd(), Source::Outlets)
    }

    /// Watches what the kernel tells of modules.
    pub(super) fn watch_modules(&mut self, socket: BorrowedFd<'_>) -> Result<()> {
        self.add(socket.as_raw_fd(), Source::Modules)
    }

    /// Watches the standard input.
    pub(super) fn watch_input(&mut self, input: BorrowedFd<'_>) -> Result<()> {
        let descriptor = input.as_raw_fd();
        match self.add(descriptor, Source::Input(descriptor, None)) {
            Err(error) if error.errno() == libc::EPERM => {
                // SAFETY: takes numbers only.
                let always = unsafe { libc::eventfd(1, libc::EFD_CLOEXEC) };
                let always = own(always, "eventfd")?;
                let descriptor = always.as_raw_fd();
                self.add(descriptor, Source::Input(descriptor, Some(always)))
            }
            other => other,
        }
    }

    /// The standard input is at its end.
    pub(super) fn forget_input(&mut self) -> Result<()> {
        for source in &self.sources {
            let Source::Input(descriptor, _) = source else { continue };
            // SAFETY: both descriptors are open; this command takes no event.
            let result = unsafe {
                libc::epoll_ctl(
                    self.epoll.as_raw_fd(),
                    libc::EPOLL_CTL_DEL,
                    *descriptor,
                    std::ptr::null_mut(),
                )
            };
            if result < 0 {
                return Err(SysError::new("epoll_ctl", "input", io::Error::last_os_error()));
            }
        }
        Ok(())
    }

    /// Adds a timer of the script, which runs once it is started.
    pub(super) fn add_timer(
        &mut self,
        probe: ProbeId,
        period_ns: u64,
        randomize_ns: u64,
    ) -> Result<()> {
        let timer = new_timer()?;
        let descriptor = timer.as_raw_fd();
        self.add(descriptor, Source::Timer { probe, descriptor: timer, period_ns, randomize_ns })
    }

    /// Starts the timer of a probe: it fires a period from now.
    pub(super) fn start_timer(&mut self, of: ProbeId) -> Result<()> {
        let Some((at, period_ns, randomize_ns)) = self.timer(of) else { return Ok(()) };
        let (first, period) = match randomize_ns {
            0 => (period_ns, period_ns),
            _ => (self.randomized(period_ns, randomize_ns), 0),
        };
        self.set_timer_of(at, first, period)
    }

    /// Stops the timer of a probe.
    pub(super) fn stop_timer(&mut self, of: ProbeId) -> Result<()> {
        let Some((at, ..)) = self.timer(of) else { return Ok(()) };
        self.set_timer_of(at, 0, 0)
    }

    /// The place of the timer of a probe among the sources, with its period and how much that varies.
    fn timer(&self, of: ProbeId) -> Option<(usize, u64, u64)> {
        self.sources.iter().enumerate().find_map(|(at, source)| match source {
            Source::Timer { probe, period_ns, randomize_ns, .. } if *probe == of => {
                Some((at, *period_ns, *randomize_ns))
            }
            _ => None,
        })
    }

    fn set_timer_of(&self, at: usize, first_ns: u64, period_ns: u64) -> Result<()> {
        match &self.sources[at] {
            Source::Timer { descriptor, .. } => set_timer(descriptor, first_ns, period_ns),
            _ => Ok(()),
        }
    }

    /// Gives [`Event::Watch`] once, after a time; may be called again for the next one.
    pub(super) fn watch_after(&mut self, time: Duration) -> Result<()> {
        let ns = (time.as_nanos() as u64).max(1);
        let timer = self.sources.iter().find_map(|source| match source {
            Source::Watch(timer) => Some(timer),
            _ => None,
        });
        if let Some(timer) = timer {
            return set_timer(timer, ns, 0);
        }
        let timer = new_timer()?;
        set_timer(&timer, ns, 0)?;
        self.add(timer.as_raw_fd(), Source::Watch(timer))
    }

    /// Gives [`Event::Draw`] again and again.
    pub(super) fn draw_every(&mut self, period: Duration) -> Result<()> {
        let timer = new_timer()?;
        let ns = period.as_nanos() as u64;
        set_timer(&timer, ns, ns)?;
        self.add(timer.as_raw_fd(), Source::Draw(timer))
    }

    /// Gives [`Event::Keys`] when something was typed.
    pub(super) fn watch_keys(&mut self) -> Result<()> {
        self.add(libc::STDIN_FILENO, Source::Keys)
    }

    /// Ends the session after a time.
    pub(super) fn limit_time(&mut self, limit: Duration) -> Result<()> {
        let timer = new_timer()?;
        set_timer(&timer, (limit.as_nanos() as u64).max(1), 0)?;
        self.add(timer.as_raw_fd(), Source::TimeLimit(timer))
    }

    /// The period give or take up to `randomize_ns`.
    fn randomized(&mut self, period_ns: u64, randomize_ns: u64) -> u64 {
        // xorshift64: spread is all that is asked of it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let shift = self.random % (2 * randomize_ns + 1);
        (period_ns + shift).saturating_sub(randomize_ns).max(1)
    }

    /// Waits for events. The caller has read all records before, unless it knows that there are `more`.
    pub(super) fn next(&mut self, half: Option<&KernelHalf>, more: bool) -> Result<Vec<Event>> {
        let mut timeout = -1;
        if more {
            timeout = 0;
        } else if let Some(half) = half {
            if self.busy {
                timeout = BATCH_MS;
            } else {
                half.request_wake_up();
                // A record that came since the last look did not see the request.
                if half.has_records() {
                    half.cancel_wake_up();
                    self.busy = true;
                    return Ok(vec![Event::Records]);
                }
            }
        }
        let mut ready = [libc::epoll_event { events: 0, u64: 0 }; 16];
        // SAFETY: the array is valid for the call and as long as it is said to be.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                ready.as_mut_ptr(),
                ready.len() as i32,
                timeout,
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                return Ok(vec![]);
            }
            return Err(SysError::new("epoll_wait", "events", error));
        }
        let mut events = vec![];
        self.busy = half.is_some_and(KernelHalf::has_records);
        for event in &ready[..count as usize] {
            let at = event.u64 as usize;
            if let Some(event) = self.take(at)? {
                events.push(event);
            }
        }
        // What ends the session comes last: a timer that fired before still runs.
        events.sort_by_key(|e| match e {
            Event::Records => 0,
            Event::Timer(_) | Event::Asked | Event::Input | Event::NextFile | Event::Watch => 1,
            Event::Draw | Event::Keys | Event::Modules => 1,
            Event::TargetEnded | Event::TimeLimit | Event::Interrupt => 2,
        });
        Ok(events)
    }

    fn take(&mut self, at: usize) -> Result<Option<Event>> {
        let (again, event) = match &self.sources[at] {
            Source::Signals => {
                let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
                read(self.signals.as_raw_fd(), &mut info);
                // The structure begins with the signal's number, 32 bits.
                let number = i32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
                if number == libc::SIGUSR2 {
                    return Ok(Some(Event::NextFile));
                }
                INTERRUPTS.fetch_add(1, Ordering::Relaxed);
                (None, Event::Interrupt)
            }
            Source::Records => {
                self.busy = true;
                (None, Event::Records)
            }
            Source::Processes => (None, Event::Records),
            Source::TimeLimit(_) => (None, Event::TimeLimit),
            Source::Target => (None, Event::TargetEnded),
            Source::Outlets => (None, Event::Asked),
            Source::Modules => (None, Event::Modules),
            Source::Input(..) => (None, Event::Input),
            Source::Keys => (None, Event::Keys),
            Source::Draw(timer) => {
                read(timer.as_raw_fd(), &mut [0u8; 8]);
                (None, Event::Draw)
            }
            Source::Watch(timer) => {
                read(timer.as_raw_fd(), &mut [0u8; 8]);
                (None, Event::Watch)
            }
            Source::Timer { probe, descriptor, period_ns, randomize_ns } => {
                let mut expirations = [0u8; 8];
                if !read(descriptor.as_raw_fd(), &mut expirations) {
                    return Ok(None);
                }
                let again = (*randomize_ns > 0).then_some((*period_ns, *randomize_ns));
                (again, Event::Timer(*probe))
            }
        };
        if let Some((period_ns, randomize_ns)) = again {
            let next = self.randomized(period_ns, randomize_ns);
            self.set_timer_of(at, next, 0)?;
        }
        Ok(Some(event))
    }
}

/// The signals are what they were before; those that came and were not read are dropped.
impl Drop for Events {
    fn drop(&mut self) {
        while read(self.signals.as_raw_fd(), &mut [0u8; size_of::<libc::signalfd_siginfo>()]) {}
        // SAFETY: the set is valid for the call.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &self.blocked_before, std::ptr::null_mut());
        }
    }
}

fn own(descriptor: i32, operation: &'static str) -> Result<OwnedFd> {
    if descriptor < 0 {
        return Err(SysError::new(operation, "session", io::Error::last_os_error()));
    }
    // SAFETY: the call has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn new_timer() -> Result<OwnedFd> {
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: takes numbers only.
    own(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) }, "timerfd_create")
}

fn set_timer(timer: &OwnedFd, first_ns: u64, period_ns: u64) -> Result<()> {
    let time = |ns: u64| libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    };
    let spec = libc::itimerspec { it_value: time(first_ns), it_interval: time(period_ns) };
    // SAFETY: the descriptor is a timer, and the specification is valid for the call.
    let result =
        unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
    if result < 0 {
        return Err(SysError::new("timerfd_settime", "timer", io::Error::last_os_error()));
    }
    Ok(())
}

/// Reads into a buffer; false when there is nothing to read.
fn read(descriptor: i32, buffer: &mut [u8]) -> bool {
    // SAFETY: the buffer is valid for the call and as long as it is said to be.
    unsafe { libc::read(descriptor, buffer.as_mut_ptr().cast(), buffer.len()) > 0 }
}
