//! Ten minutes.

use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::tracer::{Hammer, Tracer};

/// Two counts of the same events, one of which is read and deleted 100 times a second; a line every minute.
const SCRIPT: &str = "global n, a, h, total, buckets, minutes
probe kernel.trace(\"sys_enter\") {
  if (pid() == target() && $id == $1) { n++; a[tid() & 1, execname()]++; h <<< $id }
}
probe timer.ms(10) {
  foreach (v = [t, e] in a) total += v
  delete a
}
probe timer.s(60) { printf(\"%d %d\\n\", ++minutes, n) }
probe end {
  foreach (v = [t, e] in a) total += v
  printf(\"end %d %d %d\\n\", n, total, @count(h))
}";

pub(crate) fn measure(ntap: &Path) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let minutes: u64 = std::env::var("MINUTES").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let limit = (minutes * 60 + 1).to_string();
    println!("\n### {minutes} minutes, {cpus} CPUs\n");
    measure::table(&["minute", "events", "resident set of ntap, KiB", "open files"]);
    let mut hammer = Hammer::new(0..cpus, None);
    let mut tracer = Tracer::ntap(ntap, hammer.pid(), &["-T", &limit, "--overload", "100"], SCRIPT);
    let pid = tracer.pid();
    let output = BufReader::new(tracer.output());
    hammer.go();
    let mut end = String::new();
    for line in output.lines() {
        let line = line.expect("text");
        let Some((minute, events)) = line.split_once(' ').filter(|(m, _)| *m != "end") else {
            end = line;
            continue;
        };
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let row = [minute.to_owned(), events.to_owned(), resident(pid), files.to_string()];
        measure::row(&row);
    }
    hammer.kill();
    let (messages, _) = tracer.wait();
    let numbers: Vec<i64> =
        end.split_whitespace().skip(1).map(|n| n.parse().expect("a number")).collect();
    let [counted, intervals, histogram] = numbers[..] else { panic!("{end}") };
    println!(
        "\n{counted} events; the intervals' sum differs by {}, the aggregate's count by {}.",
        intervals - counted,
        histogram - counted
    );
    print!("{messages}");
}

fn resident(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(String::new, |text| text.trim().trim_end_matches(" kB").to_owned())
}
