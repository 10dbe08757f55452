//! What the documentation shows is true: its scripts run and print what it says, and `docs/reference/`
//! is what the catalogues say.
//!
//! | block | is |
//! |---|---|
//! | `ntap` with `output` after it | run; standard output and then standard error are compared |
//! | `ntap` alone | compiled, for the recorded kernel |
//! | `sh` | compiled where a line is `ntap -e '...'` |
//!
//! A script whose first line is `# run with: -c true` gets those options. Times in JSON are not compared. With `NTAP_BLESS=1` in the
//! environment `docs/reference/` is rewritten; outputs are not, a person writes those.

#[path = "runner/cases.rs"]
mod cases;
#[path = "runner/privilege.rs"]
#[allow(dead_code, reason = "the suites use all of it")]
mod privilege;
#[path = "runner/recorded_kernel.rs"]
#[allow(dead_code, reason = "the suites use all of it")]
mod recorded_kernel;
#[path = "runner/reference.rs"]
mod reference;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ntap_compiler::pipeline::Compiled;
use recorded_kernel::RecordedKernel;

/// A fenced block of a page.
struct Block {
    /// `docs/language.md:12`.
    place: String,
    /// The word after the fence.
    kind: String,
    text: String,
}

/// The pages whose blocks are tested: the README and all of `docs/`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the documentation") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("a readable page");
    let name = page.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(page).display().to_string();
    let mut blocks = vec![];
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => {
                let place = format!("{name}:{}", at + 1);
                open = Some(Block { place, kind: kind.to_string(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn compile(name: &str, text: &str, arguments: &[String]) -> Result<Compiled, String> {
    RecordedKernel::read("6.18").compile(name, text, arguments)
}

/// The scripts of `ntap -e '...'` lines.
fn one_liners(block: &Block) -> impl Iterator<Item = &str> {
    let rest = block.text.lines().filter_map(|line| line.split_once("ntap -e '"));
    rest.filter_map(|(_, rest)| Some(rest.rsplit_once('\'')?.0))
}

#[test]
fn scripts_compile() {
    let mut count = 0;
    let mut failures = vec![];
    for page in pages() {
        // The suite runs these: they need more of a machine than what is recorded.
        if page.ends_with("docs/one-liners.md") {
            continue;
        }
        let blocks = blocks(&page);
        for (at, block) in blocks.iter().enumerate() {
            let is_run = blocks.get(at + 1).is_some_and(|next| next.kind == "output");
            let scripts: Vec<&str> = match block.kind.as_str() {
                "ntap" if !is_run => vec![&block.text],
                "sh" => one_liners(block).collect(),
                _ => continue,
            };
            for script in scripts {
                count += 1;
                failures.extend(compile(&block.place, script, &[]).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 10, "only {count} scripts found");
}

/// The options in the first line of a script.
fn run_with(script: &str) -> Vec<String> {
    let line = script.lines().next().and_then(|line| line.strip_prefix("# run with: "));
    let mut words = vec![];
    for (at, part) in line.unwrap_or_default().split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_string)),
            _ => words.push(part.to_string()),
        }
    }
    words
}

fn run(block: &Block) -> String {
    let options = run_with(&block.text);
    // What follows `--` are words for the script.
    let cut = options.iter().position(|word| word == "--").unwrap_or(options.len());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ntap"));
    // Ends what forgets to end.
    command.args(["-T", "60"]).args(&options[..cut]).arg("-e").arg(&block.text);
    command.args(options.iter().skip(cut + 1));
    command.stdin(Stdio::null()).env("TZ", "UTC").env_remove("NO_COLOR");
    let output = command.output().expect("ntap starts");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// JSON without the numbers that differ each time.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, name)) =
        ["\"time\":", "\"seconds\":"].iter().filter_map(|n| Some((rest.find(n)?, n))).min()
    {
        let (before, after) = rest.split_at(at + name.len());
        out.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    out + rest
}

#[test]
fn scripts_print_what_is_said() {
    let hindrance = privilege::hindrance();
    let mut count = 0;
    let mut failures = vec![];
    for page in pages() {
        for pair in blocks(&page).windows(2) {
            let [script, output] = pair else { continue };
            if script.kind != "ntap" || output.kind != "output" {
                continue;
            }
            let has_kernel_half =
                compile(&script.place, &script.text, &[]).is_ok_and(|c| c.object.is_some());
            if has_kernel_half && hindrance.is_some() {
                eprintln!("skipped: {}", script.place);
                continue;
            }
            count += 1;
            let printed = without_times(&run(script));
            let expected = without_times(&output.text);
            if printed.trim_end() != expected.trim_end() {
                let difference = cases::difference(&expected, &printed);
                failures.push(format!("{}\n{difference}", script.place));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 10, "only {count} scripts found");
}

/// What `--help` says about the command and each subcommand.
fn command_line() -> String {
    let help = |words: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_ntap")).args(words).output().expect("ntap starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let main = help(&["--help"]);
    let mut page = format!(
        "<!-- Written by `NTAP_BLESS=1 cargo test --test documentation` from the table of options. -->\n\n\
         # Command line\n\n## `ntap`\n\n```text\n{main}```\n"
    );
    let commands = main.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| line.starts_with("  ")) {
        let name = line.split_whitespace().next().unwrap_or_default();
        // `help` is about the others.
        if line.starts_with("   ") || name == "help" {
            continue;
        }
        let text = help(&[name, "--help"]);
        page.push_str(&format!("\n## `ntap {name}`\n\n```text\n{text}```\n"));
    }
    page
}

#[test]
fn reference_is_what_the_catalogues_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let pages = reference::pages().into_iter().chain([("command-line.md", command_line())]);
    for (name, text) in pages {
        let path = folder.join(name);
        if cases::is_blessing() {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(&path, &text).expect("a writable page");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "{name} is not up to date: NTAP_BLESS=1 cargo test --test documentation\n{}",
            cases::difference(&written, &text)
        );
    }
}

/// The words in the cells of a page's tables that are for ntap: the second column, between backticks.
fn words(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(path).expect("a readable page");
    // A bar within a word is written `\|`.
    let text = text.replace("\\|", "\u{1}");
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let cells = rows.filter_map(|row| row.split('|').nth(2));
    let mut words = vec![];
    for cell in cells {
        let odd = cell.split('`').skip(1).step_by(2);
        words.extend(odd.map(|word| word.replace('\u{1}', "|")));
    }
    words
}

/// Whether a word of a table is one of ntap: an option, a command, or something that a script may contain.
fn is_known(word: &str, help: &str) -> bool {
    if let Some(command) = word.strip_prefix("ntap ") {
        let first = command.split_whitespace().next().unwrap_or_default();
        return help.contains(&format!("\n## `ntap {first}`")) || is_known(first, help);
    }
    if let Some(option) = word.strip_prefix('-') {
        // In the help an option begins a line, or stands behind its short form.
        let name = format!("-{}", option.split([' ', '=']).next().unwrap_or_default());
        let mut rows = help.lines().filter(|line| line.trim_start().starts_with('-'));
        // Some of SystemTap's are taken, and not in the help.
        return rows.any(|row| row.split([' ', ',', '=', '[']).any(|part| part == name))
            || Command::new(env!("CARGO_BIN_EXE_ntap"))
                .args(["-p1", "-e", "probe begin { }", &name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
    }
    // Programs are looked at: the suites do this with their own.
    if word.starts_with("process(") {
        return true;
    }
    let probes = [
        "begin",
        "timer.s(1)",
        "kernel.trace(\"kfree_skb\")",
        "syscall.openat.return",
        "kernel.function(\"vfs_read\").return",
    ];
    // What words mean by themselves: `a` and `x` stand for an aggregate, an array or a string.
    let globals = [
        "",
        "global x, condition\n",
        "global a\nprobe timer.s(7) { a <<< 1 }\n",
        "global x\nprobe timer.s(7) { x[1] = 2 }\n",
        "global x\nprobe timer.s(7) { x[1] <<< 2 }\n",
        "global a, b\nprobe timer.s(7) { a = b = \"text\" }\n",
    ];
    let word = word.replace("...", "{ }");
    let mut scripts =
        vec![format!("{word}\nprobe timer.s(9) {{ }}"), format!("probe {word} {{ }}")];
    for probe in probes {
        scripts.push(format!("probe {probe} {{ {word} }}"));
        scripts
            .push(format!("probe {probe} {{ p = $file; n = 1; s = \"text\"; println({word}) }}"));
        scripts.push(format!(
            "probe {probe} {{ key = k = 1; p = &$file->f_pos; n = 1; println({word}) }}"
        ));
    }
    // `$1` and `@1` stand for one.
    let arguments = ["7".to_string()];
    globals.iter().any(|globals| {
        scripts
            .iter()
            .any(|script| compile("word", &format!("{globals}{script}"), &arguments).is_ok())
    })
}

#[test]
fn words_of_the_tables_are_words_of_the_language() {
    let help = command_line();
    let mut unknown = vec![];
    let mut count = 0;
    for page in ["docs/coming-from-bpftrace.md", "docs/coming-from-systemtap.md"] {
        for word in words(page) {
            count += 1;
            if !is_known(&word, &help) {
                unknown.push(format!("{page}: `{word}`"));
            }
        }
    }
    assert!(count > 90, "only {count} words found");
    assert!(unknown.is_empty(), "not known here:\n{}", unknown.join("\n"));
}
