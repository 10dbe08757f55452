//! The one-liners of `docs/one-liners.md`: each is run with a workload, and prints the lines it should.
//!
//! Comments above a command say how it is tried, as the headers of `scripts` do:
//! `<!-- workload: netns tcp 3 10 -->`, `<!-- line: n["workload"]=3 -->`, `<!-- needs: functions -->`.
//!
//! They count what all processes do, by name: each has a workload with a name of its own, which stands for `workload` in
//! its lines.

use std::path::Path;

use super::cases::Case;

/// A case for each command of the page, named by the line that says what it shows.
pub(crate) fn cases(stage: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/one-liners.md");
    let page = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases = vec![];
    let (mut title, mut headers) = (String::new(), String::new());
    for line in page.lines() {
        let comment = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
        if let Some(header) = comment {
            let own = format!("w{}-{}", std::process::id() % 1_000_000, cases.len());
            headers.push_str(&match header.split_once(": ") {
                Some(("workload", words)) => format!("# workload: name {own} {words}\n"),
                Some(("line", line)) => format!("# line: {}\n", with_name(line, &own)),
                _ => format!("# {header}\n"),
            });
        } else if let Some(script) = line.strip_prefix("ntap -e '") {
            let script = script.strip_suffix('\'').unwrap_or(script);
            let words: Vec<&str> = title.split(|c: char| !c.is_alphanumeric()).collect();
            let name = words.join("-").trim_matches('-').to_lowercase();
            let text = format!("{headers}{script}\n");
            cases.push(Case { name: format!("{stage}/{name}"), path: path.clone(), text });
            headers.clear();
        } else if !line.is_empty() && !line.starts_with("```") {
            title = line.to_string();
        }
    }
    assert!(cases.len() >= 30, "{} has {} one-liners", path.display(), cases.len());
    cases
}

/// A line with another name for the workload: in quotes, or where it begins.
fn with_name(line: &str, name: &str) -> String {
    let line = line.replace("\"workload\"", &format!("\"{name}\""));
    match line.strip_prefix("workload") {
        Some(rest) => format!("{name}{rest}"),
        None => line,
    }
}
