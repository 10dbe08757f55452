//! The suites of `tests/suite/`: scripts with the text each stage makes of them, and with what they print.
//!
//! ```text
//! cargo test --test suite                    all of them
//! cargo test --test suite -- kernel/ limit   those with one of the words in their name
//! NTAP_BLESS=1 cargo test --test suite       rewrite what is expected
//! ```
//!
//! The binary is also the process that the kernel suite watches: see `runner/workload.rs`.

mod runner;

use std::process::ExitCode;

use runner::{
    Outcome, Suite, both, cases, cases::Case, garbled, generated, judged, one_liners, privilege,
    scripts, session, stages, workload,
};

const SUITES: &[Suite] = &[
    // Those of the syntax belong to tests/syntax.rs.
    Suite {
        takes: |case| !case.name.starts_with("errors/syntax-"),
        ..pure("errors", stages::errors)
    },
    Suite { cases: judged::cases, ..pure("judged", judged::run) },
    pure("types", stages::types),
    pure("split", stages::split),
    pure("clif", stages::clif),
    pure("bpf", stages::bpf),
    Suite { at_once: 4, ..pure("run", session::run) },
    Suite { at_once: 2, hindrance: privilege::hindrance, ..pure("kernel", session::run) },
    Suite { at_once: 2, hindrance: privilege::hindrance, ..pure("both", both::run) },
    Suite { at_once: 4, hindrance: privilege::hindrance, ..pure("scripts", scripts::run) },
    Suite {
        cases: one_liners::cases,
        at_once: 4,
        hindrance: privilege::hindrance,
        ..pure("one-liners", scripts::run)
    },
    Suite { hindrance: privilege::function_hindrance, ..pure("vm", session::run) },
    Suite { hindrance: privilege::source_hindrance, ..pure("debug-info", session::run) },
];

/// A suite that runs everywhere.
const fn pure(stage: &'static str, run: fn(&Case) -> Result<(), String>) -> Suite {
    Suite { stage, cases: cases::cases, run, takes: |_| true, at_once: 1, hindrance: || None }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == workload::WORD).is_some() {
        return match workload::run(words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    // Options are those of the usual test harness, which has more targets than this one.
    let words: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
    let mut all = Outcome::default();
    let outcomes = SUITES.iter().map(|suite| runner::run(suite, &words));
    let programs = std::iter::once_with(|| generated::run(&words));
    let scripts = std::iter::once_with(|| garbled::run(&words));
    for outcome in outcomes.chain(programs).chain(scripts) {
        all.passed += outcome.passed;
        all.failed += outcome.failed;
        all.skipped += outcome.skipped;
        all.unmet += outcome.unmet;
        all.alone += outcome.alone;
        all.failures.extend(outcome.failures);
    }
    println!(
        "\nsuites: {} passed ({} of them at a second try), {} failed, {} known to fail, {} skipped",
        all.passed, all.alone, all.failed, all.unmet, all.skipped
    );
    // Said again where the output ends: logs are long.
    for (name, failure) in &all.failures {
        println!("\nfailed: {name}\n{}", failure.trim_end());
    }
    if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
