//! Names of SystemTap's library that are not here, each with the reason, for the message a script gets that uses one.

/// Names that are refused for one reason.
pub struct Refused {
    /// The names: of functions, or the first components of probe points with a `.` between them.
    pub names: &'static [&'static str],
    /// Why there is no such thing here.
    pub reason: &'static str,
    /// What to write instead.
    pub instead: &'static str,
}

/// Functions.
pub const FUNCTIONS: &[Refused] = &[
    Refused {
        names: &[
            "set_kernel_char",
            "set_kernel_short",
            "set_kernel_int",
            "set_kernel_long",
            "set_kernel_pointer",
            "set_kernel_string",
            "set_kernel_string_n",
            "set_user_char",
            "set_user_short",
            "set_user_int",
            "set_user_long",
            "set_user_pointer",
            "set_user_string",
            "set_user_string_n",
        ],
        reason: "eBPF programs write neither the kernel's memory nor that of processes",
        instead: "a script can watch and tell, not change",
    },
    Refused {
        names: &[
            "set_int_arg",
            "set_uint_arg",
            "set_long_arg",
            "set_ulong_arg",
            "set_pointer_arg",
            "set_returnval",
            "set_return_value",
        ],
        reason: "eBPF programs do not change the registers of what they watch",
        instead: "a script can watch and tell, not change",
    },
    Refused {
        names: &["mdelay", "udelay", "panic"],
        reason: "eBPF programs can neither hold up nor stop the kernel",
        instead: "`raise(19)` stops the process that runs",
    },
    Refused {
        names: &["probe_type"],
        reason: "which of the kernel's mechanisms runs the handler is ntap's to choose",
        instead: "`pp()` and `pn()` tell the probe point",
    },
    Refused {
        names: &["pnlabel"],
        reason: "labels are in debug information",
        instead: "`pn()` tells the probe point",
    },
    Refused {
        names: &["module_size"],
        reason: "the script is no kernel module",
        instead: "`ntap stats` tells the sizes of programs and maps",
    },
    Refused {
        names: &["stack_used", "stack_unused"],
        reason: "eBPF programs do not know how deep the kernel's stack is where they run",
        instead: "`stack_size()` is the whole",
    },
    Refused {
        names: &["dump_stack"],
        reason: "eBPF programs do not write stacks to the kernel's log",
        instead: "`print_backtrace()`",
    },
    Refused {
        names: &["task_backtrace"],
        reason: "only the stack of the task that runs can be walked",
        instead: "`backtrace()` in a probe the task runs into, such as `kernel.trace(\"sched_switch\")`",
    },
    Refused {
        names: &["java_backtrace", "print_java_backtrace", "sprint_java_backtrace", "method_str"],
        reason: "nothing is put into Java virtual machines",
        instead: "`print_ubacktrace()` shows the frames of the process that have frame pointers",
    },
    Refused {
        names: &["switch_file"],
        reason: "outputs change with their size, not when a script says so",
        instead: "`-S MB[,N]` with `-o FILE`",
    },
    Refused {
        names: &["cve_count_metric"],
        reason: "it belongs to scripts that mend the kernel, which a script here cannot do",
        instead: "a global array counts",
    },
];

/// Probe points.
const POINTS: &[Refused] = &[
    Refused {
        names: &["lsm"],
        reason: "they decide what the kernel permits, which a script cannot",
        instead: "`kernel.function(\"security_file_open\")` and its like see what is asked",
    },
    Refused {
        names: &["stap", "staprun", "stapio"],
        reason: "they trace the programs of SystemTap itself, none of which runs here",
        instead: "`-v` tells what ntap does, and how long it takes",
    },
    Refused {
        names: &[
            "hotspot",
            "perl",
            "ruby",
            "tcl",
            "qemu",
            "glib",
            "gobject",
            "gio",
            "mysql",
            "postgresql",
        ],
        reason: "aliases for the marks of a program come with the program",
        instead: "`-I /usr/share/systemtap/tapset`, or `process(\"PATH\").mark(\"NAME\")`",
    },
    Refused {
        names: &["nfs.proc.read", "nfs.proc.write", "nfs.proc.commit"],
        reason: "kernels since 2.6.24 have no function that does this at once",
        instead: "`nfs.proc.read_setup` and `nfs.proc.read_done`, and their like",
    },
    Refused {
        names: &["nfsd.proc2"],
        reason: "kernels are built without servers of version 2",
        instead: "`nfsd.proc` for the requests of versions 3 and 4",
    },
    Refused {
        names: &["netfilter.arp", "netfilter.bridge"],
        reason: "the kernel calls eBPF programs for IPv4 and IPv6 only",
        instead: "`netfilter.ipv4` and `netfilter.ipv6`",
    },
];

/// The row of a function.
pub(crate) fn function(name: &str) -> Option<&'static Refused> {
    FUNCTIONS.iter().find(|row| row.names.contains(&name))
}

/// The row of a probe point, by the names of its components.
pub(crate) fn point(components: &[&str]) -> Option<&'static Refused> {
    let begins = |name: &&str| {
        let mut components = components.iter();
        name.split('.').all(|part| components.next() == Some(&part))
    };
    POINTS.iter().find(|row| row.names.iter().any(begins))
}
