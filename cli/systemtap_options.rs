//! Options of `stap` that mean nothing here, taken so that commands can be pasted; and those that are refused.

use clap::Args;

use crate::options::refuse;

/// Options that are not in the help.
#[derive(Args)]
pub(crate) struct SystemTapOptions {
    /// `guru_mode` in conditionals; nothing else depends on it.
    #[arg(short = 'g', hide = true)]
    pub(crate) guru: bool,
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
    pub(crate) skip_badvars: bool,
    #[arg(long, hide = true)]
    modinfo: Vec<String>,
    #[arg(long, hide = true, value_name = "VERSION")]
    pub(crate) compatible: Option<String>,
    #[arg(long, hide = true, value_name = "PASSES")]
    vp: Option<String>,
    #[arg(long, hide = true)]
    bpf: bool,
    #[arg(long, hide = true)]
    dyninst: bool,
    #[arg(long, hide = true, value_name = "KIND", value_parser = ["kernel", "bpf", "dyninst"])]
    runtime: Option<String>,
    #[arg(long, hide = true, value_name = "USER")]
    privilege: Option<String>,
    #[arg(long, hide = true)]
    unprivileged: bool,
    #[arg(short = 'q', hide = true)]
    quiet_types: bool,
    #[arg(long, hide = true)]
    save_uprobes: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "SERVER")]
    use_server: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "PROMPT")]
    download_debuginfo: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "KEY")]
    sign_module: Option<String>,
    #[arg(long, hide = true, value_name = "DIR")]
    tmpdir: Option<String>,
    #[arg(long, hide = true, value_name = "PID")]
    target_namespaces: Option<String>,
    #[arg(long, hide = true, value_name = "BYTES")]
    rlimit_as: Option<String>,
    #[arg(long, hide = true, value_name = "SECONDS")]
    rlimit_cpu: Option<String>,
    #[arg(long, hide = true, value_name = "NUMBER")]
    rlimit_nproc: Option<String>,
    #[arg(long, hide = true, value_name = "BYTES")]
    rlimit_stack: Option<String>,
    #[arg(long, hide = true, value_name = "BYTES")]
    rlimit_fsize: Option<String>,
    #[arg(long, hide = true, value_name = "DIR")]
    sysroot: Option<String>,
    #[arg(long, hide = true, value_name = "NAME=VALUE")]
    sysenv: Vec<String>,
    #[arg(long, hide = true, value_name = "URI")]
    remote: Vec<String>,
    #[arg(long, hide = true)]
    remote_prefix: bool,
    #[arg(short = 'M', hide = true)]
    keep_bulk_files: bool,
    #[arg(long, hide = true, value_name = "URI")]
    use_http_server: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "PROPERTIES")]
    list_servers: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "", value_name = "TRUST")]
    trust_servers: Option<String>,
    #[arg(long, hide = true, value_name = "USER")]
    build_as: Option<String>,
    #[arg(long, hide = true)]
    semantic_keep_going: bool,
    #[arg(long, hide = true)]
    tapset_compile_coverage: bool,
    #[arg(long, hide = true)]
    language_server: bool,
    #[arg(long, hide = true, value_name = "N")]
    benchmark_sdt_loops: Option<String>,
    #[arg(long, hide = true, value_name = "N")]
    benchmark_sdt_threads: Option<String>,
}

impl SystemTapOptions {
    /// What `--runtime`, `--bpf` or `--dyninst` says that scripts are to be told.
    pub(crate) fn runtime(&self) -> Option<&str> {
        match (self.bpf, self.dyninst) {
            (true, _) => Some("bpf"),
            (_, true) => Some("dyninst"),
            _ => self.runtime.as_deref(),
        }
    }

    /// Refuses what cannot be had, and with `verbose` says what has no meaning here.
    pub(crate) fn check(&self, verbose: bool) {
        let conflict = clap::error::ErrorKind::ArgumentConflict;
        if !self.remote.is_empty() {
            refuse(
                conflict,
                "`--remote` is not there: run ntap on that machine, as in `ssh HOST ntap ...`",
            );
        }
        let nothing_else = [
            (
                "--language-server",
                self.language_server,
                "`ntap check --json` tells an editor what is wrong with a script",
            ),
            (
                "--list-servers",
                self.list_servers.is_some(),
                "scripts are compiled here, not by servers",
            ),
            (
                "--trust-servers",
                self.trust_servers.is_some(),
                "scripts are compiled here, not by servers",
            ),
        ];
        if let Some((option, _, why)) = nothing_else.iter().find(|(_, given, _)| *given) {
            refuse(conflict, &format!("`{option}` is not there: {why}"));
        }
        let elsewhere = [
            ("--sysroot", self.sysroot.as_ref().is_some_and(|root| root != "/")),
            ("--sysenv", !self.sysenv.is_empty()),
        ];
        if let Some((option, _)) = elsewhere.iter().find(|(_, given)| *given) {
            refuse(
                conflict,
                &format!(
                    "`{option}` is not there: scripts are compiled for the machine they run on"
                ),
            );
        }
        if !verbose {
            return;
        }
        let limits = [
            &self.rlimit_as,
            &self.rlimit_cpu,
            &self.rlimit_nproc,
            &self.rlimit_stack,
            &self.rlimit_fsize,
        ];
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
            ("--modinfo", !self.modinfo.is_empty(), "there is no kernel module"),
            (
                "--runtime",
                self.runtime().is_some(),
                "probes run as eBPF programs; conditionals see what it says",
            ),
            ("--vp", self.vp.is_some(), "use `-v`"),
            ("--unprivileged", self.unprivileged, "privileges are the kernel's to check"),
            ("-q", self.quiet_types, "no types of programs are kept"),
            ("--save-uprobes", self.save_uprobes, "there is no kernel module"),
            ("-M", self.keep_bulk_files, "all CPUs share one buffer"),
            ("--use-http-server", !self.use_http_server.is_empty(), "scripts are compiled here"),
            ("--build-as", self.build_as.is_some(), "no kernel module is built"),
            ("--remote-prefix", self.remote_prefix, "there is one machine"),
            ("--semantic-keep-going", self.semantic_keep_going, "every mistake is shown"),
            ("--tapset-compile-coverage", self.tapset_compile_coverage, "there is no such report"),
            (
                "--benchmark-sdt-loops, --benchmark-sdt-threads",
                self.benchmark_sdt_loops.is_some() || self.benchmark_sdt_threads.is_some(),
                "`docs/benchmarks.md` has the figures",
            ),
            ("--use-server", !self.use_server.is_empty(), "scripts are compiled here"),
            (
                "--download-debuginfo",
                self.download_debuginfo.is_some(),
                "types come from the kernel itself",
            ),
            ("--sign-module", self.sign_module.is_some(), "there is no kernel module"),
            ("--tmpdir", self.tmpdir.is_some(), "nothing is compiled in a folder of its own"),
            (
                "--target-namespaces",
                self.target_namespaces.is_some(),
                "`ns_` functions tell what ntap itself sees",
            ),
            ("--rlimit-", limits.iter().any(|limit| limit.is_some()), "no compiler is started"),
            ("--privilege", self.privilege.is_some(), "privileges are the kernel's to check"),
        ];
        for (option, given, why) in without_meaning {
            if given {
                eprintln!("ntap: {option} has no meaning here: {why}");
            }
        }
    }
}
