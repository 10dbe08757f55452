//! The syntax tree: a script as written, after preprocessing.
//!
//! Every node has a [`Span`] into the user's text. Nothing is resolved: names are strings, and a
//! construct that SystemTap accepts has a node here whether or not later stages can use it.

use crate::source::Span;

/// A name with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A parsed file: its declarations in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The declarations.
    pub items: Vec<Item>,
}

/// A top-level declaration.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // A script has few of them.
pub enum Item {
    /// `global a, b = 1, c[100], d%`; one item for each name.
    Global(GlobalDeclaration),
    /// `function name(a, b) { ... }`.
    Function(FunctionDeclaration),
    /// `probe point, point { ... }`.
    Probe(ProbeDeclaration),
    /// `probe alias = point { ... }`.
    Alias(AliasDeclaration),
}

/// One global variable.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalDeclaration {
    /// `private global`.
    pub private: bool,
    /// Its name.
    pub name: Name,
    /// `[N]`: the capacity, with its place.
    pub size: Option<(u32, Span)>,
    /// `%`: drop the oldest element when full.
    pub wrap: Option<Span>,
    /// `= literal`.
    pub initial: Option<Literal>,
    /// The declaration of this name.
    pub span: Span,
}

/// A type that can be written in a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredType {
    /// `long`.
    Long,
    /// `string`.
    String,
}

/// `[private] function name[:type](parameter[:type], ...)[:priority] { ... }`.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionDeclaration {
    /// `private`.
    pub private: bool,
    /// Its name.
    pub name: Name,
    /// The declared result type.
    pub result: Option<DeclaredType>,
    /// The parameters.
    pub parameters: Vec<(Name, Option<DeclaredType>)>,
    /// `:N` after the parameter list: where an overload stands among its likes.
    pub priority: Option<i64>,
    /// The body, a block.
    pub body: Statement,
    /// The whole declaration.
    pub span: Span,
}

/// `probe points { ... }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeDeclaration {
    /// One or more probe points, comma separated.
    pub points: Vec<ProbePoint>,
    /// The handler, a block.
    pub body: Statement,
    /// From `probe` to the closing brace.
    pub span: Span,
}

/// `probe alias = points { prologue }`, `probe alias += points { epilogue }`, or
/// `probe alias = points { prologue }, { epilogue }`.
#[derive(Clone, Debug, PartialEq)]
pub struct AliasDeclaration {
    /// The alias as dotted components (may hold wildcards in no component).
    pub alias: ProbePoint,
    /// What it stands for.
    pub points: Vec<ProbePoint>,
    /// Runs before the user's body.
    pub prologue: Option<Statement>,
    /// Runs after it.
    pub epilogue: Option<Statement>,
    /// The whole declaration.
    pub span: Span,
}

/// `kernel.function("f").return ? if (cond)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbePoint {
    /// The dotted components.
    pub components: Vec<Component>,
    /// `?`: no error when nothing matches.
    pub optional: bool,
    /// `!`: as `?`, and later points of the list are left out when this one matches.
    pub sufficient: bool,
    /// `if (condition)`.
    pub condition: Option<Box<Expression>>,
    /// The point without its condition.
    pub span: Span,
}

/// One component, `function("f")`. Wildcards (`*`, `**`) and braces (`{a,b}`) are left in the name.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The word, with any `*` and `{a,b}` as written.
    pub name: Name,
    /// A number or string in parentheses.
    pub argument: Option<Literal>,
    /// Name and argument.
    pub span: Span,
}

/// A literal with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// The value.
    pub value: LiteralValue,
    /// Where it stands.
    pub span: Span,
}

/// The value of a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiteralValue {
    /// A number, wrapped to signed.
    Number(i64),
    /// A string with escapes replaced and neighbours glued.
    String(String),
}

/// A statement with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The fields are shown in the form each variant quotes.
pub enum StatementKind {
    /// `{ ... }`.
    Block(Vec<Statement>),
    /// `;`.
    Empty,
    /// An expression for its effect.
    Expression(Expression),
    /// `if (c) a else b`.
    If { condition: Expression, then: Box<Statement>, otherwise: Option<Box<Statement>> },
    /// `while (c) s`.
    While { condition: Expression, body: Box<Statement> },
    /// `for (init; condition; step) s`.
    For {
        init: Option<Expression>,
        condition: Option<Expression>,
        step: Option<Expression>,
        body: Box<Statement>,
    },
    /// `foreach (...) s`.
    Foreach(Box<Foreach>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `next`.
    Next,
    /// `return [e]`.
    Return(Option<Expression>),
    /// `delete e`: an array, an element (indices may be [`ExpressionKind::Wildcard`]) or a scalar.
    Delete(Expression),
    /// `try { } catch (name) { }`.
    Try { body: Box<Statement>, variable: Option<Name>, handler: Box<Statement> },
}

/// `foreach (value = [k1, k2-] in array[slice] @sum- limit n) body`.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreach {
    /// `value =`, with its sort mark.
    pub value: Option<(Name, Option<SortDirection>)>,
    /// The key variables with their sort marks.
    pub keys: Vec<(Name, Option<SortDirection>)>,
    /// What is iterated.
    pub over: ForeachOver,
    /// `limit e`.
    pub limit: Option<Expression>,
    /// The loop body.
    pub body: Statement,
}

/// What a `foreach` runs over.
#[derive(Clone, Debug, PartialEq)]
pub enum ForeachOver {
    /// An array, perhaps sliced and sorted.
    Array {
        /// The array.
        array: Name,
        /// `[x, *]`: empty when there is none.
        slice: Vec<Expression>,
        /// The aggregate that sorts: `@sum` in `in a @sum-`.
        aggregate: Option<(Aggregate, Span)>,
        /// `+` or `-` behind the array (or its aggregate).
        direction: Option<SortDirection>,
    },
    /// `@hist_log(x)` or `@hist_linear(x, lo, hi, step)`.
    Histogram(Expression),
}

/// A sort mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortDirection {
    /// `+`.
    Ascending,
    /// `-`.
    Descending,
}

/// Which of the sorted values a percentile is: the first that is not less than `rank` of `of` parts of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantile {
    /// How many parts.
    pub rank: u32,
    /// Of how many; more than 0 once resolved.
    pub of: u32,
}

/// The aggregate extractors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aggregate {
    /// `@count`.
    Count,
    /// `@sum`.
    Sum,
    /// `@avg`.
    Avg,
    /// `@min`.
    Min,
    /// `@max`.
    Max,
    /// `@variance`, with an optional bit shift.
    Variance,
    /// `@percentile`, with the percentage, or with a rank and of how many.
    Percentile(Quantile),
    /// `@hist_log`.
    HistLog,
    /// `@hist_linear`, with low, high and step.
    HistLinear,
}

impl Aggregate {
    /// As written.
    pub fn word(self) -> &'static str {
        match self {
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
}

/// An expression with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The fields are shown in the form each variant quotes.
pub enum ExpressionKind {
    /// A number or string.
    Literal(LiteralValue),
    /// A plain name: a local or global variable.
    Variable(String),
    /// `a[k1, k2]`: an element of a global array.
    Element { array: Name, indices: Vec<Expression> },
    /// `*` as an index in `delete`, `in` and slices.
    Wildcard,
    /// `f(a, b)`, printing functions included.
    Call { function: Name, arguments: Vec<Expression> },
    /// `$name` (the text includes the `$`); `$$vars` and its like too.
    Context(String),
    /// `e->member` or `e[index]` (on a context variable, cast or pointer value), or `e$`, `e$$`.
    Member { base: Box<Expression>, access: Access },
    /// `& e` where `e` is a context variable or member chain.
    AddressOf(Box<Expression>),
    /// `-e`, `+e`, `!e`, `~e`.
    Unary { operator: UnaryOperator, operand: Box<Expression> },
    /// Arithmetic, comparison, `.`, `&&`, `||`.
    Binary {
        operator: BinaryOperator,
        /// Where the operator stands: run-time errors cite it.
        operator_span: Span,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    /// `e =~ "regex"` or, negated, `e !~ "regex"`.
    Match { negated: bool, text: Box<Expression>, regex: Literal },
    /// `k in a`, `[k1, *] in a`.
    In { keys: Vec<Expression>, array: Name },
    /// `c ? a : b`.
    Conditional { condition: Box<Expression>, then: Box<Expression>, otherwise: Box<Expression> },
    /// `t = v`, `t += v`, `t <<< v` and the others.
    Assign {
        operator: AssignOperator,
        /// Where the operator stands.
        operator_span: Span,
        target: Box<Expression>,
        value: Box<Expression>,
    },
    /// `++t`, `t--` and the others.
    Increment { prefix: bool, by: i64, target: Box<Expression> },
    /// `@count(x)` and the others; further arguments as in `@variance(x, 2)`.
    Aggregate { aggregate: Aggregate, of: Box<Expression>, arguments: Vec<Expression> },
    /// `@cast(e, "type"[, "module"])`.
    Cast { value: Box<Expression>, type_name: Literal, module: Option<Literal> },
    /// `@defined(e)`.
    Defined(Box<Expression>),
    /// `@probewrite(e)`.
    ProbeWrite(Box<Expression>),
    /// `@entry(e)`.
    Entry(Box<Expression>),
    /// `@perf("name")`.
    Perf(Literal),
    /// `@var("name@file"[, "module"])`.
    Var { name: Literal, module: Option<Literal> },
    /// `@const("C")`, `@enum("E")`.
    Constant(Literal),
    /// `%{ ... %}`: C code with its brackets, also as the only statement of a function.
    Embedded(String),
    /// `@enumname("E", v)`; the arguments as written.
    EnumName(Vec<Expression>),
    /// `@kregister(n)`, `@uregister(n)`, `@kderef(n, a)`, `@uderef(n, a)`: the word and arguments.
    Raw { word: String, arguments: Vec<Expression> },
}

/// One step of a member chain.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The fields are shown in the form each variant quotes.
pub enum Access {
    /// `->name`.
    Field(Name),
    /// `[index]`.
    Index(Box<Expression>),
    /// `$` (false) or `$$` (true): pretty printing.
    Pretty { deep: bool },
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `+`.
    Plus,
    /// `-`.
    Negate,
    /// `!`.
    Not,
    /// `~`.
    Complement,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the operators' usual ones.
pub enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    ShiftLeft,
    /// `>>`, arithmetic.
    ShiftRight,
    /// `>>>`, logical.
    ShiftRightLogical,
    And,
    Or,
    Xor,
    /// `&&`.
    LogicalAnd,
    /// `||`.
    LogicalOr,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// `.`.
    Concatenate,
}

/// Assignment operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignOperator {
    /// `=`.
    Set,
    /// `<<<`.
    Aggregate,
    /// `+=`, `.=` and the others.
    With(BinaryOperator),
}
