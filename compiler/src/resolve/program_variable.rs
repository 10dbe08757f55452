//! Variables of programs: structures and arrays in their memory, and what belongs to no function.

use super::context::{Reached, Ty};
use super::{Resolver, Scope};
use crate::btf::{Kind, TypeId};
use crate::families;
use crate::hir::{
    Attach, ContextSource, ContextVariable, ExprKind, FunctionPoints, Instruction, MarkArgument,
    Point,
};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Literal, LiteralValue};

impl Resolver<'_> {
    /// `$name` of a variable that belongs to no function, at code of a program.
    pub(super) fn variable_of_file(
        &mut self,
        scope: &Scope<'_>,
        name: &str,
        file: Option<&str>,
        span: Span,
    ) -> Option<Reached> {
        let point = scope.point.filter(|_| scope.takes_more)?;
        if let Attach::Function(functions) = &point.attach {
            return self.variable_of_kernel_file(functions, name, file, span);
        }
        // At a return the place is in the caller.
        let Attach::Instruction(Instruction { path, offset, returns: false, .. }) = &point.attach
        else {
            return None;
        };
        let found = self.facts.program_variable(path, *offset, name, file)?;
        let variable = families::program_variable(&found);
        let known = self.more_context.iter().position(|other| *other == variable);
        let at = known.unwrap_or_else(|| {
            self.more_context.push(variable.clone());
            self.more_context.len() - 1
        });
        let address = self.expr(span, ExprKind::Context(point.context.len() + at));
        Some(Reached::memory(address, Ty::Kernel(TypeId(variable.ty)), span))
    }

    /// `$name` of a variable of the source file that a function of the kernel is in.
    fn variable_of_kernel_file(
        &mut self,
        functions: &FunctionPoints,
        name: &str,
        file: Option<&str>,
        span: Span,
    ) -> Option<Reached> {
        let source = self.facts.kernel_source()?;
        // The address of one that each CPU has is none in memory.
        let types = self.facts.btf().ok();
        if types.and_then(|types| types.variable(name)).is_some_and(|known| known.per_cpu) {
            return None;
        }
        let target = functions.targets.first().filter(|target| target.module.is_none())?;
        let here = || self.facts.files_of_functions(&[target.address]).into_iter().next()?;
        let file = file.map(str::to_string).or_else(here)?;
        let found = source.variable(name, Some(&file))?;
        let Some(MarkArgument::Constant(address)) = found.place else { return None };
        let address = self.expr(span, ExprKind::Number(address));
        Some(Reached::memory(address, Ty::Kernel(TypeId(found.ty)), span))
    }

    /// Whether a program has a variable that belongs to no function, at a return of one of its functions.
    pub(super) fn has_variable(&self, point: &Point, name: &str) -> bool {
        match &point.attach {
            Attach::Instruction(Instruction { path, offset, returns: true, .. }) => {
                self.facts.program_variable(path, *offset, name, None).is_some()
            }
            _ => false,
        }
    }

    /// A variable of a program at the return of a function: its address is that of the entry, its value what it has
    /// now.
    pub(super) fn variable_at_return(
        &mut self,
        scope: &mut Scope<'_>,
        variable: &Expression,
    ) -> Option<Reached> {
        let ExpressionKind::Var { name, .. } = &variable.kind else { return None };
        let LiteralValue::String(text) = &name.value else { return None };
        let (name, file) = match text.split_once('@') {
            Some((name, file)) => (name, Some(file)),
            None => (text.as_str(), None),
        };
        let Attach::Instruction(Instruction { path, offset, returns: true, .. }) =
            &scope.point?.attach
        else {
            return None;
        };
        let found = self.facts.program_variable(path, *offset, name, file)?;
        let ty = Ty::Kernel(TypeId(families::program_variable(&found).ty));
        let span = variable.span;
        let address =
            Expression { kind: ExpressionKind::AddressOf(Box::new(variable.clone())), span };
        let address = self.entry_value(scope, &address, span)?;
        Some(Reached::memory(address, ty, span))
    }

    /// `@var("name@file", "program")` at code of this program.
    pub(super) fn named_variable(
        &mut self,
        scope: &Scope<'_>,
        literal: &Literal,
        module: Option<&Literal>,
        span: Span,
    ) -> Option<Reached> {
        let LiteralValue::String(text) = &literal.value else { return None };
        let (name, file) = match text.split_once('@') {
            Some((name, file)) => (name, Some(file)),
            None => (text.as_str(), None),
        };
        if let Some(Literal { value: LiteralValue::String(module), .. }) = module {
            let Attach::Instruction(instruction) = &scope.point?.attach else { return None };
            let is_path =
                instruction.path == *module || instruction.path.ends_with(&format!("/{module}"));
            let named = || self.facts.program_file(crate::program_file::ProgramName::File(module));
            if !is_path && !named().is_ok_and(|file| file.path == instruction.path) {
                return None;
            }
        }
        self.variable_of_file(scope, name, file, span)
    }

    /// The context variable of a position.
    pub(super) fn of_context(
        &mut self,
        at: usize,
        variable: &ContextVariable,
        span: Span,
    ) -> Reached {
        let expr = self.expr(span, ExprKind::Context(at));
        match self.is_in_memory(variable) {
            true => Reached::memory(expr, Ty::Kernel(TypeId(variable.ty)), span),
            false => Reached::of_variable(expr, variable, span),
        }
    }

    /// Whether a variable is a structure or an array, whose address the context has.
    pub(super) fn is_in_memory(&self, variable: &ContextVariable) -> bool {
        self.aggregate(variable).is_some()
    }

    /// What a structure or an array is, if the variable is one that debug information tells of.
    pub(super) fn aggregate(&self, variable: &ContextVariable) -> Option<Kind> {
        let is_told = || {
            matches!(variable.source, ContextSource::Argument(_))
                || self.facts.is_program_type(variable.ty)
        };
        if variable.ty == 0 || !is_told() {
            return None;
        }
        let btf = self.facts.all_types().ok()?;
        let kind = btf.kind(btf.strip(TypeId(variable.ty)))?;
        matches!(kind, Kind::Struct | Kind::Union | Kind::Array).then_some(kind)
    }
}
