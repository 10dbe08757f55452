//! Byte offsets in what both halves share, and the numbers of records.

/// The control block at the start of `.bss`: byte offsets. What handlers only read is in the first cache line, what
/// they write in the second.
pub mod control {
    /// u32: 0 while handlers run, not 0 before the probes go live and after `exit()`.
    pub const STOPPED: u32 = 0;
    /// u32: not 0 when the reader of the ring buffer sleeps and wants to be woken.
    pub const WAKE: u32 = 4;
    /// i64: what `target()` gives.
    pub const TARGET: u32 = 8;
    /// i64: what to add to the monotonic clock to get nanoseconds since 1970.
    pub const REAL_TIME_OFFSET_NS: u32 = 16;
    /// u64: not 0 once kernel code called `exit()`.
    pub const EXIT: u32 = 24;
    /// u64: MAXERRORS, the most errors the session goes on with.
    pub const MOST_ERRORS: u32 = 32;
    /// i64: what `stp_pid()` gives.
    pub const OWN_PID: u32 = 40;
    /// u64: when the handlers went live, on the monotonic clock in nanoseconds.
    pub const LIVE_SINCE_NS: u32 = 48;
    /// u64: the stamp the next new array element gets.
    pub const STAMP: u32 = 64;
    /// u64: errors raised by handlers of both halves, also those whose record was lost.
    pub const ERRORS: u32 = 72;
    /// u64: errors of kernel handlers whose record was lost.
    pub const LOST_ERRORS: u32 = 80;
    /// u64: 1 + index in the error table of the last of them.
    pub const LAST_LOST_ERROR: u32 = 88;
    /// u64: how many stacks of processes have been copied.
    pub const COPIED_STACKS: u32 = 96;
    /// Bytes of the block.
    pub const SIZE: u32 = 128;
}

/// The counters of one probe, each a u64: byte offsets.
pub mod counters {
    /// Records lost because the ring buffer was full.
    pub const LOST_RECORDS: u32 = 0;
    /// Elements that did not fit into an array.
    pub const ARRAY_FULL: u32 = 8;
    /// Stacks that the kernel could not give.
    pub const LOST_STACKS: u32 = 16;
    /// Hits while too many threads were in the handler.
    pub const SKIPPED: u32 = 24;
    /// Handlers that ended because memory could not be read.
    pub const FAULTS: u32 = 32;
    /// Handlers that ended because they ran too many statements.
    pub const ACTIONS: u32 = 40;
    /// Handlers that ended with another error.
    pub const ERRORS: u32 = 48;
    /// Stacks of processes of which the outer callers could not be read; userspace counts them.
    pub const CUT_STACKS: u32 = 56;
    /// Bytes of the block.
    pub const SIZE: u32 = 64;
}

/// What is measured of one probe on one CPU (`-t`), each a u64: byte offsets.
pub mod times {
    /// How often its handler ran.
    pub const HITS: u32 = 0;
    /// How long all of them took, in nanoseconds.
    pub const TOTAL_NS: u32 = 8;
    /// How long the longest took.
    pub const MOST_NS: u32 = 16;
    /// All bits of the shortest inverted, so that it begins as 0 and only grows.
    pub const LEAST_NS_INVERTED: u32 = 24;
    /// Bytes of an element.
    pub const SIZE: u32 = 32;
}

/// Records in the ring buffer.
pub mod record {
    /// Bytes before the payload.
    pub const HEADER: u32 = 8;
    /// Event index of an error.
    pub const ERROR: u32 = u32::MAX;
    /// Event index of `exit()`.
    pub const EXIT: u32 = u32::MAX - 1;
    /// Event index of the registers of user code ([`super::copied_stack`]).
    pub const USER_REGISTERS: u32 = u32::MAX - 2;
    /// Event index of a piece of the stack of user code ([`super::copied_stack`]).
    pub const USER_STACK: u32 = u32::MAX - 3;
}

/// The copy of the stack of a process: byte offsets in the payloads of its records, each part a u64.
pub mod copied_stack {
    /// The number of the copy, in all its records; never 0.
    pub const NUMBER: u32 = 0;
    /// In the first record: the process, and in the lower half the thread.
    pub const PROCESS: u32 = 8;
    /// In the first record: when, in nanoseconds of the monotonic clock.
    pub const TIME_NS: u32 = 16;
    /// In the first record: the return addresses on the stack that the kernel has replaced by its own, for probes of
    /// returns: where each is, and what it was. Behind the last is one at 0.
    pub const RETURNS: u32 = 24;
    /// The most of them.
    pub const MOST_RETURNS: u32 = 32;
    /// In the first record: `struct pt_regs` as user code left it.
    pub const REGISTERS: u32 = RETURNS + 16 * MOST_RETURNS;
    /// In a piece: its address.
    pub const ADDRESS: u32 = 8;
    /// In a piece: how many bytes of it there are.
    pub const LENGTH: u32 = 16;
    /// In a piece: the bytes.
    pub const BYTES: u32 = 24;
    /// The most bytes of a piece, a power of two. No piece goes across a multiple of it, so that none is partly
    /// unmapped.
    pub const PIECE: u32 = 1024;
    /// The most pieces of a stack.
    pub const MOST_PIECES: u32 = 33;
}
