//! What is shown to users works: the scripts of `scripts/` and the examples of the catalogues.

#[path = "runner/recorded_kernel.rs"]
#[allow(dead_code, reason = "the suites use all of it")]
mod recorded_kernel;

use std::path::Path;
use std::process::{Command, Stdio};

use ntap_compiler::library::{Library, documentation};
use ntap_compiler::pipeline::Compiled;
use ntap_compiler::{builtins, families, object};
use recorded_kernel::RecordedKernel;

fn compile(name: &str, text: &str, arguments: &[String]) -> Result<Compiled, String> {
    RecordedKernel::read("6.18").compile(name, text, arguments)
}

/// The scripts of `scripts/` that can be run, as `net/dropwatch` and their text.
fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut scripts = vec![];
    for folder in std::fs::read_dir(&folder).expect("the scripts") {
        let folder = folder.expect("a readable folder").path();
        // The best known ones are at the top as well.
        if !folder.is_dir() {
            continue;
        }
        let subject = folder.file_name().expect("a name").to_string_lossy().into_owned();
        if subject == "tapset" {
            continue;
        }
        for path in std::fs::read_dir(&folder).expect("scripts are in folders") {
            let path = path.expect("a readable folder").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a readable script");
            scripts.push((format!("{subject}/{name}"), text));
        }
    }
    scripts.sort();
    scripts
}

/// The words that a script is given: those in quotes of the line that says how it is used.
fn arguments(text: &str) -> Vec<String> {
    let usage = text.lines().find(|line| line.starts_with("# usage: ")).unwrap_or_default();
    usage.split('\'').skip(1).step_by(2).map(str::to_string).collect()
}

/// Every script compiles to an object, on a machine that has only what is recorded.
#[test]
fn scripts_compile() {
    for (name, text) in scripts() {
        // One of the recorded kernels has modules, also one that few machines need.
        let kernel = if ["net/ieee80211scan", "general/modsnoop"].contains(&name.as_str()) {
            "6.1"
        } else {
            "6.18"
        };
        let compiled = RecordedKernel::read(kernel)
            .compile(&name, &text, &arguments(&text))
            .unwrap_or_else(|errors| panic!("{errors}"));
        if let Some(input) = &compiled.object {
            object::write(input).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn scripts_say_what_they_answer() {
    for (name, text) in scripts() {
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("# ") && lines[0].contains('?'),
            "{name} begins with a question"
        );
        assert!(
            lines.iter().any(|line| line.starts_with("# usage: ntap --example ")),
            "{name}: usage"
        );
        assert!(lines.iter().any(|line| line.starts_with("# output: ")), "{name}: output");
    }
}

/// `ntap examples` lists the scripts, in this order.
#[test]
fn every_script_is_a_part_of_the_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_ntap")).arg("examples").output();
    let listed = String::from_utf8(output.expect("ntap starts").stdout).expect("text");
    let listed: Vec<&str> = listed.lines().filter_map(|line| line.split("  ").next()).collect();
    let scripts = scripts();
    let found: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(listed, found, "cli/examples.rs lists the scripts");
}

/// Scripts are tested: `tests/suite/scripts/` has a case for each.
#[test]
fn every_script_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/scripts");
    for (name, _) in scripts() {
        let case = folder.join(name.replace('/', "-") + ".nt");
        assert!(case.exists(), "{} does not exist", case.display());
    }
}

/// `docs/scripts.md`: for each script its header, and what it printed when it was tested. NTAP_BLESS=1 writes it.
#[test]
fn the_page_of_scripts_is_what_they_say_and_print() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = "# Scripts\n\n`ntap examples` lists these scripts, `ntap examples WORD` those about something, \
        `ntap examples --show NAME` prints one. They are in the program, and in `scripts/`. Each runs until Ctrl-C, \
        for `-T SECONDS`, or along with the command of `-c COMMAND`; with that, or `-x PID`, most show one process \
        only. The outputs are those of tests where the machine of the tests can run them, else samples.\n"
        .to_string();
    let mut folder = String::new();
    for (name, text) in scripts() {
        let (subject, short) = name.split_once('/').expect("scripts are in folders");
        if folder != subject {
            page.push_str(&format!("\n## {subject}\n"));
            folder = subject.to_string();
        }
        let lines: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let (examples, prose): (Vec<&str>, Vec<&str>) =
            lines[1..].iter().partition(|line| line.starts_with("  "));
        let prose: Vec<&str> = prose.iter().map(|line| line.trim()).collect();
        let prose = prose.join(" ");
        let (usage, output) = prose.split_once(" output: ").expect("a header says what is printed");
        let (usage, output) = (usage.trim_start_matches("usage: "), output.trim_end());
        let sample = root.join(format!("tests/suite/scripts/{}.output", name.replace('/', "-")));
        let sample = std::fs::read_to_string(sample).unwrap_or_else(|_| {
            let lines = examples.iter().map(|line| line.strip_prefix("  ").unwrap_or(line));
            lines.collect::<Vec<_>>().join("\n") + "\n"
        });
        page.push_str(&format!(
            "\n### {short}\n\n{} Prints {output}.\n\nUsage: {}\n\n```text\n{}```\n",
            lines[0],
            usage_text(usage),
            sample,
        ));
    }
    let path = root.join("docs/scripts.md");
    if std::env::var_os("NTAP_BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let written = std::fs::read_to_string(&path).expect("docs/scripts.md");
    assert!(written == page, "docs/scripts.md is not what NTAP_BLESS=1 writes");
}

/// The command in `code`, then what is said about it.
fn usage_text(usage: &str) -> String {
    let end = usage.find([',', ';']).unwrap_or(usage.len());
    format!("`{}`{}", &usage[..end], &usage[end..])
}

/// The examples of the catalogues with the name of their row.
fn examples() -> Vec<(String, String)> {
    let functions = builtins::all()
        .filter(|row| !row.is_internal())
        .map(|row| (format!("{}()", row.name), row.example.to_string()));
    let points = families::all()
        .filter(|row| !row.is_internal())
        .map(|row| (families::form_text(row), row.example.to_string()));
    let library = documentation(Library::embedded()).into_iter();
    let library = library.map(|entry| (entry.name, entry.example));
    functions.chain(points).chain(library.filter(|(_, example)| !example.is_empty())).collect()
}

#[test]
fn examples_of_the_catalogues_compile() {
    for (name, example) in examples() {
        if let Err(errors) = compile(&name, &example, &[]) {
            panic!("the example of {name}\n{errors}");
        }
    }
}

/// Those without a kernel half end by themselves, and well. Some wait for a time: several run at once.
#[test]
fn examples_of_the_catalogues_run() {
    const AT_ONCE: usize = 8;
    let examples = examples();
    let has_user_half_only = |(name, example): &&(String, String)| {
        compile(name, example, &[]).is_ok_and(|compiled| compiled.object.is_none())
    };
    let run = |(name, example): &(String, String)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ntap"));
        // Ends what forgets to end.
        let output = command.args(["-T", "10", "-e", example]).stdin(Stdio::null()).output();
        let output = output.expect("ntap starts");
        assert!(
            output.status.success(),
            "the example of {name} fails: {example}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let chosen: Vec<&(String, String)> = examples.iter().filter(has_user_half_only).collect();
    std::thread::scope(|scope| {
        for first in 0..AT_ONCE {
            let part = chosen.iter().skip(first).step_by(AT_ONCE);
            scope.spawn(move || part.for_each(|example| run(example)));
        }
    });
}
