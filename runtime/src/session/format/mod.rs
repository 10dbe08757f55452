//! The forms the output of a session takes.

pub(super) mod folded;
pub(super) mod json;

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// What the script prints, as it prints it; messages go to standard error.
    #[default]
    Text,
    /// One JSON object a line, messages among them; `docs/reference/output.schema.json` describes it.
    Json,
    /// A line for each stack among the keys of arrays that the script does not read: what flame graph tools read. All
    /// else that is printed goes to standard error.
    Folded,
}

impl OutputFormat {
    /// Whether what blocks print is wanted as values, besides its text.
    pub(super) fn wants_values(self) -> bool {
        self == OutputFormat::Json
    }
}
