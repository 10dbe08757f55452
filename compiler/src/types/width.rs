//! How wide strings can get: a fixpoint over everything that flows into a variable.

use super::{MAX_STRING, Type, Types, longest};
use crate::builtins::Kind;
use crate::bytes;
use crate::hir::*;

/// Sets the width of every string type. Widths only grow and are bounded, so this ends.
pub(super) fn widen(script: &Script, types: &mut Types) {
    let longest = longest(types.string_bytes);
    let mut pass = Widening {
        script,
        types,
        body: BodyId::from_u32(0),
        function: None,
        caught_message: caught_message(script).min(longest),
        longest,
        changed: true,
    };
    for (id, global) in script.globals.iter() {
        if let Some(Constant::Text(text)) = &global.initial {
            let width = pass.rounded(bytes::length(text) + 1);
            grow(&mut pass.types.globals[id].value, width, &mut pass.changed);
        }
    }
    while std::mem::take(&mut pass.changed) {
        for (id, function) in script.functions.iter() {
            pass.function = Some(id);
            for overload in &function.overloads {
                pass.body = overload.body.id;
                pass.statements(&overload.body.statements);
            }
        }
        pass.function = None;
        for probe in script.probes.values() {
            pass.body = probe.body.id;
            pass.statements(&probe.body.statements);
        }
    }
}

/// Bytes for the message of a caught error that is not the script's own.
const CAUGHT_MESSAGE: u32 = 64;

/// Bytes for the message of a caught error, of all that the script can raise.
fn caught_message(script: &Script) -> u32 {
    let functions = script.functions.values().flat_map(|f| &f.overloads).map(|o| &o.body);
    let mut width = CAUGHT_MESSAGE;
    for body in script.probes.values().map(|p| &p.body).chain(functions) {
        each_statement(&body.statements, &mut |s| {
            if let StmtKind::Fail(text) = &s.kind {
                width = width.max((text.len() as u32 + 1).next_multiple_of(8));
            }
        });
        each_expression(&body.statements, &mut |e| {
            if matches!(&e.kind, ExprKind::Call { builtin, .. } if builtin.raises()) {
                width = u32::MAX;
            }
        });
    }
    width
}

struct Widening<'a> {
    script: &'a Script,
    types: &'a mut Types,
    body: BodyId,
    function: Option<FunctionId>,
    /// Bytes for the message of a caught error.
    caught_message: u32,
    /// The most bytes of a string.
    longest: u32,
    changed: bool,
}

fn grow(ty: &mut Type, width: u32, changed: &mut bool) {
    if let Type::Text(old) = ty
        && width > *old
    {
        *old = width;
        *changed = true;
    }
}

impl Widening<'_> {
    /// The width a string of so many bytes (terminator included) is given.
    fn rounded(&self, bytes: u32) -> u32 {
        bytes.clamp(1, self.longest).next_multiple_of(8)
    }

    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            match &statement.kind {
                StmtKind::Expr(e) => {
                    self.expression(e);
                }
                StmtKind::Record { target, value } => {
                    self.place(target);
                    self.expression(value);
                }
                StmtKind::Print(print) => self.print(print),
                StmtKind::If { condition, then, otherwise } => {
                    self.expression(condition);
                    self.statements(then);
                    self.statements(otherwise);
                }
                StmtKind::Loop { condition, step, body } => {
                    for e in condition.iter().chain(step) {
                        self.expression(e);
                    }
                    self.statements(body);
                }
                StmtKind::Foreach(foreach) => {
                    for (at, &local) in foreach.keys.iter().enumerate() {
                        let width = self.types.globals[foreach.array].keys[at].bytes();
                        self.grow_local(local, width);
                    }
                    if let Some(local) = foreach.value {
                        let width = self.types.globals[foreach.array].value.bytes();
                        self.grow_local(local, width);
                    }
                    if let Some(limit) = &foreach.limit {
                        self.expression(limit);
                    }
                    self.keys(foreach.array, &foreach.slice);
                    self.statements(&foreach.body);
                }
                StmtKind::Delete(place) => {
                    self.place(place);
                }
                StmtKind::Return(value) => {
                    if let Some(value) = value {
                        let width = self.expression(value);
                        if let Some(function) = self.function {
                            grow(&mut self.types.results[function], width, &mut self.changed);
                        }
                    }
                }
                StmtKind::Try { body, variable, handler } => {
                    self.statements(body);
                    if let Some(variable) = variable {
                        self.grow_local(*variable, self.caught_message);
                    }
                    self.statements(handler);
                }
                StmtKind::Break
                | StmtKind::Continue
                | StmtKind::Next
                | StmtKind::Fail(_)
                | StmtKind::Halt => {}
                StmtKind::Emit { captures, .. } => {
                    for capture in captures {
                        self.expression(capture);
                    }
                }
            }
        }
    }

    fn print(&mut self, print: &Print) {
        for argument in &print.arguments {
            self.expression(argument);
        }
    }

    fn grow_local(&mut self, local: LocalId, width: u32) {
        grow(&mut self.types.locals[self.body][local], width, &mut self.changed);
    }

    /// Lets a value of this width flow into a place.
    fn flow(&mut self, place: &Place, width: u32) {
        match &place.kind {
            PlaceKind::Local(id) => self.grow_local(*id, width),
            PlaceKind::Global(id) | PlaceKind::Element(id, _) => {
                grow(&mut self.types.globals[*id].value, width, &mut self.changed);
            }
        }
    }

    fn keys(&mut self, array: GlobalId, keys: &[Expr]) {
        for (at, key) in keys.iter().enumerate() {
            let width = self.expression(key);
            if let Some(ty) = self.types.globals[array].keys.get_mut(at) {
                grow(ty, width, &mut self.changed);
            }
        }
    }

    /// Visits a place and returns its width.
    fn place(&mut self, place: &Place) -> u32 {
        let ty = match &place.kind {
            PlaceKind::Local(id) => self.types.locals[self.body][*id],
            PlaceKind::Global(id) => self.types.globals[*id].value,
            PlaceKind::Element(id, keys) => {
                self.keys(*id, keys);
                self.types.globals[*id].value
            }
        };
        self.types.expressions[place.id] = ty;
        ty.bytes()
    }

    /// Visits an expression and returns its width.
    fn expression(&mut self, e: &Expr) -> u32 {
        let width = match &e.kind {
            ExprKind::Number(_)
            | ExprKind::Wildcard
            | ExprKind::Context(_)
            | ExprKind::Captured { .. } => 8,
            ExprKind::Text(text) => self.rounded(bytes::length(text) + 1),
            ExprKind::Read(place) => self.place(place),
            ExprKind::Load(load) => self.expression(&load.address),
            ExprKind::Call { builtin, arguments } => {
                for argument in arguments {
                    self.expression(argument);
                }
                match builtin.result {
                    Kind::Text(MAX_STRING) => self.longest,
                    Kind::Text(width) => self.rounded(width),
                    Kind::Long | Kind::Pointer(_) | Kind::Nothing => 8,
                }
            }
            ExprKind::Invoke { function, arguments } => {
                for (at, argument) in arguments.iter().enumerate() {
                    let width = self.expression(argument);
                    let script = self.script;
                    for overload in &script.functions[*function].overloads {
                        let parameter = overload.parameters[at];
                        let ty = &mut self.types.locals[overload.body.id][parameter];
                        grow(ty, width, &mut self.changed);
                    }
                }
                self.types.results[*function].bytes()
            }
            ExprKind::Sprint(print) => {
                self.print(print);
                self.longest
            }
            ExprKind::Unary { operand, .. } => self.expression(operand),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Logical { left, right, .. } => {
                self.expression(left);
                self.expression(right);
                8
            }
            ExprKind::Concatenate { left, right } => {
                let both = self.expression(left) + self.expression(right);
                self.rounded(both.saturating_sub(1))
            }
            ExprKind::Conditional { condition, then, otherwise } => {
                self.expression(condition);
                let then = self.expression(then);
                then.max(self.expression(otherwise))
            }
            ExprKind::In { array, keys } => {
                self.keys(*array, keys);
                8
            }
            ExprKind::Assign { target, operator, value, .. } => {
                let value = self.expression(value);
                let old = self.place(target);
                let width = match operator {
                    AssignOperator::Concatenate => self.rounded((old + value).saturating_sub(1)),
                    AssignOperator::Set | AssignOperator::Arithmetic(_) => value,
                };
                self.flow(target, width);
                width.max(self.place(target))
            }
            ExprKind::Increment { target, .. } => self.place(target),
            ExprKind::Extract { of, .. } => {
                self.place(of);
                8
            }
            ExprKind::Histogram(of) => {
                self.place(of);
                self.longest
            }
            ExprKind::Bucket { of, index } => {
                self.place(of);
                self.expression(index);
                8
            }
            ExprKind::Match { text, .. } => {
                self.expression(text);
                8
            }
        };
        if let Type::Text(_) = self.types.expressions[e.id] {
            self.types.expressions[e.id] = Type::Text(width);
        }
        width
    }
}
