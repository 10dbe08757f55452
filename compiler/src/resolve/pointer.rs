//! What script values point to: `x = $skb` makes `x->len` mean something.
//!
//! The type of a pointer follows assignments, elements and keys of arrays, loop variables, parameters
//! and results, whatever the order they are written in. Handlers are resolved in order, so a use may
//! come before what says its type. Then everything is resolved once more with what was learned, until
//! nothing new is. A variable that is given pointers to several types has none.

use std::collections::HashMap;

use super::{Resolver, Scope};
use crate::btf::{Kind, TypeId};
use crate::hir::{Arithmetic, Expr, ExprKind, Place, PlaceKind};
use crate::source::Span;

/// What may hold a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A variable of a body; the place of a function's name, or of a probe point with the point's text.
    Local(Owner, String),
    /// A global or the elements of one, by its declaration.
    Global(Span),
    /// A key of an array.
    Key(Span, usize),
    /// The result of a function, by the place of its name.
    Result(Span),
}

/// Whose variables they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) place: Span,
    /// The resolved probe point; empty for functions.
    pub(super) point: String,
}

/// What is known of pointers so far.
#[derive(Debug, Default)]
pub(super) struct Pointees {
    /// What they point to; `None` when that differs.
    known: HashMap<Holder, Option<TypeId>>,
    /// Something was learned.
    learned: bool,
    /// Something was asked that is not known.
    missing: bool,
}

impl Pointees {
    /// Whether another round would find more; begins it.
    pub(super) fn next_round(&mut self) -> bool {
        let again = self.learned && self.missing;
        self.learned = false;
        self.missing = false;
        again
    }

    /// Whether something is known to hold pointers of one type.
    pub(super) fn knows(&self, holder: &Holder) -> bool {
        matches!(self.known.get(holder), Some(Some(_)))
    }

    fn learn(&mut self, holder: Holder, pointee: TypeId) {
        match self.known.get(&holder) {
            None => {
                self.known.insert(holder, Some(pointee));
                self.learned = true;
            }
            Some(Some(before)) if *before != pointee => {
                self.known.insert(holder, None);
                // What was made of the first type is wrong.
                self.learned = true;
                self.missing = true;
            }
            Some(_) => {}
        }
    }
}

impl Resolver<'_> {
    /// Notes what the value of an expression points to.
    pub(super) fn points_to(&mut self, expr: &Expr, pointee: TypeId) {
        let facts = self.facts;
        if let Ok(btf) = facts.all_types() {
            self.pointees_of[expr.id] = Some(btf.strip(pointee));
        }
    }

    /// Notes that an expression is the address of a structure of the kernel's.
    pub(super) fn points_to_structure(&mut self, expr: &Expr, name: &str) {
        if let Ok(btf) = self.facts.all_types() {
            self.pointees_of[expr.id] = btf.find(name, Kind::Struct);
        }
    }

    /// What the value of an expression points to.
    pub(super) fn pointee(&self, expr: &Expr) -> Option<TypeId> {
        self.pointees_of[expr.id]
    }

    /// As [`Self::pointee`], for a use that needs to know: tells whether types differ.
    pub(super) fn needed_pointee(
        &mut self,
        scope: &Scope<'_>,
        expr: &Expr,
    ) -> Result<TypeId, bool> {
        if let Some(pointee) = self.pointee(expr) {
            return Ok(pointee);
        }
        self.pointees.missing = true;
        let ExprKind::Read(place) = &expr.kind else { return Err(false) };
        let holder = self.holder(scope, place);
        Err(holder.is_some_and(|holder| self.pointees.known.get(&holder) == Some(&None)))
    }

    /// Finds what an expression made of others points to.
    pub(super) fn derive_pointee(&mut self, scope: &Scope<'_>, expr: &Expr) {
        let pointee = match &expr.kind {
            ExprKind::Read(place) => {
                self.holder(scope, place).and_then(|holder| self.known_pointee(&holder))
            }
            ExprKind::Conditional { then, otherwise, .. } => {
                self.pointee(then).or_else(|| self.pointee(otherwise))
            }
            ExprKind::Arithmetic {
                operator: Arithmetic::Add | Arithmetic::Subtract,
                left,
                right,
                ..
            } => match (self.pointee(left), self.pointee(right)) {
                (Some(pointee), None) | (None, Some(pointee)) => Some(pointee),
                // The distance of two pointers is a number.
                (Some(_), Some(_)) | (None, None) => None,
            },
            ExprKind::Assign { value, .. } => self.pointee(value),
            _ => None,
        };
        if pointee.is_some() {
            self.pointees_of[expr.id] = pointee;
        }
    }

    pub(super) fn known_pointee(&self, holder: &Holder) -> Option<TypeId> {
        self.pointees.known.get(holder).copied().flatten()
    }

    /// A place is given a value.
    pub(super) fn learn_assignment(&mut self, scope: &Scope<'_>, target: &Place, value: &Expr) {
        if let (Some(pointee), Some(holder)) = (self.pointee(value), self.holder(scope, target)) {
            self.pointees.learn(holder, pointee);
        }
    }

    /// Something is given a value.
    pub(super) fn learn(&mut self, holder: Holder, value: &Expr) {
        if let Some(pointee) = self.pointee(value) {
            self.pointees.learn(holder, pointee);
        }
    }

    /// Something is given a pointer.
    pub(super) fn learn_pointee(&mut self, holder: Holder, pointee: TypeId) {
        self.pointees.learn(holder, pointee);
    }

    /// A local takes the values of something else: the loop variables of a `foreach`.
    pub(super) fn learn_local(&mut self, scope: &Scope<'_>, name: &str, from: &Holder) {
        if let Some(pointee) = self.known_pointee(from) {
            self.pointees.learn(Holder::Local(scope.owner.clone(), name.to_string()), pointee);
        }
    }

    fn holder(&self, scope: &Scope<'_>, place: &Place) -> Option<Holder> {
        Some(match &place.kind {
            PlaceKind::Local(id) => {
                Holder::Local(scope.owner.clone(), scope.body.locals[*id].name.clone())
            }
            PlaceKind::Global(id) | PlaceKind::Element(id, _) => {
                Holder::Global(self.script.globals[*id].span)
            }
        })
    }
}
