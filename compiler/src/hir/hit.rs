//! What a handler can ask about the probe point that was hit.

use super::{Attach, Probe};

/// A text about the probe point that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitText {
    /// The point, without wildcards and aliases.
    Point = 0,
    /// The point as it is written in the script.
    Written = 1,
    /// The function it is in.
    Function = 2,
}

impl HitText {
    /// All of them, by their numbers.
    pub const ALL: [HitText; 3] = [HitText::Point, HitText::Written, HitText::Function];

    /// Bytes of the text, its terminator included: longer ones are cut.
    pub const fn width(self) -> u32 {
        match self {
            HitText::Point | HitText::Written => 256,
            HitText::Function => 64,
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
    pub fn hit_text(&self, what: HitText, place: usize) -> &str {
        let target = match &self.point.attach {
            Attach::Function(functions) => functions.targets.get(place),
            _ => None,
        };
        match (what, target) {
            (HitText::Written, _) => &self.written,
            (HitText::Point, Some(target)) => &target.point,
            (HitText::Point, None) => &self.point.name,
            (HitText::Function, Some(target)) => &target.name,
            (HitText::Function, None) => &self.point.identity.function,
        }
    }
}
