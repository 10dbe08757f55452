//! Moments of which only the first counts: a process that runs already when the session begins does so once, and not
//! when it has begun another way since.

use super::Resolver;
use crate::builtins;
use crate::hir::{Attach, Expr, ExprKind, GlobalId, PlaceKind, Stmt, StmtKind};
use crate::source::Span;

impl Resolver<'_> {
    /// The array that the handlers of one probe point share for it, if one of the points needs it.
    pub(super) fn once(&mut self, points: &[crate::hir::Point], span: Span) -> Option<GlobalId> {
        let is_once = |attach: &Attach| match attach {
            Attach::Lifetime(lifetime) => lifetime.moment.is_once(),
            _ => false,
        };
        points
            .iter()
            .any(|point| is_once(&point.attach))
            .then(|| self.hidden_array("once", 1, span))
    }

    /// What a handler does first.
    pub(super) fn note_once(
        &mut self,
        known: GlobalId,
        attach: &Attach,
        span: Span,
    ) -> Option<Stmt> {
        let Attach::Lifetime(lifetime) = attach else { return None };
        if !lifetime.moment.is_begin() {
            return None;
        }
        let pid = builtins::find("pid").expect("the catalogue has the process's number");
        let key: Expr = self.expr(span, ExprKind::Call { builtin: pid, arguments: vec![] });
        let element = self.place(span, PlaceKind::Element(known, vec![key]));
        let before = ExprKind::Increment { target: Box::new(element), prefix: false, by: 1 };
        let before = self.expr(span, before);
        let kind = match lifetime.moment.is_once() {
            true => StmtKind::If {
                condition: before,
                then: vec![Stmt { kind: StmtKind::Next, span }],
                otherwise: vec![],
            },
            false => StmtKind::Expr(before),
        };
        Some(Stmt { kind, span })
    }
}
