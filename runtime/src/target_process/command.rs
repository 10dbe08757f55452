//! Command lines: split into words, or handed to a shell; ready for execve.

use std::ffi::{CString, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::TargetError;

const SHELL: &str = "/bin/sh";

/// Characters that mean something to a shell outside of quotes (inside double quotes: `$` and the backtick).
const SHELL_CHARACTERS: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?', '[', '#', '~', '{', '}', '!', '\n'];

/// A command that can be run: the program's file and its arguments.
#[derive(Debug)]
pub(super) struct Command {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    environment_pointers: Vec<*const c_char>,
    shell: CString,
    name: String,
}

/// A command as execve takes it: valid as long as the command.
pub(super) struct Pointers {
    pub(super) path: *const c_char,
    pub(super) argv: Vec<*const c_char>,
    pub(super) envp: *const *const c_char,
    pub(super) shell: *const c_char,
    /// `sh path arguments...`.
    pub(super) shell_argv: Vec<*const c_char>,
}

impl Command {
    pub(super) fn parse(line: &str) -> Result<Command, TargetError> {
        let words = match split(line) {
            Some(words) => words,
            None => vec![SHELL.to_owned(), "-c".to_owned(), line.to_owned()],
        };
        let Some(name) = words.first().cloned() else { return Err(TargetError::EmptyCommand) };
        let path = find_program(&name, std::env::var_os("PATH"))
            .ok_or_else(|| TargetError::NotFound { program: name.clone() })?;
        let text = |bytes: Vec<u8>| {
            CString::new(bytes).map_err(|_| TargetError::NotFound { program: name.clone() })
        };
        let arguments =
            words.into_iter().map(|word| text(word.into_bytes())).collect::<Result<_, _>>()?;
        let environment: Vec<CString> = std::env::vars_os()
            .filter_map(|(key, value)| {
                CString::new([key.as_bytes(), b"=", value.as_bytes()].concat()).ok()
            })
            .collect();
        let environment_pointers = null_terminated(&environment);
        Ok(Command {
            path: text(path.into_vec())?,
            arguments,
            environment_pointers,
            environment,
            shell: text(SHELL.into())?,
            name,
        })
    }

    /// The program's file.
    pub(super) fn path(&self) -> std::path::PathBuf {
        std::ffi::OsStr::from_bytes(self.path.as_bytes()).into()
    }

    /// The program as it was written.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn pointers(&self) -> Pointers {
        debug_assert_eq!(self.environment.len() + 1, self.environment_pointers.len());
        let argv = null_terminated(&self.arguments);
        let mut shell_argv = vec![self.shell.as_ptr(), self.path.as_ptr()];
        shell_argv.extend_from_slice(&argv[1..]);
        Pointers {
            path: self.path.as_ptr(),
            argv,
            envp: self.environment_pointers.as_ptr(),
            shell: self.shell.as_ptr(),
            shell_argv,
        }
    }
}

fn null_terminated(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The words of a simple command; `None` when it takes a shell to understand it (also one to complain about
/// an open quote).
fn split(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = vec![];
    // None between words; an empty pair of quotes is a word.
    let mut word: Option<String> = None;
    let mut characters = line.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '$' | '`' => return None,
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            '\n' => {}
                            other => word.extend(['\\', other]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => match characters.next()? {
                '\n' => {}
                escaped => word.get_or_insert_default().push(escaped),
            },
            other if SHELL_CHARACTERS.contains(&other) => return None,
            // An assignment before the command.
            '=' if words.is_empty() => return None,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    // What only a shell can do: words it acts on itself when no program has their name.
    const SHELL_WORDS: [&str; 14] = [
        "if", "while", "until", "for", "case", "exec", "eval", "cd", "exit", "ulimit", "export",
        "trap", "umask", "set",
    ];
    match words.first() {
        Some(first) if SHELL_WORDS.contains(&first.as_str()) => None,
        _ => Some(words),
    }
}

/// The file of a program: as written when it has a slash, else the first in the search path that can be run.
pub(crate) fn find_program(name: &str, search_path: Option<OsString>) -> Option<OsString> {
    if name.contains('/') {
        return Path::new(name).exists().then(|| name.into());
    }
    if name.is_empty() {
        return None;
    }
    let search_path = search_path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&search_path)
        .map(|directory| directory.join(name))
        .find(|file| {
            file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .map(|file| file.into_os_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_simple_commands() {
        let rows: [(&str, Option<&[&str]>); 14] = [
            ("ls -l /", Some(&["ls", "-l", "/"])),
            ("  ls\t -l  ", Some(&["ls", "-l"])),
            ("echo 'a  b' \"c d\" e\\ f", Some(&["echo", "a  b", "c d", "e f"])),
            ("echo '' \"\"", Some(&["echo", "", ""])),
            ("echo a'b'\"c\"d", Some(&["echo", "abcd"])),
            (r#"echo "a\"b\n" '$x'"#, Some(&["echo", "a\"b\\n", "$x"])),
            ("dd if=/dev/zero", Some(&["dd", "if=/dev/zero"])),
            ("", Some(&[])),
            ("a | b", None),
            ("echo $HOME", None),
            ("echo \"$HOME\"", None),
            ("X=1 env", None),
            ("cd /tmp && ls", None),
            ("echo 'open", None),
        ];
        for (line, expected) in rows {
            let found = split(line);
            let found: Option<Vec<&str>> =
                found.as_ref().map(|words| words.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn finds_programs() {
        assert_eq!(find_program("sh", Some("/nowhere:/bin".into())).unwrap(), "/bin/sh");
        assert_eq!(find_program("sh", Some("/nowhere".into())), None);
        assert_eq!(find_program("/bin/sh", None).unwrap(), "/bin/sh");
        assert_eq!(find_program("/bin/no-such-program", None), None);
        assert_eq!(find_program("", Some("/bin".into())), None);
    }
}
