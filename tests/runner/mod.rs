//! Runs suites of cases and says what failed.

pub mod cases;
pub mod privilege;
pub mod recorded_kernel;
pub mod session;
pub mod stages;
pub mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cases::Case;

/// A folder of cases with what is done with each.
pub struct Suite {
    /// The folder under `tests/suite/`.
    pub stage: &'static str,
    /// Runs a case; the error says what is wrong.
    pub run: fn(&Case) -> Result<(), String>,
    /// Cases of the folder that belong to it.
    pub takes: fn(&Case) -> bool,
    /// How many run at a time.
    pub at_once: usize,
    /// Why none of them can run here.
    pub hindrance: fn() -> Option<String>,
}

/// How a suite went.
#[derive(Default)]
pub struct Outcome {
    /// Cases that did as expected.
    pub passed: usize,
    /// Cases that did not.
    pub failed: usize,
    /// Cases that could not run here.
    pub skipped: usize,
}

/// Runs the cases whose name holds one of the words; all when there are none.
pub fn run(suite: &Suite, words: &[String]) -> Outcome {
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
        return outcome;
    }
    let failures = failures(suite, &chosen);
    outcome.failed = failures.len();
    outcome.passed = chosen.len() - outcome.failed;
    for (name, failure) in &failures {
        println!("---- {name}\n{}\n", failure.trim_end());
    }
    println!("{}: {} passed, {} failed", suite.stage, outcome.passed, outcome.failed);
    outcome
}

fn failures(suite: &Suite, chosen: &[Case]) -> Vec<(String, String)> {
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
                    list.push((case.name.clone(), failure));
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(|broken| broken.into_inner());
    failures.sort();
    failures
}
