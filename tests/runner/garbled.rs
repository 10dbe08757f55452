//! Scripts of the suites cut, glued and garbled at random, through the whole compiler: every one is
//! compiled or refused, in short time.
//!
//! `NTAP_FUZZ` and `NTAP_FUZZ_SEED` as for the generated programs; `NTAP_FUZZ_SECONDS=600` goes on for so long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ntap_compiler::diagnostic::{Diagnostics, RenderOptions, render};
use ntap_compiler::pipeline;
use ntap_compiler::source::SourceMap;

use super::recorded_kernel::RecordedKernel;
use super::workload::cpu_time;
use super::{Outcome, cases, stages};

/// Scripts tried without `NTAP_FUZZ`, and for how long at most.
const SCRIPTS: u64 = 2000;
const LONGEST: Duration = Duration::from_secs(5);
/// A script that takes longer is wrong.
const SLOW: Duration = Duration::from_secs(3);

/// Where the scripts come from.
const STAGES: &[&str] = &["errors", "types", "split", "bpf", "run", "kernel", "both"];

#[rustfmt::skip]
const SNIPPETS: &[&str] = &[
    "(", ")", "{", "}", "[", "]", ";", ",", ".", "?", ":", "=", "+", "-", "!", "++", "--", "<<<", "in ",
    "\"", "\"text\"", "0", "1", "-1", "9223372036854775807", "$1", "@1", "$id", "$regs", "$ret", "->di",
    "->", "$$parms", "@count(", "@min(", "@hist_log(", "@defined(", "@cast(", "@entry(", "probe ",
    "probe begin { ", "probe kernel.trace(\"sys_enter\") { ", "probe timer.s(1) { ", "probe end { ",
    "global ", "global a[3] ", "function f(x) { ", "return ", "next ", "break ", "continue ", "delete ",
    "foreach (k in a) ", "foreach ([k, l-] in a limit 2) ", "try { ", "} catch (m) { ", "if (", "else ",
    "while (1) ", "for (;;) ", "a", "a[1]", "x", "pid()", "execname()", "symname(", "sprintf(\"%d %s\", ",
    "printf(\"%s\", ", "print(", "strlen(", "error(\"e\")", "exit()", "a <<< 1", "s .= ", "=~ \"a.*b\"",
];

/// Runs them, if they are among what is chosen.
pub(crate) fn run(words: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    if !words.is_empty() && !words.iter().any(|word| "garbled".contains(word.as_str())) {
        return outcome;
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let (count, longest) = match (number("NTAP_FUZZ"), number("NTAP_FUZZ_SECONDS")) {
        (Some(count), _) => (count, Duration::MAX),
        (None, Some(seconds)) => (u64::MAX >> 1, Duration::from_secs(seconds)),
        (None, None) => (SCRIPTS, LONGEST),
    };
    let first: u64 = number("NTAP_FUZZ_SEED").unwrap_or(1);
    let texts: Vec<String> =
        STAGES.iter().flat_map(|stage| cases::cases(stage)).map(|case| case.text).collect();
    let kernel = RecordedKernel::read(stages::KERNEL);
    let start = cpu_time();
    let mut compiled = 0;
    for seed in first..first + count {
        if cpu_time() - start > longest {
            break;
        }
        let text = garble(seed, &texts);
        let one = cpu_time();
        match catch_unwind(AssertUnwindSafe(|| compile(&text, &kernel))) {
            Ok(_) if cpu_time() - one > SLOW => {
                outcome.fail(&format!("garbled, seed {seed}: {:?}", cpu_time() - one), text);
            }
            Ok(is_compiled) => {
                outcome.passed += 1;
                compiled += usize::from(is_compiled);
            }
            Err(_) => {
                let name = format!("garbled, seed {seed}: it panicked; the message is above");
                outcome.fail(&name, text);
            }
        }
    }
    for (name, failure) in &outcome.failures {
        println!("---- {name}\n{failure}\n");
    }
    println!(
        "garbled: {} passed, {} failed; {compiled} were compiled to the end; {} seconds",
        outcome.passed,
        outcome.failed,
        (cpu_time() - start).as_secs()
    );
    // When nothing compiles any more, the later stages are not tried.
    if longest == LONGEST && compiled < 20 {
        outcome.fail("garbled", format!("too few scripts are compiled: {compiled}"));
    }
    outcome
}

/// Compiles to the end; whether there was no error. Messages are written, too.
fn compile(text: &str, kernel: &RecordedKernel) -> bool {
    let arguments = ["1".to_string(), "\"two\"".to_string(), "getppid".to_string()];
    let options = stages::options(&arguments, kernel);
    let mut sources = SourceMap::default();
    sources.add("garbled", text);
    let mut diagnostics = Diagnostics::default();
    let compiled = pipeline::parse(&mut sources, &options, &mut diagnostics)
        .and_then(|parsed| parsed.analyze(&options, &mut diagnostics))
        .and_then(|analyzed| analyzed.compile(&sources, &options, &mut diagnostics));
    let written = render(&diagnostics, &sources, RenderOptions::default());
    assert_eq!(written.is_empty(), diagnostics.is_empty());
    assert_eq!(compiled.is_some(), !diagnostics.has_errors());
    compiled.is_some()
}

/// A script that was changed in one to four places.
fn garble(seed: u64, texts: &[String]) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) % bound.max(1) as u64) as usize
    };
    let mut text: Vec<char> = texts[below(texts.len())].chars().collect();
    for _ in 0..1 + below(4) {
        let at = below(text.len() + 1);
        let until = (at + below(12)).min(text.len());
        match below(8) {
            0 => drop(text.drain(at..until)),
            1 | 2 => drop(text.splice(at..at, SNIPPETS[below(SNIPPETS.len())].chars())),
            3 => drop(text.splice(at..until, SNIPPETS[below(SNIPPETS.len())].chars())),
            4 => {
                // A line of another script.
                let lines: Vec<&str> = texts[below(texts.len())].lines().collect();
                let line = lines.get(below(lines.len())).copied().unwrap_or_default();
                let at = text[at..].iter().position(|&c| c == '\n').map_or(text.len(), |n| at + n);
                drop(text.splice(at..at, format!("\n{line}").chars()));
            }
            5 => {
                // All of another script.
                text.push('\n');
                text.extend(texts[below(texts.len())].chars());
            }
            6 => {
                // A line less.
                let begin = text[..at].iter().rposition(|&c| c == '\n').map_or(0, |n| n + 1);
                let end = text[at..].iter().position(|&c| c == '\n').map_or(text.len(), |n| at + n);
                drop(text.drain(begin..end));
            }
            _ => {
                // A word for another.
                let words: Vec<usize> = (0..text.len())
                    .filter(|&n| text[n].is_alphanumeric())
                    .filter(|&n| n == 0 || !text[n - 1].is_alphanumeric())
                    .collect();
                if words.is_empty() {
                    continue;
                }
                let word = |n: usize| {
                    let length = text[n..].iter().take_while(|c| c.is_alphanumeric()).count();
                    text[n..n + length].to_vec()
                };
                let (from, to) = (words[below(words.len())], words[below(words.len())]);
                let (new, old) = (word(from), word(to));
                drop(text.splice(to..to + old.len(), new));
            }
        }
    }
    text.into_iter().collect()
}
