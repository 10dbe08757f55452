//! What the prompt asks of the terminal and the process besides lines.

use std::io::IsTerminal;

use crate::errors::Failure;

/// Keeps an interrupt that comes between sessions from ending the process. A handler rather than ignoring
/// it, as a traced command would inherit that.
pub(super) fn survive_interrupts() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: the handler does nothing, so it may run at any time.
    unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
}

/// While it lives, the terminal does not show `^C` for an interrupt, which would stand before the results.
pub(super) struct QuietInterrupts {
    before: Option<libc::termios>,
}

impl QuietInterrupts {
    pub(super) fn new() -> QuietInterrupts {
        if !std::io::stdin().is_terminal() {
            return QuietInterrupts { before: None };
        }
        // SAFETY: the structure is plain data, filled by the call, which may fail.
        let mut modes: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is valid for the call.
        if unsafe { libc::tcgetattr(0, &mut modes) } != 0 {
            return QuietInterrupts { before: None };
        }
        let before = modes;
        modes.c_lflag &= !libc::ECHOCTL;
        // SAFETY: the structure is valid for the call.
        unsafe { libc::tcsetattr(0, libc::TCSANOW, &modes) };
        QuietInterrupts { before: Some(before) }
    }
}

impl Drop for QuietInterrupts {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: the structure is valid for the call.
            unsafe { libc::tcsetattr(0, libc::TCSANOW, before) };
        }
    }
}

/// Has the user edit a text.
pub(super) fn edit(text: &str) -> Result<String, Failure> {
    let failed = |what: &str, error: std::io::Error| {
        Failure::message(format!("{what}: {error}"), Some("$VISUAL or $EDITOR names the editor"))
    };
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
    let editor = editor.filter(|e| !e.trim().is_empty()).unwrap_or_else(|| "vi".to_string());
    let path = std::env::temp_dir().join(format!("ntap-{}.nt", std::process::id()));
    let write = || {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let _ = std::fs::remove_file(&path);
        let mut options = std::fs::OpenOptions::new();
        // A file of ours alone: others may write to the folder.
        options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| failed("the file to edit", error))?;
    // An editor may be named with options.
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(&path)
        .status()
        .map_err(|error| failed(&editor, error));
    let edited = std::fs::read_to_string(&path);
    let _ = std::fs::remove_file(&path);
    match status? {
        status if status.success() => edited.map_err(|error| failed("the edited file", error)),
        status => Err(Failure::message(format!("{editor} ended with {status}"), None)),
    }
}
