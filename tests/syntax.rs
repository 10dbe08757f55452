//! The front end over the scripts in `tests/suite`: a script and its tree as text, or a script and the
//! errors it gets. `NTAP_BLESS=1 cargo test --test syntax` rewrites what is expected.

#[path = "runner/cases.rs"]
mod cases;

use std::{fs, path::Path, time::Duration};

use cases::{Case, cases, difference};
use ntap_compiler::{
    btf::Btf,
    diagnostic::{Diagnostics, RenderOptions, render},
    facts::{Architecture, CpuVersion, Facts, NoBtf},
    library::Library,
    source::SourceMap,
    syntax::{
        Dialect, ParseOptions,
        ast::{ExpressionKind, Item, Script, StatementKind},
        format::format,
        parse, print,
    },
};

/// A machine that is the same everywhere.
struct TestMachine;

impl Facts for TestMachine {
    fn kernel_release(&self) -> String {
        "6.12.1-test".to_string()
    }

    fn architecture(&self) -> Architecture {
        Architecture::X86_64
    }

    fn kernel_config(&self, name: &str) -> Option<String> {
        let value = match name {
            "CONFIG_NET" => "y",
            "CONFIG_EXT4_FS" => "m",
            "CONFIG_HZ" => "250",
            "CONFIG_LOCALVERSION" => "-test",
            _ => return None,
        };
        Some(value.to_string())
    }

    fn btf(&self) -> Result<&Btf, NoBtf> {
        Err(NoBtf { reason: "the test machine has no types".to_string() })
    }

    fn symbol_address(&self, _name: &str) -> Option<u64> {
        None
    }

    fn cpu_version(&self) -> CpuVersion {
        CpuVersion::V4
    }
}

/// A parsed script with what was reported, as text.
struct Parsed {
    script: Script,
    printed: String,
    errors: String,
}

fn parse_text(name: &str, text: &str, arguments: &[String]) -> Parsed {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let mut diagnostics = Diagnostics::default();
    let options = ParseOptions {
        arguments,
        facts: &TestMachine,
        library: Library::embedded(),
        dialect: Dialect::default(),
    };
    let script = parse(file, &sources, &options, &mut diagnostics);
    let errors = render(&diagnostics, &sources, RenderOptions { color: false });
    assert_eq!(diagnostics.is_empty(), errors.is_empty());
    Parsed { printed: print(&script, &sources), script, errors }
}

/// The cases of a suite folder whose names begin with `prefix`.
fn scripts(folder: &str, prefix: &str) -> Vec<Case> {
    let begins = |case: &Case| case.file_name().starts_with(prefix);
    cases(folder).into_iter().filter(begins).collect()
}

/// A tree without the places of its nodes.
fn without_places(script: &Script) -> String {
    let text = format!("{script:?}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').expect("a span ends with a brace");
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    out
}

#[test]
fn trees() {
    let mut failures = vec![];
    for case in scripts("syntax", "") {
        let parsed = parse_text(&case.file_name(), &case.text, &case.words("args"));
        if !parsed.errors.is_empty() {
            failures.push(format!("{}: has errors\n{}", case.name, parsed.errors));
            continue;
        }
        failures.extend(case.compare("ast", &parsed.printed).err());
        // What is printed is a script with the same tree.
        let again = parse_text("printed", &parsed.printed, &[]);
        if !again.errors.is_empty()
            || without_places(&again.script) != without_places(&parsed.script)
        {
            failures.push(format!(
                "{}: the printed text has another tree\n{}\n{}",
                case.name,
                again.errors,
                difference(&parsed.printed, &again.printed)
            ));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Formatting changes nothing that a script says, and nothing in a text that is formatted.
#[test]
fn formatted() {
    let mut failures = vec![];
    let mut count = 0;
    let suites = ["syntax", "errors", "types", "split", "run", "kernel", "vm", "bpf"];
    let mut texts: Vec<(String, String, Vec<String>)> = suites
        .iter()
        .flat_map(|suite| cases(suite))
        .map(|case| (case.name.clone(), case.text.clone(), case.words("args")))
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for folder in [root.clone(), root.join("tapset")] {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "nt") {
                let text = fs::read_to_string(&path).expect("text");
                texts.push((path.display().to_string(), text, vec![]));
            }
        }
    }
    for (name, text, arguments) in texts {
        let Some(formatted) = format(&text) else { continue };
        count += 1;
        if format(&formatted).as_deref() != Some(&formatted) {
            let again = format(&formatted).unwrap_or_default();
            failures.push(format!("{name}: a second time\n{}", difference(&formatted, &again)));
        }
        let (before, after) =
            (parse_text(&name, &text, &arguments), parse_text(&name, &formatted, &arguments));
        if without_places(&before.script) != without_places(&after.script) {
            failures.push(format!("{name}: another tree\n{formatted}\n{}", after.errors));
        }
        let comments = |text: &str| text.matches(['#', '/']).count();
        if comments(&text) != comments(&formatted) {
            failures.push(format!("{name}: comments\n{}", difference(&text, &formatted)));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(count > 500, "{count}");
}

#[test]
fn errors() {
    let mut failures = vec![];
    for case in scripts("errors", "syntax-") {
        let parsed = parse_text(&case.file_name(), &case.text, &case.words("args"));
        if parsed.errors.is_empty() {
            failures.push(format!("{}: no error\n{}", case.name, parsed.printed));
        }
        failures.extend(case.compare("err", &parsed.errors).err());
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Deep nesting of every kind is refused or parsed, but never exhausts the stack.
#[test]
fn depth_is_bounded() {
    // As much stack as the main thread of a process has, where scripts are parsed.
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(parse_deep_scripts);
    thread.expect("a thread").join().expect("no script is too deep");
}

fn parse_deep_scripts() {
    let shapes: &[(&str, &str, &str, &str)] = &[
        ("probe begin { x = ", "(", "1", ")"),
        ("probe begin ", "{", "", "}"),
        ("probe begin { x = ", "a[", "1", "]"),
        ("probe begin { x = ", "f(", "1", ")"),
        ("probe begin { x = ", "- ", "1", ""),
        ("probe begin { x = ", "! ~ ", "1", ""),
        ("probe begin { x = ", "1 + ", "1", ""),
        ("probe begin { x = ", "\"a\" \"b\" . ", "\"c\"", ""),
        ("probe begin { ", "x = ", "1", ""),
        ("probe begin { x = ", "1 ? ", "1", " : 1"),
        ("probe begin { x = ", "1 ? 1 : ", "1", ""),
        ("probe begin { x = $a", "->b", "", ""),
        ("probe begin { x = $a", "[1]", "", ""),
        ("probe begin { x = 1", " in a", "", ""),
        ("probe begin { ", "if (1) ", "x", ""),
        ("probe begin { ", "if (1) x else ", "x", ""),
        ("probe begin { ", "if (1) if (1) x else ", "x", ""),
        ("probe begin { ", "while (1) ", "x", ""),
        ("probe begin { ", "for (;;) ", "x", ""),
        ("probe begin { ", "foreach (a in b) ", "x", ""),
        ("probe begin { ", "try ", "x", " catch x"),
        ("probe begin { ", "try x catch ", "x", ""),
        ("probe ", "{a.", "b", "}"),
        ("probe begin { x = ", "@choose_defined(", "1", ", 2)"),
        ("", "%( 1 == 1 %? ", "global x", " %)"),
    ];
    for (head, open, middle, close) in shapes {
        for count in [30, 190, 10_000] {
            let body = format!("{head}{}{middle}{}", open.repeat(count), close.repeat(count));
            let text = if head.contains('{') { format!("{body} }}") } else { body };
            let parsed = parse_text("deep", &text, &[]);
            if count == 30 && !head.is_empty() && !open.contains("@choose") {
                let expected = !parsed.script.items.is_empty() || open.starts_with('{');
                assert!(expected, "{open}: {}", parsed.errors);
            }
        }
    }
}

/// The time this thread has run, whatever else the machine does.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Inputs that are no scripts at all.
#[test]
fn hostile_inputs() {
    let long_line = "x ".repeat(200_000);
    let define = "@define a %( x x %) @define b %( @a @a @a @a %) @define c %( @b @b @b @b %)\n";
    let mut doubling = String::from(define);
    for level in 0..40 {
        let inner = if level == 0 { "c".to_string() } else { format!("m{}", level - 1) };
        doubling.push_str(&format!("@define m{level} %( @{inner} @{inner} %)\n"));
    }
    doubling.push_str("probe begin { @m39 }");
    let repeated = "probe begin { x = $1 }\n".repeat(3000);
    let subscripts = format!("probe begin {{ x = {}1 : 2{} }}", "a[".repeat(80), "]".repeat(80));
    let calls = format!("probe begin {{ x = {}1 : 2{} }}", "f(".repeat(80), ")".repeat(80));
    let tuples = format!("probe begin {{ {}1 : 2{} }}", "- ([".repeat(50), "] in a)".repeat(50));
    let branches = format!(
        "probe begin {{ {} 1 : 2 {} }}",
        "if (a) b else if (c) { ".repeat(40),
        "}".repeat(40)
    );
    for (text, arguments) in [
        (subscripts.as_str(), vec![]),
        (calls.as_str(), vec![]),
        (tuples.as_str(), vec![]),
        (branches.as_str(), vec![]),
        ("", vec![]),
        ("\0\0\0", vec![]),
        ("\u{feff}probe begin {}", vec![]),
        ("probe begin {\r\n x = 1\r\n}\r\n", vec![]),
        ("%", vec![]),
        ("@", vec![]),
        ("$", vec![]),
        ("\"", vec![]),
        ("\\", vec![]),
        ("/*", vec![]),
        ("%{", vec![]),
        ("%(", vec![]),
        ("@define", vec![]),
        ("probe", vec![]),
        ("$1", vec!["$1".to_string()]),
        ("$1 */ probe begin {}", vec!["/*".to_string()]),
        ("probe begin { x = \"$1\" } $1", vec!["\"".to_string()]),
        (long_line.as_str(), vec![]),
        (doubling.as_str(), vec![]),
        (repeated.as_str(), vec!["1 + (2 * 3)".to_string()]),
    ] {
        let start = cpu_time();
        parse_text("hostile", text, &arguments);
        assert!(cpu_time() - start < Duration::from_secs(5), "{:?}", &text[..text.len().min(40)]);
    }
    assert!(parse_text("bom", "\u{feff}probe begin {}", &[]).errors.is_empty());
    assert!(parse_text("crlf", "probe begin {\r\n x = 1\r\n}\r\n", &[]).errors.is_empty());
    assert!(
        parse_text("crlf", "# a\r\nprobe begin {\r\n x = 1 // b\r\n}\r\n", &[]).errors.is_empty()
    );
    let comment = parse_text("comment", "$1 */ probe begin {}", &["/*".to_string()]);
    assert!(comment.errors.is_empty() && comment.script.items.len() == 1, "{}", comment.errors);
}

/// Places in the tree are places in the text the user wrote.
#[test]
fn places() {
    let text = "# ä\n@define m(a) %( f(@a, own) %)\n\
                probe %( 1 == 1 %? a.b %: c %).$1 if (e) { x = $2 + @m(y) }\n";
    let mut sources = SourceMap::default();
    let file = sources.add("places", text);
    let mut diagnostics = Diagnostics::default();
    let arguments = ["d".to_string(), "3 * 4".to_string()];
    let options = ParseOptions {
        arguments: &arguments,
        facts: &TestMachine,
        library: Library::embedded(),
        dialect: Dialect::default(),
    };
    let script = parse(file, &sources, &options, &mut diagnostics);
    assert!(diagnostics.is_empty());
    let Some(Item::Probe(probe)) = script.items.first() else { panic!("{script:?}") };
    let components: Vec<_> =
        probe.points[0].components.iter().map(|c| (&*c.name.text, sources.text(c.span))).collect();
    assert_eq!(components, [("a", "a"), ("b", "b"), ("d", "$1")]);
    let StatementKind::Block(statements) = &probe.body.kind else { panic!("{:?}", probe.body) };
    assert_eq!(sources.text(statements[0].span), "x = $2 + @m(y)");
    let StatementKind::Expression(assignment) = &statements[0].kind else {
        panic!("no expression")
    };
    let ExpressionKind::Assign { value, .. } = &assignment.kind else { panic!("no assignment") };
    assert_eq!(sources.text(value.span), "$2 + @m(y)");
    let ExpressionKind::Binary { left, operator_span, right, .. } = &value.kind else {
        panic!("no sum")
    };
    assert_eq!(sources.text(left.span), "$2");
    assert_eq!(sources.text(*operator_span), "+");
    let ExpressionKind::Call { function, arguments } = &right.kind else { panic!("no call") };
    assert_eq!(sources.text(function.span), "@m(y)");
    assert_eq!(sources.text(arguments[0].span), "y");
    assert_eq!(sources.text(arguments[1].span), "@m(y)");
    assert_eq!(sources.locate(arguments[0].span), "places:3:56");
}

/// A small generator of pseudo-random numbers, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// Scripts cut, glued and garbled at random: every one is parsed or refused, in short time.
#[test]
fn garbled_scripts() {
    let texts: Vec<String> = scripts("syntax", "")
        .into_iter()
        .chain(scripts("errors", "syntax-"))
        .map(|case| case.text)
        .collect();
    #[rustfmt::skip]
    let snippets = [
        "(", ")", "{", "}", "[", "]", "%(", "%?", "%:", "%)", "%{", "%}", "\"", "\\", "/*", "*/", "#",
        "$1", "@1", "$#", "@#", "@define", "@x", "@cast(", "->", "++", "--", "<<<", "=~", "?", ":",
        ";", ",", ".", "probe", "global", "function", "private", "if", "else", "foreach", "in",
        "limit", "try", "catch", "delete", "return", "$", "$$", "@", "é", "\0", "\n", " ", "0x", "*",
        "@hist_log(", "18446744073709551616", "!", "&", "|", "'",
    ];
    let given = ["a.b(\"c\")", "1 +", "\"x", "", "{"].map(str::to_string);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let start = cpu_time();
    let mut count = 0;
    while cpu_time() - start < Duration::from_secs(3) && count < 20_000 {
        count += 1;
        let mut text: Vec<char> = texts[random.below(texts.len())].chars().collect();
        for _ in 0..1 + random.below(4) {
            let at = random.below(text.len() + 1);
            let until = (at + random.below(12)).min(text.len());
            match random.below(5) {
                0 => text.truncate(at),
                1 => drop(text.drain(at..until)),
                2 => {
                    let snippet = snippets[random.below(snippets.len())];
                    drop(text.splice(at..at, snippet.chars()));
                }
                3 => {
                    let other: Vec<char> = texts[random.below(texts.len())].chars().collect();
                    let from = random.below(other.len());
                    let length = random.below(80).min(other.len() - from);
                    drop(text.splice(at..until, other[from..from + length].iter().copied()));
                }
                _ => {
                    let copied: Vec<char> = text[at..until].to_vec();
                    drop(text.splice(at..at, copied));
                }
            }
        }
        let text: String = text.into_iter().collect();
        let one = cpu_time();
        let parsed = parse_text("garbled", &text, &given[..random.below(given.len() + 1)]);
        // The printed form of what was understood is always a script.
        if parsed.errors.is_empty() {
            let again = parse_text("printed", &parsed.printed, &[]);
            assert!(again.errors.is_empty(), "{text}\n---\n{}\n{}", parsed.printed, again.errors);
            assert_eq!(without_places(&again.script), without_places(&parsed.script), "{text}");
        }
        assert!(cpu_time() - one < Duration::from_secs(2), "slow: {text}");
    }
    assert!(count > 500, "only {count} scripts tried");
}

/// Start-up time matters; `cargo test --release --test syntax -- --nocapture speed` shows it.
#[test]
fn speed() {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/syntax/whole-script.nt"),
    )
    .expect("a readable script");
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let mut sources = SourceMap::default();
        let file = sources.add("speed", text.clone());
        let mut diagnostics = Diagnostics::default();
        let options = ParseOptions {
            arguments: &[],
            facts: &TestMachine,
            library: Library::embedded(),
            dialect: Dialect::default(),
        };
        let start = cpu_time();
        let script = parse(file, &sources, &options, &mut diagnostics);
        best = best.min(cpu_time() - start);
        assert!(!script.items.is_empty());
    }
    println!("{} lines parsed in {best:?}", text.lines().count());
    assert!(best < Duration::from_millis(20), "{best:?}");
}
