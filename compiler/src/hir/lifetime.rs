//! The moments in the lives of processes that probes can be at.

use super::OnlyIn;

/// A moment of processes or threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Which.
    pub moment: Moment,
    /// Of which processes.
    pub only_in: OnlyIn,
    /// The BTF id of the type of its tracepoint.
    pub btf_typedef: u32,
    /// Where the number of a system call is in `struct pt_regs`.
    pub number_offset: u32,
    /// Whether its tracepoint says of a thread that ends whether it is the last of its process: `group_dead`, since
    /// Linux 6.16.
    pub tells_last: bool,
    /// The numbers of the system calls that make processes and threads.
    pub makers: Vec<u32>,
}

/// A moment in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It begins to run another program.
    Exec,
    /// A process made by another runs for the first time.
    NewProcess,
    /// A process that ran already when the session began makes its first step since.
    Running,
    /// A thread made by another runs for the first time.
    NewThread,
    /// The last thread of a process ends.
    ProcessEnd,
    /// A thread that is not the first of its process ends.
    ThreadEnd,
    /// It makes a system call.
    Call,
    /// A system call returns.
    CallReturn,
}

impl Moment {
    /// Whether it is one of several that stand for the same: of a process only the first of them counts.
    pub fn is_once(self) -> bool {
        matches!(self, Moment::Running)
    }

    /// Whether it is one of those after which [`Moment::is_once`] moments do not count.
    pub fn is_begin(self) -> bool {
        matches!(self, Moment::Exec | Moment::NewProcess | Moment::Running)
    }

    /// The tracepoint that is hit then, and at other moments.
    pub fn tracepoint(self) -> &'static str {
        match self {
            Moment::Exec => "sched_process_exec",
            // A new task returns from the call that made it, as its maker does.
            Moment::NewProcess | Moment::NewThread | Moment::CallReturn => "sys_exit",
            // It returns from the call it was in, or from its next one.
            Moment::Running => "sys_exit",
            Moment::ProcessEnd | Moment::ThreadEnd => "sched_process_exit",
            Moment::Call => "sys_enter",
        }
    }
}
