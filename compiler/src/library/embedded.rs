//! The files of `scripts/tapset/`, as parts of the program. A test compares the list with the folder.

use super::LibraryFile;

macro_rules! files {
    ($($name:literal)*) => {
        const FILES: &[(&str, &str)] = &[$((
            concat!("tapset/", $name, ".nt"),
            include_str!(concat!("../../../scripts/tapset/", $name, ".nt")),
        )),*];
    };
}

files! {
    "ansi"
    "argv"
    "atomic"
    "byte_order"
    "calling_convention"
    "clock"
    "constants"
    "device"
    "errno"
    "indent"
    "input"
    "interrupt"
    "ioblock"
    "ioscheduler"
    "ip"
    "ipmib"
    "json"
    "kprocess"
    "load"
    "macros"
    "memory"
    "namespaces"
    "netdev"
    "netfilter"
    "nfs"
    "nfs_names"
    "nfs_proc"
    "nfsd"
    "nfsd_proc"
    "oneshot"
    "own_processes"
    "path"
    "perf"
    "probe_point"
    "proc_mem"
    "prometheus"
    "queue_stats"
    "registers"
    "rlimit"
    "scheduler"
    "scsi"
    "signal"
    "signal_actions"
    "signal_probes"
    "socket"
    "socket_options"
    "speculative"
    "stopwatch"
    "strings"
    "sunrpc"
    "syscall_any"
    "syscall_text"
    "syscalls"
    "target_set"
    "task"
    "task_files"
    "task_find"
    "task_time"
    "tcp"
    "tcp_probes"
    "tcpmib"
    "tty"
    "udp"
    "user_memory"
    "vfs"
    "vfs_operations"
    "vm"
    "wide_strings"
}

/// All of them.
pub(super) fn files() -> impl Iterator<Item = LibraryFile> {
    FILES.iter().map(|&(name, text)| LibraryFile {
        name: name.into(),
        text: text.into(),
        embedded: true,
    })
}
