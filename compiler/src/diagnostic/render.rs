//! Diagnostics as text.

use super::Diagnostics;
use crate::source::SourceMap;

/// How diagnostics are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Colour escapes.
    pub color: bool,
}

/// All diagnostics as text for a terminal.
pub fn render(_diagnostics: &Diagnostics, _sources: &SourceMap, _options: RenderOptions) -> String {
    String::new()
}
