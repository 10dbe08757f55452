//! What of an expression the kernel cannot compute, and whether userspace can.

use super::defer::Deferring;
use crate::builtins::Kernel;
use crate::diagnostic::codes;
use crate::hir::*;
use crate::lower::can_format;
use crate::source::Span;
use crate::types::Type;

/// A text of more values than this is made in userspace.
const MOST_FORMATTED: usize = 24;

/// Why an expression cannot be computed in the kernel.
pub(super) struct Obstacle {
    span: Span,
    what: String,
    /// Whether userspace can compute it from captured values.
    pub(super) deferrable: bool,
}

impl Deferring<'_> {
    /// The first part of an expression that the kernel cannot compute.
    pub(super) fn obstacle(&self, e: &Expr) -> Option<Obstacle> {
        let both = |l: &Expr, r: &Expr| self.obstacle(l).or_else(|| self.obstacle(r));
        match &e.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Context(_)
            | ExprKind::Captured { .. } => None,
            ExprKind::Wildcard => Some(Obstacle {
                span: e.span,
                what: "a search with `*`".to_string(),
                deferrable: false,
            }),
            ExprKind::Read(place) => self.place_obstacle(place),
            ExprKind::Load(load) => self.obstacle(&load.address),
            ExprKind::Call { builtin, arguments } => match builtin.kernel {
                Kernel::Inline(_) | Kernel::Pure(_) | Kernel::Raise(_) => {
                    arguments.iter().find_map(|a| self.obstacle(a))
                }
                Kernel::Deferred | Kernel::DeferredLast => Some(Obstacle {
                    span: e.span,
                    what: format!("`{}`", builtin.name),
                    deferrable: true,
                }),
            },
            ExprKind::Invoke { function, .. } if self.userspace.functions.contains(function) => {
                Some(Obstacle {
                    span: e.span,
                    what: format!("`{}`", self.script.functions[*function].name),
                    deferrable: true,
                })
            }
            ExprKind::Invoke { arguments, .. } => arguments.iter().find_map(|a| self.obstacle(a)),
            ExprKind::Sprint(print) => {
                let formats = print.format.iter().flat_map(|f| f.conversions());
                let many = print.arguments.len() > MOST_FORMATTED;
                if many || formats.into_iter().any(|c| !can_format(c)) {
                    return Some(Obstacle {
                        span: e.span,
                        what: "text of this format".to_string(),
                        deferrable: true,
                    });
                }
                print.arguments.iter().find_map(|a| self.obstacle(a))
            }
            ExprKind::Concatenate { left, right } => both(left, right),
            ExprKind::Extract { aggregate, .. } => Some(Obstacle {
                span: e.span,
                what: format!("`{}`", aggregate.word()),
                deferrable: false,
            }),
            ExprKind::Histogram(_) | ExprKind::Bucket { .. } => {
                Some(Obstacle { span: e.span, what: "a histogram".to_string(), deferrable: false })
            }
            ExprKind::Match { text, regex, .. } => {
                if self.layout.automata.iter().any(|(known, _)| known == regex) {
                    return self.obstacle(text);
                }
                Some(Obstacle {
                    span: e.span,
                    what: "a match of a regular expression".to_string(),
                    deferrable: true,
                })
            }
            ExprKind::Unary { operand, .. } => self.obstacle(operand),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Logical { left, right, .. } => both(left, right),
            ExprKind::Conditional { condition, then, otherwise } => {
                self.obstacle(condition).or_else(|| both(then, otherwise))
            }
            ExprKind::In { array, keys } => self
                .global_obstacle(*array, e.span)
                .or_else(|| keys.iter().find_map(|k| self.obstacle(k))),
            ExprKind::Assign { target, value, .. } => {
                self.place_obstacle(target).or_else(|| self.obstacle(value))
            }
            ExprKind::Increment { target, .. } => self.place_obstacle(target),
        }
    }

    pub(super) fn place_obstacle(&self, place: &Place) -> Option<Obstacle> {
        match &place.kind {
            PlaceKind::Element(id, keys) => self
                .global_obstacle(*id, place.span)
                .or_else(|| keys.iter().find_map(|k| self.obstacle(k))),
            PlaceKind::Global(id) => self.global_obstacle(*id, place.span),
            PlaceKind::Local(_) => None,
        }
    }

    /// Whether a global is in userspace only.
    fn global_obstacle(&self, id: GlobalId, span: Span) -> Option<Obstacle> {
        let what = || format!("`{}`", self.script.globals[id].name);
        let is = self.userspace.globals.contains(&id);
        is.then(|| Obstacle { span, what: what(), deferrable: true })
    }

    /// Whether a continuation can compute a value from what the kernel can.
    pub(super) fn can_capture(&self, e: &Expr) -> bool {
        let Some(obstacle) = self.obstacle(e) else { return true };
        if !obstacle.deferrable {
            return false;
        }
        match &e.kind {
            ExprKind::Call { arguments, .. } => arguments.iter().all(|a| self.can_capture(a)),
            ExprKind::Sprint(print) => print.arguments.iter().all(|a| self.can_capture(a)),
            ExprKind::Unary { operand, .. } => self.can_capture(operand),
            ExprKind::Match { text, .. } => self.can_capture(text),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Logical { left, right, .. }
            | ExprKind::Concatenate { left, right } => {
                self.can_capture(left) && self.can_capture(right)
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().all(|e| self.can_capture(e))
            }
            _ => false,
        }
    }

    /// What a `delete` empties that a kernel handler cannot: an array, or all CPUs' parts of an
    /// aggregate.
    pub(super) fn deletes_whole(&self, place: &Place) -> Option<&'static str> {
        let PlaceKind::Global(id) = place.kind else { return None };
        if matches!(self.script.globals[id].shape, Shape::Array(..)) {
            return Some("deleting a whole array");
        }
        (self.types.globals[id].value == Type::Stats).then_some("emptying an aggregate")
    }

    /// Reports an expression the kernel has to compute and cannot.
    pub(super) fn check(&mut self, e: &Expr) {
        if let Some(obstacle) = self.obstacle(e) {
            self.report(&obstacle);
        }
    }

    pub(super) fn check_place(&mut self, place: &Place) {
        if let Some(obstacle) = self.place_obstacle(place) {
            self.report(&obstacle);
        }
    }

    pub(super) fn report(&mut self, obstacle: &Obstacle) {
        let point = self.point().to_string();
        let diagnostic = self.diagnostics.error(
            codes::KERNEL_ONLY_PART,
            obstacle.span,
            format!("{} cannot be computed in a kernel probe", obstacle.what),
        );
        diagnostic.label(format!("needed while the handler at `{point}` runs"));
        if obstacle.deferrable {
            diagnostic.help(
                "print it directly, or keep what it is made from (such as the address) and make \
                 the text where it is printed",
            );
        } else {
            diagnostic.help("read it in a `timer` or `end` probe");
        }
    }
}
