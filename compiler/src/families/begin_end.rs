//! `begin`, `end`, `error` and `never`: user blocks around the session.

use super::{Argument::*, Family, Request};
use crate::hir::{Attach, Point};

macro_rules! family {
    ($form:expr, $summary:literal, $example:literal, $attach:expr) => {
        Family {
            form: $form,
            summary: $summary,
            example: $example,
            resolve: |request, _| point(request, $attach),
        }
    };
}

pub(super) const FAMILIES: &[Family] = &[
    family!(
        &[("begin", None)],
        "When everything is loaded, right before the probes go live.",
        "probe begin { println(\"hello\"); exit() }",
        Attach::Begin
    ),
    family!(
        &[("begin", Number)],
        "As `begin`, in ascending order of the number; `begin` alone is 0.",
        "probe begin(-1) { println(\"first\") } probe begin { exit() }",
        Attach::Begin
    ),
    family!(
        &[("end", None)],
        "After the probes are detached.",
        "probe begin { exit() } probe end { println(\"bye\") }",
        Attach::End
    ),
    family!(
        &[("end", Number)],
        "As `end`, in ascending order of the number.",
        "probe begin { exit() } probe end(1) { println(\"last\") }",
        Attach::End
    ),
    family!(
        &[("error", None)],
        "In place of `end` when the session stopped by an error.",
        "probe begin { exit() } probe error { println(\"failed\") }",
        Attach::Error
    ),
    family!(
        &[("error", Number)],
        "As `error`, in ascending order of the number.",
        "probe begin { exit() } probe error(1) { println(\"failed\") }",
        Attach::Error
    ),
    family!(
        &[("never", None)],
        "Never: the handler is checked, not run.",
        "probe begin { exit() } probe never { println(\"?\") }",
        |_| Attach::Never
    ),
];

fn point(request: &Request<'_>, attach: fn(i64) -> Attach) -> Vec<Point> {
    let sequence = request.number(0).map_or(0, |(n, _)| n);
    vec![Point::new(request.spelling(), attach(sequence))]
}
