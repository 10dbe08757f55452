//! Differential test: a random function must give the same result natively (cranelift-jit, not
//! optimized) and in the kernel (`BPF_PROG_TEST_RUN`), for each instruction set, optimized or not.

use std::os::fd::OwnedFd;

use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module};
use ntap_compiler::backend::bpf::{self, BackendError, BpfOptions};
use ntap_compiler::facts::CpuVersion;

use crate::fuzz_functions::{INPUTS, Random, Side, generate};
use crate::kernel;

/// Functions tried without `NTAP_FUZZ`.
const DEFAULT_FUNCTIONS: u64 = 150;
const INPUTS_PER_FUNCTION: usize = 6;
/// Arguments a raw tracepoint program may read in a test run.
const CONTEXT_WORDS: usize = 12;

#[derive(Debug, Default)]
struct Counts {
    functions: u64,
    loads: u64,
    runs: u64,
    /// Refused by the verifier as too complex (nested loops).
    too_complex: u64,
    /// Refused by us because of the frame.
    frame_too_large: u64,
    largest: usize,
    most_spills: usize,
    instructions: [usize; 2],
}

#[test]
fn native_and_kernel_agree() {
    if !kernel::is_available() {
        return;
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (count, first) = (number("NTAP_FUZZ", DEFAULT_FUNCTIONS), number("NTAP_FUZZ_SEED", 1));
    let map = kernel::create_map(kernel::MAP_ARRAY, 4, 8, 1).expect("a map");
    let maps = [map];
    let cpus = kernel::cpu_versions();
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for seed in first..first + count {
        compare(seed, &cpus, &maps, &mut counts, &mut failures);
    }
    println!("{cpus:?}: {counts:?}");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(counts.runs > 0, "nothing was compared");
}

fn compare(
    seed: u64,
    cpus: &[CpuVersion],
    maps: &[OwnedFd],
    counts: &mut Counts,
    failures: &mut Vec<String>,
) {
    let mut random = Random::new(seed ^ 0xabcd_ef12_3457);
    let inputs: [[u64; INPUTS]; INPUTS_PER_FUNCTION] =
        std::array::from_fn(|_| std::array::from_fn(|_| random.constant() as u64));
    let expected = run_natively(seed, &inputs);
    counts.functions += 1;
    for optimize in [false, true] {
        let mut function = generate(seed, Side::Kernel);
        if optimize && let Err(error) = bpf::optimize(&mut function) {
            failures.push(format!("seed {seed}: {error}"));
            continue;
        }
        for &cpu in cpus {
            let case = format!("seed {seed} optimize={optimize} {cpu:?}");
            let code = match bpf::compile(&function, &BpfOptions { cpu, check: true }) {
                Ok(code) => code,
                Err(BackendError::FrameTooLarge { .. }) => {
                    counts.frame_too_large += 1;
                    continue;
                }
                Err(error) => {
                    failures.push(format!("{case}: {error}"));
                    continue;
                }
            };
            counts.largest = counts.largest.max(code.instructions.len());
            counts.most_spills = counts.most_spills.max(code.spill_slots);
            counts.instructions[usize::from(optimize)] += code.instructions.len();
            let program = match kernel::load(kernel::PROGRAM_RAW_TRACEPOINT, &code, maps) {
                Ok(program) => program,
                Err(refusal) if refusal.error.raw_os_error() == Some(libc::E2BIG) => {
                    counts.too_complex += 1;
                    continue;
                }
                Err(refusal) => {
                    failures.push(format!("{case}: {}: {}", refusal.error, refusal.reason));
                    continue;
                }
            };
            counts.loads += 1;
            for (input, expected) in inputs.iter().zip(&expected) {
                let mut context = [0; CONTEXT_WORDS];
                context[..INPUTS].copy_from_slice(input);
                kernel::run_raw_tracepoint(&program, &context).expect("a test run");
                let found = kernel::map_value(&maps[0], 0).expect("the result");
                counts.runs += 1;
                if found != *expected {
                    failures.push(format!(
                        "{case} of {input:x?}: natively {expected:x}, in the kernel {found:x}"
                    ));
                    break;
                }
            }
        }
    }
}

fn run_natively(seed: u64, inputs: &[[u64; INPUTS]]) -> Vec<u64> {
    let mut flags = settings::builder();
    for (name, value) in [("opt_level", "none"), ("is_pic", "false")] {
        flags.set(name, value).expect("a known setting");
    }
    let isa = cranelift_native::builder()
        .expect("a supported host")
        .finish(settings::Flags::new(flags))
        .expect("host settings");
    let builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
    let mut module = JITModule::new(builder);
    let function = generate(seed, Side::Native);
    let id =
        module.declare_function("f", Linkage::Local, &function.signature).expect("a declaration");
    let mut context = module.make_context();
    context.func = function;
    module.define_function(id, &mut context).expect("native code");
    module.finalize_definitions().expect("native code");
    let code = module.get_finalized_function(id);
    // SAFETY: the function was compiled with this signature, reads only its inputs, and its memory
    // is freed after the last call.
    let native: extern "C" fn(*const u64) -> u64 = unsafe { std::mem::transmute(code) };
    let results = inputs.iter().map(|input| native(input.as_ptr())).collect();
    // SAFETY: nothing refers to the module's code any more.
    unsafe { module.free_memory() };
    results
}
