//! Braces in the names of probe points and in their strings: `syscall.{open,close}.return` is two points.
//!
//! Braces around components with arguments are expanded by the parser; here are those that are left
//! in names.

use crate::glob::alternatives;
use crate::syntax::ast::{Literal, LiteralValue, ProbePoint};

/// The points a point with braces stands for, in the order of the shell: the last brace varies
/// fastest. `None` when it has no braces.
pub(super) fn expand(point: &ProbePoint) -> Option<Vec<ProbePoint>> {
    for (at, component) in point.components.iter().enumerate() {
        if let Some(choices) = alternatives(&component.name.text) {
            let with = |text| {
                let mut point = point.clone();
                point.components[at].name.text = text;
                point
            };
            return Some(choices.into_iter().map(with).collect());
        }
        // In strings braces around one text are a part of it.
        let Some(Literal { value: LiteralValue::String(text), .. }) = &component.argument else {
            continue;
        };
        if let Some(choices) = alternatives(text).filter(|choices| choices.len() > 1) {
            let with = |text| {
                let mut point = point.clone();
                if let Some(argument) = &mut point.components[at].argument {
                    argument.value = LiteralValue::String(text);
                }
                point
            };
            return Some(choices.into_iter().map(with).collect());
        }
    }
    None
}
