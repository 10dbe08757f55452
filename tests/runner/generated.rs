//! Random programs in both halves: every one passes the verifier, and prints the same in both.
//!
//! ```text
//! cargo test --test suite -- generated                  40 programs
//! NTAP_FUZZ=5000 cargo test --test suite -- generated   so many
//! NTAP_FUZZ_SEED=7                                      from this seed on
//! ```
//!
//! Several programs run in one session. When it fails they run one by one, and what fails is made
//! smaller, statement by statement, as long as it fails in the same way.

use std::fmt;

use super::both::{self, Parts, Side};
use super::generator::generate;
use super::{Outcome, cases, privilege, quiet};

/// Programs tried without `NTAP_FUZZ`.
const PROGRAMS: u64 = 40;
/// How often each body runs.
const HITS: usize = 3;
/// Programs in one session.
const TOGETHER: u64 = 5;
/// Attempts to make a failing program smaller.
const ATTEMPTS: usize = 300;

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// The user half does not run it.
    User(String),
    /// The kernel half does not run it.
    Kernel(String),
    /// The halves print different things.
    Differ(String),
}

impl Failure {
    /// Whether another failure is of the same kind.
    fn is_like(&self, other: &Failure) -> bool {
        match (self, other) {
            (Failure::User(a), Failure::User(b)) | (Failure::Kernel(a), Failure::Kernel(b)) => {
                code(a) == code(b)
            }
            (Failure::Differ(_), Failure::Differ(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::User(why) => write!(f, "the user half fails\n{why}"),
            Failure::Kernel(why) => write!(f, "the kernel half fails\n{why}"),
            Failure::Differ(how) => {
                write!(f, "the kernel half (+) differs from the user half (-)\n{how}")
            }
        }
    }
}

/// The code of the first message, or all of it.
fn code(why: &str) -> &str {
    why.find("[E").and_then(|at| why.get(at + 1..at + 6)).unwrap_or(why)
}

/// Runs the programs, if they are among those chosen.
pub(crate) fn run(words: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    if !words.is_empty() && !words.iter().any(|word| "generated".contains(word.as_str())) {
        return outcome;
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (count, first) = (number("NTAP_FUZZ", PROGRAMS), number("NTAP_FUZZ_SEED", 1));
    if let Some(reason) = privilege::hindrance() {
        outcome.skipped = count as usize;
        println!("generated: {count} skipped: {reason}");
        return outcome;
    }
    let mut seed = first;
    while seed < first + count {
        let seeds: Vec<u64> = (seed..(seed + TOGETHER).min(first + count)).collect();
        let programs: Vec<Parts> = seeds.iter().map(|&seed| generate(seed)).collect();
        seed += TOGETHER;
        let Err(together) = compare(&programs) else {
            outcome.passed += programs.len();
            continue;
        };
        quiet::wait();
        let mut alone = 0;
        for (seed, program) in seeds.iter().zip(&programs) {
            match compare(std::slice::from_ref(program)) {
                Ok(()) => outcome.passed += 1,
                Err(failure) => {
                    alone += 1;
                    let (program, failure) = smaller(program.clone(), failure);
                    let script = both::script(Side::Kernel, &[program], HITS);
                    println!("---- generated, seed {seed}\n{script}{failure}\n");
                    outcome.fail(&format!("generated, seed {seed}"), format!("{script}{failure}"));
                }
            }
        }
        if alone > 0 {
            continue;
        }
        // Each passes alone: it is both of them, or it was chance.
        match compare(&programs) {
            Ok(()) => {
                outcome.alone += programs.len();
                println!(
                    "generated, seeds {seeds:?}: passed at a second try, but first:\n{together}"
                );
            }
            Err(failure) => {
                println!("---- generated, seeds {seeds:?}: only together they fail\n{failure}");
                outcome.fail(&format!("generated, seeds {seeds:?}, together"), failure.to_string());
            }
        }
    }
    println!("generated: {} passed, {} failed", outcome.passed, outcome.failed);
    outcome
}

/// Runs programs in both halves.
fn compare(programs: &[Parts]) -> Result<(), Failure> {
    let run = |side| {
        // Several runs may be going on.
        let name = format!("generated-{}", std::process::id());
        let path = both::write(side, &name, &both::script(side, programs, HITS))?;
        let finished = both::run_file(side, &path, HITS, &[]);
        std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        finished
    };
    let user = run(Side::User).map_err(Failure::User)?;
    if user.status != "0" || !user.stderr.is_empty() {
        return Err(Failure::User(user.stderr));
    }
    let kernel = run(Side::Kernel).map_err(Failure::Kernel)?;
    if kernel.status != "0" || !kernel.stderr.is_empty() {
        return Err(Failure::Kernel(kernel.stderr));
    }
    if user.stdout != kernel.stdout {
        return Err(Failure::Differ(cases::difference(&user.stdout, &kernel.stdout)));
    }
    Ok(())
}

/// Leaves statements out as long as the failure stays.
fn smaller(mut program: Parts, mut failure: Failure) -> (Parts, Failure) {
    let mut attempts = 0;
    let mut at = 0;
    loop {
        let sections = [&program.body, &program.end, &program.declarations, &program.input];
        let lines: Vec<usize> = sections.map(|text| text.lines().count()).to_vec();
        if at >= lines.iter().sum() || attempts >= ATTEMPTS {
            return (program, failure);
        }
        let mut line = at;
        let mut section = 0;
        while line >= lines[section] {
            line -= lines[section];
            section += 1;
        }
        let mut candidate = program.clone();
        let text = match section {
            0 => &mut candidate.body,
            1 => &mut candidate.end,
            2 => &mut candidate.declarations,
            _ => &mut candidate.input,
        };
        let Some(without) = without_statement(text, line) else {
            at += 1;
            continue;
        };
        *text = without;
        attempts += 1;
        match compare(std::slice::from_ref(&candidate)) {
            Err(other) if other.is_like(&failure) => (program, failure) = (candidate, other),
            _ => at += 1,
        }
    }
}

/// The lines without the one, and without those of its block.
fn without_statement(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut depth = 0_i32;
    let mut end = line;
    for (at, text) in lines.iter().enumerate().skip(line) {
        for character in text.chars() {
            depth += i32::from(character == '{') - i32::from(character == '}');
            if depth < 0 {
                return None;
            }
        }
        if depth == 0 {
            end = at;
            break;
        }
    }
    let kept = lines[..line].iter().chain(&lines[end + 1..]);
    Some(kept.map(|line| format!("{line}\n")).collect())
}
