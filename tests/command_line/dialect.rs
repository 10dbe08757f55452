//! What the command line says that scripts are told: words they do not ask for, the runtime, the version, and
//! which files of a directory of `-I` are for this kernel.

use super::{Folder, ntap, status, stderr, stdout};

#[test]
fn words_a_script_does_not_ask_for() {
    let script = "probe begin { println($2) exit() }";
    let output = ntap(&["-e", script, "1", "2", "3"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(0), "2\n"));
    let said =
        "WARNING: unused command line option $1/@1\nWARNING: unused command line option $3/@3\n";
    assert_eq!(stderr(&output), said);
    assert_eq!(stderr(&ntap(&["-w", "-e", script, "1", "2", "3"])), "");
    assert_eq!(status(&ntap(&["-W", "-e", script, "1", "2", "3"])), Some(1));
    let counts = "probe begin { println($#) exit() }";
    assert_eq!(stderr(&ntap(&["-e", counts, "1", "2", "3"])), "");
    let listed = "probe begin { println(argv[1]) exit() }";
    assert_eq!(stderr(&ntap(&["-e", listed, "1", "2", "3"])), "");
}

#[test]
fn the_runtime_and_the_version_are_what_options_say() {
    let script = "probe begin { print(%( runtime == \"kernel\" %? 1 %: 2 %)) \
                  print(%( runtime == \"bpf\" %? 1 %: 2 %)) println(%( systemtap_v < \"2.0\" %? 1 %: 2 %)) exit() }";
    let told = |options: &[&str]| stdout(&ntap(&[options, &["-e", script]].concat()));
    assert_eq!(told(&[]), "122\n");
    assert_eq!(told(&["--runtime=kernel"]), "122\n");
    assert_eq!(told(&["--bpf", "--compatible=1.8"]), "211\n");
    assert_eq!(told(&["--runtime=bpf"]), "212\n");
    assert_eq!(told(&["--dyninst"]), "222\n");
    let output = ntap(&["--runtime=other", "-e", script]);
    assert_eq!((status(&output), stdout(&output).as_str()), (Some(1), ""));
}

/// `-I DIR`: the files of the directory, and those of its folders for this kernel and this architecture.
#[test]
fn folders_for_a_kernel() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let release = release.trim();
    let parts: Vec<&str> = release.split(['.', '-']).take(2).collect();
    let short = parts.join(".");
    let machine = if cfg!(target_arch = "x86_64") { "x86_64" } else { "arm64" };
    let folder = Folder::new("folders-for-a-kernel");
    let functions = [
        (String::new(), "one"),
        (format!("{release}/{machine}"), "two"),
        (short, "three"),
        (machine.to_string(), "four"),
        ("linux".to_string(), "five"),
        ("0.1".to_string(), "six"),
        ("0.1/x86_64".to_string(), "six"),
        ("other".to_string(), "six"),
    ];
    for (path, name) in &functions {
        let path = folder.0.join(path);
        std::fs::create_dir_all(&path).expect("a folder");
        let text = format!("function {name}() {{ return \"{name}\" }}\n");
        std::fs::write(path.join(format!("{name}.stp")), text).expect("a file");
    }
    let directory = folder.0.to_str().expect("a path in UTF-8");
    let script = "probe begin { println(one(), two(), three(), four(), five()) exit() }";
    let output = ntap(&["-I", directory, "-e", script]);
    assert_eq!(stdout(&output), "onetwothreefourfive\n", "{}", stderr(&output));
    let output = ntap(&["-I", directory, "-e", "probe begin { println(six()) exit() }"]);
    assert!(stderr(&output).contains("unresolved function `six`"), "{}", stderr(&output));
}
