//! What a handler can ask about the probe point that was hit.

use super::{Attach, Probe};

/// A text about the probe point that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The point, without wildcards and aliases.
    Point = 0,
    /// The point as it is written in the script.
    Written = 1,
    /// The function it is in.
    Function = 2,
}

impl Identity {
    /// All of them, by their numbers.
    pub const ALL: [Identity; 3] = [Identity::Point, Identity::Written, Identity::Function];

    /// Bytes of the text, its terminator included: longer ones are cut.
    pub const fn width(self) -> u32 {
        match self {
            Identity::Point | Identity::Written => 256,
            Identity::Function => 64,
        }
    }
}

impl Probe {
    /// How many places it handles; which of them was hit only a hit tells.
    pub fn places(&self) -> usize {
        match &self.point.attach {
            Attach::Function(functions) => functions.targets.len(),
            _ => 1,
        }
    }

    /// A text about the place with this number.
    pub fn identity(&self, what: Identity, place: usize) -> &str {
        let target = match &self.point.attach {
            Attach::Function(functions) => functions.targets.get(place),
            _ => None,
        };
        match (what, target) {
            (Identity::Written, _) => &self.written,
            (Identity::Point, Some(target)) => &target.point,
            (Identity::Point, None) => &self.point.name,
            (Identity::Function, Some(target)) => &target.name,
            (Identity::Function, None) => "",
        }
    }
}
