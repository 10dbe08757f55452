//! Tests on the files every machine has.

use super::*;

fn program(name: &str) -> Result<Rc<ProgramFile>, NoProgram> {
    Programs::default().program(ProgramName::File(name))
}

#[test]
fn programs_are_found_and_read() {
    let by_name = program("sh").unwrap();
    let by_path = program("/bin/sh").unwrap();
    assert_eq!(by_name.path, by_path.path);
    // The test itself has all its symbols, and its own name among them.
    let own = std::env::current_exe().unwrap();
    let own = program(own.to_str().unwrap()).unwrap();
    assert!(!own.stripped);
    assert!(own.functions.iter().any(|f| f.name.contains("programs_are_found_and_read")));
    assert!(own.functions.iter().any(|f| f.name == "main" && f.size > 0));
}

#[test]
fn libraries_are_found_by_name() {
    let programs = Programs::default();
    let own = std::env::current_exe().unwrap();
    let own = ProgramName::File(own.to_str().unwrap());
    let libc = programs.libraries(own, "libc.so.6").unwrap();
    assert_eq!(libc.len(), 1);
    assert!(libc[0].functions.iter().any(|f| f.name == "malloc" && f.exported));
    let mapped = programs.libraries(ProgramName::Process(std::process::id()), "libc.so.*").unwrap();
    assert_eq!(mapped[0].path, libc[0].path);
    let missing = programs.libraries(own, "libnone.so").unwrap_err();
    assert!(missing.help.unwrap().contains("libc.so.6"));
}

#[test]
fn what_is_no_program_is_named() {
    let reason = |name: &str| program(name).unwrap_err().reason;
    assert_eq!(reason("/no/such/file"), "/no/such/file: No such file or directory");
    assert_eq!(
        reason("no-such-program"),
        "there is no program `no-such-program` in the search path"
    );
    assert_eq!(reason("/etc/passwd"), "/etc/passwd is no ELF program");
    assert_eq!(reason("/tmp"), "/tmp is a folder");
    let file = std::env::temp_dir().join("ntap-test-script");
    fs::write(&file, format!("#!/bin/sh\n{}\n", "echo ".repeat(20))).unwrap();
    let missing = program(file.to_str().unwrap()).unwrap_err();
    assert!(missing.reason.ends_with("is a script"));
    assert_eq!(missing.help.unwrap(), "the program that runs is `/bin/sh`");
    fs::remove_file(file).unwrap();
    let gone = Programs::default().program(ProgramName::Process(4_000_000_000)).unwrap_err();
    assert_eq!(gone.reason, "there is no process 4000000000");
}
