//! Which warnings of a script are shown: as in SystemTap, each text once, unless more or none are asked for.

use std::collections::HashSet;

/// So many texts are remembered; those that come later are all shown.
const MOST_REMEMBERED: usize = 1024;

/// Which warnings a session shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarningsShown {
    /// Each text once.
    #[default]
    Once,
    /// All of them (`-v`).
    All,
    /// None (`-w`).
    None,
}

/// The warnings of a session so far.
#[derive(Debug, Default)]
pub struct Warnings {
    shown: WarningsShown,
    seen: HashSet<String>,
}

impl Warnings {
    /// No warning yet.
    pub fn new(shown: WarningsShown) -> Warnings {
        Warnings { shown, seen: HashSet::new() }
    }

    /// Whether a warning is to be shown that comes now.
    pub(super) fn shows(&mut self, text: &str) -> bool {
        match self.shown {
            WarningsShown::All => true,
            WarningsShown::None => false,
            WarningsShown::Once if self.seen.contains(text) => false,
            WarningsShown::Once => {
                if self.seen.len() < MOST_REMEMBERED {
                    self.seen.insert(text.to_string());
                }
                true
            }
        }
    }
}
