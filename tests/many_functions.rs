//! A pattern that stands for more functions of a program than a process may have files open by default.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const NTAP: &str = env!("CARGO_BIN_EXE_ntap");
const FUNCTIONS: usize = 1200;

#[test]
fn every_function_of_a_program() {
    // SAFETY: asks for a number and cannot fail.
    if unsafe { libc::geteuid() } != 0 || !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: probes need root and the kernel's types");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (folder.join("many_functions.c"), folder.join("many_functions"));
    let mut text = String::new();
    let mut calls = String::new();
    for at in 0..FUNCTIONS {
        let _ =
            writeln!(text, "__attribute__((noinline)) int many_{at}(int n) {{ return n + {at}; }}");
        let _ = write!(calls, "n = many_{at}(n);");
    }
    let _ = write!(text, "int main(void) {{ int n = 0; {calls} return n == 0; }}");
    std::fs::write(&source, text).expect("a source file");
    match Command::new("cc").arg("-o").args([&program, &source]).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            println!("skipped: cc: {error}");
            return;
        }
    }
    let program = program.to_str().expect("a path of text");
    let script = format!(
        "global n probe process(\"{program}\").function(\"many_*\") {{ n++ }} probe end {{ println(n) }}"
    );
    let mut command = Command::new("timeout");
    command.args(["240", NTAP, "-c", &format!("'{program}'"), "-e", &script]);
    let output = command.stdin(Stdio::null()).output().expect("ntap starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!((printed.as_ref(), said.as_ref()), (format!("{FUNCTIONS}\n").as_str(), ""));
}
