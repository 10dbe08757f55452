//! Script errors and warnings as data.
//!
//! Passes report [`Diagnostic`]s into one [`Diagnostics`] sink and go on where they can;
//! `render` turns them into text. A good error is one statement to write:
//!
//! ```ignore
//! sink.error(codes::UNKNOWN_FUNCTION, span, format!("unknown function `{name}`"))
//!     .label("not defined in this script or the library")
//!     .help("did you mean `execname`?");
//! ```

pub mod bpftrace;
pub mod codes;
mod render;
pub mod suggest;

pub use codes::Code;
pub use render::{RenderOptions, render};

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The script does not run.
    Error,
    /// The script runs; the user should know.
    Warning,
}

/// A place with the words shown beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said of it; may be empty.
    pub text: String,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in the user's words; quotes the user's text in backticks.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Further places, such as where a type was first inferred.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Vec<String>,
    /// Background: why it is so.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// The words beside the primary place.
    pub fn label(&mut self, text: impl Into<String>) -> &mut Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// A further place with its words.
    pub fn also(&mut self, span: Span, text: impl Into<String>) -> &mut Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// What to type instead.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Did-you-mean help for the candidates nearest to `name`; none when nothing is near.
    pub fn suggest<'a>(
        &mut self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> &mut Diagnostic {
        if let Some(text) = suggest::did_you_mean(name, candidates) {
            self.help.push(text);
        }
        self
    }

    /// Why it is so.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Diagnostic {
        self.notes.push(text.into());
        self
    }
}

/// The sink all passes report into.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Reports an error; the result takes label, help and notes.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.report(code, Severity::Error, span, message.into())
    }

    /// Reports a warning.
    pub fn warning(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.report(code, Severity::Warning, span, message.into())
    }

    fn report(
        &mut self,
        code: Code,
        severity: Severity,
        span: Span,
        message: String,
    ) -> &mut Diagnostic {
        self.list.push(Diagnostic {
            code,
            severity,
            message,
            primary: Label { span, text: String::new() },
            labels: vec![],
            help: vec![],
            notes: vec![],
        });
        self.list.last_mut().expect("just pushed")
    }

    /// Adds what was reported elsewhere.
    pub fn append(&mut self, mut other: Diagnostics) {
        self.list.append(&mut other.list);
    }

    /// Adds a diagnostic made elsewhere.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Adds help to what was reported last.
    pub fn help_last(&mut self, text: impl Into<String>) {
        if let Some(last) = self.list.last_mut() {
            last.help(text);
        }
    }

    /// Whether an error was reported.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Everything reported so far, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// What was reported after the first `count`, to add to it.
    pub fn since(&mut self, count: usize) -> &mut [Diagnostic] {
        self.list.get_mut(count..).unwrap_or_default()
    }

    /// Forgets what was reported after the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.list.truncate(count);
    }

    /// The last one reported, to add to it.
    pub fn last_mut(&mut self) -> Option<&mut Diagnostic> {
        self.list.last_mut()
    }

    /// How many were reported.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
