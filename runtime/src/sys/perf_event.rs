//! perf_event_open(2): tracepoints through tracefs ids, and events that are counted.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Result, SysError};

/// What an event counts and how often it calls its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfEvent<'a> {
    /// A tracepoint by its tracefs id, on all CPUs, every time.
    Tracepoint {
        /// The number in `events/<category>/<name>/id`.
        id: u64,
    },
    /// A kernel function, entered or left, on all CPUs (4.17).
    Function {
        /// Where its code begins.
        address: u64,
        /// When it returns, not when it is entered.
        returns: bool,
    },
    /// An instruction of a program file, in every process (4.17).
    Instruction {
        /// The number of this kind of event, in /sys/bus/event_source/devices/uprobe/type.
        kind: u32,
        /// The file.
        path: &'a CStr,
        /// The place in the file.
        offset: u64,
        /// The place in the file of a counter that is raised meanwhile (4.20); 0 without.
        semaphore: u64,
        /// When the function returns that begins there.
        returns: bool,
    },
    /// What processes map as code, and when they begin, run another program and end: no program is called,
    /// records are written (3.16).
    Processes {
        /// Of which.
        of: CountsOf,
    },
    /// Something that is counted.
    Counted {
        /// What.
        event: CountedEvent,
        /// How often the program runs.
        rate: Rate,
        /// Whose counts: those of a CPU, or of a process and the threads and children it makes from now on.
        of: CountsOf,
    },
}

/// What a perf event counts: `type` and `config` of `perf_event_attr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedEvent {
    /// `enum perf_type_id`: 0 hardware, 1 software, 3 cache, 4 raw; others are of the machine.
    pub kind: u32,
    /// Which event of that kind.
    pub config: u64,
    /// For breakpoints (`PERF_TYPE_BREAKPOINT`): what is watched.
    pub watched: Option<Watched>,
}

/// Memory that the processor watches (2.6.33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Where it begins, a multiple of the length.
    pub address: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub bytes: u64,
    /// Whether reading it counts, too.
    pub reads: bool,
}

impl CountedEvent {
    /// Time on a CPU's high resolution timer, idle or not.
    pub const CPU_CLOCK: CountedEvent =
        CountedEvent { kind: TYPE_SOFTWARE, config: 0, watched: None };
}

/// How often a counting event runs its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// After this many counts; nanoseconds for the clocks.
    Period(u64),
    /// About this many times a second.
    Hertz(u64),
}

/// Whose counts an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsOf {
    /// Of everything on one CPU.
    Cpu(u32),
    /// Of a thread, and of what it starts from now on, on all CPUs.
    Thread(u32),
}

/// `struct perf_event_attr` up to version 5 of its layout.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    event_type: u32,
    size: u32,
    config: u64,
    period_or_frequency: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    user_registers: u64,
    user_stack: u32,
    clock: i32,
    interrupt_registers: u64,
    aux_watermark: u32,
    stack_depth: u16,
    reserved: u16,
}

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const FLAG_INHERIT: u64 = 1 << 1;
const FLAG_FREQUENCY: u64 = 1 << 10;
/// In place of a process or CPU.
const ALL: i32 = -1;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Opens an event.
pub fn open_perf_event(event: PerfEvent<'_>) -> Result<OwnedFd> {
    let mut attributes =
        Attributes { size: size_of::<Attributes>() as u32, ..Attributes::default() };
    let (process, cpu, object) = match event {
        PerfEvent::Tracepoint { id } => {
            attributes.event_type = TYPE_TRACEPOINT;
            attributes.config = id;
            attributes.period_or_frequency = 1;
            // A tracepoint's program runs wherever the tracepoint is hit; one event does.
            (ALL, 0, format!("tracepoint {id}"))
        }
        PerfEvent::Function { address, returns } => {
            attributes.event_type = function_event_type()?;
            // Bit 0 of `config` says "return"; no name in `config1` makes `config2` an address.
            attributes.config = u64::from(returns);
            attributes.config2 = address;
            attributes.period_or_frequency = 1;
            (ALL, 0, format!("function at {address:#x}"))
        }
        PerfEvent::Instruction { kind, path, offset, semaphore, returns } => {
            // PERF_UPROBE_REF_CTR_OFFSET_SHIFT, and the format `retprobe`.
            const SEMAPHORE_SHIFT: u32 = 32;
            attributes.event_type = kind;
            attributes.config = semaphore << SEMAPHORE_SHIFT | u64::from(returns);
            attributes.config1 = path.as_ptr() as u64;
            attributes.config2 = offset;
            attributes.period_or_frequency = 1;
            (ALL, 0, format!("{}:{offset:#x}", path.to_string_lossy()))
        }
        PerfEvent::Processes { of } => {
            const DUMMY: u64 = 9;
            const SAMPLE_TIME: u64 = 1 << 2;
            // mmap, comm, task, sample_id_all, mmap2, comm_exec; and use_clockid: times are those of `clock`.
            const RECORDS: u64 = 1 << 8 | 1 << 9 | 1 << 13 | 1 << 18 | 1 << 23 | 1 << 24 | 1 << 25;
            attributes.event_type = TYPE_SOFTWARE;
            attributes.config = DUMMY;
            attributes.sample_type = SAMPLE_TIME;
            attributes.flags = RECORDS;
            attributes.clock = libc::CLOCK_MONOTONIC;
            match of {
                CountsOf::Cpu(cpu) => (ALL, cpu as i32, format!("processes on CPU {cpu}")),
                CountsOf::Thread(thread) => {
                    (thread as libc::pid_t, ALL, format!("process {thread}"))
                }
            }
        }
        PerfEvent::Counted { event, rate, of } => {
            attributes.event_type = event.kind;
            attributes.config = event.config;
            if let Some(watched) = event.watched {
                // HW_BREAKPOINT_R and HW_BREAKPOINT_W; `config1` is the address, `config2` the length.
                attributes.breakpoint_type = if watched.reads { 1 | 2 } else { 2 };
                attributes.config1 = watched.address;
                attributes.config2 = watched.bytes;
            }
            (attributes.period_or_frequency, attributes.flags) = match rate {
                Rate::Period(period) => (period, 0),
                Rate::Hertz(hertz) => (hertz, FLAG_FREQUENCY),
            };
            let what = format!("type {} config {}", event.kind, event.config);
            match of {
                CountsOf::Cpu(cpu) => (ALL, cpu as i32, format!("{what} on CPU {cpu}")),
                CountsOf::Thread(thread) => {
                    attributes.flags |= FLAG_INHERIT;
                    (thread as libc::pid_t, ALL, format!("{what} of process {thread}"))
                }
            }
        }
    };
    let no_group = -1;
    // SAFETY: the attributes are a `perf_event_attr` of the size they name; the path they may point to outlives
    // the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            process,
            cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if descriptor < 0 {
        return Err(SysError::last("open perf event", object));
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

/// The number under which the kernel offers functions as events.
fn function_event_type() -> Result<u32> {
    const PATH: &str = "/sys/bus/event_source/devices/kprobe/type";
    let text = std::fs::read_to_string(PATH)
        .map_err(|cause| SysError::new("find function events", PATH, cause))?;
    text.trim().parse().map_err(|_| {
        SysError::new("find function events", PATH, std::io::ErrorKind::InvalidData.into())
    })
}

/// Gives an event its program and enables it: how it was done before there were links (5.15).
/// Closing the event detaches.
pub fn set_program(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    // The kernel's _IOW('$', 8, __u32) and _IO('$', 0).
    const SET_BPF: libc::c_ulong = 0x4004_2408;
    const ENABLE: libc::c_ulong = 0x2400;
    // SAFETY: both requests take an integer, no address.
    let result = unsafe {
        match libc::ioctl(event.as_raw_fd(), SET_BPF as _, program.as_raw_fd()) {
            0 => libc::ioctl(event.as_raw_fd(), ENABLE as _, 0),
            error => error,
        }
    };
    if result < 0 { Err(SysError::last("set program of perf event", "")) } else { Ok(()) }
}
