//! Resolved code as text, for `ntap emit types` and `ntap emit split`.

use std::fmt::Write;

use cranelift_codegen::entity::EntityRef;

use super::{
    AssignOperator, Body, ContextVariable, Expr, ExprKind, Foreach, GlobalId, LocalId, Place,
    PlaceKind, Point, Print, Script, SortBy, SortDirection, Stmt, StmtKind, Unary,
};
use crate::syntax::ast::{Aggregate, Quantile};
use crate::types::{Type, Types};

/// What a print adds to the bare code.
pub struct Annotations<'a> {
    /// The script the code belongs to.
    pub script: &'a Script,
    /// Its types; every variable's first mention and every value is followed by its type.
    pub types: &'a Types,
    /// The probe point whose context variables are named; none for continuations.
    pub point: Option<&'a Point>,
    /// Print what is the same in handlers that differ in literal texts and in the records they send. Variables and
    /// functions are then named by their numbers: two codes that are printed alike do the same.
    pub pattern: bool,
}

/// The statements of a body, indented by so many levels.
pub fn print_body(body: &Body, annotations: &Annotations<'_>, indent: usize) -> String {
    let mut printer = Printer { annotations, body, out: String::new() };
    printer.statements(&body.statements, indent);
    printer.out
}

/// One expression.
pub fn print_expression(e: &Expr, body: &Body, annotations: &Annotations<'_>) -> String {
    let mut printer = Printer { annotations, body, out: String::new() };
    printer.expression(e);
    printer.out
}

struct Printer<'a> {
    annotations: &'a Annotations<'a>,
    body: &'a Body,
    out: String,
}

impl Printer<'_> {
    fn statements(&mut self, statements: &[Stmt], indent: usize) {
        for statement in statements {
            self.statement(statement, indent);
        }
    }

    fn pad(&mut self, indent: usize) {
        for _ in 0..indent {
            self.out.push_str("  ");
        }
    }

    fn block(&mut self, statements: &[Stmt], indent: usize) {
        self.out.push_str(" {\n");
        self.statements(statements, indent + 1);
        self.pad(indent);
        self.out.push('}');
    }

    fn statement(&mut self, statement: &Stmt, indent: usize) {
        self.pad(indent);
        match &statement.kind {
            StmtKind::Expr(e) => self.expression(e),
            StmtKind::Record { target, value } => {
                self.place(target);
                self.out.push_str(" <<< ");
                self.expression(value);
            }
            StmtKind::Print(print) => self.print("print", print),
            StmtKind::If { condition, then, otherwise } => {
                self.out.push_str("if (");
                self.expression(condition);
                self.out.push(')');
                self.block(then, indent);
                if !otherwise.is_empty() {
                    self.out.push_str(" else");
                    self.block(otherwise, indent);
                }
            }
            StmtKind::Loop { condition, step, body } => {
                self.out.push_str("for (; ");
                if let Some(condition) = condition {
                    self.expression(condition);
                }
                self.out.push_str("; ");
                if let Some(step) = step {
                    self.expression(step);
                }
                self.out.push(')');
                self.block(body, indent);
            }
            StmtKind::Foreach(foreach) => self.foreach(foreach, indent),
            StmtKind::Break => self.out.push_str("break"),
            StmtKind::Continue => self.out.push_str("continue"),
            StmtKind::Next => self.out.push_str("next"),
            StmtKind::Halt => self.out.push_str("halt"),
            StmtKind::Fail(text) => {
                let _ = write!(self.out, "error({text:?})");
            }
            StmtKind::Return(value) => {
                self.out.push_str("return");
                if let Some(value) = value {
                    self.out.push(' ');
                    self.expression(value);
                }
            }
            StmtKind::Try { body, variable, handler } => {
                self.out.push_str("try");
                self.block(body, indent);
                self.out.push_str(" catch");
                if let Some(variable) = variable {
                    self.out.push_str(" (");
                    self.local(*variable);
                    self.out.push(')');
                }
                self.block(handler, indent);
            }
            StmtKind::Delete(place) => {
                self.out.push_str("delete ");
                self.place(place);
            }
            StmtKind::Emit { event, captures } => {
                match self.annotations.pattern {
                    true => self.out.push_str("emit ("),
                    false => {
                        let _ = write!(self.out, "emit {event}(");
                    }
                }
                self.list(captures);
                self.out.push(')');
            }
        }
        self.out.push('\n');
    }

    fn foreach(&mut self, foreach: &Foreach, indent: usize) {
        let mark = |direction| match direction {
            SortDirection::Ascending => '+',
            SortDirection::Descending => '-',
        };
        self.out.push_str("foreach (");
        if let Some(value) = foreach.value {
            self.local(value);
            self.out.push_str(" = ");
        }
        self.out.push('[');
        for (at, &key) in foreach.keys.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            self.local(key);
            if let Some(sort) = foreach.sort
                && sort.by == SortBy::Key(at)
            {
                self.out.push(mark(sort.direction));
            }
        }
        self.out.push_str("] in ");
        self.global(foreach.array);
        if !foreach.slice.is_empty() {
            self.out.push('[');
            self.list(&foreach.slice);
            self.out.push(']');
        }
        match foreach.sort {
            Some(sort) if sort.by == SortBy::Value => self.out.push(mark(sort.direction)),
            Some(sort) => {
                if let SortBy::Aggregate(aggregate) = sort.by {
                    let _ = write!(self.out, " {}{}", aggregate.word(), mark(sort.direction));
                }
            }
            None => {}
        }
        if let Some(limit) = &foreach.limit {
            self.out.push_str(" limit ");
            self.expression(limit);
        }
        self.out.push(')');
        self.block(&foreach.body, indent);
    }

    fn print(&mut self, name: &str, print: &Print) {
        self.out.push_str(name);
        if print.newline {
            self.out.push_str("ln");
        }
        self.out.push('(');
        if let Some(format) = &print.format {
            let _ = write!(self.out, "{:?}", format.to_string());
            if !print.arguments.is_empty() {
                self.out.push_str(", ");
            }
        }
        if !print.delimiter.is_empty() {
            let _ = write!(self.out, "{:?}, ", print.delimiter);
        }
        self.list(&print.arguments);
        self.out.push(')');
    }

    fn list(&mut self, list: &[Expr]) {
        for (at, e) in list.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            self.expression(e);
        }
    }

    /// A variable of the body: by its name, which variables of the compiler's own share, or by what it is alone.
    fn local(&mut self, local: LocalId) {
        match self.annotations.pattern {
            true => self.id(local),
            false => self.out.push_str(&self.body.locals[local].name),
        }
    }

    fn global(&mut self, global: GlobalId) {
        match self.annotations.pattern {
            true => self.id(global),
            false => self.out.push_str(&self.annotations.script.globals[global].name),
        }
    }

    fn id(&mut self, id: impl EntityRef) {
        let _ = write!(self.out, "@{}", id.index());
    }

    fn place(&mut self, place: &Place) {
        match &place.kind {
            PlaceKind::Local(id) => self.local(*id),
            PlaceKind::Global(id) => self.global(*id),
            PlaceKind::Element(id, keys) => {
                self.global(*id);
                self.out.push('[');
                self.list(keys);
                self.out.push(']');
            }
        }
    }

    fn binary(&mut self, left: &Expr, operator: &str, right: &Expr) {
        self.out.push('(');
        self.expression(left);
        let _ = write!(self.out, " {operator} ");
        self.expression(right);
        self.out.push(')');
    }

    fn expression(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Number(n) => {
                let _ = write!(self.out, "{n}");
                return;
            }
            ExprKind::Text(_) if self.annotations.pattern => {
                self.out.push_str("\"\"");
                return;
            }
            ExprKind::Text(text) => {
                let _ = write!(self.out, "{text:?}");
                return;
            }
            ExprKind::Wildcard => {
                self.out.push('*');
                return;
            }
            ExprKind::Read(place) => self.place(place),
            ExprKind::Context(at) => match self.annotations.point {
                Some(point) if self.annotations.pattern => {
                    let ContextVariable { source, mut value, .. } = point.context[*at];
                    // The whole of a word has no sign to extend.
                    value.signed &= value.bytes < 8;
                    let _ = write!(self.out, "${source:?} {value:?}");
                }
                Some(point) => {
                    let _ = write!(self.out, "${}", point.context[*at].name);
                }
                None => {
                    let _ = write!(self.out, "$[{at}]");
                }
            },
            ExprKind::Load(load) => {
                let sign = if load.value.signed { 's' } else { 'u' };
                let how = if load.trusted { "load" } else { "read" };
                let _ = write!(self.out, "{how}.{sign}{}(", u32::from(load.value.bytes) * 8);
                self.expression(&load.address);
                let _ = write!(self.out, " + {}", load.offset);
                if let Some((low, width)) = load.bits {
                    let _ = write!(self.out, ", bits {low}..{}", low + width);
                }
                if load.or_zero {
                    self.out.push_str(" or 0");
                }
                self.out.push(')');
            }
            ExprKind::Call { builtin, arguments } => {
                self.out.push_str(builtin.name);
                self.out.push('(');
                self.list(arguments);
                self.out.push(')');
            }
            ExprKind::Invoke { function, arguments } => {
                match self.annotations.pattern {
                    true => self.id(*function),
                    false => {
                        self.out.push_str(&self.annotations.script.functions[*function].name);
                    }
                }
                self.out.push('(');
                self.list(arguments);
                self.out.push(')');
            }
            ExprKind::Sprint(print) => self.print("sprint", print),
            ExprKind::Unary { operator, operand } => {
                self.out.push(match operator {
                    Unary::Negate => '-',
                    Unary::Not => '!',
                    Unary::Complement => '~',
                });
                self.expression(operand);
            }
            ExprKind::Arithmetic { operator, left, right, .. } => {
                self.binary(left, operator.symbol(), right);
            }
            ExprKind::Compare { operator, left, right } => {
                self.binary(left, operator.symbol(), right);
            }
            ExprKind::Logical { or, left, right } => {
                self.binary(left, if *or { "||" } else { "&&" }, right);
            }
            ExprKind::Concatenate { left, right } => self.binary(left, ".", right),
            ExprKind::Conditional { condition, then, otherwise } => {
                self.out.push('(');
                self.expression(condition);
                self.out.push_str(" ? ");
                self.expression(then);
                self.out.push_str(" : ");
                self.expression(otherwise);
                self.out.push(')');
            }
            ExprKind::In { array, keys } => {
                self.out.push_str("([");
                self.list(keys);
                self.out.push_str("] in ");
                self.global(*array);
                self.out.push(')');
            }
            ExprKind::Assign { target, operator, value, .. } => {
                self.place(target);
                let operator = match operator {
                    AssignOperator::Set => "",
                    AssignOperator::Arithmetic(operator) => operator.symbol(),
                    AssignOperator::Concatenate => ".",
                };
                let _ = write!(self.out, " {operator}= ");
                self.expression(value);
                return;
            }
            ExprKind::Increment { target, prefix, by } => {
                let sign = if *by < 0 { "--" } else { "++" };
                if self.annotations.pattern {
                    let _ = write!(self.out, "{by} ");
                }
                if *prefix {
                    self.out.push_str(sign);
                }
                self.place(target);
                if !*prefix {
                    self.out.push_str(sign);
                }
            }
            ExprKind::Extract { aggregate, of } => {
                let _ = write!(self.out, "{}(", aggregate.word());
                self.place(of);
                if let Aggregate::Percentile(Quantile { rank, of }) = aggregate {
                    let _ = write!(self.out, ", {rank}, {of}");
                }
                self.out.push(')');
            }
            ExprKind::Histogram(of) => {
                self.out.push_str("histogram(");
                self.place(of);
                self.out.push(')');
            }
            ExprKind::Bucket { of, index } => {
                self.out.push_str("histogram(");
                self.place(of);
                self.out.push_str(")[");
                self.expression(index);
                self.out.push(']');
            }
            ExprKind::Match { negated, text, regex } => {
                self.out.push('(');
                self.expression(text);
                let _ = write!(self.out, " {} {regex:?})", if *negated { "!~" } else { "=~" });
            }
            ExprKind::Captured { event, field } => {
                let _ = write!(self.out, "{event}.{field}");
            }
        }
        // Numbers are what most things are: only other types are worth a word.
        let ty = self.annotations.types.expressions[e.id];
        if ty != Type::Long {
            let _ = write!(self.out, ":{ty}");
        }
    }
}
