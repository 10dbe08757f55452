//! Cases of the suites: scripts in `tests/suite/<stage>/`, with what is expected in files beside them.
//!
//! A script may begin with comment lines that say how it is run, `# key: value`. With `NTAP_BLESS=1` in
//! the environment [`Case::compare`] rewrites what is expected.

#![allow(dead_code, reason = "each test target uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

/// A script of a suite.
pub(crate) struct Case {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its folder and name: `run/division`.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// The cases of a suite folder, by name.
pub(crate) fn cases(stage: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite").join(stage);
    let mut found: Vec<Case> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nt"))
        .map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Case { name: format!("{stage}/{stem}"), path, text }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

impl Case {
    /// The file name of the script.
    pub(crate) fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The value of a `# key: value` line at the top.
    pub(crate) fn header(&self, key: &str) -> Option<&str> {
        self.text.lines().map_while(|line| line.strip_prefix('#')).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then_some(value.trim())
        })
    }

    /// The words of a header; `"quoted ones"` may hold spaces.
    pub(crate) fn words(&self, key: &str) -> Vec<String> {
        let mut words = vec![];
        for (at, part) in self.header(key).unwrap_or_default().split('"').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_string)),
                _ => words.push(part.to_string()),
            }
        }
        words
    }

    /// What is expected in the file beside the script; nothing when there is none.
    pub(crate) fn expected(&self, extension: &str) -> String {
        fs::read_to_string(self.path.with_extension(extension)).unwrap_or_default()
    }

    /// Compares with the file beside the script, or rewrites it. An empty text needs no file. The
    /// error is the difference.
    pub(crate) fn compare(&self, extension: &str, actual: &str) -> Result<(), String> {
        let path = self.path.with_extension(extension);
        // What a case that fails by chance expects is not what it happens to print.
        if is_blessing() && self.header("unmet").is_none() {
            let result = match actual.is_empty() {
                true if path.exists() => fs::remove_file(&path),
                true => Ok(()),
                false => fs::write(&path, actual),
            };
            return result.map_err(|error| format!("{}: {error}", path.display()));
        }
        let expected = self.expected(extension);
        if expected == actual {
            return Ok(());
        }
        Err(format!("{}\n{}", path.display(), difference(&expected, actual)))
    }
}

/// Whether what is expected is rewritten.
pub(crate) fn is_blessing() -> bool {
    std::env::var_os("NTAP_BLESS").is_some()
}

/// The lines that differ, `-` expected, `+` actual.
pub(crate) fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let mut out = format!("@@ line {} @@\n", head + 1);
    for line in &old[head.saturating_sub(2)..head] {
        out.push_str(&format!(" {line}\n"));
    }
    for line in &old[head..old.len() - tail] {
        out.push_str(&format!("-{line}\n"));
    }
    for line in &new[head..new.len() - tail] {
        out.push_str(&format!("+{line}\n"));
    }
    if old == new {
        out.push_str("(only the end of the last line differs)\n");
    }
    out
}
