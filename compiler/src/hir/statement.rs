//! Statements.

use super::{Aggregate, EventId, Expr, GlobalId, LocalId, Place, Print, SortDirection};
use crate::source::Span;

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields are those of the syntax tree.
pub enum StmtKind {
    /// An expression for its effect.
    Expr(Expr),
    /// `target <<< value`.
    Record {
        target: Place,
        value: Expr,
    },
    /// Printing to the output.
    Print(Print),
    If {
        condition: Expr,
        then: Vec<Stmt>,
        otherwise: Vec<Stmt>,
    },
    /// `while` and `for`: the condition is tested before each round, `step` runs after it.
    Loop {
        condition: Option<Expr>,
        step: Option<Expr>,
        body: Vec<Stmt>,
    },
    Foreach(Box<Foreach>),
    Break,
    Continue,
    /// `next`: leave the handler; in a function, go on to the next overload.
    Next,
    /// `return`: leave the function.
    Return(Option<Expr>),
    /// `try { body } catch (variable) { handler }`.
    Try {
        body: Vec<Stmt>,
        variable: Option<LocalId>,
        handler: Vec<Stmt>,
    },
    /// `error("text")` with a text that is known: raise it.
    Fail(String),
    /// `delete`: an element, or all of a global when it has no keys.
    Delete(Place),
    /// Made by `partition`: send a record to the continuation of this event.
    Emit {
        event: EventId,
        captures: Vec<Expr>,
    },
    /// Made by `partition`: no handler starts any more; the continuation just sent raises an error.
    Halt,
}

/// `foreach (value = [keys] in array @aggregate- limit n) body`.
#[derive(Clone, Debug)]
pub struct Foreach {
    /// The array.
    pub array: GlobalId,
    /// The keys of a slice, wildcards among them; empty when all elements are meant.
    pub slice: Vec<Expr>,
    /// Where the array is named.
    pub array_span: Span,
    /// The key variables.
    pub keys: Vec<LocalId>,
    /// The value variable.
    pub value: Option<LocalId>,
    /// How elements are ordered; `None` is the order of insertion.
    pub sort: Option<Sort>,
    /// `limit`.
    pub limit: Option<Expr>,
    /// The loop body.
    pub body: Vec<Stmt>,
}

/// The order of a `foreach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// What is compared.
    pub by: SortBy,
    /// Which way.
    pub direction: SortDirection,
}

/// What a `foreach` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The key with this index.
    Key(usize),
    /// The value; an aggregate by its count.
    Value,
    /// An extractor of an aggregate.
    Aggregate(Aggregate),
}
