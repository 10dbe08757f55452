//! The scripts of `scripts/`, as parts of the program: `ntap examples`, `ntap --example NAME`. A test
//! compares the list with the folders.

use ntap_compiler::diagnostic::suggest;

use crate::errors::Failure;

/// A script that comes with the program.
pub(crate) struct Example {
    /// `net/tcpstates`.
    pub(crate) path: &'static str,
    /// Its source.
    pub(crate) text: &'static str,
}

macro_rules! examples {
    ($($path:literal)*) => {
        const EXAMPLES: &[Example] = &[$(Example {
            path: $path,
            text: include_str!(concat!("../scripts/", $path, ".nt")),
        }),*];
    };
}

examples! {
    "general/count-functions"
    "general/modsnoop"
    "general/para-callgraph"
    "io/biolatency"
    "io/biosnoop"
    "io/cachestat"
    "io/deletions"
    "io/disktop"
    "io/fileslower"
    "io/filetop"
    "io/inodewatch"
    "io/iotop"
    "io/mountsnoop"
    "io/slowsync"
    "io/vfsstat"
    "memory/faultcount"
    "memory/heapgrowth"
    "memory/kmalloc"
    "memory/oomkill"
    "memory/pagefaults"
    "memory/reclaim"
    "net/dnslatency"
    "net/dropwatch"
    "net/dropwatch-offset"
    "net/dropwatch-reason"
    "net/dropwatch-stacks"
    "net/ieee80211scan"
    "net/nettop"
    "net/pktlatency"
    "net/rxcpu"
    "net/skblife"
    "net/socket-trace"
    "net/socket-traffic"
    "net/solisten"
    "net/tcpaccept"
    "net/tcpconnect"
    "net/tcpconnlat"
    "net/tcpdrop"
    "net/tcplife"
    "net/tcpretrans"
    "net/tcprtt"
    "net/tcpstates"
    "net/tcptop"
    "net/txstacks"
    "process/capable"
    "process/cgrouptop"
    "process/ctxswitches"
    "process/errsnoop"
    "process/execsnoop"
    "process/exitsnoop"
    "process/forktree"
    "process/futexes"
    "process/killsnoop"
    "process/opensnoop"
    "process/sigtrace"
    "process/sleepers"
    "process/slowcalls"
    "process/strace"
    "process/syscount"
    "process/threadtimes"
    "process/timeouts"
    "process/topsys"
    "profiling/cpuhogs"
    "profiling/hardirqs"
    "profiling/irqcpu"
    "profiling/ktimers"
    "profiling/locks"
    "profiling/offcputime"
    "profiling/profile"
    "profiling/runqlat"
    "profiling/runqlen"
    "profiling/softirqs"
}

impl Example {
    /// The name without the folder.
    fn name(&self) -> &'static str {
        self.path.rsplit_once('/').map_or(self.path, |(_, name)| name)
    }

    /// What it says about words it cannot do without, if it is given fewer: those that stand in quotes.
    pub(crate) fn missing(&self, given: usize) -> Option<&'static str> {
        let usage = self.text.lines().find_map(|line| line.strip_prefix("# usage: "))?;
        let command = usage.split([',', ';']).next().unwrap_or_default();
        let is_optional = usage.contains("without an argument");
        let wanted = command.split('\'').skip(1).step_by(2).count();
        (given < wanted && !is_optional).then_some(usage)
    }

    /// The question it answers: its first line.
    fn question(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }
}

/// The script of a name, with or without its folder.
pub(crate) fn find(name: &str) -> Result<&'static Example, Failure> {
    let plain = name.strip_suffix(".nt").unwrap_or(name);
    let found = EXAMPLES.iter().find(|example| [example.path, example.name()].contains(&plain));
    found.ok_or_else(|| {
        let near = EXAMPLES.iter().filter(|example| example.path.contains(plain));
        let names: Vec<&str> = near.map(Example::name).collect();
        let help = match names.is_empty() {
            true => suggest::did_you_mean(plain, EXAMPLES.iter().map(Example::name))
                .unwrap_or("`ntap examples` lists them".to_string()),
            false => format!("there are {}", names.join(", ")),
        };
        Failure::message(format!("no example `{name}`"), Some(&help))
    })
}

/// Words of questions that say nothing about their subject.
const COMMON: &[&str] = &[
    "a", "about", "all", "an", "and", "are", "at", "by", "can", "do", "does", "for", "from", "has",
    "have", "high", "how", "i", "in", "is", "it", "its", "many", "most", "much", "my", "of", "on",
    "or", "so", "that", "the", "there", "they", "to", "what", "when", "where", "which", "who",
    "whom", "whose", "why", "with",
];

/// Other words for what scripts are about: where one is asked for, the others count as well.
const SYNONYMS: &[&[&str]] = &[
    &["slow", "latency", "delay", "long"],
    &["drop", "discard"],
    &["fail", "error"],
    &["lock", "mutex", "contention", "futex"],
    &["leak", "grow"],
    &["oom", "kill", "killed"],
    &["load", "busy", "hog", "cpu"],
    &["network", "net", "packet", "traffic", "bandwidth"],
    &["disk", "block", "io"],
    &["fsync", "sync"],
    &["program", "process", "command"],
    &["switch", "preempt"],
    &["stack", "flame", "flamegraph"],
    &["top", "most"],
    &["interrupt", "irq"],
    &["connection", "connect", "connections"],
];

/// A word without its ending, so that `drops`, `dropped` and `dropping` are one.
fn stem(word: &str) -> &str {
    let endings = ["ings", "ing", "ped", "ed", "es", "s", "e"];
    let cut = endings.iter().filter_map(|ending| word.strip_suffix(ending));
    cut.filter(|stem| stem.len() >= 3).min_by_key(|stem| stem.len()).unwrap_or(word)
}

/// The scripts whose name, folder or header has all of the words or others that mean the same, by folder; where there
/// is none, those that have most of them.
pub(crate) fn list(words: &[String]) -> Result<String, Failure> {
    let words: Vec<String> =
        words.iter().flat_map(|words| words.split(' ')).map(str::to_lowercase).collect();
    let telling: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !COMMON.contains(word)).collect();
    let wanted: Vec<Vec<&str>> = telling
        .iter()
        .map(|word| {
            let same =
                SYNONYMS.iter().filter(|row| row.iter().any(|other| stem(other) == stem(word)));
            same.flat_map(|row| row.iter().copied()).chain([*word]).map(stem).collect()
        })
        .collect();
    let hits = |example: &Example| {
        let header = example.text.lines().take_while(|line| line.starts_with('#'));
        // Samples of output, which are indented, are about anything.
        let told = header.filter(|line| !line.starts_with("#  "));
        let text =
            told.fold(example.path.to_lowercase(), |text, line| text + "\n" + &line.to_lowercase());
        let parts: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        let has = |stems: &&Vec<&str>| {
            stems.iter().any(|stem| {
                parts.iter().any(|part| part.starts_with(stem)) || example.path.contains(stem)
            })
        };
        wanted.iter().filter(has).count()
    };
    let most = EXAMPLES.iter().map(hits).max().unwrap_or(0);
    let is_empty = most == 0 && !words.is_empty();
    let found: Vec<&Example> = EXAMPLES.iter().filter(|e| !is_empty && hits(e) == most).collect();
    if found.is_empty() {
        let text = format!("no example is about `{}`", words.join(" "));
        return Err(Failure::message(text, Some("`ntap examples` lists all of them")));
    }
    let width = found.iter().map(|example| example.path.len()).max().unwrap_or(0);
    let line = |example: &&Example| format!("{:width$}  {}\n", example.path, example.question());
    Ok(found.iter().map(line).collect())
}
