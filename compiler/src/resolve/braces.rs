//! Braces in the names of probe points: `syscall.{open,close}.return` is two points.
//!
//! Braces around components with arguments are expanded by the parser; here are those that are left
//! in names.

use crate::glob::alternatives;
use crate::syntax::ast::ProbePoint;

/// The points a point with braces stands for, in the order of the shell: the last brace varies
/// fastest. `None` when it has no braces.
pub(super) fn expand(point: &ProbePoint) -> Option<Vec<ProbePoint>> {
    let (at, choices) = point
        .components
        .iter()
        .enumerate()
        .find_map(|(at, component)| Some((at, alternatives(&component.name.text)?)))?;
    let points = choices.into_iter().map(|text| {
        let mut point = point.clone();
        point.components[at].name.text = text;
        point
    });
    Some(points.collect())
}
