//! Runs suites of cases and says what failed.

pub(crate) mod both;
pub(crate) mod calls;
pub(crate) mod cases;
pub(crate) mod garbled;
pub(crate) mod generated;
pub(crate) mod generator;
pub(crate) mod marks;
pub(crate) mod network;
pub(crate) mod privilege;
pub(crate) mod recorded_kernel;
pub(crate) mod scripts;
pub(crate) mod session;
pub(crate) mod stages;
pub(crate) mod steps;
pub(crate) mod workload;

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cases::Case;

/// A folder of cases with what is done with each.
pub(crate) struct Suite {
    /// The folder under `tests/suite/`.
    pub(crate) stage: &'static str,
    /// Runs a case; the error says what is wrong.
    pub(crate) run: fn(&Case) -> Result<(), String>,
    /// Cases of the folder that belong to it.
    pub(crate) takes: fn(&Case) -> bool,
    /// How many run at a time.
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
}

/// Runs the cases whose name holds one of the words; all when there are none.
pub(crate) fn run(suite: &Suite, words: &[String]) -> Outcome {
    let is_chosen = |case: &Case| {
        words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()))
    };
    let chosen: Vec<Case> =
        cases::cases(suite.stage).into_iter().filter(suite.takes).filter(is_chosen).collect();
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
    let failures = failures(suite, &chosen);
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
                outcome.failed += 1;
                println!("---- {}\n{}\n", case.name, failure.trim_end());
            }
        }
    }
    outcome.passed = chosen.len() - outcome.failed - outcome.unmet;
    println!("{}: {} passed, {} failed", suite.stage, outcome.passed, outcome.failed);
    outcome
}

/// Why a case may fail: where chance has a part in it, or here, where the CPU is emulated.
fn excuse(case: &Case) -> Option<&str> {
    let emulated = || case.header("emulated").filter(|_| session::is_emulated());
    case.header("unmet").or_else(emulated)
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

fn failures<'c>(suite: &Suite, chosen: &'c [Case]) -> Vec<(&'c Case, String)> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..suite.at_once {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = catch_unwind(AssertUnwindSafe(|| (suite.run)(case)));
                    let failure = match result {
                        Ok(Ok(())) => continue,
                        Ok(Err(failure)) => failure,
                        Err(_) => "it panicked; the message is above".to_string(),
                    };
                    let mut list = failures.lock().unwrap_or_else(|broken| broken.into_inner());
                    list.push((case, failure));
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(|broken| broken.into_inner());
    failures.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    failures
}
