//! How probe points are attached: by which mechanism, to what, and what that says of their handlers.

use super::{
    ContextVariable, Counter, FilePoint, FunctionPoints, InputUnit, Lifetime, SyscallPoint,
};

/// How a probe point is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// When everything is loaded, ascending by sequence number.
    Begin(i64),
    /// After the probes are detached, ascending by sequence number.
    End(i64),
    /// In place of `End` after an error.
    Error(i64),
    /// Checked, never run.
    Never,
    /// Every so often, in userspace.
    Timer {
        /// Period in nanoseconds.
        period_ns: u64,
        /// Up to so many nanoseconds are added or taken at random.
        randomize_ns: u64,
    },
    /// A file of the session is read or written, in userspace.
    File(FilePoint),
    /// There is something on the standard input, in userspace.
    Input(InputUnit),
    /// A kernel tracepoint by its name.
    Tracepoint {
        /// The name without its group.
        name: String,
        /// The BTF id of `btf_trace_<name>`; without it a raw tracepoint is used, whose pointers the
        /// verifier does not trust.
        btf_typedef: Option<u32>,
        /// The module it is one of, whose type information the id is of; `None` for the kernel proper.
        module: Option<String>,
    },
    /// What a kernel tracepoint writes to the trace buffer.
    Record {
        /// The system that tracefs has it in, such as `sched`.
        system: String,
        /// Its name, such as `sched_switch`.
        name: String,
    },
    /// A hook of netfilter.
    Hook(HookPoint),
    /// Kernel functions that are entered or left; one program handles all of them.
    Function(FunctionPoints),
    /// The begin or the end of system calls.
    Syscall(SyscallPoint),
    /// A perf event.
    Counted {
        /// What is counted.
        event: CountedEvent,
        /// How often the handler runs.
        rate: SampleRate,
        /// Only what the process of `-c` or `-x` does; else what all CPUs do.
        of_target: bool,
        /// In which processes the handler runs when the event is one of all CPUs.
        only_in: OnlyIn,
    },
    /// A perf event that handlers of other probes read; its own never runs.
    Counter(Counter),
    /// An instruction of programs.
    Instruction(Instruction),
    /// A moment in the life of a process.
    Lifetime(Lifetime),
}

/// A hook that packets pass, in the network namespace of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookPoint {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub family: u32,
    /// `enum nf_inet_hooks`.
    pub hook: u32,
    /// Lower ones come first.
    pub priority: i32,
}

/// An instruction of a program file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The file.
    pub path: String,
    /// The place in the file.
    pub offset: u64,
    /// The place in the file of a 16-bit counter that is raised while somebody watches; 0 without.
    pub semaphore: u64,
    /// Whether the handler runs when the function returns that begins here.
    pub returns: bool,
    /// In which processes the handler runs.
    pub only_in: OnlyIn,
    /// The names of the mark that is here.
    pub mark: Option<MarkNames>,
    /// For returns: the context at the entry. Its values are kept from there by a probe of its own.
    pub entry: Vec<ContextVariable>,
    /// From where on these are the function's own variables.
    pub first_entry_local: Option<usize>,
    /// For entries of functions: how far behind the instruction, from and up to, the address has to be that the
    /// function returns to.
    pub called_from: Option<(i64, i64)>,
}

/// `$$provider` and `$$name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkNames {
    /// The provider.
    pub provider: String,
    /// The mark.
    pub name: String,
}

/// In which of the processes that come to a probe point the handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyIn {
    /// In all.
    Anywhere,
    /// In that of `-c` or `-x` and those it made; without such a process in all.
    Target,
    /// In this one.
    Process(u32),
    /// In those that run the program with this inode.
    Program {
        /// The inode.
        inode: u64,
    },
}

/// What a perf event counts: `type` and `config` of `perf_event_attr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedEvent {
    /// `enum perf_type_id`.
    pub kind: u32,
    /// Which event of that kind.
    pub config: u64,
    /// For breakpoints: what is watched.
    pub watched: Option<Watched>,
}

impl CountedEvent {
    /// Nanoseconds of a CPU's clock.
    pub const CPU_CLOCK: CountedEvent = CountedEvent { kind: 1, config: 0, watched: None };
}

/// Memory that the processor watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Where it begins, a multiple of the length.
    pub address: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub bytes: u64,
    /// Whether reading it counts, too.
    pub reads: bool,
}

/// How often the handler of a perf event runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleRate {
    /// After this many counts.
    Period(u64),
    /// About this many times a second.
    Hertz(u64),
}

impl Attach {
    /// Whether the handler runs in the kernel.
    pub fn in_kernel(&self) -> bool {
        match self {
            Attach::Begin(_)
            | Attach::End(_)
            | Attach::Error(_)
            | Attach::Never
            | Attach::Timer { .. }
            | Attach::File(_)
            | Attach::Counter(_)
            | Attach::Input(_) => false,
            Attach::Tracepoint { .. }
            | Attach::Record { .. }
            | Attach::Hook(_)
            | Attach::Counted { .. }
            | Attach::Function(_)
            | Attach::Syscall(_)
            | Attach::Instruction(_)
            | Attach::Lifetime(_) => true,
        }
    }

    /// Whether the kernel's types say what the handler's context holds.
    pub fn is_typed(&self) -> bool {
        match self {
            Attach::Tracepoint { btf_typedef, .. } => btf_typedef.is_some(),
            Attach::Syscall(point) => point.btf_typedef.is_some(),
            Attach::Lifetime(_) => true,
            Attach::Begin(_)
            | Attach::End(_)
            | Attach::Error(_)
            | Attach::Never
            | Attach::Timer { .. }
            | Attach::File(_)
            | Attach::Input(_)
            | Attach::Counter(_)
            | Attach::Counted { .. }
            | Attach::Function(_)
            | Attach::Instruction(_)
            | Attach::Record { .. }
            | Attach::Hook(_) => false,
        }
    }

    /// Whether the program only leads to the handlers of other probes.
    pub fn is_dispatcher(&self) -> bool {
        matches!(self, Attach::Syscall(SyscallPoint { root_of: Some(_), .. }))
    }

    /// Whether the handler runs in a process that came upon a breakpoint in its own code.
    pub fn in_process(&self) -> bool {
        matches!(self, Attach::Instruction(_))
    }

    /// What the kernel half's program returns: of a packet that it is accepted (NF_ACCEPT).
    pub fn verdict(&self) -> i64 {
        if matches!(self, Attach::Hook(_)) { 1 } else { 0 }
    }

    /// Whether the handler's context begins with the registers of the CPU (`struct pt_regs`).
    pub fn has_registers(&self) -> bool {
        match self {
            Attach::Begin(_)
            | Attach::End(_)
            | Attach::Error(_)
            | Attach::Never
            | Attach::Timer { .. }
            | Attach::File(_)
            | Attach::Input(_)
            | Attach::Counter(_)
            | Attach::Tracepoint { .. }
            | Attach::Record { .. }
            | Attach::Hook(_)
            | Attach::Lifetime(_)
            | Attach::Syscall(_) => false,
            Attach::Counted { .. } | Attach::Function(_) | Attach::Instruction(_) => true,
        }
    }
}
