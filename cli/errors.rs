//! Failures outside the script's text, as messages.

use ntap_compiler::diagnostic::{Code, codes};
use ntap_runtime::load::LoadError;
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

    /// The failure of a session, in words.
    pub(crate) fn session(error: SessionError, release: String) -> Failure {
        let text = error.to_string();
        match error {
            SessionError::Native(_) | SessionError::Object(_) => Failure::bug(text),
            SessionError::Load(error) => load(&error, text, &release),
            SessionError::Attach(error) => {
                let help = match error.error.errno() {
                    libc::EPERM | libc::EACCES => vec![PRIVILEGE_HELP.to_string()],
                    _ => vec![],
                };
                Failure::Message { code: Some(codes::ATTACH), text, help }
            }
            SessionError::Target(_) | SessionError::System(_) => {
                Failure::Message { code: None, text, help: vec![] }
            }
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

fn load(error: &LoadError, text: String, release: &str) -> Failure {
    let (code, help) = match error {
        LoadError::NotPermitted { .. } => (codes::PRIVILEGE, vec![PRIVILEGE_HELP.to_string()]),
        LoadError::Rejected { .. } => (
            codes::REJECTED,
            vec![format!(
                "this is a bug in ntap, not in the script; please report it with the script, this \
                 message and the kernel release {release}"
            )],
        ),
        _ if error.is_bug() => {
            (codes::INTERNAL, vec!["this is a bug in ntap; please report it".to_string()])
        }
        _ => (codes::LOAD, vec![]),
    };
    Failure::Message { code: Some(code), text, help }
}
