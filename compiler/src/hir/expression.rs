//! Expressions, and the variables they read and write.

use super::{
    Aggregate, Arithmetic, AssignOperator, Comparison, EventId, ExprId, FunctionId, GlobalId,
    LocalId, Scalar, Unary,
};
use crate::builtins::Builtin;
use crate::source::Span;

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
    /// Key into the type table.
    pub id: ExprId,
}

/// The kinds of expressions.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum ExprKind {
    Number(i64),
    Text(String),
    /// `*`: any value, as a key of `in`, `delete` and slices.
    Wildcard,
    /// A variable's value.
    Read(Place),
    /// The context variable with this index.
    Context(usize),
    /// An integer (or bit field) in kernel memory.
    Load(Box<Load>),
    Call {
        builtin: &'static Builtin,
        arguments: Vec<Expr>,
    },
    /// A call of a function of the script or the library.
    Invoke {
        function: FunctionId,
        arguments: Vec<Expr>,
    },
    /// `sprintf` and its like.
    Sprint(Print),
    Unary {
        operator: Unary,
        operand: Box<Expr>,
    },
    Arithmetic {
        operator: Arithmetic,
        operator_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        operator: Comparison,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `&&` (`or` false) and `||` (`or` true).
    Logical {
        or: bool,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Concatenate {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Conditional {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `[keys] in array`.
    In {
        array: GlobalId,
        keys: Vec<Expr>,
    },
    /// Assignment: plain, with an operator, or with `.=` (`concatenate`).
    Assign {
        target: Box<Place>,
        operator: AssignOperator,
        operator_span: Span,
        value: Box<Expr>,
    },
    /// `++` and `--`; the value is the old one unless `prefix`.
    Increment {
        target: Box<Place>,
        prefix: bool,
        by: i64,
    },
    /// `@count(place)` and its like.
    Extract {
        aggregate: Aggregate,
        of: Box<Place>,
    },
    /// The text of an aggregate's histogram, an argument of a printing function.
    Histogram(Box<Place>),
    /// The count in a bucket of an aggregate's histogram.
    Bucket {
        of: Box<Place>,
        index: Box<Expr>,
    },
    /// `=~`: whether a text contains a match of a POSIX extended regular expression.
    Match {
        negated: bool,
        text: Box<Expr>,
        regex: String,
    },
    /// Made by `partition`: a value captured in the record being handled.
    Captured {
        event: EventId,
        field: usize,
    },
}

/// A variable that can be read and written.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which.
    pub kind: PlaceKind,
    /// Where it stands.
    pub span: Span,
    /// The expression id under which its type is kept.
    pub id: ExprId,
}

/// The kinds of variables.
#[derive(Clone, Debug)]
pub enum PlaceKind {
    /// A local.
    Local(LocalId),
    /// A global scalar, or a whole array where one is allowed.
    Global(GlobalId),
    /// An array element.
    Element(GlobalId, Vec<Expr>),
}

/// One of the printing functions.
#[derive(Clone, Debug)]
pub struct Print {
    /// The pieces of a `printf`; `None` prints the arguments one after another.
    pub format: Option<crate::format::Format>,
    /// Between the arguments (`printd`).
    pub delimiter: String,
    /// After them (`println`).
    pub newline: bool,
    /// The values.
    pub arguments: Vec<Expr>,
}

/// An integer in kernel memory at `address + offset`.
#[derive(Clone, Debug)]
pub struct Load {
    /// The address the offset is added to.
    pub address: Expr,
    /// In bytes.
    pub offset: i32,
    /// What is loaded.
    pub value: Scalar,
    /// For a bit field: its lowest bit within the loaded integer, and its width in bits.
    pub bits: Option<(u8, u8)>,
    /// Whether the address is trusted by the verifier, so that the load cannot fault once the
    /// address is known not to be null.
    pub trusted: bool,
    /// Whether the value is 0, and not an error, where the memory cannot be read.
    pub or_zero: bool,
}
