//! The scripts of `scripts/`, as parts of the program: `ntap examples`, `ntap --example NAME`. A test
//! compares the list with the folders.

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
    "general/para-callgraph"
    "io/biolatency"
    "io/biosnoop"
    "io/cachestat"
    "io/deletions"
    "io/disktop"
    "io/inodewatch"
    "io/iotop"
    "io/vfsstat"
    "memory/faultcount"
    "memory/kmalloc"
    "memory/pagefaults"
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
    "net/tcpdrop"
    "net/tcplife"
    "net/tcpretrans"
    "net/tcprtt"
    "net/tcpstates"
    "net/txstacks"
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
    "profiling/ktimers"
    "profiling/offcputime"
    "profiling/profile"
    "profiling/runqlat"
    "profiling/softirqs"
}

impl Example {
    /// The name without the folder.
    fn name(&self) -> &'static str {
        self.path.rsplit_once('/').map_or(self.path, |(_, name)| name)
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
            true => "`ntap examples` lists them".to_string(),
            false => format!("there are {}", names.join(", ")),
        };
        Failure::message(format!("no example `{name}`"), Some(&help))
    })
}

/// The scripts whose name, folder or header contains all of the words, by folder; where there is none, those that
/// contain one of them.
pub(crate) fn list(words: &[String]) -> Result<String, Failure> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let hits = |example: &Example| {
        let header = example.text.lines().take_while(|line| line.starts_with('#'));
        let text = header.fold(example.path.to_lowercase(), |text, line| text + "\n" + line);
        let text = text.to_lowercase();
        words.iter().filter(|word| text.contains(word.as_str())).count()
    };
    let mut found: Vec<&Example> = EXAMPLES.iter().filter(|e| hits(e) == words.len()).collect();
    if found.is_empty() {
        found = EXAMPLES.iter().filter(|example| hits(example) > 0).collect();
    }
    if found.is_empty() {
        let text = format!("no example is about `{}`", words.join(" "));
        return Err(Failure::message(text, Some("`ntap examples` lists all of them")));
    }
    let width = found.iter().map(|example| example.path.len()).max().unwrap_or(0);
    let line = |example: &&Example| format!("{:width$}  {}\n", example.path, example.question());
    Ok(found.iter().map(line).collect())
}
