//! Failures outside the script's text, as messages.

use ntap_compiler::diagnostic::{Code, codes};
use ntap_runtime::load::{LoadError, LogLocation};
use ntap_runtime::session::SessionError;

/// Why the command failed.
pub(crate) enum Failure {
    /// The messages have been shown.
    Shown,
    /// Something to say.
    Message { code: Option<Code>, text: String, help: Vec<String> },
}

impl Failure {
    pub(crate) fn message(text: impl Into<String>, help: Option<&str>) -> Failure {
        let help = help.map(str::to_string).into_iter().collect();
        Failure::Message { code: None, text: text.into(), help }
    }

    pub(crate) fn bug(text: impl Into<String>) -> Failure {
        Failure::Message {
            code: Some(codes::INTERNAL),
            text: text.into(),
            help: vec!["this is a bug in ntap; please report it with the script".to_string()],
        }
    }

    /// The failure of a session, in words; with `verbose` those of the verifier, too.
    pub(crate) fn session(error: SessionError, release: &str, verbose: bool) -> Failure {
        let text = error.to_string();
        match error {
            SessionError::Native(_) | SessionError::Object(_) => Failure::bug(text),
            SessionError::Load(error) => load(&error, text, release, verbose),
            SessionError::Attach(error) => {
                let help = match error.error.errno() {
                    libc::EPERM | libc::EACCES => vec![PRIVILEGE_HELP.to_string()],
                    _ => vec![],
                };
                Failure::Message { code: Some(codes::ATTACH), text, help }
            }
            SessionError::Target(_)
            | SessionError::System(_)
            | SessionError::Output(_)
            | SessionError::Monitor(_)
            | SessionError::Background(_) => Failure::Message { code: None, text, help: vec![] },
        }
    }

    pub(crate) fn print(&self, color: bool) {
        let Failure::Message { code, text, help } = self else { return };
        let (red, reset) = if color { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        match code {
            Some(code) => eprintln!("{red}[{}] Error:{reset} {text}", code.id),
            None => eprintln!("{red}Error:{reset} {text}"),
        }
        for help in help {
            eprintln!("  Help: {help}");
        }
    }
}

const PRIVILEGE_HELP: &str =
    "run ntap as root, or give it the capabilities: setcap cap_bpf,cap_perfmon+ep";

fn load(error: &LoadError, mut text: String, release: &str, verbose: bool) -> Failure {
    let (code, help) = match error {
        LoadError::NotPermitted { .. } => (codes::PRIVILEGE, vec![PRIVILEGE_HELP.to_string()]),
        LoadError::Rejected { program, location, log, .. } => {
            text = format!("the kernel's verifier rejected the code of a handler ({program})");
            if let Some(location) = location {
                let LogLocation { file, line, text: source } = location;
                let file = file.as_deref().unwrap_or("the script");
                let line = line.map_or(String::new(), |line| format!(":{line}"));
                text.push_str(&format!("\n  at {file}{line}: {source}"));
            }
            let mut help = vec![format!(
                "this is a bug in ntap, not in the script; please report it with the script and the \
                 kernel release {release}"
            )];
            if verbose {
                text.push_str(&format!("\n{log}"));
            } else {
                help.push("`-v` shows what the verifier said".to_string());
            }
            (codes::REJECTED, help)
        }
        LoadError::MapMemory { .. } => (
            codes::LOAD,
            vec![
                "ask for fewer elements, `global a[N]` or -D MAXMAPENTRIES=N, or for shorter strings"
                    .to_string(),
            ],
        ),
        LoadError::TooComplex { .. } => (
            codes::LOAD,
            vec!["a handler does too much for the kernel's verifier: use fewer or shorter loops in it"
                .to_string()],
        ),
        _ if error.is_bug() => {
            (codes::INTERNAL, vec!["this is a bug in ntap; please report it".to_string()])
        }
        _ => (codes::LOAD, vec![]),
    };
    Failure::Message { code: Some(code), text, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(failure: Failure) -> (Option<Code>, String, Vec<String>) {
        match failure {
            Failure::Message { code, text, help } => (code, text, help),
            Failure::Shown => (None, String::new(), vec![]),
        }
    }

    #[test]
    fn a_rejection_is_our_bug_and_cites_the_script() {
        let rejected = || {
            SessionError::Load(LoadError::Rejected {
                program: "probe3".to_string(),
                location: Some(LogLocation {
                    text: "n[$id] <<< 1".to_string(),
                    file: Some("count.nt".to_string()),
                    line: Some(7),
                }),
                log: "R2 invalid mem access 'scalar'".to_string(),
                errno: libc::EACCES,
            })
        };
        let (code, text, help) = parts(Failure::session(rejected(), "6.1.0", false));
        assert_eq!(code, Some(codes::REJECTED));
        assert!(text.contains("count.nt:7: n[$id] <<< 1"), "{text}");
        assert!(!text.contains("invalid mem access"), "no raw log unless asked for: {text}");
        assert!(help[0].contains("bug in ntap") && help[0].contains("6.1.0"), "{help:?}");
        let (_, text, _) = parts(Failure::session(rejected(), "6.1.0", true));
        assert!(text.contains("invalid mem access"), "{text}");
    }
}
