//! Loads every form of the risk table: with the front end's rules applied it must be accepted,
//! whether optimized or not.

use ntap_compiler::backend::bpf::{self, BpfOptions};

use crate::clif;
use crate::kernel;
use crate::risk_table::{Form, RISKS, Verdict};

#[test]
fn forms_by_the_rules_are_accepted() {
    if !kernel::is_available() {
        return;
    }
    let map = kernel::create_map(kernel::MAP_HASH, 4, 64, 1).expect("a map");
    let maps = [map];
    let mut failures = Vec::new();
    let (mut accepted, mut rejected_naive) = (0, 0);
    for cpu in kernel::cpu_versions() {
        for risk in RISKS {
            for form in [Form::Naive, Form::ByTheRules] {
                for optimize in [false, true] {
                    let mut function =
                        clif::function(1, |build, values| (risk.build)(build, values[0], form));
                    if optimize {
                        bpf::optimize(&mut function).expect("the optimizer takes valid CLIF");
                    }
                    let code = bpf::compile(&function, &BpfOptions { cpu, check: true })
                        .unwrap_or_else(|error| panic!("{}: {error}", risk.name));
                    let loaded = kernel::load(kernel::PROGRAM_TRACEPOINT, &code, &maps);
                    let case = format!("{} {form:?} optimize={optimize} {cpu:?}", risk.name);
                    match (loaded, form) {
                        (Ok(_), _) => accepted += 1,
                        (Err(_), Form::Naive) => rejected_naive += 1,
                        (Err(refusal), Form::ByTheRules) => match risk.by_the_rules {
                            Verdict::Accepted => failures.push(format!(
                                "{case} ({}): {}: {}",
                                risk.what, refusal.error, refusal.reason
                            )),
                            Verdict::Rejected => {}
                        },
                    }
                }
            }
        }
    }
    println!(
        "{} risks: {accepted} loads accepted, {rejected_naive} naive forms rejected",
        RISKS.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The optimizer does what the rules are there for; should this change, so may the rules.
#[test]
fn naive_forms_are_rejected_as_recorded() {
    if !kernel::is_available() {
        return;
    }
    let map = kernel::create_map(kernel::MAP_HASH, 4, 64, 1).expect("a map");
    let maps = [map];
    let cpu = *kernel::cpu_versions().last().expect("at least one");
    for risk in RISKS {
        let mut function =
            clif::function(1, |build, values| (risk.build)(build, values[0], Form::Naive));
        bpf::optimize(&mut function).expect("the optimizer takes valid CLIF");
        let code = bpf::compile(&function, &BpfOptions { cpu, check: true }).expect("valid CLIF");
        let verdict = match kernel::load(kernel::PROGRAM_TRACEPOINT, &code, &maps) {
            Ok(_) => "accepted".to_string(),
            Err(refusal) => format!("rejected: {}", refusal.reason),
        };
        println!("{:22} recorded {:?}, found {verdict}", risk.name, risk.naive);
        // Older kernels are stricter, so only a rejection can be relied upon.
        if risk.naive == Verdict::Rejected {
            assert!(verdict.starts_with("rejected"), "{}: {verdict}", risk.name);
        }
    }
}
