//! Runs suites of cases and says what failed.

pub(crate) mod both;
mod busy;
pub(crate) mod calls;
pub(crate) mod cases;
pub(crate) mod garbled;
pub(crate) mod generated;
pub(crate) mod generator;
pub(crate) mod judged;
pub(crate) mod marks;
pub(crate) mod module_sockets;
mod network;
pub(crate) mod one_liners;
pub(crate) mod privilege;
pub(crate) mod quiet;
pub(crate) mod recorded_kernel;
pub(crate) mod scripts;
pub(crate) mod session;
pub(crate) mod stages;
pub(crate) mod steps;
mod storage;
pub(crate) mod workload;

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use cases::Case;

/// A folder of cases with what is done with each.
pub(crate) struct Suite {
    /// The folder under `tests/suite/`.
    pub(crate) stage: &'static str,
    /// The cases of the stage.
    pub(crate) cases: fn(&str) -> Vec<Case>,
    /// Runs a case; the error says what is wrong.
    pub(crate) run: fn(&Case) -> Result<(), String>,
    /// Cases of the folder that belong to it.
    pub(crate) takes: fn(&Case) -> bool,
    /// How many run at a time. When there are several, those that fail get a second try, alone, which is said and
    /// counted: what they watch may have come late on a busy machine. Cases named `exact-` get none.
    pub(crate) at_once: usize,
    /// Why none of them can run here.
    pub(crate) hindrance: fn() -> Option<String>,
}

/// How a suite went.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Cases that did as expected.
    pub(crate) passed: usize,
    /// Cases that did not.
    pub(crate) failed: usize,
    /// Cases that could not run here.
    pub(crate) skipped: usize,
    /// Cases that failed, and say in their header why: `# unmet: reason`. For what goes wrong by
    /// chance; what goes wrong always is asserted as it is.
    pub(crate) unmet: usize,
    /// Cases among those that passed that failed beside others and passed alone.
    pub(crate) alone: usize,
    /// The names of those that failed, each with what is wrong.
    pub(crate) failures: Vec<(String, String)>,
}

impl Outcome {
    /// Notes a failure.
    pub(crate) fn fail(&mut self, name: &str, failure: String) {
        self.failed += 1;
        self.failures.push((name.to_string(), failure));
    }
}

/// As many cases of a suite as may get a second try: more failures than these are no chance.
const SECOND_TRIES: usize = 4;

/// Runs the cases whose name holds one of the words; all when there are none.
pub(crate) fn run(suite: &Suite, words: &[String]) -> Outcome {
    let is_chosen = |case: &Case| {
        words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()))
    };
    let chosen: Vec<Case> =
        (suite.cases)(suite.stage).into_iter().filter(suite.takes).filter(is_chosen).collect();
    let mut outcome = Outcome::default();
    if chosen.is_empty() {
        return outcome;
    }
    if let Some(reason) = (suite.hindrance)() {
        outcome.skipped = chosen.len();
        println!("{}: {} skipped: {reason}", suite.stage, outcome.skipped);
        note(chosen.iter().map(|case| (case, "skip")));
        return outcome;
    }
    let mut failures = failures(suite, &chosen);
    if (1..=SECOND_TRIES).contains(&failures.len()) && suite.at_once > 1 {
        failures.retain_mut(|(case, failure)| {
            if case.name.contains("exact-") {
                return true;
            }
            quiet::wait();
            let second = failure_of(suite, case);
            let passed = second.is_none();
            if let Some(second) = second
                && second != *failure
            {
                failure.push_str(&format!("\n-- and alone:\n{second}"));
            }
            if passed {
                outcome.alone += 1;
                println!(
                    "{}: passed alone, but beside others:\n{}\n",
                    case.name,
                    failure.trim_end()
                );
            }
            !passed
        });
    }
    note(chosen.iter().map(
        |case| match failures.iter().any(|(failed, _)| failed.name == case.name) {
            true if excuse(case).is_some() => (case, "unmet"),
            true => (case, "fail"),
            false => (case, "pass"),
        },
    ));
    for (case, failure) in failures {
        match excuse(case) {
            Some(reason) => {
                outcome.unmet += 1;
                println!("{}: known to fail: {reason}", case.name);
            }
            None => {
                println!("---- {}\n{}\n", case.name, failure.trim_end());
                outcome.fail(&case.name, failure);
            }
        }
    }
    outcome.passed = chosen.len() - outcome.failed - outcome.unmet;
    println!("{}: {} passed, {} failed", suite.stage, outcome.passed, outcome.failed);
    outcome
}

/// Why a case may fail: where chance has a part in it, or here, where the kernel is older than what it needs
/// (`# since: 6.4: what`) or the CPU is emulated.
fn excuse(case: &Case) -> Option<&str> {
    let emulated = || case.header("emulated").filter(|_| session::is_emulated());
    let too_old = || case.header("since").filter(|since| session::is_before(since));
    case.header("unmet").or_else(too_old).or_else(emulated)
}

/// Appends how cases went to the file that NTAP_RESULTS names: for tables of several kernels.
fn note<'c>(outcomes: impl Iterator<Item = (&'c Case, &'static str)>) {
    let Some(path) = std::env::var_os("NTAP_RESULTS") else { return };
    let lines: String =
        outcomes.map(|(case, outcome)| format!("{} {outcome}\n", case.name)).collect();
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(lines.as_bytes()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A case that takes longer does not end: all of a case's sessions together have this much time.
const LONGEST: Duration = Duration::from_secs(300);

/// Ends all tests when a case does not end, and says which: until the result is dropped.
fn watch(case: &Case) -> mpsc::Sender<()> {
    let (running, ended) = mpsc::channel();
    let name = case.name.clone();
    let longest = LONGEST * session::time_factor();
    thread::spawn(move || {
        if ended.recv_timeout(longest) == Err(mpsc::RecvTimeoutError::Timeout) {
            let seconds = longest.as_secs();
            println!("\nsuites: not all of them ran\n\nfailed: {name}\nno end after {seconds} s");
            std::process::exit(1);
        }
    });
    running
}

/// Runs a case; what is wrong.
fn failure_of(suite: &Suite, case: &Case) -> Option<String> {
    let _running = watch(case);
    match catch_unwind(AssertUnwindSafe(|| (suite.run)(case))) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some("it panicked; the message is above".to_string()),
    }
}

fn failures<'c>(suite: &Suite, chosen: &'c [Case]) -> Vec<(&'c Case, String)> {
    let (alone, beside): (Vec<&Case>, Vec<&Case>) =
        chosen.iter().partition(|case| case.header("alone").is_some());
    let mut failures = failures_of(suite, &beside, suite.at_once);
    failures.extend(failures_of(suite, &alone, 1));
    failures.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    failures
}

fn failures_of<'c>(suite: &Suite, chosen: &[&'c Case], at_once: usize) -> Vec<(&'c Case, String)> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(&case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(failure) = failure_of(suite, case) else { continue };
                    let mut list = failures.lock().unwrap_or_else(|broken| broken.into_inner());
                    list.push((case, failure));
                }
            });
        }
    });
    failures.into_inner().unwrap_or_else(|broken| broken.into_inner())
}
