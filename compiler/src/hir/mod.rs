//! The resolved script: what every stage after `resolve` works on.
//!
//! True here: every name is an id, every probe point a [`Point`] of one machine, every `$variable`
//! an argument word or a load at known offsets, every constant condition folded. Nothing here knows
//! the surface syntax the script was written in. Types are beside the tree, in
//! [`crate::types::Types`], indexed by [`ExprId`].

mod attach;
mod context;
mod counter;
mod expression;
mod function;
mod hit;
mod lifetime;
mod live;
mod nesting;
mod operator;
mod outlet;
mod print;
mod rename;
mod statement;
mod syscall;
mod visit;

pub use attach::{
    Attach, CountedEvent, HookPoint, Instruction, MarkNames, OnlyIn, SampleRate, Watched,
};
pub use context::{ContextSource, ContextVariable, MarkArgument, Scalar};
pub use counter::Counter;
pub use expression::{Expr, ExprKind, Load, Place, PlaceKind, Print};
pub use function::{FunctionPoints, FunctionTarget};
pub use hit::HitText;
pub use lifetime::{Lifetime, Moment};
pub use live::{assigned_locals, live_locals, used_locals};
pub use nesting::max_nesting;
pub use operator::{Arithmetic, AssignOperator, Comparison, Unary};
pub use outlet::{Exchange, FilePoint, InputUnit};
pub use print::{Annotations, print_body, print_expression};
pub use rename::{InPlaceOfLocals, rename_locals};
pub use statement::{Foreach, Sort, SortBy, Stmt, StmtKind};
pub use syscall::{CompatTest, Direction, SyscallPoint};
pub use visit::{each_expression, each_part, each_statement};

use cranelift_codegen::entity::{PrimaryMap, entity_impl};

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
