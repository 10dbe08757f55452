//! CLIF files with the code expected from them.
//!
//! A `.clif` file holds functions; comment lines at its top choose the options: `; cpu v3` and
//! `; optimize`. The `.bpf` file beside it holds the listing of each function, or the error.
//! `NTAP_BLESS=1` rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use cranelift_codegen::ir::Function;
use ntap_compiler::backend::bpf::{self, BpfOptions, RelocationKind};
use ntap_compiler::facts::CpuVersion;

#[test]
fn listings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/bpf-backend");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the suite folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "clif"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {}", folder.display());
    let mut wrong = 0;
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a case");
        let listing = listing(&text, path);
        let expected_path = path.with_extension("bpf");
        if std::env::var_os("NTAP_BLESS").is_some() {
            std::fs::write(&expected_path, &listing).expect("the expected text is writable");
            continue;
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if listing != expected {
            wrong += 1;
            println!("{}:\n--- expected\n{expected}--- found\n{listing}", path.display());
        }
    }
    assert_eq!(wrong, 0, "{wrong} of {} listings differ", paths.len());
    println!("{} listings", paths.len());
}

fn listing(text: &str, path: &Path) -> String {
    let has_option = |option: &str| {
        text.lines().take_while(|line| line.starts_with(';')).any(|line| line[1..].trim() == option)
    };
    let cpu = if has_option("cpu v3") { CpuVersion::V3 } else { CpuVersion::V4 };
    let functions = cranelift_reader::parse_functions(text)
        .unwrap_or_else(|error| panic!("{}:{error}", path.display()));
    let mut listing = String::new();
    for mut function in functions {
        if !listing.is_empty() {
            listing.push('\n');
        }
        let _ = writeln!(listing, "{}:", function.name);
        match compile(&mut function, has_option("optimize"), cpu) {
            Ok(text) => listing.push_str(&text),
            Err(error) => {
                let _ = writeln!(listing, "error: {error}");
            }
        }
    }
    listing
}

fn compile(
    function: &mut Function,
    optimize: bool,
    cpu: CpuVersion,
) -> Result<String, bpf::BackendError> {
    if optimize {
        bpf::optimize(function)?;
    }
    let code = bpf::compile(function, &BpfOptions { cpu, check: true })?;
    let name = |kind| match kind {
        RelocationKind::Map(index) => format!("map{index}"),
        RelocationKind::Data(index) => format!("data{index}"),
        RelocationKind::SubprogramCall(index) | RelocationKind::SubprogramAddress(index) => {
            format!("function{index}")
        }
        RelocationKind::CoreField(index) => format!("field{index}"),
    };
    let mut text = bpf::disassemble(&code, &name, &|location| Some(format!("location {location}")));
    if code.frame_bytes > 0 {
        let _ = writeln!(text, "stack: {} bytes", code.frame_bytes);
    }
    Ok(text)
}
