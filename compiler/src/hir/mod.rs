//! The resolved script: what every stage after `resolve` works on.
//!
//! True here: every name is an id, every probe point a [`Point`] of one machine, every `$variable`
//! an argument word or a load at known offsets, every constant condition folded. Nothing here knows
//! the surface syntax the script was written in. Types are beside the tree, in
//! [`crate::types::Types`], indexed by [`ExprId`].

mod attach;
mod context;
mod counter;
mod function;
mod hit;
mod lifetime;
mod live;
mod nesting;
mod outlet;
mod print;
mod rename;
mod syscall;
mod visit;

pub use attach::{
    Attach, CountedEvent, HookPoint, Instruction, MarkNames, OnlyIn, SampleRate, Watched,
};
pub use context::{ContextSource, ContextVariable, MarkArgument, Scalar};
pub use counter::Counter;
pub use function::{FunctionPoints, FunctionTarget};
pub use hit::HitText;
pub use lifetime::{Lifetime, Moment};
pub use live::{assigned_locals, live_locals, used_locals};
pub use nesting::max_nesting;
pub use outlet::{Exchange, FilePoint, InputUnit};
pub use print::{Annotations, print_body, print_expression};
pub use rename::{InPlaceOfLocals, rename_locals};
pub use syscall::{CompatTest, Direction, SyscallPoint};
pub use visit::{each_expression, each_part, each_statement};

use cranelift_codegen::entity::{PrimaryMap, entity_impl};

use crate::builtins::Builtin;
pub use crate::histogram::Histogram;
use crate::source::Span;
pub use crate::syntax::ast::{Aggregate, DeclaredType, Quantile, SortDirection};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);
        entity_impl!($name, $prefix);
    };
}

id!(
    /// A global variable.
    GlobalId,
    "global"
);
id!(
    /// A probe: one handler on one resolved point.
    ProbeId,
    "probe"
);
id!(
    /// A local variable of one body.
    LocalId,
    "local"
);
id!(
    /// A function of the script or the library.
    FunctionId,
    "function"
);
id!(
    /// A body: a probe handler, an overload of a function, a continuation.
    BodyId,
    "body"
);
id!(
    /// An expression; key of the type table.
    ExprId,
    "expr"
);
id!(
    /// A kind of record that kernel code sends to its continuation in userspace.
    EventId,
    "event"
);

/// A whole script, resolved for one machine.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The globals, in order of declaration.
    pub globals: PrimaryMap<GlobalId, Global>,
    /// The probes, in order of declaration.
    pub probes: PrimaryMap<ProbeId, Probe>,
    /// The functions that are called, in order of first use.
    pub functions: PrimaryMap<FunctionId, Function>,
    /// How many expression ids were given out.
    pub expressions: PrimaryMap<ExprId, Span>,
    /// How many body ids were given out.
    pub bodies: PrimaryMap<BodyId, ()>,
}

impl Script {
    /// An empty body with an id of its own.
    pub fn new_body(&mut self) -> Body {
        Body { id: self.bodies.push(()), locals: PrimaryMap::new(), statements: vec![] }
    }
}

/// A function: all overloads of one name and number of parameters.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where the first overload is declared.
    pub span: Span,
    /// How many parameters it takes.
    pub arity: usize,
    /// The overloads in the order they are tried; `next` goes on to the next one.
    pub overloads: Vec<Overload>,
    /// Whether some `return` gives a value, or a result type is declared.
    pub has_result: bool,
}

/// One body of a function.
#[derive(Clone, Debug)]
pub struct Overload {
    /// The parameters, locals of the body.
    pub parameters: Vec<LocalId>,
    /// The types that are declared, of the parameters and the result.
    pub declared: Declared,
    /// The code.
    pub body: Body,
}

/// The types written in a function's declaration.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Of the parameters.
    pub parameters: Vec<Option<DeclaredType>>,
    /// Of the result.
    pub result: Option<DeclaredType>,
}

/// A global variable as declared.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// `[N]`: the capacity asked for.
    pub size: Option<u32>,
    /// `%`: drop the oldest element when full.
    pub wrap: bool,
    /// `= literal`.
    pub initial: Option<Constant>,
    /// Array or scalar, as its uses (or its size) show, with the place that showed it.
    pub shape: Shape,
    /// The shift that `@variance` of it is computed with, and where that was first said.
    pub variance_shift: Option<(u8, Span)>,
    /// The histogram it keeps, and where that was first said.
    pub histogram: Option<(Histogram, Span)>,
    /// Whether the library declares it: it is not shown at the end.
    pub library: bool,
    /// Whether its value, or those of its elements, are pointers: they are shown as addresses.
    pub pointer: bool,
}

/// Whether a global is an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Not used so that it could be told.
    Unknown,
    /// A single value.
    Scalar(Span),
    /// An array with this many keys.
    Array(usize, Span),
}

/// A literal value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constant {
    /// A number.
    Number(i64),
    /// A string.
    Text(String),
}

/// One handler on one probe point.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where it is attached and what it offers.
    pub point: Point,
    /// The probe point as the script has it.
    pub written: String,
    /// The probe point as the user wrote it.
    pub span: Span,
    /// What has to hold for it to be attached at all; the handler tests it as well.
    pub arming: Vec<Expr>,
    /// The handler.
    pub body: Body,
}

/// Code with its local variables.
#[derive(Clone, Debug)]
pub struct Body {
    /// Key into the table of the locals' types.
    pub id: BodyId,
    /// The local variables.
    pub locals: PrimaryMap<LocalId, Local>,
    /// The statements.
    pub statements: Vec<Stmt>,
}

/// A local variable.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// Its first appearance.
    pub span: Span,
}

/// A resolved probe point.
#[derive(Clone, Debug)]
pub struct Point {
    /// The point in full, as `pp()` gives it: `kernel.trace("skb:kfree_skb")`.
    pub name: String,
    /// How it is attached, which also decides which half its handler runs in.
    pub attach: Attach,
    /// The context variables, by position.
    pub context: Vec<ContextVariable>,
    /// Which of them is the first that is a variable of the function's own, not a parameter or result; `None`
    /// without such.
    pub first_local: Option<usize>,
    /// What scripts can ask about the point itself.
    pub identity: Identity,
    /// Whether the script goes on without it (`?`) where it cannot be attached.
    pub optional: bool,
}

/// What scripts can ask about a probe point: texts known when it is resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The function the point is in, as `ppfunc()` gives it; empty where it is in none.
    pub function: String,
    /// `$$name` and its like, with their `$$`.
    pub texts: Vec<(&'static str, String)>,
}

impl Point {
    /// A point without context variables.
    pub fn new(name: String, attach: Attach) -> Point {
        Point {
            name,
            attach,
            context: vec![],
            first_local: None,
            identity: Identity::default(),
            optional: false,
        }
    }
}

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

/// How an assignment combines old and new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignOperator {
    /// `=`.
    Set,
    /// `+=` and its like.
    Arithmetic(Arithmetic),
    /// `.=`.
    Concatenate,
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Negate,
    Not,
    Complement,
}

/// Arithmetic operators on signed 64-bit values; all wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    ShiftLeft,
    ShiftRight,
    ShiftRightLogical,
    And,
    Or,
    Xor,
}

impl Arithmetic {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Modulo => "%",
            Arithmetic::ShiftLeft => "<<",
            Arithmetic::ShiftRight => ">>",
            Arithmetic::ShiftRightLogical => ">>>",
            Arithmetic::And => "&",
            Arithmetic::Or => "|",
            Arithmetic::Xor => "^",
        }
    }
}

/// Comparisons: of signed numbers, or of strings by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
        }
    }
}

/// `@count` and the others, as written.
pub fn aggregate_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "@count",
        Aggregate::Sum => "@sum",
        Aggregate::Avg => "@avg",
        Aggregate::Min => "@min",
        Aggregate::Max => "@max",
        Aggregate::Variance => "@variance",
        Aggregate::Percentile(_) => "@percentile",
        Aggregate::HistLog => "@hist_log",
        Aggregate::HistLinear => "@hist_linear",
    }
}
