//! Options of `stap` that mean nothing here, taken so that commands can be pasted; and those that are refused.

use clap::Args;

use crate::options::refuse;

/// Options that are not in the help.
#[derive(Args)]
pub(crate) struct SystemTapOptions {
    #[arg(short = 'g', hide = true)]
    guru: bool,
    #[arg(short = 'k', hide = true)]
    keep: bool,
    #[arg(short = 'b', hide = true)]
    bulk: bool,
    #[arg(short = 'r', hide = true, value_name = "RELEASE")]
    release: Option<String>,
    #[arg(short = 'R', hide = true, value_name = "DIR")]
    runtime_directory: Option<String>,
    #[arg(short = 'a', hide = true, value_name = "ARCH")]
    architecture: Option<String>,
    #[arg(short = 'B', hide = true, value_name = "NAME=VALUE")]
    build: Vec<String>,
    #[arg(short = 'd', hide = true, value_name = "FILE")]
    symbols: Vec<String>,
    #[arg(short = 'P', long = "prologue-searching", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "always", value_name = "WHEN")]
    prologue_searching: Option<String>,
    #[arg(long, hide = true)]
    ldd: bool,
    #[arg(long, hide = true)]
    all_modules: bool,
    #[arg(long, hide = true)]
    disable_cache: bool,
    #[arg(long, hide = true)]
    poison_cache: bool,
    #[arg(long, hide = true)]
    clean_cache: bool,
    #[arg(long, hide = true)]
    check_version: bool,
    #[arg(long, hide = true)]
    skip_badvars: bool,
    #[arg(long, hide = true)]
    modinfo: Vec<String>,
    #[arg(long, hide = true, value_name = "VERSION")]
    compatible: Option<String>,
    #[arg(long, hide = true, value_name = "PASSES")]
    vp: Option<String>,
    #[arg(long, hide = true)]
    bpf: bool,
    #[arg(long, hide = true)]
    dyninst: bool,
    #[arg(long, hide = true, value_name = "KIND")]
    runtime: Option<String>,
    #[arg(long, hide = true, value_name = "USER")]
    privilege: Option<String>,
}

impl SystemTapOptions {
    /// Refuses what cannot be had, and with `verbose` says what has no meaning here.
    pub(crate) fn check(&self, verbose: bool) {
        let conflict = clap::error::ErrorKind::ArgumentConflict;
        if self.guru {
            refuse(
                conflict,
                "`-g` (guru mode) is not there: eBPF programs cannot write the kernel's memory, and \
                 there is no C compiler for embedded code; scripts that do neither run without it",
            );
        }
        if !verbose {
            return;
        }
        let without_meaning = [
            ("-k", self.keep, "nothing is compiled in a folder of its own"),
            ("-b", self.bulk, "all CPUs share one buffer"),
            ("-r", self.release.is_some(), "scripts are compiled for the kernel that runs"),
            ("-R", self.runtime_directory.is_some(), "the runtime is part of ntap"),
            ("-a", self.architecture.is_some(), "scripts are compiled for the machine they run on"),
            ("-B", !self.build.is_empty(), "no kernel module is built"),
            ("-d", !self.symbols.is_empty(), "symbols are found when they are needed"),
            ("-P", self.prologue_searching.is_some(), "no prologues are searched"),
            ("--ldd", self.ldd, "symbols are found when they are needed"),
            ("--all-modules", self.all_modules, "symbols are found when they are needed"),
            ("--disable-cache", self.disable_cache, "there is no cache"),
            ("--poison-cache", self.poison_cache, "there is no cache"),
            ("--clean-cache", self.clean_cache, "there is no cache"),
            ("--check-version", self.check_version, "there is one version of the language"),
            ("--compatible", self.compatible.is_some(), "there is one version of the language"),
            ("--skip-badvars", self.skip_badvars, "variables that cannot be found are errors"),
            ("--modinfo", !self.modinfo.is_empty(), "there is no kernel module"),
            ("--dyninst", self.dyninst, "probes run as eBPF programs"),
            ("--runtime", self.runtime.is_some(), "probes run as eBPF programs"),
            ("--vp", self.vp.is_some(), "use `-v`"),
            ("--privilege", self.privilege.is_some(), "privileges are the kernel's to check"),
        ];
        for (option, given, why) in without_meaning {
            if given {
                eprintln!("ntap: {option} has no meaning here: {why}");
            }
        }
    }
}
